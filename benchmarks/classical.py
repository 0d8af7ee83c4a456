"""The classical solvers on all 2D sets at all noise levels: the table that anything new is held against.

    python benchmarks/classical.py --objects 100          # benchmarks/results/classical.json
    python benchmarks/classical.py --objects 100 --report classical.html --markdown docs/notes/classical_table.md

Every solver knows the support and gets 8 starts of 1000 Fourier transforms, 500 iterations; ``hio`` with one
start is what Lee et al. (2026) compare with, with 8 and the free score it is the same at its best. The
``long`` one gets twenty times as much, which is what flat cells need. Each set and noise level is kept in
--parts when it is done and is not run again: an interrupted table goes on where it stopped, also with more
sets or levels.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from retrieve.driver.solve import Budget
from retrieve.errors import InputError
from retrieve.evaluate import benchmarks
from retrieve.evaluate.compare import Rate, Summary, compare, summarise
from retrieve.evaluate.comparison import Comparison
from retrieve.evaluate.tables import read_json, to_dict, write_content, write_json
from retrieve.numerics.arrays import cores
from retrieve.plugins.options import build, values_of
from retrieve.plugins.registry import find
from retrieve.solvers import Solver

HERE = Path(__file__).parent
FFTS, LONG = 1000, 20_000
Table = dict[str, tuple[str, dict[str, Any]]]
# β and mixtures chosen on the tuning seed
SHORT: Table = {
    "er": ("er", {"iterations": 500}),
    "hio": ("hio", {"iterations": 500}),
    "hio+er": ("recipe", {"recipe": "450 hio + 50 er"}),
    "raar": ("raar", {"iterations": 500, "beta": 0.99}),
    "raar+er": ("recipe", {"recipe": "450 raar(beta=0.99) + 50 er"}),
    "rrr": ("rrr", {"iterations": 500}),
    "dm": ("dm", {"iterations": 500, "beta": 1.0}),
    "hpr": ("hpr", {"iterations": 500}),
    "asr": ("asr", {"iterations": 500}),
    "sf": ("sf", {"iterations": 500}),
    "oss": ("oss", {"iterations": 500}),
    "cg": ("cg", {"iterations": 500}),
}
LONGER: Table = {"hio long": ("hio", {"iterations": 10_000})}


def main() -> None:
    given = arguments()
    sets = given.sets or [name for which in ("domains2d", "crystal2d") for name in benchmarks.benchmark(which).sets]
    cells = [(name, level) for name in sets for level in given.noise]
    begun, parts = time.perf_counter(), []
    for number, (name, level) in enumerate(cells, start=1):
        part, fresh = one_cell(name, level, given)
        parts.append(part)
        hours = (time.perf_counter() - begun) / 3600
        print(f"{number}/{len(cells)} {name} σ={level:g}: {'done' if fresh else 'kept'}, {hours:.2f} h", flush=True)
        if part.settings["interrupted"]:
            sys.exit(130)
    whole = joined(parts, about(given))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    write_content({name: value for name, value in to_dict(whole).items() if name != "rows"}, given.out)
    if given.report is not None:
        from retrieve.report.page import write_page

        write_page(whole, given.report)
    if given.markdown is not None:
        given.markdown.write_text(markdown(whole), encoding="utf-8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--objects", type=int, default=100, help="of each set")
    parser.add_argument("--long", type=int, default=100, help="of them, how many the long one gets")
    parser.add_argument("--sets", nargs="*", help="all 2D sets unless given")
    parser.add_argument("--noise", type=float, nargs="*", default=list(benchmarks.BENCHMARK_NOISE))
    parser.add_argument("--starts", type=int, default=8)
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--out", type=Path, default=HERE / "results" / "classical.json")
    parser.add_argument("--report", type=Path, help="an HTML page too")
    parser.add_argument("--markdown", type=Path, help="a Markdown table too")
    parser.add_argument("--parts", type=Path, default=HERE.parent / "build" / "classical", help="where finished cells are kept")
    return parser.parse_args()


def made(table: Table) -> dict[str, Solver]:
    return {label: build(find("solvers", name), options) for label, (name, options) in table.items()}


def one_cell(name: str, level: float, given: argparse.Namespace) -> tuple[Comparison, bool]:
    """Every solver on one set at one noise level, from its file where that is of the same solvers and settings."""
    path = given.parts / f"{name}-{level:g}-{given.objects}-{given.long}x{given.starts}.json"
    wanted = {label: {"name": s.name, "options": values_of(s)} for label, s in (made(SHORT) | made(LONGER)).items()}
    if (part := kept(path)) is not None and part.solvers == wanted:
        return part, False
    benchmark = benchmarks.Benchmark((name,))
    pair = []
    for table, ffts, objects in ((SHORT, FFTS, given.objects), (LONGER, LONG, given.long)):
        cases = benchmark.cases([level], min(objects, given.objects))
        pair.append(compare(made(table), cases, starts=given.starts, budget=Budget(ffts=ffts), workers=given.workers))
        if pair[-1].settings["interrupted"]:
            break
    return stored(joined(pair, about(given)), path), True


def kept(path: Path) -> Comparison | None:
    """A finished cell from its file, None where there is none."""
    try:
        part = read_json(path)
    except InputError:
        return None
    return None if part.settings["interrupted"] else part


def stored(part: Comparison, path: Path) -> Comparison:
    """Write a cell; returns it as it will be read again, to the same digits, with its pictures."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return dataclasses.replace(read_json(write_json(part, path)), pictures=part.pictures)


