"""Blind runs of the default in three dimensions: the correlation with the truth, R, the cost. No support is told.

    python benchmarks/blind3d.py                                          # all cells, test seeds, 20 objects
    python benchmarks/blind3d.py --kinds smooth,soft --photons 1e6 --objects 4
    python benchmarks/blind3d.py --blur 0.5 --photons 1e7                 # blurred by the beam's coherence, px
    python benchmarks/blind3d.py --solvers auto,recipe --tune             # tuning seeds

Finished runs are kept in build/blind3d/CELL.jsonl and not done again; benchmarks/results/blind3d.json sums up those on test
seeds. CELL is SOLVER-KIND-SIZE-PHOTONS and what else was asked for.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import retrieve as rt
from retrieve.evaluate.statistics import success
from retrieve.numerics.alignment import align
from retrieve.numerics.arrays import to_numpy
from retrieve.provenance import versions
from retrieve.simulate import TEST_SEED, TUNE_SEED, Noise
from retrieve.simulate.crystal_kinds import KINDS, CrystalKinds
from retrieve.simulate.crystals import crystal
from retrieve.simulate.noise import simulated_problem
from retrieve.simulate.seeds import stream
from retrieve.solvers import Recipe
from retrieve.solvers.blind.auto import Auto

HERE = Path(__file__).resolve().parent
KEPT = HERE.parent / "build" / "blind3d"
RIGHT = 0.95
CONDITIONS = 2
"""Part of an object's random streams that backgrounds and other crystals are drawn from."""
SOLVERS = {
    "auto": Auto(),
    "coherent": Auto(coherence="never"),
    "recipe": Recipe(),
}
"""The default, the same without a fit of the coherence, and the default recipe; each with as many starts as `auto` may take."""


class Extra(NamedTuple):
    """What else a pattern holds.  background: counts a voxel.  grain: share of another crystal.  pad: factors on the axes."""

    background: float = 0.0
    grain: float = 0.0
    pad: tuple[float, ...] = (1.0, 1.0, 1.0)

    @property
    def words(self) -> list[str]:
        """Its part of a cell's name."""
        plain, pad = Extra(), "x".join(f"{factor:g}" for factor in self.pad)
        found = [f"background{self.background:g}"] if self.background else []
        found += [f"grain{self.grain:g}"] if self.grain else []
        return found + ([f"pad{pad}"] if self.pad != plain.pad else [])


