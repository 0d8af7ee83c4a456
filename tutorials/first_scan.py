"""Phase your first Bragg scan: from detector frames to an object, and how far to trust it.

    python tutorials/first_scan.py            # about five minutes; --quick: a small crystal, half a minute

Every step is a command, shown as it is run; what it prints is explained before it. All is written into ./first-scan.
"""

from __future__ import annotations

import dataclasses
import shlex
import sys
from pathlib import Path

import numpy as np

import retrieve as rt
from retrieve.cli import main
from retrieve.numerics.alignment import align
from retrieve.simulate import object_set

QUICK = "--quick" in sys.argv
FOLDER = Path("first-scan")


def say(text: str) -> None:
    """A paragraph of the tutorial."""
    print(f"\n# {text}", flush=True)


def run(command: str) -> None:
    """Run a command as the shell would."""
    print(f"\n$ {command}", flush=True)
    main(shlex.split(command)[1:])


def frames() -> np.ndarray:
    """What a detector might have written, (frames, rows, columns) of counts: a faceted crystal with a strained lattice."""
    crystal = dataclasses.replace(object_set("crystal3d"), size=32 if QUICK else 64)
    problem = crystal.problem(0, seed=7)
    rng = np.random.default_rng(7)
    intensity = np.fft.fftshift(np.asarray(problem.amplitude)).astype(float) ** 2
    counts = rng.poisson(intensity * (2e6 / intensity.sum())).astype(np.float32)
    counts[:, 3, 5] = 200  # a pixel that always glows
    np.save(FOLDER / "truth.npy", problem.truth)
    return counts


FOLDER.mkdir(exist_ok=True)

say("A rocking scan is a stack of frames. Ours is simulated, so that we can look at the truth in the end; the tools cannot.")
np.save(FOLDER / "frames.npy", frames())

say(
    "Look before you leap: which array is it, how large, is it oversampled? An oversampling ratio above 2 along each axis "
    "is what phase retrieval lives on."
)
run(f"retrieve inspect {FOLDER}/frames.npy")

say(
    "Prepare: hot pixels and alien spots go (they become 'not measured', never zero), the peak goes to the middle. The "
    "picture beside the file shows before and after: look at it."
)
run(f"retrieve prepare scan {FOLDER}/frames.npy --out {FOLDER}/scan.cxi")

say(
    "Phase it, from four random starts. Read three columns. R is the misfit on the pixels the solver saw. R_free is the "
    "misfit on a few per cent that it was never shown: it chooses among the starts. Free/working near 1 means that the "
    "object predicts what it has not seen; far above 1 it fits noise, usually since the support is too wide."
)
short = " --recipe '60 raar + 20 er'" if QUICK else ""
run(f"retrieve run {FOLDER}/scan.cxi --starts 4 --out {FOLDER}/crystal.cxi{short}")

say(
    "Do the starts agree? One group with a correlation near 1: one solution. Several groups of equal R_free: the data do "
    "not decide, and no average of them is an answer. The PRTF gives the resolution at which they still agree."
)
run(f"retrieve analyze {FOLDER}/crystal.cxi --out {FOLDER}/crystal.analysis.json")

say(
    "Since this scan is simulated: how near is it to the truth? A pattern cannot tell global phase, place and twin; the "
    "comparison takes them off first. (On your own scan this step is not to be had: only the two before are.)"
)
result = rt.read_result(FOLDER / "crystal.cxi")
truth = np.load(FOLDER / "truth.npy")
found = align(result.object, truth, ramp=True)
print(f"complex correlation with the truth: {found.correlation:.3f}", flush=True)

say("And anyone can do it again, bit for bit, from the result alone:")
try:
    run(f"retrieve run --replay {FOLDER}/crystal.cxi --no-picture")
except SystemExit as stop:
    print("identical" if not stop.code else "NOT identical")
    sys.exit(stop.code)
