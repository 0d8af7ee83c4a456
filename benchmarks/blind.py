"""Blind runs of the default: right or not, the verdict, the cost. No support is told; the truth is for the last figure alone.

    python benchmarks/blind.py                          # all cells, test seeds, 40 objects
    python benchmarks/blind.py blobs crystal64 --objects 10
    python benchmarks/blind.py --tune --objects 60      # tuning seeds, for benchmarks/verdict.py

Finished runs are kept in build/blind/CELL.jsonl and not done again; benchmarks/results/blind.json gathers them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import retrieve as rt
from retrieve.evaluate.statistics import success
from retrieve.evaluate.verdict import judge, probability
from retrieve.numerics.alignment import align
from retrieve.provenance import versions
from retrieve.simulate import TEST_SEED, TUNE_SEED, Noise, object_set
from retrieve.simulate.crystals import Crystals, crystal
from retrieve.simulate.noise import simulated_problem as measured
from retrieve.simulate.seeds import stream
from retrieve.solvers import Recipe
from retrieve.solvers.blind.auto import Auto

HERE = Path(__file__).resolve().parent
KEPT = HERE.parent / "build" / "blind"
RIGHT = 0.95


def cells_in_facets(domains: int) -> Callable[[int, int, Noise], rt.Problem]:
    """Voronoi cells of constant random phase in a facetted crystal of 64²."""

    def make(number: int, seed: int, noise: Noise) -> rt.Problem:
        rng = stream(seed, number)
        shell = np.abs(crystal((64, 64), seed=rng, fill=0.4, phase=0.0))
        inside = np.argwhere(shell > 0)
        middles = inside[rng.choice(len(inside), domains, replace=False)] + rng.uniform(-0.5, 0.5, (domains, 2))
        r = np.moveaxis(np.indices(shell.shape), 0, -1)
        nearest = ((r[:, :, None] - middles) ** 2).sum(axis=-1).argmin(axis=-1)
        x = shell * np.exp(1j * rng.uniform(0, 2 * np.pi, domains)[nearest])
        return measured(x.astype(np.complex64), shell > 0, noise, seed=seed, number=number)

    return make


def faded(objects: Any, width: float) -> Callable[[int, int, Noise], rt.Problem]:
    """Objects of a set under a Gaussian beam of this standard deviation, pixels: they fade towards their edges."""

    def make(number: int, seed: int, noise: Noise) -> rt.Problem:
        (x,), (support,) = objects.generate(seed, range(number, number + 1))
        r2 = sum(
            (np.arange(n) - n // 2).reshape([-1 if a == axis else 1 for a in range(2)]) ** 2 for axis, n in enumerate(x.shape)
        )
        return measured((x * np.exp(-r2 / (2 * width**2))).astype(np.complex64), support, noise, seed=seed, number=number)

    return make


def of_set(objects: Any) -> Callable[[int, int, Noise], rt.Problem]:
    """Objects of a set."""
    return lambda number, seed, noise: objects.problem(number, seed, noise)


CELLS: dict[str, tuple[Callable[[int, int, Noise], rt.Problem], dict[str, Any]]] = {
    "crystal64": (of_set(Crystals()), {}),
    "crystal64-1e6": (of_set(Crystals()), {"photons": 1e6}),
    "blobs": (of_set(object_set("domains2d-50-blobs")), {}),
    "blobs-1e6": (of_set(object_set("domains2d-50-blobs")), {"photons": 1e6}),
    "strong": (of_set(object_set("crystal2d-strong")), {}),
    "strong-1e6": (of_set(object_set("crystal2d-strong")), {"photons": 1e6}),
    "facets5": (cells_in_facets(5), {}),
    "facets10": (cells_in_facets(10), {}),
    "facets20": (cells_in_facets(20), {}),
    "facets10-1e5": (cells_in_facets(10), {"photons": 1e5}),
    "cells10": (of_set(object_set("domains2d-10-cells")), {}),
    "cells10-1e6": (of_set(object_set("domains2d-10-cells")), {"photons": 1e6}),
    "crystal64-1e4": (of_set(Crystals()), {"photons": 1e4}),
    "crystal128": (of_set(Crystals(size=128)), {}),
    "crystal128-1e6": (of_set(Crystals(size=128)), {"photons": 1e6}),
    "crystal64-1e6-blurred": (of_set(Crystals()), {"photons": 1e6, "coherence": 0.5}),
    "crystal64-1e6-blurred-more": (of_set(Crystals()), {"photons": 1e6, "coherence": 0.8}),
    "crystal64-1e5-blurred": (of_set(Crystals()), {"photons": 1e5, "coherence": 0.5}),
    "crystal64-1e4-blurred": (of_set(Crystals()), {"photons": 1e4, "coherence": 0.8}),
    "crystal64-1e6-faded": (faded(Crystals(), 10), {"photons": 1e6}),
    "blobs-1e6-blurred": (of_set(object_set("domains2d-50-blobs")), {"photons": 1e6, "coherence": 0.5}),
}
"""Name → objects and noise."""

SOLVERS = {"auto": Auto(), "coherent": Auto(coherence="never"), "hio": Recipe(recipe="20 er + 3*(180 hio + 40 er) + 20 cg")}
"""The default, the same without a fit of the coherence, and HIO with shrink-wrap (the default recipe), each with as many starts
as `auto` may take."""


def one(cell: str, number: int, seed: int, solver: str) -> dict[str, Any]:
    """One blind run."""
    make, noise = CELLS[cell]
    problem = make(number, seed, Noise(**noise, support="unknown"))
    cpu, wall = time.process_time(), time.perf_counter()
    starts = Auto().starts_for(problem)
    result = rt.solve(
        SOLVERS[solver], problem, starts=starts, seed=number, batch=Auto().batch_for(problem), agree=0.95, strict=False
    )
    verdict = judge(result)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {
        "cell": cell,
        "solver": solver,
        "seed": seed,
        "object": number,
        "correlation": align(result.object, problem.truth).correlation,
        "starts": [align(x, problem.truth, subpixel=1).correlation for x in result.estimates],
        "r": result.score.r,
        "r_free": result.score.r_free,
        "label": verdict.label,
        "probability": verdict.probability,
        "evidence": dict(verdict.evidence),
        "cpu_seconds": cpu,
        "wall_seconds": wall,
        "ffts": result.cost.ffts,
    }


def kept(cell: str, solver: str = "auto", tune: bool = False) -> list[dict[str, Any]]:
    """The finished runs of a cell."""
    path = KEPT / f"{cell}-{solver}{'-tune' if tune else ''}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def fill(cell: str, objects: int, solver: str, tune: bool, until: float) -> list[dict[str, Any]]:
    """Run what is missing of a cell, line by line."""
    rows = kept(cell, solver, tune)
    KEPT.mkdir(parents=True, exist_ok=True)
    for number in range(len(rows), objects):
        if time.time() > until:
            break
        rows.append(one(cell, number, TUNE_SEED if tune else TEST_SEED, solver))
        with (KEPT / f"{cell}-{solver}{'-tune' if tune else ''}.jsonl").open("a") as file:
            file.write(json.dumps(rows[-1]) + "\n")
    return rows


def told(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A cell's figures."""
    rate = success([float(row["correlation"] > RIGHT) for row in rows])
    cpu = [row["cpu_seconds"] for row in rows]
    solved = [bool(row["evidence"]) and probability(row["evidence"]) >= 0.5 for row in rows]  # by the model as it is now
    return {
        "objects": len(rows),
        "right": rate._asdict(),
        "says_solved": float(np.mean(solved)),
        "cpu_seconds": {"median": float(np.median(cpu)), "largest": float(np.max(cpu))},
        "wall_seconds": {"median": float(np.median([row["wall_seconds"] for row in rows]))},
    }


