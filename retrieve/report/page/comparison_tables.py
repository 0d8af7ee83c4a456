"""The tables of a comparison: summaries, solvers in pairs, failures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ...evaluate.comparison import Row
from ...evaluate.statistics import LEVELS, Paired, Rate, Summary
from .html import NONE, Cell, Column, Html, join, table, tag

THRESHOLDS = dict(zip(("success95", "success99"), LEVELS, strict=True))
NAMES = {"r": "R", "r_free": "R_free", "chi2_object": "χ² of the object", "chi2_diffraction": "χ² of the diffraction"}
FORMULAS = {
    "r": "Σ(√P − √I)²/ΣI over the fitted pixels; lower is better",
    "r_free": "R on pixels that no solver saw; lower is better",
    "agreement": "mean correlation of the other starts with the chosen one; higher is better",
}
VARIANTS = {"raw": "of the estimate as it lies, not aligned", "averaged": "of the mean of all starts, weighted by their scores"}


def hints_of_metrics() -> dict[str, str]:
    """What each metric means: its formula and which way is better."""
    from ...evaluate.metrics import metrics

    plain = {name: f"{metric.formula}; {metric.direction} is better" for name, metric in metrics().items()}
    more = {f"{prefix}_{name}": f"{formula}; {words}" for name, formula in plain.items() for prefix, words in VARIANTS.items()}
    return FORMULAS | plain | more


def metric_title(metric: str) -> str:
    """A metric's name for reading."""
    return NAMES.get(metric, metric.replace("-", " ").replace("_", " "))


def summary_table(summaries: Sequence[Summary], hints: Mapping[str, str]) -> list[Html]:
    """One line a set, noise level, solver and choice of start; columns that say one thing throughout are left out."""
    if not summaries:
        return []
    medians = list(dict.fromkeys(name for s in summaries for name in s.medians))
    judged = any(math.isfinite(s.success95.rate) for s in summaries)
    columns: dict[Column, list[Any]] = {Column("solver", choose=True): [s.solver for s in summaries]}
    if len({s.group for s in summaries}) > 1:
        columns[Column("set", choose=True)] = [s.group for s in summaries]
    if len({s.noise for s in summaries}) > 1:
        columns[Column("noise", "σ, share of the largest amplitude", choose=True)] = [_noise(s.noise) for s in summaries]
    start = Column("start", "a single one, or the best of all by the free score", choose=True)
    columns[start] = ["best" if s.best else "single" for s in summaries]
    columns[Column("objects")] = [s.objects for s in summaries]
    for name, level in THRESHOLDS.items() if judged else ():
        hint = f"share of objects with a complex correlation above {level}"
        columns[Column(f"> {level}", hint)] = [_rate(getattr(s, name)) for s in summaries]
    for name in medians:
        columns[Column(metric_title(name), "median of " + hints.get(name, name))] = [s.medians.get(name) for s in summaries]
    columns[Column("seconds", "mean of a row")] = [s.seconds for s in summaries]
    columns[Column("FFTs", "mean of a row")] = [s.ffts for s in summaries]
    if any(s.network_evaluations for s in summaries):
        columns[Column("network calls", "mean of a row")] = [s.network_evaluations for s in summaries]
    columns[Column("failed", "rows without an estimate")] = [s.failures for s in summaries]
    rows = list(zip(*columns.values(), strict=True))
    note = (
        "“single” is what one start gives on average, “best” the start with the best score on held-out pixels. "
        "Success counts objects, with its 95 % interval beside it; metrics are medians. Click a head to sort."
    )
    caption = "Summary: one line a set, noise level, solver and choice of start"
    return [table(list(columns), rows, caption, id="summary-table"), tag("p", note, class_="note")]


def paired_table(pairs: Sequence[Paired]) -> list[Html]:
    """Which objects each of two solvers solves, and whether the difference could be chance."""
    if not pairs:
        return []
    columns = [
        Column("A", choose=True),
        Column("B", choose=True),
        Column("set", choose=True),
        Column("noise", choose=True),
        Column("both", "objects that both solve"),
        Column("only A"),
        Column("only B"),
        Column("neither"),
        Column("p", "McNemar's exact test, two-sided: could the difference be chance?"),
    ]
    rows = [[q.a, q.b, q.group, _noise(q.noise), q.both, q.only_a, q.only_b, q.neither, q.p] for q in pairs]
    note = (
        f"Objects solved (complex correlation above {LEVELS[0]}) by the best start of each. "
        "p: McNemar's exact test, not corrected for the number of pairs."
    )
    return [table(columns, rows, "Solver against solver", id="paired-table"), tag("p", note, class_="note")]


def failures_table(rows: Sequence[Row]) -> list[Html]:
    """How many rows failed, and why."""
    counts = Counter((row.solver, row.group, row.noise, row.failure) for row in rows if row.failure is not None)
    if not counts:
        return []
    columns = [Column("solver", choose=True), Column("set", choose=True), Column("noise"), Column("rows"), Column("reason")]
    cells = [[solver, group, _noise(noise), count, why] for (solver, group, noise, why), count in counts.items()]
    return [table(columns, cells, "Failures", id="failures-table")]


def _noise(noise: float | None) -> Cell:
    return Cell("as measured", None) if noise is None else Cell(f"{noise:g}", noise)


def _rate(rate: Rate) -> Cell:
    """A success rate with its interval in words and as a bar."""
    if not math.isfinite(rate.rate):
        return Cell(NONE, None)
    middle, low, high = (100 * v for v in rate)
    bar = tag(
        "span",
        tag("i", style=f"left:{low:.1f}%;width:{high - low:.1f}%"),
        tag("b", style=f"left:{middle:.1f}%"),
        class_="interval",
        aria_hidden="true",
    )
    return Cell(join((f"{middle:.0f}% ", tag("small", f"{low:.0f}–{high:.0f}"), bar)), rate.rate)
