"""The tables that ``retrieve compare`` prints."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ..evaluate.comparison import Comparison
from ..evaluate.statistics import LEVELS, Paired, Rate, Summary, paired, summarise
from ..plugins.options import values_of
from .options import print_options
from .outputs import replacing_result

TABLE_PAIRS = 20  # lines of paired tests that are printed; all are in the JSON and on the page
TEXT_COLUMNS = ("σ", "solver", "set", "a", "b", "name", "noise σ")


def print_settings(competitors: Mapping[str, Any], given: Mapping[str, Any], console: Console) -> None:
    """Print every option of each solver, and of the comparison."""
    from ..solvers.base import Solver

    for label, competitor in competitors.items():
        if isinstance(competitor, Solver):
            console.print(f"  {label}:", markup=False)
            print_options(values_of(competitor), console)
    console.print("  comparison:")
    print_options({name: given[name] for name in ("starts", "seed", "ffts", "seconds", "hold_out", "device", "ramp")}, console)


def print_tables(comparison: Comparison, metrics: Sequence[str], console: Console) -> None:
    """Print a table a set, the paired tests, and what failed."""
    summaries = summarise(comparison)
    seconds = comparison.settings.get("seconds")
    starts = int(comparison.settings["starts"]) if seconds is None else 0
    for group in dict.fromkeys(s.group for s in summaries):
        own = [s for s in summaries if s.group == group]
        best = [s for s in own if s.best]
        single = {(s.noise, s.solver): s for s in own if not s.best}
        alone = [single.get((s.noise, s.solver)) for s in best]
        noise = {"σ": [_number(s.noise) for s in best]} if any(s.noise is not None for s in best) else {}
        lines = noise | {"solver": [s.solver for s in best]}
        objects = max(s.objects for s in own)
        title = f"{group}, {objects} object{'s' if objects > 1 else ''}"
        if any(not math.isnan(s.success95.rate) for s in own):
            console.print(_table(title, lines | _success(best, alone, starts)))
            console.print("% of objects above these complex correlations, with the 95 % interval\n", style="dim")
        console.print(_table(title, lines | _costs(best, alone, metrics)))
        costs = "medians of the chosen starts; cost of all starts of an object"
        console.print(f"{costs}; {comparison.equal}\n" if comparison.equal else f"{costs}\n", style="dim")
    for note in comparison.notes:
        console.print(f"note: {note}", markup=False)
    _show_paired(paired(comparison), console)
    reasons = Counter((row.solver, row.failure) for row in comparison.rows if row.failure)
    for (solver, reason), times in reasons.items():
        console.print(f"failed: {solver}, {times} row(s): {reason}", markup=False)
    if comparison.settings["interrupted"]:
        console.print("interrupted: these are the rows that were done")


def print_benchmarks(console: Console) -> None:
    """Print every name that `--benchmark` takes with its size, noise and budget, and the sets of those that have several."""
    from ..evaluate.benchmarks import benchmark, benchmark_names
    from ..simulate import object_set

    chosen = {name: benchmark(name) for name in benchmark_names()}
    columns = {
        "name": list(chosen),
        "pixels": ["×".join(map(str, object_set(one.sets[0]).shape)) for one in chosen.values()],
        "objects": [f"{len(one.sets)} × {one.objects}" for one in chosen.values()],
        "noise σ": [", ".join(f"{level:g}" for level in one.noise) for one in chosen.values()],
        "s an object": [f"{one.seconds:g}" for one in chosen.values()],
    }
    console.print(_table("benchmarks, and the sets of `retrieve simulate`", columns))
    for name, one in chosen.items():
        if one.sets != (name,):
            console.print(f"{name} has the sets {', '.join(one.sets)}", markup=False)
    console.print("Objects are of each set, at each noise level. --noise, --objects, --seconds and --ffts change a benchmark.")


def _success(best: Sequence[Summary], alone: Sequence[Summary | None], starts: int) -> dict[str, list[str]]:
    """Success rates of a single start and of the best of all, side by side; starts: their number, 0 where it differs."""
    shown = {"1 start": best} if starts == 1 else {"1 start": alone, f"best of {starts or 'all'}": best}
    rates: dict[str, list[str]] = {}
    for name, summaries in shown.items():
        rates[f"{name} >{LEVELS[0]}"] = [_rate(s.success95 if s else None) for s in summaries]
        rates[f"{name} >{LEVELS[1]}"] = [_rate(s.success99 if s else None) for s in summaries]
    return rates


def _costs(best: Sequence[Summary], alone: Sequence[Summary | None], metrics: Sequence[str]) -> dict[str, list[str]]:
    """Medians of the chosen starts, and the cost of all starts; an external result has none."""
    medians = {name.replace("_", " "): name for name in metrics if any(name in s.medians for s in best)}
    columns = {head: [_number(s.medians.get(name)) for s in best] for head, name in (medians | SCORES).items()}
    lonely = [a is not None and math.isnan(s.medians.get("agreement", math.nan)) for s, a in zip(best, alone, strict=True)]
    columns["agree"] = ["one sample" if one else cell for one, cell in zip(lonely, columns["agree"], strict=True)]
    if len({s.starts for s in best if not math.isnan(s.starts)}) > 1:
        columns["starts"] = ["–" if math.isnan(s.starts) else f"{s.starts:.0f}" for s in best]
    if any(s.completed < 1 for s in best):
        columns["own run"] = ["–" if math.isnan(s.completed) else f"{s.completed:.0%}" for s in best]
    columns["FFTs"] = [str(s.ffts) if a else "–" for s, a in zip(best, alone, strict=True)]
    if any(s.network_evaluations for s in best):
        columns["networks"] = [str(s.network_evaluations) if a else "–" for s, a in zip(best, alone, strict=True)]
    columns["s"] = [_number(s.seconds) for s in best]
    failures = [max(s.failures, a.failures if a else 0) for s, a in zip(best, alone, strict=True)]
    return columns | ({"failed": list(map(str, failures))} if any(failures) else {})


SCORES = {"R": "r", "R_free": "r_free", "agree": "agreement"}


def _show_paired(pairs: Sequence[Paired], console: Console) -> None:
    """McNemar's test for each pair of solvers; of many only those that differ."""
    differ = [p for p in pairs if p.p < 0.05] if len(pairs) > TABLE_PAIRS else list(pairs)
    shown = differ[:TABLE_PAIRS]
    if pairs and not shown:
        console.print(f"paired tests: none of {len(pairs)} pairs of solvers differs at p < 0.05")
    if not shown:
        return
    left = len(pairs) - len(shown)
    title = f"objects that a pair of solvers solves (>{LEVELS[0]}), exact McNemar test"
    columns = {
        "set": [p.group for p in shown],
        "σ": [_number(p.noise) for p in shown],
        "a": [p.a for p in shown],
        "b": [p.b for p in shown],
        "both": [str(p.both) for p in shown],
        "only a": [str(p.only_a) for p in shown],
        "only b": [str(p.only_b) for p in shown],
        "neither": [str(p.neither) for p in shown],
        "p": [_number(p.p) for p in shown],
    }
    console.print(_table(title + (f"; {left} more pairs in the JSON and on the page" if left else ""), columns))


def _table(title: str, columns: Mapping[str, Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for head in columns:
        table.add_column(head, justify="left" if head in TEXT_COLUMNS else "right", overflow="fold")
    for cells in zip(*columns.values(), strict=True):
        table.add_row(*cells)
    return table


def _rate(rate: Rate | None) -> str:
    if rate is None or math.isnan(rate.rate):
        return "–"
    return f"{100 * rate.rate:.0f} [{100 * rate.low:.0f}, {100 * rate.high:.0f}]"


def _number(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.3g}"


def write_files(comparison: Comparison, given: Mapping[str, Any]) -> list[Path]:
    """Write the JSON, the CSV and the page that were asked for, and return their paths."""
    from ..evaluate.tables import write_csv, write_json

    written = []
    if given["json_"] is not None:
        with replacing_result(given["json_"]):
            written.append(write_json(comparison, given["json_"]))
    if given["csv_"] is not None:
        written.append(write_csv(comparison, given["csv_"]))
    if given["report"] is not None:
        from ..report.page import write_page

        written.append(write_page(comparison, given["report"]))
    return written
