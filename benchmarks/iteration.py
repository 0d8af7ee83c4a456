"""What an iteration costs, in the transform's own terms and beside the peers that are installed.

    python benchmarks/iteration.py              # tables, and benchmarks/results/iteration.json
    python benchmarks/iteration.py 256          # the row of 256³ alone
    python benchmarks/iteration.py rows DM OSS  # these rows alone, in fewer repeats
    python benchmarks/iteration.py memory 512   # peak memory of HIO with shrink-wrap on 512³

CPU and wall time of one iteration over those of two scipy complex64 transforms in the same run, one thread, 3 % of the
pixels held out and scored every 20th iteration. All take turns, and the medians of the ratios are printed. Memory is
the process's peak above what it held before it had data, in complex64 arrays of the problem's size.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import peers
from clock import clocked, floor, problem, save
from rich.console import Console
from rich.table import Table

import retrieve as rt
from retrieve.solvers.shrinkwrap import ShrinkWrap

SHAPES = ((64, 64), (256, 256), (1024, 1024), (64, 64, 64), (128, 128, 128))
LARGE, FEW = (256, 256, 256), ("HIO", "RAAR", "HIO, shrink-wrap")
REPEATS = 7
WRAPPED = ShrinkWrap(when="always", every=10, threshold=0.05)
SOLVERS: dict[str, Callable[[int], Any]] = {
    "HIO": lambda n: rt.solvers.HIO(iterations=n),
    "RAAR": lambda n: rt.solvers.RAAR(iterations=n),
    "HIO, shrink-wrap": lambda n: rt.solvers.HIO(iterations=n, shrink_wrap=WRAPPED),
    "RRR": lambda n: rt.solvers.RRR(iterations=n),
    "DM": lambda n: rt.solvers.DM(iterations=n),
    "OSS": lambda n: rt.solvers.OSS(iterations=n),
    "HIO, positive": lambda n: rt.solvers.HIO(iterations=n, positivity=True),
    "HIO, range of phases": lambda n: rt.solvers.PCHIO(iterations=n),
}
BARS = {"HIO": 0.75, "RAAR": 0.75, "HIO, shrink-wrap": 1.0}
"""What the ratio shall not exceed with the extra `fast`."""


def iteration(data: rt.Problem, solver: str, count: int) -> np.ndarray:
    """CPU and wall seconds an iteration: the difference of a long and a short run, so that setting up is not counted."""

    def run(n: int) -> np.ndarray:
        return clocked(lambda: rt.solve(SOLVERS[solver](n), data))

    return (run(count + 1) - run(1)) / count


def peer(data: rt.Problem, make: Callable[..., peers.Run | None], count: int) -> np.ndarray | None:
    """CPU and wall seconds of an iteration of a peer's HIO; None where it is not installed."""
    working, _ = data.hold_out(0.03, np.random.default_rng(0))
    rng = np.random.default_rng(0)
    x = (rng.standard_normal(data.shape) + 1j * rng.standard_normal(data.shape)).astype(np.complex64)
    run = make(working, x, count)
    if run is None:
        return None
    next(run)  # what is set up, compiled, or read for the first time
    return clocked(lambda: next(run)) / count


PEERS = {
    "cohere": peers.cohere,
    "cohere, fed complex64": lambda *given: peers.cohere(*given, single=True),
    "qoraphase": peers.qoraphase,
}


