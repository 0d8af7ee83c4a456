"""The default, with no option, on measured patterns, and on one whose phases were made inconsistent.

    python benchmarks/blind_measured.py                      # all; the large ones take minutes
    python benchmarks/blind_measured.py hawk shuffled-hawk   # some
    SEEDS=1 python benchmarks/blind_measured.py aps          # one run alone

The data folder is RETRIEVE_DATA, by default ../shared/data beside the checkout. Two runs a pattern, from different
seeds: each one's verdict and scores, and how the two objects correlate. Writes benchmarks/results/blind_measured.json.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import retrieve as rt
from retrieve.evaluate.verdict import account_lines, judge
from retrieve.numerics.alignment import align
from retrieve.provenance import versions

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("RETRIEVE_DATA", HERE.parents[1] / "shared" / "data"))
TARGET = HERE / "results" / "blind_measured.json"


def file(name: str) -> rt.Problem:
    """A prepared file."""
    return rt.read(DATA / f"{name}.npz")


def frame(offset: int) -> rt.Problem:
    """One measured frame of a rocking scan, so many steps off its peak."""
    held = np.load(DATA / "aps34idc_s0054_frames2d.npz")
    k = int(np.flatnonzero(held["offsets"] == offset)[0])
    return rt.Problem.from_arrays(intensity=held["intensity"][k], mask=held["mask"][k])


def shuffled(problem: rt.Problem) -> rt.Problem:
    """The measured pixels shuffled within rings of resolution, one pixel wide."""
    y, valid = problem.amplitude.copy(), np.asarray(problem.valid)
    q = np.sqrt(sum(k**2 for k in np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in y.shape), indexing="ij", sparse=True)))
    rng = np.random.default_rng(0)
    for ring in range(int(q.max()) + 1):
        mine = (q.astype(int) == ring) & valid
        y[mine] = rng.permutation(y[mine])
    return problem.replace(amplitude=y)


PATTERNS = {
    "hawk": lambda: file("hawk_ring_98"),
    "shuffled-hawk": lambda: shuffled(file("hawk_ring_98")),
    "frame0": lambda: frame(0),
    "shuffled-frame0": lambda: shuffled(frame(0)),
    "frame-8": lambda: frame(-8),
    "frame+8": lambda: frame(8),
    "nadia": lambda: file("nadia_planar_1024"),
    "shuffled-nadia": lambda: shuffled(file("nadia_planar_1024")),
    "semireal": lambda: file("semireal_cxidb182_weak"),
    "aps": lambda: file("aps34idc_s0054_prepared"),
}


def run(problem: rt.Problem, seed: int) -> tuple[dict[str, Any], np.ndarray]:
    """One default run: what it says and costs, and its object."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = rt.solve(rt.solvers.Auto(), problem, seed=seed, strict=False)
    verdict = judge(result)
    found = {
        "seed": seed,
        "verdict": verdict.label,
        "probability": verdict.probability,
        "evidence": dict(verdict.evidence),
        "warnings": list(verdict.warnings),
        "r": result.score.r,
        "r_free": result.score.r_free,
        "support": int(result.support.sum()),
        "starts": len(result.scores),
        "cpu_seconds": time.process_time() - cpu,
        "wall_seconds": time.perf_counter() - wall,
        "account": account_lines(result),
    }
    return found, result.object


def main() -> None:
    """Run the patterns named on the command line, or all, and keep their figures."""
    if unknown := set(sys.argv[1:]) - set(PATTERNS):
        sys.exit(f"unknown pattern {', '.join(sorted(unknown))}; known: {', '.join(PATTERNS)}")
    seeds = (0,) if os.environ.get("SEEDS") == "1" else (0, 1)
    for name in sys.argv[1:] or PATTERNS:
        problem, runs, objects = PATTERNS[name](), [], []
        for seed in seeds:
            found, x = run(problem, seed)
            runs.append(found)
            objects.append(x)
            print(
                f"{name} seed {seed}: {found['verdict']} ({found['probability']:.0%}), R {found['r']:.4f}, "
                f"free {found['free']:.4f}, {found['support']} px, {found['starts']} starts, "
                f"nearest start {found['evidence']['nearest_correlation']:.3f}, CPU {found['cpu_seconds']:.0f} s",
                flush=True,
            )
            figures = json.loads(TARGET.read_text()) if TARGET.exists() else {}
            figures[name] = {"runs": runs}
            if len(objects) == 2:
                figures[name]["correlation"] = align(objects[1], objects[0]).correlation
                print(f"{name}: correlation of the two runs {figures[name]['correlation']:.3f}", flush=True)
            figures["versions"] = versions()
            TARGET.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
