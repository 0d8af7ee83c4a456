"""Time to a solution of the same quality, not only per iteration: ours beside the peers that are installed.

    python benchmarks/solution.py known 20      # twenty simulated objects under known supports
    python benchmarks/solution.py aps 4         # the gold crystal, support unknown, four starts (RETRIEVE_DATA)

CPU time of one thread, from the same starts, 3 % of the pixels held out. Ours counts all that a solve does, scores and
transfers among it; of the peers the iterations alone are timed, in blocks, and scored off the clock. `known` gives
the time spent in all runs over the number that came to R ≤ 1e-4: what a solution costs. `aps` lets cohere run its
sequence and asks when the default recipe is at least as good, in R and in R_free.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import peers
from clock import clocked, save
from rich.console import Console
from rich.table import Table

import retrieve as rt
from retrieve.problem.scoring import Scorer
from retrieve.simulate import TEST_SEED, blobs
from retrieve.solvers.base import Streams

TARGET, MOST, BLOCK = 1e-4, 3000, 20
SEQUENCE = "3*(20*ER+180*HIO)+20*ER"
SOLVERS = {"HIO": rt.solvers.HIO, "RAAR": rt.solvers.RAAR, "RRR": rt.solvers.RRR}


class Point(NamedTuple):
    """After so many CPU seconds."""

    cpu_s: float
    r: float
    free: float


def ours(solver: Any, data: rt.Problem, x0: np.ndarray, until: float = 0.0) -> list[Point]:
    """One start of a solve, every `BLOCK` iterations, until R is low enough."""
    path: list[Point] = []
    begun = time.process_time()

    def told(progress: rt.Progress) -> bool:
        if progress.step % BLOCK == 0:
            path.append(Point(time.process_time() - begun, progress.r, progress.r_free))
        return bool(progress.r <= until)

    rt.solve(solver, data, x0=x0, on_step=told, score_every=BLOCK)
    return path


def theirs(run: Iterator[Any] | None, scorer: Scorer, most: int, until: float = 0.0) -> list[Point]:
    """The same of a peer's run."""
    path: list[Point] = []
    shown: list[Any] = []
    while run is not None and len(path) * BLOCK < most:
        shown.clear()
        spent = clocked(lambda: shown.extend(one for one in [next(run, None)] if one is not None))[0]
        if not shown:
            break
        r, free = scorer(np.ascontiguousarray(shown[0](), np.complex64)[None])
        path.append(Point((path[-1].cpu_s if path else 0.0) + spent, float(r[0]), float(free[0])))
        if r[0] <= until:
            break
    return path


def start(data: rt.Problem, k: int) -> tuple[rt.Problem, np.ndarray, Scorer]:
    """What a solver of seed 0 is shown of the data, the start numbered k, and the score."""
    working, held = data.hold_out(0.03, np.random.default_rng([0, 0]))
    return working, rt.solvers.HIO().start(working, Streams.of(0, [k])), Scorer.of(data, held)


def known(objects: int = 20) -> dict[str, Any]:
    """Fifty noiseless blobs in a known ellipse, 64²."""
    spent: dict[str, list[float]] = {}
    solved: dict[str, list[bool]] = {}
    for number in range(-1, objects):  # the first is not counted: it compiles
        x, support = blobs((64, 64), seed=TEST_SEED + 1 + number, number=50, sigma=2.0, fill=0.17)
        data = rt.Problem.from_arrays(amplitude=np.abs(np.fft.fftshift(np.fft.fftn(x, norm="ortho"))), support=support)
        working, x0, scorer = start(data, 0)
        paths = {name: ours(solver(iterations=MOST), data, x0, TARGET) for name, solver in SOLVERS.items()}
        for name, make in (("cohere, HIO", peers.cohere), ("qoraphase, HIO", peers.qoraphase)):
            run = make(working, x0[0], BLOCK)
            paths[name] = theirs(run, scorer, MOST, TARGET)
        for name, path in paths.items():
            if path and number >= 0:
                spent.setdefault(name, []).append(path[-1].cpu_s)
                solved.setdefault(name, []).append(path[-1].r <= TARGET)
    found: dict[str, Any] = {"objects": objects, "r": TARGET, "iterations": MOST, "solvers": {}}
    table = Table(f"to R {TARGET:g}, 64²", "solved", "CPU s a solution", "median CPU s of those solved")
    for name, times in spent.items():
        good = [t for t, ok in zip(times, solved[name], strict=True) if ok]
        cost, middle = (sum(times) / len(good), statistics.median(good)) if good else (float("inf"), float("inf"))
        found["solvers"][name] = {"solved": len(good), "cpu_s_a_solution": cost, "median_s": middle}
        table.add_row(name, f"{len(good)} of {len(times)}", f"{cost:.3f}", f"{middle:.3f}")
    Console().print(table)
    return found


def aps(starts: int = 4) -> dict[str, Any]:
    """The default recipe beside cohere's sequence with its shrink-wrap, on the measured gold crystal."""
    data = rt.read(Path(os.environ["RETRIEVE_DATA"], "aps34idc_s0054_prepared.npz"))
    rt.solve(rt.solvers.Recipe(recipe="6 hio", coherence=rt.solvers.Recipe().coherence), data)  # plans, compiled passes
    rows = []
    for k in range(starts):
        working, x0, scorer = start(data, k)
        path = ours(rt.solvers.Recipe(), data, x0)
        peer = theirs(peers.cohere(working, x0[0], BLOCK, SEQUENCE), scorer, 10_000)
        row: dict[str, Any] = {"start": k, "recipe": path[-1]._asdict()}
        if peer:
            last = peer[-1]
            when = next((p.cpu_s for p in path if p.r <= last.r and p.r_free <= last.r_free), float("inf"))
            row |= {"cohere": last._asdict(), "as_good_s": when, "ratio": last.cpu_s / when, "paths": [path, peer]}
        rows.append(row)
        print({name: value for name, value in row.items() if name != "paths"}, flush=True)
    done = [row for row in rows if "cohere" in row]
    found: dict[str, Any] = {"shape": data.shape, "starts": rows}
    if done:
        total = sum(row["cohere"]["cpu_s"] for row in done)
        found["ratio"] = total / sum(row["as_good_s"] for row in done)
        found["ratio_whole"] = total / sum(row["recipe"]["cpu_s"] for row in done)
        print(f"{len(done)} starts: {found['ratio']:.2f} times as fast as cohere to its R, {found['ratio_whole']:.2f} to our end")
    return found


PARTS = {"known": known, "aps": aps}


def main() -> int:
    name, *more = sys.argv[1:] or ["known"]
    save("solution", {name: PARTS[name](*map(int, more))})
    return 0


if __name__ == "__main__":
    sys.exit(main())