def costs(
    shape: tuple[int, ...], solvers: Sequence[str] = tuple(SOLVERS), repeats: int = REPEATS, beside: bool = True
) -> list[dict[str, Any]]:
    """Rows of one size: every solver and, with `beside`, peer over the floor, in turns."""
    data = problem(shape)
    count = int(np.clip(2e7 / np.prod(shape) / np.log2(np.prod(shape)), 10 if shape == LARGE else 5, 1000))
    takers: dict[str, Callable[[int], np.ndarray | None]] = {name: lambda n, s=name: iteration(data, s, n) for name in solvers}
    if beside:
        takers |= {name: lambda n, make=make: peer(data, make, max(3, n // 4)) for name, make in PEERS.items()}
    takers = {name: take for name, take in takers.items() if take(2) is not None}
    taken: dict[str, list[np.ndarray]] = {name: [] for name in (*takers, "floor")}
    for _ in range(repeats):
        taken["floor"].append(floor(shape, count))
        for name, take in takers.items():
            taken[name].append(take(count))
    rows = []
    for name in takers:
        ratios = [a / b for a, b in zip(taken[name], taken["floor"], strict=True)]
        cpu, wall = (statistics.median(float(r[k]) for r in ratios) for k in (0, 1))
        seconds, base = (statistics.median(float(t[0]) for t in taken[key]) for key in (name, "floor"))
        rows.append({"shape": shape, "solver": name, "iteration_s": seconds, "floor_s": base, "ratio": cpu, "wall_ratio": wall})
    return rows


def eight(side: int = 64, iterations: int = 500) -> dict[str, Any]:
    """Eight starts of HIO in one call over eight calls of one start, CPU seconds."""
    data, solver = problem((side, side)), rt.solvers.HIO(iterations=iterations)
    rt.solve(solver, data, starts=8)
    taken = []
    for _ in range(REPEATS):
        apart = clocked(lambda: [rt.solve(solver, data, seed=k) for k in range(8)])[0]
        taken.append((apart, clocked(lambda: rt.solve(solver, data, starts=8))[0]))
    apart, together = (statistics.median(column) for column in zip(*taken, strict=True))
    ratio = statistics.median(b / a for a, b in taken)
    return {"side": side, "iterations": iterations, "apart_s": apart, "together_s": together, "ratio": ratio}


def memory(side: int, iterations: int = 12) -> dict[str, Any]:
    """Peak of HIO with shrink-wrap and no support on side³, in arrays; to be run in a process of its own."""
    shape = (side,) * 3
    small = problem((32, 32, 32)).replace(support=None)
    solver = rt.solvers.HIO(iterations=iterations, shrink_wrap=ShrinkWrap(when="always", every=min(5, iterations)))
    rt.solve(solver, small)
    before = _resident("VmRSS")
    rng = np.random.default_rng(0)
    q = [np.fft.fftfreq(n).astype(np.float32) ** 2 for n in shape]
    amplitude = np.empty(shape, np.float32)
    for k in range(side):
        amplitude[k] = rng.random(shape[1:], dtype=np.float32) / (1e-3 + q[0][k] + q[1][:, None] + q[2])
    data = rt.Problem.from_arrays(amplitude=amplitude, centred=False)
    del amplitude
    seconds = clocked(lambda: rt.solve(solver, data))
    arrays = (_resident("VmHWM") - before) / (8 * side**3)
    return {"shape": shape, "iterations": iterations, "arrays": arrays, "cpu_s": seconds[0], "wall_s": seconds[1]}


def tables(rows: list[dict[str, Any]]) -> None:
    """Print what was measured."""
    shapes = list(dict.fromkeys(tuple(row["shape"]) for row in rows))
    table = Table("over two transforms", *("×".join(map(str, shape)) for shape in shapes))
    for name in dict.fromkeys(row["solver"] for row in rows):
        found = {tuple(row["shape"]): row for row in rows if row["solver"] == name}
        cells = [f"{found[s]['ratio']:.2f} ({found[s]['wall_ratio']:.2f})" if s in found else "–" for s in shapes]
        table.add_row(name, *cells)
    Console(width=140).print(table)
    Console().print("CPU time, in brackets wall time")


def main() -> int:
    """Print the tables; exit 1 where a ratio is above its bar."""
    if sys.argv[1:2] == ["memory"]:
        print(json.dumps(memory(int(sys.argv[2]), *map(int, sys.argv[3:4]))))
        return 0
    if sys.argv[1:2] == ["rows"]:
        rows = [row for shape in SHAPES for row in costs(shape, sys.argv[2:], repeats=3, beside=False)]
        tables(rows)
        save("iteration", {"rows_again": rows})
        return 0
    if sys.argv[1:2] == ["256"]:
        rows = costs(LARGE, FEW, repeats=3)
        tables(rows)
        save("iteration", {"rows_256": rows})
        return int(any(row["ratio"] > BARS.get(row["solver"], np.inf) for row in rows))
    rows = [row for shape in SHAPES for row in costs(shape)]
    command = [sys.executable, __file__, "memory", "256"]
    peaks = [json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])]
    results = {"rows": rows, "eight": eight(), "memory": peaks}
    tables(rows)
    batch, peak = results["eight"], peaks[0]
    print(f"eight starts at {batch['side']}², over eight single runs: {batch['ratio']:.2f}")
    print(f"{peak['shape'][0]}³ with shrink-wrap: {peak['arrays']:.2f} arrays, {peak['iterations']} iterations")
    save("iteration", results)
    return int(any(row["ratio"] > BARS.get(row["solver"], np.inf) for row in rows))


def _resident(key: str) -> int:
    """Resident bytes of this process, now (VmRSS) or at most (VmHWM); Linux alone. getrusage's peak is the parent's, too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


if __name__ == "__main__":
    sys.exit(main())
