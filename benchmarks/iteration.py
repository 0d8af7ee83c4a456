"""What an iteration costs, in the transform's own terms and beside the peers that are installed.

    python benchmarks/iteration.py              # tables, and benchmarks/results/iteration.json
    python benchmarks/iteration.py aps 4        # the default recipe on the gold crystal, four starts, beside cohere
    python benchmarks/iteration.py memory 256   # peak memory of HIO with shrink-wrap on 256³

CPU and wall time of one iteration over those of two scipy complex64 transforms in the same run, one thread, 3 % of the
pixels held out and scored every 20th iteration. All take turns, and the medians of the ratios are printed. Memory is
the process's peak above what it held before it had data, in complex64 arrays of the problem's size.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("RETRIEVE_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import scipy.fft
from rich.console import Console
from rich.table import Table

import retrieve as rt
from retrieve import fast
from retrieve.manifest import versions
from retrieve.solvers.shrinkwrap import ShrinkWrap

SHAPES = ((64, 64), (256, 256), (1024, 1024), (64, 64, 64), (128, 128, 128))
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
}
BARS = {"HIO": 0.75, "RAAR": 0.75, "HIO, shrink-wrap": 1.0}
"""What the ratio shall not exceed with the extra `fast`."""

Times = tuple[float, float]


def problem(shape: tuple[int, ...]) -> rt.Problem:
    """Random amplitudes under a box support of an eighth of the array; iterations cost what any data cost."""
    rng = np.random.default_rng(0)
    support = np.zeros(shape, bool)
    support[tuple(slice(n // 4, n // 4 + n // 2) for n in shape)] = True
    x = np.where(support, rng.standard_normal(shape) + 1j * rng.standard_normal(shape), 0).astype(np.complex64)
    return rt.Problem.from_arrays(amplitude=np.abs(np.fft.fftn(x, norm="ortho")), support=support, centred=False)


def clocked(work: Callable[[], object]) -> np.ndarray:
    """CPU and wall seconds."""
    begun = time.process_time(), time.perf_counter()
    work()
    return np.array([time.process_time() - begun[0], time.perf_counter() - begun[1]])


def iteration(data: rt.Problem, solver: str, count: int) -> np.ndarray:
    """CPU and wall seconds an iteration: the difference of a long and a short run, so that setting up is not counted."""

    def run(n: int) -> np.ndarray:
        return clocked(lambda: rt.solve(SOLVERS[solver](n), data))

    return (run(count + 1) - run(1)) / count


def floor(shape: tuple[int, ...], count: int) -> np.ndarray:
    """CPU and wall seconds of two transforms."""
    x = np.random.default_rng(0).standard_normal((2, *shape)).astype(np.float32)
    x = (x[:1] + 1j * x[1:]).astype(np.complex64)
    axes = tuple(range(1, x.ndim))

    def pairs() -> None:
        for _ in range(count):
            y = scipy.fft.fftn(x, axes=axes, norm="ortho", workers=1)
            scipy.fft.ifftn(y, axes=axes, norm="ortho", workers=1)

    return clocked(pairs) / count


def cohere(data: rt.Problem, single: bool, count: int) -> np.ndarray | None:
    """CPU and wall seconds of an iteration of cohere's HIO by itself, in its own precision or fed complex64; None without it."""
    try:
        from retrieve_cohere import Cohere, iterate
    except ImportError:
        return None
    y = np.asarray(data.amplitude, float)
    run = Cohere(algorithm_sequence=f"{count + 2}*HIO", hio_beta=0.9).reconstruction(y / y.max(), np.asarray(data.support))
    rng = np.random.default_rng(0)
    run.ds_image = rng.standard_normal(y.shape) + 1j * rng.standard_normal(y.shape)
    if single:
        run.ds_image, run.data = run.ds_image.astype(np.complex64), np.asarray(run.data, np.float32)
        run.support = np.asarray(run.support, np.float32)
    steps = iterate(run, None)
    with contextlib.redirect_stdout(None):
        next(steps)
        return clocked(lambda: [next(steps) for _ in range(count)]) / count


PEERS = {"cohere": False, "cohere, fed complex64": True}


