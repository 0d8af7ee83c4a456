"""Freeze what every solver does: hashes of its estimates on small problems, to be the same before and after a change of form.

    python benchmarks/frozen.py write before.json     # with the code as it is
    python benchmarks/frozen.py check before.json     # with the code as it then is; exit 1 and the names where they differ

Estimates are the same to the bit on one processor alone: a file is good on the machine that wrote it, and is not kept.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import retrieve as rt
from retrieve.simulate import TUNE_SEED, Noise, measure, object_set

ALGORITHMS = ("er", "sf", "hio", "pchio", "raar", "hpr", "asr", "dm", "rrr", "oss", "cg")


def simulated(name: str, **noise: object) -> rt.Problem:
    """The third object of a set."""
    return object_set(name).problem(3, TUNE_SEED, Noise(**noise))  # type: ignore[arg-type]


def box(shape: tuple[int, ...], **more: object) -> rt.Problem:
    """A positive object of random pixels in a box that is known, counted."""
    rng = np.random.default_rng(5)
    x = np.zeros(shape)
    inside = tuple(slice(n // 2 - n // 5, n // 2 + n // 5) for n in shape)
    x[inside] = rng.uniform(0.2, 1, x[inside].shape)
    support = np.zeros(shape, bool)
    support[inside] = True
    return rt.Problem.from_arrays(intensity=measure(x, photons=1e6, seed=1), support=support, **more)  # type: ignore[arg-type]


def masked(shape: tuple[int, ...]) -> np.ndarray:
    """A mask with a beam stop and a gap."""
    mask = np.ones(shape, bool)
    mask[tuple(slice(n // 2 - 1, n // 2 + 2) for n in shape)] = False
    mask[..., 5:7] = False
    return mask


PROBLEMS: dict[str, Callable[[], rt.Problem]] = {
    "cells": lambda: simulated("domains2d-25-cells"),
    "cells, noise": lambda: simulated("domains2d-25-cells", sigma=0.05),
    "blobs": lambda: simulated("domains2d-50-blobs", sigma=0.01),
    "blobs, beam stop": lambda: simulated("domains2d-10-blobs", beam_stop=2, gaps=2),
    "crystal": lambda: simulated("crystal2d", photons=1e6, support="unknown"),
    "crystal, strong": lambda: simulated("crystal2d-strong", photons=1e6, support="unknown"),
    "crystal, blurred": lambda: simulated("crystal2d", photons=1e7, coherence=0.5, support="unknown"),
    "crystal, weak, dead pixels": lambda: simulated("crystal2d", photons=1e5, dead=0.01, support="unknown"),
    "positive": lambda: box((48, 40)),
    "positive, masked": lambda: box((40, 48), mask=masked((40, 48))),
    "odd": lambda: box((45, 51)),
    "volume": lambda: simulated("domains3d-fits", sigma=0.01),
    "volume of a crystal": lambda: box((24, 20, 28)),
    "volume, support unknown": lambda: box((20, 24, 24)).replace(support=None),
}


def solvers(problem: rt.Problem, name: str) -> Iterator[tuple[str, rt.solvers.Solver, dict[str, object]]]:
    """Every solver that takes the problem, short, and how it is called."""
    from retrieve.solvers import Auto, Guided, Recipe
    from retrieve.solvers.projections import ALGORITHMS as CLASSES

    for kind, algorithm in CLASSES.items():
        yield kind, algorithm(iterations=60), {"starts": 2}
    yield (
        "hio, shrink-wrap",
        CLASSES["hio"](iterations=60, shrink_wrap=rt.solvers.ShrinkWrap(when="always", every=10)),
        {"starts": 2},
    )
    yield "raar, positive", CLASSES["raar"](iterations=60, positivity=True), {"starts": 1}
    yield "hio, phase", CLASSES["hio"](iterations=60, phase_min=-1.0, phase_max=1.0), {"starts": 1}
    yield "cg", rt.solvers.ConjugateGradient(iterations=30), {"starts": 2}
    yield "recipe", Recipe(recipe="20 er + 2*(40 hio + 20 er) + 10 cg"), {"starts": 2}
    yield "guided", Guided(recipe=Recipe(recipe="40 hio + 10 er"), population=2, generations=2), {"starts": 2}
    if len(problem.shape) == 2:
        yield "auto", Auto(), {"starts": 2}
    if name in ("cells", "cells, noise", "blobs", "blobs, beam stop", "volume"):
        learned = find()
        volume = len(problem.shape) == 3
        short = {"search": 40, "evaluations": 4 if volume else 20}
        yield "diffusion", learned("diffusion")(**short), {"starts": 1 if volume else 2}
        yield "dps", learned("dps")(begin="noise", timesteps=4 if volume else 10), {"starts": 1}
        yield "unet", learned("unet")(), {"starts": 1}
        if not volume:
            yield "diffusion, samples", learned("diffusion")(**short), {"starts": 2, "samples": 2}


def find() -> Callable[[str], type[rt.solvers.Solver]]:
    """The look-up of solvers by name, wherever it lives."""
    try:
        from retrieve.plugins.registry import find as look_up
    except ImportError:
        from retrieve.plugins import find as look_up
    return lambda name: look_up("solvers", name)


def measured() -> dict[str, dict[str, object]]:
    """For each solver and problem the hash of all its estimates, and its scores."""
    found: dict[str, dict[str, object]] = {}
    for name, problem in PROBLEMS.items():
        begun = time.perf_counter()
        made = problem()
        for solver, algorithm, how in solvers(made, name):
            result = rt.solve(algorithm, made, seed=0, device="cpu", **how)  # type: ignore[arg-type]
            arrays = [result.estimates, *([] if getattr(result, "samples", None) is None else [result.samples])]
            digest = hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()[:16]
            scores = [float(getattr(score, "r", getattr(score, "chi2", np.nan))) for score in result.scores]
            found[f"{name} / {solver}"] = {"hash": digest, "scores": scores, "chosen": int(result.chosen)}
        print(f"{name}: {time.perf_counter() - begun:.1f} s", file=sys.stderr, flush=True)
    return found


def main(what: str, file: str) -> int:
    """Write or check."""
    found = measured()
    if what == "write":
        Path(file).write_text(json.dumps(found, indent=1))
        print(f"{len(found)} runs of {len(PROBLEMS)} problems in {file}")
        return 0
    before = json.loads(Path(file).read_text())
    differ = [name for name in before if before[name] != found.get(name)]
    for name in differ:
        print(f"{name}: {before[name]} -> {found.get(name)}")
    print(f"{len(before) - len(differ)} of {len(before)} runs are the same to the bit")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