def about(given: argparse.Namespace) -> dict[str, Any]:
    return {"benchmark": "classical", "objects": {"all": given.objects, "long": given.long}, "ffts": {"all": FFTS, "long": LONG}}


def joined(parts: Sequence[Comparison], about: Mapping[str, Any]) -> Comparison:
    """One comparison of several; objects and pictures as they come."""
    settings = {**parts[0].settings, **about, "interrupted": any(part.settings["interrupted"] for part in parts)}
    settings["stopped_by_budget"] = sorted({label for part in parts for label in part.settings["stopped_by_budget"]})
    return dataclasses.replace(
        parts[0],
        settings=settings,
        solvers={label: told for part in parts for label, told in part.solvers.items()},
        rows=tuple(row for part in parts for row in part.rows),
        pictures=tuple(picture for part in parts for picture in part.pictures),
    )


def markdown(whole: Comparison) -> str:
    """A table a set: solvers down, noise levels across, the rate of success and its interval."""
    starts, objects = whole.settings["starts"], whole.settings["objects"]
    lines = [
        "# Classical solvers on simulated objects",
        "",
        f"Made by `benchmarks/classical.py`: {objects['all']} objects a set, known support, {FFTS} Fourier transforms a start;",
        f"{objects['long']} objects and {LONG} transforms for the long one. Each field gives the share of objects (%) above 0.95",
        f"in complex correlation: of one start (mean of {starts}), then in bold of the one of {starts} that R_free selects, and",
        "its 95 % interval.",
    ]
    for group, rows in tables(summarise(whole), field):
        lines += ["", f"## {group}", "", *rows]
    return "\n".join(lines) + "\n"


def tables(found: Sequence[Summary], field: Callable[[Summary | None, Summary | None], str]) -> Iterator[tuple[str, list[str]]]:
    """The Markdown table of each set: solvers down, noise levels across, in each what `field` says of one start and the best."""
    summaries = {(s.group, s.noise, s.solver, s.best): s for s in found}
    groups, solvers = dict.fromkeys(s.group for s in found), dict.fromkeys(s.solver for s in found)
    levels = dict.fromkeys(s.noise for s in found)
    for group in groups:
        lines = ["| solver | " + " | ".join(f"σ = {level:g}" for level in levels) + " |", "|---|" + "---|" * len(levels)]
        for solver in solvers:
            cells = [field(*(summaries.get((group, level, solver, best)) for best in (False, True))) for level in levels]
            lines.append(f"| {solver} | " + " | ".join(cells) + " |")
        yield group, lines


def field(alone: Summary | None, best: Summary | None) -> str:
    if alone is None or best is None:
        return "–"
    rate: Rate = best.success95
    return f"{100 * alone.success95.rate:.0f}, **{100 * rate.rate:.0f}** [{100 * rate.low:.0f}, {100 * rate.high:.0f}]"


if __name__ == "__main__":
    main()