def costs(shape: tuple[int, ...], solvers: tuple[str, ...] = tuple(SOLVERS)) -> list[dict[str, Any]]:
    """Rows of one size: every solver and peer over the floor, in turns."""
    data = problem(shape)
    count = int(np.clip(2e7 / np.prod(shape) / np.log2(np.prod(shape)), 5, 1000))
    takers: dict[str, Callable[[int], np.ndarray | None]] = {name: lambda n, s=name: iteration(data, s, n) for name in solvers}
    takers |= {name: lambda n, single=single: cohere(data, single, max(3, n // 4)) for name, single in PEERS.items()}
    takers = {name: take for name, take in takers.items() if take(2) is not None}
    taken: dict[str, list[np.ndarray]] = {name: [] for name in (*takers, "floor")}
    for _ in range(REPEATS):
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
    solver = rt.solvers.HIO(iterations=iterations, shrink_wrap=ShrinkWrap(when="always", every=5))
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


def aps(starts: int = 4) -> dict[str, Any]:
    """The default recipe on the measured gold crystal beside cohere with as many iterations; CPU seconds and χ²."""
    data = rt.read(Path(os.environ["RETRIEVE_DATA"], "aps34idc_s0054_prepared.npz"))
    found: dict[str, Any] = {}
    solvers: dict[str, Any] = {"recipe": rt.solvers.Recipe()}
    with contextlib.suppress(ImportError):
        from retrieve_cohere import Cohere

        solvers["cohere"] = Cohere()
    for name, solver in solvers.items():
        results: list[Any] = []
        cpu, wall = clocked(lambda s=solver, r=results: r.append(rt.solve(s, data, starts=starts)))
        score = results[0].score
        found[name] = {"cpu_s": cpu, "wall_s": wall, "chi2": score.chi2, "free": score.free, "steps": results[0].cost.steps}
        print(name, found[name], flush=True)
    return {"starts": starts, "shape": data.shape, "runs": found}


def tables(results: dict[str, Any]) -> None:
    """Print what was measured."""
    shapes = list(dict.fromkeys(tuple(row["shape"]) for row in results["rows"]))
    table = Table("over two transforms", *("×".join(map(str, shape)) for shape in shapes))
    for name in dict.fromkeys(row["solver"] for row in results["rows"]):
        found = {tuple(row["shape"]): row for row in results["rows"] if row["solver"] == name}
        cells = [f"{found[s]['ratio']:.2f} ({found[s]['wall_ratio']:.2f})" if s in found else "–" for s in shapes]
        table.add_row(name, *cells)
    Console(width=140).print(table)
    Console().print("CPU time, in brackets wall time")
    batch = results["eight"]
    Console().print(f"eight starts at {batch['side']}², over eight single runs: {batch['ratio']:.2f}")
    for row in results["memory"]:
        Console().print(f"{row['shape'][0]}³ with shrink-wrap: {row['arrays']:.2f} arrays, {row['iterations']} iterations")


def save(key: dict[str, Any]) -> None:
    """Into benchmarks/results/iteration.json, beside what other commands left there."""
    target = Path(__file__).parent / "results" / "iteration.json"
    before = json.loads(target.read_text()) if target.exists() else {}
    facts = {"machine": platform.machine(), "processor": _processor(), "cores": os.cpu_count(), "versions": versions()}
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        facts["versions"]["cohere-core"] = importlib.metadata.version("cohere-core")
    facts["transform"] = fast.describe((64, 64))
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps({**before, **facts, **key}, indent=1) + "\n")


def main() -> int:
    """Print the tables; exit 1 where a ratio is above its bar."""
    if sys.argv[1:2] == ["memory"]:
        print(json.dumps(memory(int(sys.argv[2]), *map(int, sys.argv[3:4]))))
        return 0
    if sys.argv[1:2] == ["aps"]:
        save({"aps": aps(*map(int, sys.argv[2:3]))})
        return 0
    rows = [row for shape in SHAPES for row in costs(shape)]
    command = [sys.executable, __file__, "memory", "256"]
    peaks = [json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])]
    results = {"rows": rows, "eight": eight(), "memory": peaks}
    tables(results)
    save(results)
    return int(any(row["ratio"] > BARS.get(row["solver"], np.inf) for row in rows))


def _resident(key: str) -> int:
    """Resident bytes of this process, now (VmRSS) or at most (VmHWM); Linux alone. getrusage's peak is the parent's, too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())


if __name__ == "__main__":
    sys.exit(main())
