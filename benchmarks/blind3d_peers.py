"""Peers on the crystals of benchmarks/blind3d.py, in as many CPU seconds as `auto`: the best start by the peer's own figure.

    python benchmarks/blind3d_peers.py --photons 1e5,1e6 --objects 10     # every peer that can be imported
    python benchmarks/blind3d_peers.py --peers pynx,pynx-hio --kinds smooth --objects 2 --seconds 10

Starts follow each other until the CPU seconds of `auto` on the object are spent, and the start that runs then is finished. The
seconds come from build/blind3d/auto-….jsonl; where there is no row, they are --seconds or the median of the cell of `auto` in
benchmarks/results/blind3d.json. Each line of the output says which. Rows are those of blind3d.py, in build/blind3d/CELL.jsonl.
benchmarks/results/blind3d.json sums them up beside those of `auto`, with the median of `auto` on the same objects.

cohere (pip install ./plugins/retrieve-cohere) runs by its defaults where it has any (β, the box, uniform random numbers), and by
those of the plugin for the rest: the sequence 3*(20*ER+180*HIO)+20*ER, and shrink-wrap every 5 iterations at a tenth of the
maximum after a blur of one pixel. Its best start has the lowest last error.

PyNX (.ci/pynx FOLDER, then PYTHONPATH=FOLDER/usr/lib/python3/dist-packages) runs through the runner of pynx-cdi-id01, on the CPU.
The CPU has all that its defaults ask for: 600 RAAR and 200 ER, ten of them detwinned, the support from the autocorrelation and
again every 50 cycles. `pynx-hio` is the chain that its help shows. Both draw the support's threshold from 0.2 to 0.3, as the help
does for several runs. The counts are multiplied by 100, because the CPU's support update, unlike the one for cards, takes a
threshold below one for a support that is too large. Its best start has the lowest free log-likelihood of the counts themselves,
and its object ends at its support.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from blind3d import HERE, KEPT, cell_of, fill, summary

import retrieve as rt
from retrieve.numerics.alignment import align
from retrieve.problem.scoring import Scorer
from retrieve.provenance import versions
from retrieve.simulate import TEST_SEED, TUNE_SEED, Noise
from retrieve.simulate.crystal_kinds import KINDS, CrystalKinds

Start = Callable[[np.random.Generator], tuple[float, np.ndarray]]
"""One start of a peer on a problem: its own figure, the lower the better, and the object."""

BRIGHTER = 100
"""Factor on PyNX's counts."""


def cohere(problem: rt.Problem, twin: int | None = None) -> Start:
    """cohere without a driver of ours around it; with a twin operation in iteration `twin`."""
    from retrieve_cohere import Cohere, iterate

    solver = Cohere(guess="cohere", unmeasured="dark", twin=twin)
    y = np.where(problem.valid, problem.amplitude, 0).astype(float)

    def start(rng: np.random.Generator) -> tuple[float, np.ndarray]:
        run = solver.reconstruction(y / y.max(), None)
        run.ds_image = (rng.random(y.shape) + 1j * rng.random(y.shape)) * run.support
        with contextlib.redirect_stdout(None):
            for _ in iterate(run, None):
                pass
        found = np.where(run.support > 0, run.ds_image, 0).conj()
        found = found if np.isfinite(found).all() else np.ones(y.shape)
        return float(run.errs[-1]), np.asarray(found, np.complex64)

    return start


def pynx(problem: rt.Problem, algorithm: str | None = None) -> Start:
    """The runner of pynx-cdi-id01 with its defaults or a chain of operators. Its support may fail four times in a start."""
    from pynx.cdi.cdi import SupportTooLarge, SupportTooSmall
    from pynx.cdi.runner import id01
    from pynx.utils.math import llk_poisson

    params = {**id01.default_params, "algorithm": algorithm, "roi": "full", "save": "none", "output_format": "none"}
    scan, tune = id01.CDIRunnerScanID01(params, None), params["support_threshold_auto_tune_factor"]
    scan.iobs = BRIGHTER * np.fft.fftshift(np.asarray(problem.amplitude, np.float32) ** 2)
    scan.mask = np.fft.fftshift(~np.asarray(problem.valid)).astype(np.int8)
    with contextlib.redirect_stdout(None):
        scan.prepare_processing_unit()
        scan.prepare_data()

    def start(rng: np.random.Generator) -> tuple[float, np.ndarray]:
        np.random.seed(rng.integers(2**32, dtype=np.uint32))  # noqa: NPY002 - PyNX draws from NumPy's global generator
        params["support_threshold"] = rng.uniform(0.2, 0.3)
        with contextlib.redirect_stdout(None):
            for _ in range(5):
                try:
                    scan.prepare_cdi()
                    scan.run()
                    break
                except (SupportTooSmall, SupportTooLarge) as failure:
                    params["support_threshold"] *= tune if isinstance(failure, SupportTooLarge) else 1 / tune
        cdi = scan.cdi
        free = (cdi.iobs < -0.5) & (cdi.iobs > -1e19)  # PyNX keeps the counts I of a free pixel as -I - 1
        model = np.abs(np.fft.fftn(cdi.get_obj(), norm="ortho")) ** 2
        figure = llk_poisson((-cdi.iobs[free] - 1) / BRIGHTER, model[free] / BRIGHTER).mean()
        return float(figure), (cdi.get_obj(shift=True) * (cdi.get_support(shift=True) > 0)).astype(np.complex64)

    return start


