"""Three dimensions: the diffusion solver against HIO on ellipsoids of 50 blobs, 32³, and the memory and time of eight starts.

    python benchmarks/volumes.py                        # 40 objects, two noise levels
    python benchmarks/volumes.py --objects 10           # fewer, which the table tells
    python benchmarks/volumes.py --memory               # peak memory and time of one run of eight starts

All know the support; the free score chooses among the starts. `limit, from the truth` starts the diffusion solver at the
truth. On the literal preset the support touches the walls of the box. Objects of the test seed. Prints a table and the paired
sign test, and writes benchmarks/results/volumes.json. With --store what is done is not done again.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import retrieve as rt
from retrieve.evaluate import benchmarks
from retrieve.evaluate.compare import compare
from retrieve.evaluate.comparison import Row
from retrieve.evaluate.metrics import evaluate
from retrieve.evaluate.statistics import SUCCESS, mcnemar, success
from retrieve.evaluate.store import Store
from retrieve.numerics.alignment import align
from retrieve.numerics.arrays import cores
from retrieve.plugins.registry import find
from retrieve.provenance import versions
from retrieve.solvers import HIO

TARGET = Path(__file__).parent / "results" / "volumes.json"
FITS, LITERAL = "domains3d-fits", "domains3d-literal"
NOISE = (0.0, 0.05)
SHOWN = (SUCCESS, "amplitude_correlation", "phase_similarity")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=40)
    parser.add_argument("--starts", type=int, default=4)
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--noise", type=float, nargs="+", default=list(NOISE), help="levels; the others stay as they are written")
    parser.add_argument("--memory", action="store_true", help="only the peak memory and the time")
    parser.add_argument("--literal", type=int, default=12, help="objects of the literal preset; 0 leaves it as it is written")
    parser.add_argument("--weights", default="domains3d")
    parser.add_argument("--store", type=Path, help="a file that keeps each solver's runs")
    parser.add_argument("--out", type=Path, default=TARGET)
    given = parser.parse_args()
    kept: dict[str, Any] = json.loads(given.out.read_text()) if given.out.exists() else {}
    if given.memory:
        keep(kept, given.out, memory=memory(given.weights))
        print(kept["memory"])
        return
    for level in given.noise:
        keep(kept, given.out, **{f"{FITS}, noise {level:g}": fits(given, level)})
    if given.literal:
        given.objects = given.literal
        keep(kept, given.out, **{LITERAL: pair(given, LITERAL, 0.0)})


def keep(kept: dict[str, Any], path: Path, **more: Any) -> None:
    """Write what is done so far."""
    kept |= {**more, "versions": versions()}
    path.write_text(json.dumps(kept, indent=1) + "\n")


def solver(weights: str, **more: Any) -> rt.solvers.Solver:
    """The diffusion solver, shorter than in 2D: without noise less would do, with noise more of it does not help."""
    return find("solvers", "diffusion")(weights=weights, **{"search": 300, "evaluations": 100, "rounds": 1} | more)


def fits(given: argparse.Namespace, level: float) -> dict[str, Any]:
    """Both solvers and the limit at one noise level, with the paired test."""
    told = pair(given, FITS, level)
    return told | {"cells": [*told["cells"], limit(given, level)]}


def pair(given: argparse.Namespace, name: str, level: float) -> dict[str, Any]:
    """Both solvers, with the paired test."""
    entrants = {"hio": HIO(iterations=500), "diffusion": solver(given.weights)}
    cells, rows = compared(given, name, level, entrants)
    test = paired(level, rows["diffusion"], rows["hio"])
    print(test, flush=True)
    return {"starts": given.starts, "cells": cells, "paired": test}


def compared(
    given: argparse.Namespace, name: str, level: float, entrants: dict[str, rt.solvers.Solver]
) -> tuple[list[dict[str, Any]], dict[str, list[Row]]]:
    """A cell for each solver, and the rows of its best starts."""
    cases = benchmarks.Benchmark((name,)).cases([level], given.objects)
    store = Store(given.store, resume=True) if given.store else None
    found = compare(entrants, cases, starts=given.starts, workers=given.workers, pictures=0, store=store)
    rows = {label: [row for row in found.rows if row.solver == label and row.start is None] for label in entrants}
    return [cell(name, level, label, own, found.rows) for label, own in rows.items()], rows


def cell(name: str, level: float, label: str, best: list[Row], rows: tuple[Row, ...]) -> dict[str, Any]:
    """Success of single starts and of the best, and medians of the best."""
    single = [
        [r.metrics.get(SUCCESS, 0.0) for r in rows if (r.object, r.solver) == (b.object, label) and r.start is not None]
        for b in best
    ]
    values = np.array([row.metrics.get(SUCCESS, 0.0) for row in best])
    rate = success([float(v > 0.95) for v in values])
    made = {
        "set": name,
        "noise": level,
        "solver": label,
        "objects": len(best),
        "failures": sum(row.failure is not None for row in best),
    }
    made |= {"single": float(np.mean(np.array(single) > 0.95)), "best": rate.rate, "low": rate.low, "high": rate.high}
    made |= {metric: float(np.median([row.metrics.get(metric, np.nan) for row in best])) for metric in SHOWN}
    made["seconds"] = float(np.median([row.seconds for row in best]))
    print(made, flush=True)
    return made


def limit(given: argparse.Namespace, level: float) -> dict[str, Any]:
    """What the noise makes of the truth."""
    values = []
    for case in benchmarks.Benchmark((FITS,)).cases([level], given.objects):
        alone = solver(given.weights, search=0, sigma_max=0.5, sigma_mid=0.5, evaluations=40)
        result = rt.solve(alone, case.problem, starts=1, x0=case.problem.truth)
        values.append(evaluate(result.object, case.problem, case.problem.truth))
    made = {"set": FITS, "noise": level, "solver": "limit, from the truth", "objects": len(values)}
    made["best"] = float(np.mean([value[SUCCESS] > 0.95 for value in values]))
    made |= {metric: float(np.median([value[metric] for value in values])) for metric in SHOWN}
    print(made, flush=True)
    return made


def paired(level: float, ours: list[Row], theirs: list[Row]) -> dict[str, Any]:
    """On how many objects the one correlates better, with the sign test's p; and McNemar's of what each solves."""
    a, b = (np.array([row.metrics.get(SUCCESS, 0.0) for row in rows]) for rows in (ours, theirs))
    better, worse = int((a > b).sum()), int((a < b).sum())
    only_a, only_b = (int((u & ~v).sum()) for u, v in ((a > 0.95, b > 0.95), (b > 0.95, a > 0.95)))
    told = {"noise": level, "better": better, "worse": worse, "p_better": mcnemar(better, worse), "gain": float(np.median(a - b))}
    return told | {"only_diffusion_solves": only_a, "only_hio_solves": only_b, "p_solves": mcnemar(only_a, only_b)}


def memory(weights: str) -> dict[str, Any]:
    """Peak memory of this process and seconds of eight starts on one object, all run."""
    problem = next(benchmarks.Benchmark((FITS,)).cases([0.05], 1)).problem
    begun = time.perf_counter()
    result = rt.solve(solver(weights), problem, starts=8, batch=8, agree=0)
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6)
    reached = align(result.object, problem.truth).correlation
    told = {"starts": len(result.estimates), "peak_gb": peak, "seconds": seconds, "cores": cores(), "correlation": reached}
    return told | {"cpu_seconds": time.process_time()}


if __name__ == "__main__":
    main()
