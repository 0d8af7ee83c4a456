"""Peers on the crystals of benchmarks/blind3d.py, in as many CPU seconds as `auto`: the best start by the peer's own error.

    python benchmarks/blind3d_peers.py --photons 1e5,1e6 --objects 10     # needs pip install ./plugins/retrieve-cohere
    python benchmarks/blind3d_peers.py --kinds smooth --objects 2 --seconds 10

cohere runs by its defaults where it has any (β, the box, uniform random numbers), and by those of the plugin for the rest: the
sequence 3*(20*ER+180*HIO)+20*ER, and shrink-wrap every 5 iterations at a tenth of the maximum after a blur of one pixel. Starts
follow each other until the seconds of `auto` on the object (build/blind3d/auto-….jsonl) are spent, or --seconds where there is no
row of it. The start that runs then is finished. Rows are those of blind3d.py, in build/blind3d/CELL.jsonl, and
benchmarks/results/blind3d.json sums them up beside those of `auto`. PyNX, which is not on PyPI, is not among the peers.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from typing import Any

import numpy as np
from blind3d import HERE, KEPT, cell_of, fill, summary
from retrieve_cohere import Cohere, iterate

import retrieve as rt
from retrieve.numerics.alignment import align
from retrieve.problem.scoring import Scorer
from retrieve.provenance import versions
from retrieve.simulate import TEST_SEED, TUNE_SEED, Noise
from retrieve.simulate.crystal_kinds import KINDS, CrystalKinds

PEERS = {
    "cohere": Cohere(guess="cohere", unmeasured="dark"),
    "cohere-twin": Cohere(guess="cohere", unmeasured="dark", twin=2),
}
"""Its defaults, and the same with a twin operation in iteration 2, as its examples have it."""


def one(peer: str, kind: str, size: int, noise: Noise, number: int, seed: int, seconds: float) -> dict[str, Any]:
    """The starts of one object, within so many CPU seconds but for the last one, and the best by the peer's error."""
    problem = CrystalKinds(kind=kind, size=size).problem(number, seed, noise)
    cpu, wall = time.process_time(), time.perf_counter()
    found: list[tuple[float, np.ndarray]] = []
    while not found or time.process_time() - cpu < seconds:
        found.append(cohere(PEERS[peer], problem, np.random.default_rng([seed, number, len(found)])))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    best = min(found, key=lambda pair: pair[0])[1]
    scale = np.sqrt(float(problem.power)) / max(float(np.linalg.norm(best)), 1e-30)
    return {
        "object": number,
        "seed": seed,
        "correlation": align(best, problem.truth).correlation,
        "starts": [align(x, problem.truth).correlation for _, x in found],
        "errors": [error for error, _ in found],
        "r": Scorer.of(problem, None).scores((scale * best)[None].astype(np.complex64))[0].r,
        "r_free": None,
        "blur": None,
        "ffts": None,
        "seconds_given": seconds,
        "cpu_seconds": cpu,
        "wall_seconds": wall,
    }


def cohere(solver: Cohere, problem: rt.Problem, rng: np.random.Generator) -> tuple[float, np.ndarray]:
    """The last error and the object of one start of cohere, without a driver of ours around it."""
    y = np.where(problem.valid, problem.amplitude, 0).astype(float)
    run = solver.reconstruction(y / y.max(), None)
    run.ds_image = (rng.random(y.shape) + 1j * rng.random(y.shape)) * run.support
    with contextlib.redirect_stdout(None):
        for _ in iterate(run, None):
            pass
    found = np.where(run.support > 0, run.ds_image, 0).conj()
    return float(run.errs[-1]), np.asarray(found, np.complex64) if np.isfinite(found).all() else np.ones(y.shape, np.complex64)


def seconds_of(cell: str) -> dict[int, float]:
    """CPU seconds by object in a cell of finished runs."""
    path = KEPT / f"{cell}.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return {row["object"]: row["cpu_seconds"] for row in rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default="cohere", help=f"some of {','.join(PEERS)}")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--photons", default="1e5,1e6")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--objects", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=10.0, help="where `auto` has no row")
    parser.add_argument("--tune", action="store_true", help="tuning seeds; the summary is not written")
    parser.add_argument("--minutes", type=float, default=1e6, help="begin no run after so many")
    args = parser.parse_args()
    args.blur, args.gaps, args.stop = 0.0, 0, 0.0
    until, cells = time.time() + 60 * args.minutes, {}
    for photons in map(float, args.photons.split(",")):
        for peer in args.peers.split(","):
            for kind in args.kinds.split(","):
                cell = cell_of(peer, kind, args.size, photons, args)
                known = seconds_of(cell_of("auto", kind, args.size, photons, args))
                noise, seed = Noise(photons=photons, support="unknown"), TUNE_SEED if args.tune else TEST_SEED

                def make(number: int, at: tuple[Any, ...] = (peer, kind, args.size, noise), seed: int = seed) -> dict[str, Any]:
                    return one(*at, number, seed, known.get(number, args.seconds))  # noqa: B023

                rows = fill(cell, make, args.objects, until)
                if rows:
                    cells[cell] = summary(rows)
                    each = " ".join(f"{row['correlation']:.4f}" for row in rows[:8])
                    print(f"{cell}: {cells[cell]['correlation']:.4f}, {cells[cell]['cpu_seconds']:.1f} CPU s; {each}", flush=True)
    if not args.tune:
        target = HERE / "results" / "blind3d.json"
        others = json.loads(target.read_text())["cells"] if target.exists() else {}
        target.write_text(json.dumps({"versions": versions(), "cells": {**others, **cells}}, indent=1) + "\n")


if __name__ == "__main__":
    main()
