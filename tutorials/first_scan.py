"""Phase your first Bragg scan: from detector frames to an object, and how far to trust it.

    python tutorials/first_scan.py            # about five minutes; --quick: a small crystal, half a minute

The tutorial explains each step, shows its command, and runs it. All files go to ./first-scan.
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
    """Print a paragraph of the tutorial."""
    print(f"\n# {text}", flush=True)


def run(command: str) -> None:
    """Show a command and run it, as a shell does."""
    print(f"\n$ {command}", flush=True)
    main(shlex.split(command)[1:])


def frames() -> np.ndarray:
    """Return the counts of a simulated detector, (frames, rows, columns): a faceted crystal with a strained lattice."""
    crystal = dataclasses.replace(object_set("crystal3d"), size=32 if QUICK else 64)
    problem = crystal.problem(0, seed=7)
    rng = np.random.default_rng(7)
    intensity = np.fft.fftshift(np.asarray(problem.amplitude)).astype(float) ** 2
    counts = rng.poisson(intensity * (2e6 / intensity.sum())).astype(np.float32)
    counts[:, 3, 5] = 200  # a hot pixel
    np.save(FOLDER / "truth.npy", problem.truth)
    return counts


FOLDER.mkdir(exist_ok=True)

say("A rocking scan is a stack of frames. Ours is simulated, so that we can compare with the truth later. No command sees it.")
np.save(FOLDER / "frames.npy", frames())

say(
    "Inspect the file first: which array it is, how large, and whether it is oversampled. Phase retrieval needs an "
    "oversampling ratio above 2 along each axis."
)
run(f"retrieve inspect {FOLDER}/frames.npy")

say(
    "Prepare the scan. Hot pixels and spots of other crystals become unmeasured, never zero. The peak moves to the middle. "
    "The picture beside the file shows the scan before and after: look at it."
)
run(f"retrieve prepare scan {FOLDER}/frames.npy --out {FOLDER}/scan.cxi")

say(
    "Phase it from four random starts. R is the misfit on the fitted pixels. R_free is the misfit on a few per cent of "
    "held-out pixels, and selects the start. If R_free/R is near 1, the object predicts pixels that it has not seen. If it "
    "is far above 1, the object fits noise, usually because the support is too wide."
)
short = " --recipe '60 raar + 20 er'" if QUICK else ""
run(f"retrieve run {FOLDER}/scan.cxi --starts 4 --out {FOLDER}/crystal.cxi{short}")

say(
    "Do the starts agree? One group with a correlation near 1 means one solution. Several groups of equal R_free mean that "
    "the data do not decide between them. The PRTF gives the resolution to which the starts agree."
)
run(f"retrieve analyze {FOLDER}/crystal.cxi --out {FOLDER}/crystal.analysis.json")

say(
    "How near is the object to the truth? A pattern does not determine global phase, position and twin, so the comparison "
    "removes them first. On your own scan you only have the two steps before."
)
result = rt.read_result(FOLDER / "crystal.cxi")
truth = np.load(FOLDER / "truth.npy")
found = align(result.object, truth, ramp=True)
print(f"complex correlation with the truth: {found.correlation:.3f}", flush=True)

say("Anyone can repeat the run from the result file alone, and compare bit by bit:")
try:
    run(f"retrieve run --replay {FOLDER}/crystal.cxi --no-picture")
except SystemExit as stop:
    print("identical" if not stop.code else "NOT identical")
    sys.exit(stop.code)