def main() -> None:
    """Run the cells named, or all, and gather the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cells", nargs="*", help=", ".join(CELLS))
    parser.add_argument("--objects", type=int, default=40)
    parser.add_argument("--solver", choices=SOLVERS, default="auto")
    parser.add_argument("--tune", action="store_true", help="tuning seeds; nothing is written to results")
    parser.add_argument("--minutes", type=float, default=1e6, help="begin no run after so many minutes")
    given = parser.parse_args()
    if unknown := set(given.cells) - set(CELLS):
        sys.exit(f"unknown cell {', '.join(sorted(unknown))}; known: {', '.join(CELLS)}")
    until = time.time() + 60 * given.minutes
    target = HERE / "results" / "blind.json"
    for cell in given.cells or CELLS:
        rows = fill(cell, given.objects, given.solver, given.tune, until)
        if not rows:
            continue
        found = told(rows)
        print(
            f"{cell} {given.solver}: right {found['right']['rate']:.0%} of {len(rows)} "
            f"[{found['right']['low']:.0%}, {found['right']['high']:.0%}], says solved {found['says_solved']:.0%}, "
            f"CPU {found['cpu_seconds']['median']:.1f} s (at most {found['cpu_seconds']['largest']:.1f})",
            flush=True,
        )
        if not given.tune:
            figures = json.loads(target.read_text()) if target.exists() else {}
            figures.setdefault(given.solver, {})[cell] = found
            figures["versions"] = versions()
            target.parent.mkdir(exist_ok=True)
            target.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