PEERS: dict[str, Callable[[rt.Problem], Start]] = {
    "cohere": cohere,
    "cohere-twin": partial(cohere, twin=2),
    "pynx": pynx,
    "pynx-hio": partial(pynx, algorithm="ER**50,(Sup*ER**5*HIO**50)**10"),
}
"""The starts of a peer. `cohere-twin` has a twin operation in iteration 2, as cohere's examples have it."""

MODULES = {"cohere": ("retrieve_cohere", "cohere_core"), "pynx": ("pynx.cdi.runner.id01",)}
"""Modules that a program needs."""


def missing(peer: str) -> str | None:
    """Why a peer cannot run, or None."""
    os.environ.setdefault("PYNX_PU", "cpu")
    try:
        for module in MODULES[peer.split("-")[0]]:
            importlib.import_module(module)
    except ImportError as error:
        return f"{peer} cannot be imported ({error}); the first lines of --help say how to install it"
    return None


def one(peer: str, kind: str, size: int, noise: Noise, number: int, seed: int, seconds: float) -> dict[str, Any]:
    """The starts of one object, within so many CPU seconds but for the last one, and the best by the peer's figure."""
    problem = CrystalKinds(kind=kind, size=size).problem(number, seed, noise)
    cpu, wall = time.process_time(), time.perf_counter()
    start = PEERS[peer](problem)
    found: list[tuple[float, np.ndarray]] = []
    while not found or time.process_time() - cpu < seconds:
        found.append(start(np.random.default_rng([seed, number, len(found)])))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    best = min(found, key=lambda pair: pair[0])[1]
    scale = np.sqrt(float(problem.power)) / max(float(np.linalg.norm(best)), 1e-30)
    correlation = align(best, problem.truth).correlation
    return {
        "object": number,
        "seed": seed,
        "correlation": correlation,
        "chosen": correlation,
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


def runs_of(cell: str, fixed: float | None, results: dict[str, Any]) -> tuple[dict[int, dict[str, Any]], float | None, str]:
    """The runs of `auto` in a cell by object, the CPU seconds for other objects, and where these come from."""
    path = KEPT / f"{cell}.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    known = {row["object"]: row for row in rows}
    if fixed is not None:
        return known, fixed, "--seconds"
    if cell in results:
        return known, results[cell]["cpu_seconds"], f"median of {cell}"
    return known, None, ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", help=f"some of {','.join(PEERS)}; else all that can be imported, but cohere-twin")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--photons", default="1e5,1e6")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--objects", type=int, default=10)
    parser.add_argument("--seconds", type=float, help="where `auto` has no row")
    parser.add_argument("--tune", action="store_true", help="tuning seeds; the summary is not written")
    parser.add_argument("--minutes", type=float, default=1e6, help="begin no run after so many")
    args = parser.parse_args()
    args.blur, args.gaps, args.stop = 0.0, 0, 0.0
    peers = args.peers.split(",") if args.peers else [peer for peer in PEERS if peer != "cohere-twin" and not missing(peer)]
    for reason in map(missing, peers or PEERS):
        if reason:
            parser.error(reason)
    target = HERE / "results" / "blind3d.json"
    results = json.loads(target.read_text())["cells"] if target.exists() else {}
    until, cells = time.time() + 60 * args.minutes, {}
    for photons in map(float, args.photons.split(",")):
        for peer in peers:
            for kind in args.kinds.split(","):
                cell, auto = (cell_of(name, kind, args.size, photons, args) for name in (peer, "auto"))
                known, other, source = runs_of(auto, args.seconds, results)
                if other is None and set(range(args.objects)) - set(known):
                    parser.error(f"no run of {auto} says how long a peer may take: run blind3d.py first, or give --seconds")
                noise, seed = Noise(photons=photons, support="unknown"), TUNE_SEED if args.tune else TEST_SEED

                def make(number: int, at: tuple[Any, ...] = (peer, kind, args.size, noise), seed: int = seed) -> dict[str, Any]:
                    return one(*at, number, seed, known[number]["cpu_seconds"] if number in known else other)  # noqa: B023

                rows = fill(cell, make, args.objects, until)
                if not rows:
                    continue
                cells[cell] = summary(rows) | {
                    "starts": float(np.median([len(row["starts"]) for row in rows])),
                    "seconds_given": float(np.median([row["seconds_given"] for row in rows])),
                }
                given, each = f"{other} s a run by {source}", " ".join(f"{row['correlation']:.4f}" for row in rows[:8])
                if {row["object"] for row in rows} <= set(known):
                    cells[cell]["auto"] = float(np.median([known[row["object"]]["correlation"] for row in rows]))
                    given = f"as long as auto, which has {cells[cell]['auto']:.4f} on the same objects"
                cost = f"{cells[cell]['starts']:g} starts, {cells[cell]['cpu_seconds']:.1f} CPU s ({given})"
                print(f"{cell}: {cells[cell]['correlation']:.4f}, {cost}; {each}", flush=True)
    if not args.tune:
        target.write_text(json.dumps({"versions": versions(), "cells": {**results, **cells}}, indent=1) + "\n")


if __name__ == "__main__":
    main()