def measured(kind: str, size: int, noise: Noise, number: int, seed: int, extra: Extra) -> rt.Problem:
    """The pattern of a crystal, on a longer array where asked for, with what else it holds."""
    crystals = CrystalKinds(kind=kind, size=size)
    if extra == Extra():
        return crystals.problem(number, seed, noise)
    x = crystals.generate(seed, range(number, number + 1))[0][0]
    sides = [round(size * factor) - size for factor in extra.pad]
    x = np.pad(x, [(more // 2, more - more // 2) for more in sides])
    problem = simulated_problem(x, x != 0, noise, seed=seed, number=number)
    counts, rng = to_numpy(problem.amplitude).astype(float) ** 2, stream(seed, number, CONDITIONS)
    if extra.grain:
        other = np.abs(np.fft.fftn(crystal(x.shape, seed=rng, fill=0.2))) ** 2
        aside = [int(n * rng.uniform(0.1, 0.25)) for n in x.shape]
        counts += rng.poisson(np.roll(other * (extra.grain * counts.sum() / other.sum()), aside, axis=(0, 1, 2)))
    counts += rng.poisson(extra.background, x.shape)
    valid = to_numpy(problem.valid)
    return problem.replace(amplitude=np.sqrt(np.where(valid, counts, 0)).astype(np.float32))


def one(solver: str, kind: str, size: int, noise: Noise, extra: Extra, number: int, seed: int) -> dict[str, Any]:
    """One blind run."""
    problem = measured(kind, size, noise, number, seed, extra)
    cpu, wall = time.process_time(), time.perf_counter()
    starts = Auto().starts_for(problem)
    result = rt.solve(SOLVERS[solver], problem, starts=starts, seed=number, agree=Auto.agree, strict=False)
    kernel = result.problem.detector
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {
        "object": number,
        "seed": seed,
        "correlation": align(result.object, problem.truth).correlation,
        "chosen": align(result.estimates[result.chosen], problem.truth).correlation,
        "starts": [align(x, problem.truth).correlation for x in result.estimates],
        "r": result.score.r,
        "r_free": result.score.r_free,
        "blur": None if kernel is None else list(kernel.widths),
        "ffts": result.cost.ffts,
        "cpu_seconds": cpu,
        "wall_seconds": wall,
    }


def cell_of(solver: str, kind: str, size: int, photons: float, args: argparse.Namespace) -> str:
    """The name of a cell."""
    extra = [f"blur{args.blur:g}"] if args.blur else []
    extra += [f"gaps{args.gaps}"] if args.gaps else []
    extra += [f"stop{args.stop:g}"] if args.stop else []
    extra += extra_of(args).words
    return "-".join([solver, kind, str(size), f"1e{round(np.log10(photons))}", *extra, *(["tune"] if args.tune else [])])


def extra_of(args: argparse.Namespace) -> Extra:
    """What else the patterns of a run hold."""
    pad = [float(factor) for factor in str(getattr(args, "pad", "1,1,1")).split(",")]
    return Extra(getattr(args, "background", 0.0), getattr(args, "grain", 0.0), tuple(pad))


def fill(cell: str, make: Any, objects: int, until: float) -> list[dict[str, Any]]:
    """Run what is missing of a cell, line by line."""
    KEPT.mkdir(parents=True, exist_ok=True)
    path = KEPT / f"{cell}.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    for number in range(len(rows), objects):
        if time.time() > until:
            break
        rows.append(make(number))
        with path.open("a") as file:
            file.write(json.dumps(rows[-1]) + "\n")
    return rows[:objects]


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Median correlation of the objects and of the chosen starts, the lowest, the share that is right, the median cost."""
    found, chosen = (np.array([row[name] for row in rows]) for name in ("correlation", "chosen"))
    share = success(found > RIGHT)
    return {
        "objects": len(rows),
        "correlation": float(np.median(found)),
        "chosen": float(np.median(chosen)),
        "lowest": float(found.min()),
        "right": float((found > RIGHT).mean()),
        "interval": [float(share.low), float(share.high)] if hasattr(share, "low") else None,
        "blurred": sum(row.get("blur") is not None for row in rows),
        "cpu_seconds": float(np.median([row["cpu_seconds"] for row in rows])),
        "wall_seconds": float(np.median([row["wall_seconds"] for row in rows])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--solvers", default="auto")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--photons", default="1e5,1e6,1e8")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--objects", type=int, default=20)
    parser.add_argument("--blur", type=float, default=0.0)
    parser.add_argument("--gaps", type=int, default=0)
    parser.add_argument("--stop", type=float, default=0.0, help="radius of a beam stop, px")
    parser.add_argument("--background", type=float, default=0.0, help="flat counts a voxel")
    parser.add_argument("--grain", type=float, default=0.0, help="share of the counts that another crystal adds, its peak aside")
    parser.add_argument("--pad", default="1,1,1", help="factors on the array's axes: oversampling that differs by axis")
    parser.add_argument("--tune", action="store_true", help="tuning seeds; the summary is not written")
    parser.add_argument("--minutes", type=float, default=1e6, help="begin no run after so many")
    args = parser.parse_args()
    until = time.time() + 60 * args.minutes
    target = HERE / "results" / "blind3d.json"
    known = json.loads(target.read_text())["cells"] if target.exists() else {}
    for solver in args.solvers.split(","):
        for kind in args.kinds.split(","):
            for photons in map(float, args.photons.split(",")):
                cell = cell_of(solver, kind, args.size, photons, args)
                noise = Noise(photons=photons, coherence=args.blur, gaps=args.gaps, beam_stop=args.stop, support="unknown")
                seed = TUNE_SEED if args.tune else TEST_SEED

                def make(
                    number: int, at: tuple[Any, ...] = (solver, kind, args.size, noise, extra_of(args)), seed: int = seed
                ) -> dict[str, Any]:
                    return one(*at, number, seed)

                rows = fill(cell, make, args.objects, until)
                if not rows:
                    continue
                known[cell] = summary(rows)
                each = " ".join(f"{row['correlation']:.4f}" for row in rows[:8])
                print(f"{cell}: {known[cell]['correlation']:.4f}, {known[cell]['cpu_seconds']:.1f} CPU s; {each}", flush=True)
    if not args.tune:
        target.write_text(json.dumps({"versions": versions(), "cells": known}, indent=1) + "\n")


if __name__ == "__main__":
    main()
