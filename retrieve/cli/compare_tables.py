"""The tables that ``retrieve compare`` prints."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..evaluate.comparison import Comparison
from ..evaluate.statistics import LEVELS, Paired, Rate, Summary, paired, summarise

TABLE_PAIRS = 20  # lines of paired tests that are printed; all are in the JSON and on the page


def show(comparison: Comparison, metrics: Sequence[str], console: Console) -> None:
    """Print a table a set, the paired tests, and what failed."""
    summaries = summarise(comparison)
    starts = int(comparison.settings["starts"])
    for group in dict.fromkeys(s.group for s in summaries):
        own = [s for s in summaries if s.group == group]
        if any(not math.isnan(s.success95.rate) for s in own):
            console.print(_success(group, own, starts))
            console.print("% of objects above these complex correlations, with the 95 % interval\n", style="dim")
        console.print(_costs(group, own, starts, metrics))
        console.print("medians of the chosen starts; what all starts of an object spent\n", style="dim")
    for label in comparison.settings["stopped_by_budget"]:
        console.print(f"note: {label} was stopped by the budget before its own end", markup=False)
    _show_paired(paired(comparison), console)
    reasons = Counter((row.solver, row.failure) for row in comparison.rows if row.failure)
    for (solver, reason), times in reasons.items():
        console.print(f"failed: {solver}, {times} row(s): {reason}", markup=False)
    if comparison.settings["interrupted"]:
        console.print("interrupted: this is what there was")


def _success(group: str, summaries: Sequence[Summary], starts: int) -> Table:
    """A line for each noise level and solver: single start and best of all side by side."""
    table = Table(title=_title(group, summaries), title_justify="left", box=None, pad_edge=False)
    single, best = ("1 start", f"best of {starts}") if starts > 1 else ("", "1 start")
    heads = ["solver"] + [f"{which} >{level}" for which in (single, best) if which for level in LEVELS]
    _heads(table, summaries, heads)
    for chosen, alone in _lines(summaries):
        rates = [
            (one.success95, one.success99) if one else (None, None) for one in ((alone, chosen) if starts > 1 else (chosen,))
        ]
        table.add_row(*_sigma(summaries, chosen), escape(chosen.solver), *(_rate(rate) for pair in rates for rate in pair))
    return table


def _costs(group: str, summaries: Sequence[Summary], starts: int, metrics: Sequence[str]) -> Table:
    """A line for each noise level and solver: medians of the chosen starts and what all starts spent."""
    table = Table(title=_title(group, summaries), title_justify="left", box=None, pad_edge=False)
    networks, failing = any(s.network_evaluations for s in summaries), any(s.failures for s in summaries)
    metrics = [name for name in metrics if any(name in s.medians for s in summaries)]
    medians_of = (*(name.replace("_", " ") for name in metrics), "R", "R_free", "agree")
    _heads(table, summaries, ["solver", *medians_of, "FFTs", *["networks"] * networks, "s", *["failed"] * failing])
    for chosen, alone in _lines(summaries):
        medians = [_number(chosen.medians.get(name)) for name in (*metrics, "r", "r_free")]
        cost = [str(chosen.ffts), *[str(chosen.network_evaluations)] * networks] if alone else ["–"] * (1 + networks)
        failed = [str(max(chosen.failures, alone.failures if alone else 0))] * failing
        agreement = _agreement(chosen, alone is not None and starts == 1)
        cells = (*medians, agreement, *cost, _number(chosen.seconds), *failed)
        table.add_row(*_sigma(summaries, chosen), escape(chosen.solver), *cells)
    return table


def _title(group: str, summaries: Sequence[Summary]) -> str:
    objects = max(s.objects for s in summaries)
    return escape(f"{group}, {objects} object{'s' if objects > 1 else ''}")


def _heads(table: Table, summaries: Sequence[Summary], heads: Sequence[str]) -> None:
    for head in (["σ"] if _noisy(summaries) else []) + list(heads):
        table.add_column(head, justify="left" if head in ("σ", "solver") else "right", overflow="fold")


def _lines(summaries: Sequence[Summary]) -> list[tuple[Summary, Summary | None]]:
    """The best of all starts with the single start beside it, where there were starts."""
    singles = {(s.noise, s.solver): s for s in summaries if not s.best}
    return [(s, singles.get((s.noise, s.solver))) for s in summaries if s.best]


def _noisy(summaries: Sequence[Summary]) -> bool:
    return any(s.noise is not None for s in summaries)


def _sigma(summaries: Sequence[Summary], one: Summary) -> list[str]:
    return [_number(one.noise)] if _noisy(summaries) else []


def _agreement(summary: Summary, single: bool) -> str:
    """How alike the starts are; one sample has no spread."""
    return "one sample" if single else _number(summary.medians.get("agreement"))


def _rate(rate: Rate | None) -> str:
    if rate is None or math.isnan(rate.rate):
        return "–"
    return rf"{100 * rate.rate:.0f} \[{100 * rate.low:.0f}, {100 * rate.high:.0f}]"


def _number(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.3g}"


def _show_paired(pairs: Sequence[Paired], console: Console) -> None:
    """McNemar's test for each pair of solvers; of many only those that differ."""
    shown = [p for p in pairs if p.p < 0.05] if len(pairs) > TABLE_PAIRS else list(pairs)
    if not shown:
        if pairs:
            console.print(f"paired tests: none of {len(pairs)} pairs of solvers differs at p < 0.05")
        return
    left = (
        f"; {len(pairs) - len(shown[:TABLE_PAIRS])} more pairs in the JSON and on the page"
        if len(pairs) > len(shown[:TABLE_PAIRS])
        else ""
    )
    title = f"objects that a pair of solvers solves (>{LEVELS[0]}), exact McNemar test{left}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for head in ("set", "σ", "a", "b", "both", "only a", "only b", "neither", "p"):
        table.add_column(head, justify="left" if head in ("set", "a", "b") else "right", overflow="fold")
    for p in shown[:TABLE_PAIRS]:
        counts = (str(n) for n in (p.both, p.only_a, p.only_b, p.neither))
        table.add_row(escape(p.group), _number(p.noise), escape(p.a), escape(p.b), *counts, _number(p.p))
    console.print(table)
