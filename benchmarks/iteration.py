"""CPU time of one HIO iteration against two scipy complex64 Fourier transforms, in the same run.

    python benchmarks/iteration.py            # a table, and benchmarks/results/iteration.json

Known support, 3 % of the pixels held out, one thread; the iterations run through the driver, which
scores every 20th. Floor and solver alternate and the median of the ratios is printed.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path

os.environ["RETRIEVE_THREADS"] = "1"

import numpy as np
import scipy.fft
from rich.console import Console
from rich.table import Table

import retrieve as rt
from retrieve.manifest import versions

SHAPES = ((64, 64), (256, 256), (1024, 1024), (64, 64, 64), (128, 128, 128))
REPEATS = 7


def problem(shape: tuple[int, ...]) -> rt.Problem:
    """Random amplitudes under a box support of an eighth of the array; iterations cost what any data cost."""
    rng = np.random.default_rng(0)
    support = np.zeros(shape, bool)
    support[tuple(slice(n // 4, n // 4 + n // 2) for n in shape)] = True
    x = np.where(support, rng.standard_normal(shape) + 1j * rng.standard_normal(shape), 0).astype(np.complex64)
    return rt.Problem.from_arrays(amplitude=np.abs(np.fft.fftn(x, norm="ortho")), support=support, centred=False)


def iteration(data: rt.Problem, solver: str, count: int) -> float:
    """CPU seconds an iteration: the difference of a long and a short run, so that setting up is not counted."""
    kind = getattr(rt.solvers, solver)

    def run(n: int) -> float:
        begun = time.process_time()
        rt.solve(kind(iterations=n), data)
        return time.process_time() - begun

    return (run(count + 1) - run(1)) / count


def floor(shape: tuple[int, ...], count: int) -> float:
    """CPU seconds of two transforms."""
    x = np.random.default_rng(0).standard_normal((2, *shape)).astype(np.float32)
    x = (x[:1] + 1j * x[1:]).astype(np.complex64)
    axes = tuple(range(1, x.ndim))
    begun = time.process_time()
    for _ in range(count):
        y = scipy.fft.fftn(x, axes=axes, norm="ortho", workers=1)
        scipy.fft.ifftn(y, axes=axes, norm="ortho", workers=1)
    return (time.process_time() - begun) / count


def main() -> int:
    """Print the table; exit 1 when a ratio is above 1.5."""
    rows = []
    for shape in SHAPES:
        data = problem(shape)
        count = int(np.clip(4e7 / np.prod(shape) / np.log2(np.prod(shape)), 10, 2000))
        for solver in ("HIO", "RAAR"):
            iteration(data, solver, 5)
            pairs = [(iteration(data, solver, count), floor(shape, count)) for _ in range(REPEATS)]
            ratio = statistics.median(a / b for a, b in pairs)
            seconds = [statistics.median(column) for column in zip(*pairs, strict=True)]
            rows.append({"solver": solver, "shape": shape, "iteration_s": seconds[0], "floor_s": seconds[1], "ratio": ratio})
    table = Table("shape", "solver", "iteration", "two transforms", "ratio")
    for row in rows:
        name = "×".join(map(str, row["shape"]))
        table.add_row(
            name, row["solver"], f"{row['iteration_s'] * 1e3:.3g} ms", f"{row['floor_s'] * 1e3:.3g} ms", f"{row['ratio']:.2f}"
        )
    Console().print(table)
    facts = {"machine": platform.machine(), "processor": _processor(), "versions": versions(), "rows": rows}
    target = Path(__file__).parent / "results" / "iteration.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(facts, indent=1) + "\n")
    return int(max(row["ratio"] for row in rows if row["solver"] == "HIO") > 1.5)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())


if __name__ == "__main__":
    sys.exit(main())
