"""How the cost of HIO under a known support goes with the size, the starts, the threads and the workers.

    python benchmarks/scaling.py                        # all
    python benchmarks/scaling.py size starts            # some of: size, starts, threads, workers

Size: CPU time an iteration, over N log₂ N and over two of scipy's transforms. Starts: CPU time a start in one call over
that of a single one. Threads and workers: wall time over that of one, in turns; it says little beside other load, so the
load is told.
"""

from __future__ import annotations

import math
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from clock import clocked, floor, problem, save

import retrieve as rt

REPEATS = 5
SHAPES = (
    (32,) * 2,
    (64,) * 2,
    (128,) * 2,
    (256,) * 2,
    (512,) * 2,
    (1024,) * 2,
    (32,) * 3,
    (64,) * 3,
    (128,) * 3,
    (192, 128, 128),
)
STARTS = (1, 2, 4, 8, 16, 64)


def iterations(shape: tuple[int, ...], seconds: float) -> int:
    """As many as take about so long."""
    return max(4, int(seconds * 2e8 / math.prod(shape) / math.log2(math.prod(shape))))


def hio(data: rt.Problem, count: int, **more: Any) -> np.ndarray:
    """CPU and wall seconds of so many iterations, without the setting up."""
    long, short = (clocked(lambda n=n: rt.solve(rt.solvers.HIO(iterations=n), data, **more)) for n in (count + 1, 1))
    return long - short


def whole(data: rt.Problem, count: int, number: int) -> float:
    """CPU seconds a start of a solve with so many."""
    return float(clocked(lambda: rt.solve(rt.solvers.HIO(iterations=count), data, starts=number))[0]) / number


def size() -> list[dict[str, Any]]:
    rows = []
    for shape in SHAPES:
        data, count, n = problem(shape), iterations(shape, 0.2), math.prod(shape)
        hio(data, 2)
        taken = [(hio(data, count)[0] / count, floor(shape, count)[0]) for _ in range(REPEATS)]
        each, ratio = statistics.median(a for a, _ in taken), statistics.median(a / b for a, b in taken)
        rows.append({"shape": shape, "iteration_s": each, "ps_over_nlogn": 1e12 * each / n / math.log2(n), "ratio": ratio})
        print(f"size {'×'.join(map(str, shape))}: {rows[-1]['ps_over_nlogn']:.0f} ps · N log₂ N, {ratio:.2f} of two", flush=True)
    return rows


def starts() -> list[dict[str, Any]]:
    rows = []
    for side in (64, 128, 256):
        data, count = problem((side, side)), iterations((side, side), 0.1)
        hio(data, 2, starts=8)
        taken = [[whole(data, count, number) for number in STARTS] for _ in range(3)]
        each = [statistics.median(row[k] / row[0] for row in taken) for k in range(len(STARTS))]
        rows.append({"side": side, "iterations": count, "starts": STARTS, "a_start": each})
        told = ", ".join(f"{n}: {share:.2f}" for n, share in zip(STARTS, each, strict=True))
        print(f"starts at {side}², {count} iterations: {told}", flush=True)
    return rows


def threads() -> list[dict[str, Any]]:
    rows = []
    before = os.environ["RETRIEVE_THREADS"]
    for shape in ((256, 256), (1024, 1024), (64,) * 3, (128,) * 3):
        count = iterations(shape, 0.3)
        taken = []
        for _ in range(REPEATS):
            walls = []
            for number in range(1, (os.cpu_count() or 1) + 1):
                os.environ["RETRIEVE_THREADS"] = str(number)
                walls.append(hio(problem(shape), count)[1])
            taken.append([wall / walls[0] for wall in walls])
        ratios = [statistics.median(row[k] for row in taken) for k in range(len(taken[0]))]
        rows.append({"shape": shape, "wall": ratios, "load": os.getloadavg()[0]})
        print(
            f"threads at {'×'.join(map(str, shape))}: wall {', '.join(f'{r:.2f}' for r in ratios)}, load {rows[-1]['load']:.1f}",
            flush=True,
        )
    os.environ["RETRIEVE_THREADS"] = before
    return rows


def workers() -> list[dict[str, Any]]:
    data, solver = problem((512, 512)), rt.solvers.HIO(iterations=150)
    rows = []
    for number in range(1, (os.cpu_count() or 1) + 1):
        begun = time.perf_counter()
        rt.solve(solver, data, starts=8, executor="processes", workers=number)
        rows.append({"workers": number, "wall_s": time.perf_counter() - begun, "load": os.getloadavg()[0]})
        print(f"workers {rows[-1]}", flush=True)
    return rows


PARTS: dict[str, Callable[[], list[dict[str, Any]]]] = {"size": size, "starts": starts, "threads": threads, "workers": workers}


def main() -> int:
    for name in sys.argv[1:] or PARTS:
        save("scaling", {name: PARTS[name]()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
