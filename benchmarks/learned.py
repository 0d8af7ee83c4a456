"""Solvers with a learned prior against the classical ones and the U-Nets, and what the noise allows at best.

    python benchmarks/learned.py --markdown docs/notes/learned_table.md  # and benchmarks/results/learned2d.json
    python benchmarks/learned.py --only dps --workers 2                 # a part of it; a later run finds it done

All know the support and run their own iterations, without a bound on transforms: the table tells what each
spent. ``hio`` is what Lee et al. (2026) compare with. ``limit, from the truth`` is no contestant: it starts the
diffusion solver at the truth, and what the noise makes of that is about the best that the data allow.
Each set, noise level and solver is kept in --parts when it is done, and is not run again with the same options
and weights. Solvers whose weights are not there are left out, which the first line tells.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from classical import joined, kept, made, stored
from learned_tables import LIMIT, ONCE, OURS, markdown, pairs, told

from retrieve.driver.processes import THREADS
from retrieve.driver.solve import solve
from retrieve.errors import InputError, SolverError
from retrieve.evaluate import benchmarks
from retrieve.evaluate.compare import CompareCase, compare, summarise
from retrieve.evaluate.comparison import Comparison, Picture, Row
from retrieve.evaluate.metrics import evaluate
from retrieve.evaluate.tables import to_dict, write_content
from retrieve.io.result import Cost
from retrieve.numerics.alignment import align
from retrieve.numerics.arrays import cores, find_device
from retrieve.plugins.options import values_of
from retrieve.provenance import versions
from retrieve.solvers import Solver

HERE = Path(__file__).parent
SETS = ("domains2d-50-cells", "domains2d-50-blobs")
LEAST = 40  # objects, for a table to be shown
PICTURE = ("estimate", "truth", "amplitude")


class Entry(NamedTuple):
    """A solver by name with its options, on how many objects and from how many starts."""

    name: str
    options: dict[str, Any]
    objects: int
    starts: int


def main() -> None:
    given = arguments(parser())
    chosen, left = entries(given)
    print("left out: " + ("; ".join(f"{label} ({why})" for label, why in left.items()) or "none"), flush=True)
    if given.workers > 1:
        os.environ.update(dict.fromkeys(THREADS, "1"))
    cells = [(name, level, label) for name in given.sets for level in given.noise for label in chosen]
    if given.gather:
        cells = [each for each in cells if found(*each, chosen[each[2]], given) is not None]
        chosen = {label: entry for label, entry in chosen.items() if any(label == each[2] for each in cells)}
    begun, parts = time.perf_counter(), []
    for number, (name, level, label) in enumerate(cells, start=1):
        part, fresh = cell(name, level, label, chosen[label], given)
        parts.append(part)
        hours, rate = (time.perf_counter() - begun) / 3600, summarise(part)[-1].success95.rate
        how = "done" if fresh else "kept"
        failures = [row.failure for row in part.rows if row.failure is not None]
        failed = f", {len(failures)} of {len(part.rows)} rows failed ({failures[0]})" if failures else ""
        print(f"{number}/{len(cells)} {name} σ={level:g} {label}: {how}, {100 * rate:.0f} %{failed}, {hours:.2f} h", flush=True)
        if part.settings["interrupted"]:
            sys.exit(130)
    whole = gathered(parts, chosen, left)
    tests = pairs(whole)
    print(*(told(test) for test in tests), sep="\n")
    content = {k: v for k, v in to_dict(whole).items() if k != "rows"} | {"paired": tests}
    content["times"] = {"summaries": content["times"]["summaries"]}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    write_content(content, given.out)
    if given.markdown is not None:
        given.markdown.write_text(markdown(summarise(whole), whole.settings, tests), encoding="utf-8")


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--objects", type=int, default=100, help="of each set")
    parser.add_argument("--long-objects", type=int, default=100, help="of them, how many the long classical runs get")
    parser.add_argument("--long", type=int, default=10_000, help="iterations of the long classical runs")
    parser.add_argument("--dps-objects", type=int, default=LEAST, help="of them, how many dps gets")
    parser.add_argument("--starts", type=int, default=8)
    parser.add_argument("--dps-starts", type=int, default=1)
    parser.add_argument("--weights", default="domains2d", help="the prior of diffusion and dps: a name or a file")
    parser.add_argument("--unet", default="unet2d-complex", help="weights of the complex U-Net: a name or a file")
    parser.add_argument("--unet-real", default="unet2d-real", help="weights of the real U-Net: a name or a file")
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--noise", type=float, nargs="+", default=list(benchmarks.BENCHMARK_NOISE))
    parser.add_argument("--only", nargs="+", metavar="LABEL", help="these alone, as they are called in the table")
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "learned2d.json")
    parser.add_argument("--markdown", type=Path, help="a Markdown table too")
    parser.add_argument("--parts", type=Path, default=HERE.parent / "build" / "learned", help="where finished cells are kept")
    parser.add_argument("--gather", action="store_true", help="run nothing: the table of the cells that are finished")
    parser.add_argument("--quick", action="store_true", help=argparse.SUPPRESS)  # a trial of the script, of no other use
    return parser


def arguments(parser: argparse.ArgumentParser) -> argparse.Namespace:
    given = parser.parse_args()
    if not given.quick and min(given.objects, given.long_objects, given.dps_objects) < LEAST:
        parser.error(f"a table needs at least {LEAST} objects of each solver")
    if given.quick and given.out == parser.get_default("out"):
        parser.error("--quick makes no table; give another --out")
    return given


def entries(given: argparse.Namespace) -> tuple[dict[str, Entry], dict[str, str]]:
    """The solvers by label, and why others are left out."""
    long, prior, quick = min(given.long_objects, given.objects), {"weights": given.weights}, given.quick
    few, nets = min(given.dps_objects, given.objects), {"objects": given.objects, "starts": 1}
    everything = {
        "hio": Entry("hio", {"iterations": 500}, given.objects, given.starts),
        "hio long": Entry("hio", {"iterations": 200 if quick else given.long}, long, given.starts),
        "rrr long": Entry("rrr", {"iterations": 200 if quick else given.long, "beta": 0.5}, long, given.starts),
        "unet": Entry("unet", {"weights": given.unet}, **nets),  # deterministic: one start is all there is
        "unet real": Entry("unet", {"weights": given.unet_real}, **nets),
        "unet hio": Entry("unet", {"weights": given.unet, "algorithm": "hio", "iterations": 500}, **nets),  # arXiv 2507.06644
        "dps": Entry("dps", prior | {"begin": "noise"} | ({"timesteps": 10} if quick else {}), few, given.dps_starts),
        OURS: Entry(OURS, prior | ({"search": 200, "evaluations": 10} if quick else {}), given.objects, given.starts),
        ONCE: Entry(OURS, prior | {"rounds": 1}, few, given.dps_starts),  # in less than a fifth of the evaluations of dps
        LIMIT: Entry(
            OURS,
            prior | {"search": 0, "rounds": 1, "sigma_max": 0.5, "sigma_mid": 0.5, "evaluations": 6 if quick else 60},
            given.objects,
            1,
        ),
    }
    labels = {label.partition(",")[0]: label for label in everything}
    if unknown := set(given.only or ()) - set(labels) - set(everything):
        raise SystemExit(f"no {', '.join(unknown)}; there are {', '.join(labels)}")
    wanted = {labels.get(label, label) for label in given.only or everything}
    chosen, left = {}, {}
    problem = next(benchmarks.Benchmark((given.sets[0],)).cases(given.noise[:1], 1)).problem
    for label in (label for label in everything if label in wanted):
        try:
            solver(everything[label]).check(problem)
            chosen[label] = everything[label]
        except InputError as error:
            left[label] = str(error).partition(";")[0]
    if not chosen:
        raise SystemExit("nothing is left to run: " + "; ".join(f"{label} ({why})" for label, why in left.items()))
    return chosen, left


def solver(entry: Entry) -> Solver:
    return made({"": (entry.name, entry.options)})[""]


# one set, noise level and solver -----------------------------------------------------------------


def cell(name: str, level: float, label: str, entry: Entry, given: argparse.Namespace) -> tuple[Comparison, bool]:
    """From its file where that is of the same options and weights, else run."""
    about = {"benchmark": "learned2d", **solver(entry).record()}
    if (part := found(name, level, label, entry, given)) is not None:
        return part, False
    cases = benchmarks.Benchmark((name,)).cases([level], entry.objects)
    if label == LIMIT:
        part = limits(solver(entry), cases, given, about)
    else:
        wanted = {label: solver(entry)}
        part = compare(wanted, cases, starts=entry.starts, workers=given.workers, device=given.device, about=about)
    path = path_of(name, level, label, entry, given)
    if part.pictures and not part.settings["interrupted"]:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path.with_suffix(".npz"), **{key: getattr(part.pictures[0], key) for key in PICTURE})
    return stored(part, path), True


def path_of(name: str, level: float, label: str, entry: Entry, given: argparse.Namespace) -> Path:
    short = label.partition(",")[0].replace(" ", "-")
    return given.parts / f"{name}-{level:g}-{short}-{entry.objects}x{entry.starts}.json"


def found(name: str, level: float, label: str, entry: Entry, given: argparse.Namespace) -> Comparison | None:
    """A finished cell with its picture, None where it is not there, of other options or weights, or failed throughout."""
    path, alone = path_of(name, level, label, entry, given), solver(entry)
    part = kept(path)
    if (
        part is None
        or all(row.failure for row in part.rows)
        or part.solvers != {label: {"name": alone.name, "options": values_of(alone)}}
    ):
        return None
    if part.settings.get("weights_sha256") != alone.record().get("weights_sha256"):
        return None
    if path.with_suffix(".npz").exists():
        with np.load(path.with_suffix(".npz")) as arrays:
            shown = next(row for row in part.rows if row.object == 0 and row.start is None)
            part = dataclasses.replace(part, pictures=(Picture(shown, **{key: arrays[key] for key in PICTURE}),))
    return part


def gathered(parts: Sequence[Comparison], chosen: Mapping[str, Entry], left: Mapping[str, str]) -> Comparison:
    """One comparison of all cells, which tells the objects, starts, weights and devices of each solver."""
    about = {
        "benchmark": "learned2d",
        "objects": {label: entry.objects for label, entry in chosen.items()},
        "starts": {label: entry.starts for label, entry in chosen.items()},
        "device": sorted({part.settings["device"] for part in parts}),
        "weights_sha256": {k: sha for part in parts if (sha := part.settings.get("weights_sha256")) for k in part.solvers},
        "left_out": dict(left),
    }
    return joined(parts, about)


# the limit ---------------------------------------------------------------------------------------


class Truth(NamedTuple):
    """The solver that starts from the truth, on one problem."""

    solver: Solver
    case: CompareCase
    device: str


def limits(alone: Solver, cases: Iterable[CompareCase], given: argparse.Namespace, about: Mapping[str, Any]) -> Comparison:
    """Rows as `compare` makes them, of runs that start from the truth."""
    units: Iterator[Truth] = (Truth(alone, case, given.device) for case in cases)
    if given.workers > 1:
        with ProcessPoolExecutor(given.workers, multiprocessing.get_context("spawn")) as pool:
            rows = list(pool.map(limit, units))
    else:
        rows = [limit(unit) for unit in units]
    fixed = {"starts": 1, "seed": 0, "budget": {}, "hold_out": 0.03, "ramp": False, "stopped_by_budget": [], "interrupted": False}
    settings = {**about, **fixed, "device": find_device(given.device).name, "versions": versions()}
    options = {LIMIT: {"name": alone.name, "options": values_of(alone)}}
    pictures = tuple(picture for _, picture in rows if picture is not None)
    return Comparison(settings, options, tuple(row for pair, _ in rows for row in pair), pictures)


def limit(unit: Truth) -> tuple[list[Row], Picture | None]:
    """The row of the start, the same again as the best, and what the first object looks like."""
    case, truth = unit.case, unit.case.problem.truth
    assert truth is not None
    spent, failure, r, free, values, x = Cost(), None, math.nan, None, {}, None
    try:
        result = solve(unit.solver, case.problem, starts=1, device=unit.device, hold_out=0.03, x0=truth)
        spent, r, free, x = result.cost, result.scores[0].r, result.scores[0].r_free, result.object
        values = evaluate(x, result.problem, truth)
    except SolverError as error:
        failure = str(error)
    cost = (spent.seconds, spent.ffts, spent.network_evaluations)
    rows = [Row(case.group, case.noise, case.object, LIMIT, k, r, free, values, *cost, failure) for k in (0, None)]
    if case.object > 0 or x is None:
        return rows, None
    amplitude = np.fft.fftshift(case.problem.amplitude).astype(np.float32)
    return rows, Picture(rows[1], align(x, truth, scale=True).object.astype(np.complex64), truth, amplitude)


if __name__ == "__main__":
    main()
