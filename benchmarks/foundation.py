"""Quality on measured data, and on objects with a known support: each figure from the public API.

    python benchmarks/foundation.py                 # all, about half an hour on two cores
    python benchmarks/foundation.py hawk blobs      # some

The data folder is RETRIEVE_DATA, by default ../shared/data beside the checkout. Prints a line a run
and writes benchmarks/results/foundation.json. No run looks at a truth. The
recipes were tuned on these files: the ring's and the slits' on these seeds, the default with the Pt truth in view.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import retrieve as rt
from retrieve.evaluate.ensemble import correlation_matrix
from retrieve.numerics.alignment import align
from retrieve.plugins.options import build
from retrieve.provenance import versions
from retrieve.simulate import blobs

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("RETRIEVE_DATA", HERE.parents[1] / "shared" / "data"))

HAWK = {
    "recipe": "3*(20 er + 180 dm(beta=1)) + 20 er",
    "shrink_wrap.area": 0.0345,
    "shrink_wrap.area_start": 0.06,
    "shrink_wrap.every": 10,
}
NADIA = {  # areas of 25000 falling to 8500 px; a non-negative real part is a phase within ±π/2
    "recipe": "3*(20 er + 180 hio) + 60 er + 40 cg",
    "phase_min": -1.5708,
    "phase_max": 1.5708,
    "twin_cut": None,
    "shrink_wrap.area": 0.0081,
    "shrink_wrap.area_start": 0.0238,
    "shrink_wrap.sigma": 3.0,
}


def recipe(options: dict[str, Any]) -> rt.solvers.Recipe:
    """The default recipe with some options changed."""
    return build(rt.solvers.Recipe, options)


def seeds(file: str, count: int, options: dict[str, Any], starts: int = 1, **more: Any) -> dict[str, Any]:
    """Blind runs of one file from `count` seeds: each run's scores, and how the runs agree after alignment."""
    problem = rt.read(DATA / file)
    runs, objects = [], []
    for seed in range(count):
        begun = time.perf_counter()
        result = rt.solve(recipe(options), problem, starts=starts, seed=seed, **more)
        score = result.score
        run = {
            "seed": seed,
            "r": score.r,
            "r_free": score.r_free,
            "ratio": score.r_free / score.r if score.r_free else None,
            "support": int(result.support.sum()),
            "seconds": time.perf_counter() - begun,
        }
        free = "" if score.r_free is None else f"free {score.r_free:.5f}, free/working {run['ratio']:.2f}, "
        print(f"  seed {seed}: R {score.r:.5f}, {free}{run['seconds']:.0f} s", flush=True)
        runs.append(run)
        objects.append(result.object)
    pairs = correlation_matrix(np.stack(objects))[np.triu_indices(count, 1)]
    print(f"  correlation between seeds {pairs.min():.3f} to {pairs.max():.3f}")
    return {"file": file, "options": options, "starts": starts, "runs": runs, "correlations": pairs.tolist(), "_objects": objects}


def aps() -> dict[str, Any]:
    """Measured Bragg scan, defaults, support unknown."""
    found = seeds("aps34idc_s0054_prepared.npz", 4, {})
    found["peak_memory_MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  peak memory of the process {found['peak_memory_MB']:.0f} MB")
    return found


def hawk() -> dict[str, Any]:
    """Free-electron-laser pattern of a ring with its centre missing."""
    return seeds("hawk_ring_98.npz", 6, HAWK, starts=4)


def nadia() -> dict[str, Any]:
    """Slits in transmission, a target area, non-negative real part."""
    return seeds("nadia_planar_1024.npz", 8, NADIA, hold_out=0)


def semireal() -> dict[str, Any]:
    """A published reconstruction's weak simulated pattern, defaults, support unknown, against its truth."""
    found = seeds("semireal_cxidb182_weak.npz", 2, {})
    small = np.load(DATA / "semireal_cxidb182_weak_TRUTH.npz")["object"]
    truth = np.zeros((128,) * 3, np.complex64)
    truth[tuple(slice(64 - n // 2, 64 - n // 2 + n) for n in small.shape)] = small
    found["correlation_to_truth"] = [align(x, truth).correlation for x in found["_objects"]]
    print("  correlation to the truth " + ", ".join(f"{c:.4f}" for c in found["correlation_to_truth"]))
    return found


def known() -> dict[str, Any]:
    """Twenty noiseless 64² sums of 50 blobs in a known ellipse of 17 %: HIO 500 + ER 100."""
    solver = recipe({"recipe": "500 hio + 100 er", "twin_cut": None, "shrink_wrap.when": "never"})
    single, best = [], []
    for seed in range(20):
        x, support = blobs((64, 64), seed=seed, number=50, sigma=2.0, fill=0.17)
        amplitude = np.abs(np.fft.fftshift(np.fft.fftn(x, norm="ortho")))
        problem = rt.Problem.from_arrays(amplitude=amplitude, support=support)
        for starts, held, errors in ((1, 0.0, single), (4, 0.03, best)):
            result = rt.solve(solver, problem, starts=starts, hold_out=held)
            errors.append(float(problem.r_factor(result.object[None])[0]) ** 0.5)
    counts = [sum(e < 1e-5 for e in errors) for errors in (single, best)]
    print(f"  below 1e-5 Fourier error: {counts[0]} of 20 from one start, {counts[1]} of 20 from four chosen by the free score")
    return {"single": single, "best_of_four": best, "below_1e-5": counts}


PARTS: dict[str, Callable[[], dict[str, Any]]] = {"known": known, "hawk": hawk, "semireal": semireal, "nadia": nadia, "aps": aps}


def main() -> None:
    """Run the parts named on the command line, or all, and keep their figures."""
    target = HERE / "results" / "foundation.json"
    for name in sys.argv[1:] or PARTS:
        print(f"{name}: {PARTS[name].__doc__}", flush=True)
        found = {k: v for k, v in PARTS[name]().items() if not k.startswith("_")}
        figures = json.loads(target.read_text()) if target.exists() else {}
        figures[name] = found
        figures["versions"] = versions()
        target.parent.mkdir(exist_ok=True)
        target.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
