"""The tables of a comparison: summaries, solvers in pairs, failures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from ..evaluate.comparison import Row
from ..evaluate.statistics import LEVELS, Paired, Rate, Summary
from .numbers import NONE
from .tables import Cell, Column, TablePanel, percent

THRESHOLDS = dict(zip(("success95", "success99"), LEVELS, strict=True))
METRIC_TITLES = {
    "r": "R",
    "r_free": "R_free",
    "nrmse": "NRMSE",
    "chi2_object": "χ² of the object",
    "chi2_diffraction": "χ² of the diffraction",
}
SCORE_HINTS = {
    "r": "Σ(√P − √I)²/ΣI over the fitted pixels; lower is better",
    "r_free": "R on pixels that no solver saw; lower is better",
    "agreement": "mean correlation of the other starts with the chosen one; higher is better",
}
VARIANTS = {"raw": "of the estimate as it lies, not aligned", "averaged": "of the mean of all starts, weighted by their scores"}


def metric_hints() -> dict[str, str]:
    """The formula of each metric, and which way is better."""
    from ..evaluate.metrics import metrics

    plain = {name: f"{metric.formula}; {metric.direction} is better" for name, metric in metrics().items()}
    more = {f"{prefix}_{name}": f"{formula}; {words}" for name, formula in plain.items() for prefix, words in VARIANTS.items()}
    return SCORE_HINTS | plain | more


def metric_title(metric: str) -> str:
    """A metric's name for reading."""
    return METRIC_TITLES.get(metric, metric.replace("-", " ").replace("_", " "))


def summary_table(summaries: Sequence[Summary], hints: Mapping[str, str]) -> TablePanel:
    """One line a set, noise level, solver and choice of start; columns that say one thing throughout are left out."""
    columns = [Column("solver", [s.solver for s in summaries], choose=True)]
    if len({s.group for s in summaries}) > 1:
        columns.append(Column("set", [s.group for s in summaries], choose=True))
    if len({s.noise for s in summaries}) > 1:
        columns.append(Column("noise", [_noise(s.noise) for s in summaries], "σ, share of the largest amplitude", choose=True))
    best = ["best" if s.best else "single" for s in summaries]
    columns.append(Column("start", best, "a single one, or the best of all by R_free", choose=True))
    columns.append(Column("objects", [s.objects for s in summaries]))
    if any(math.isfinite(s.success95.rate) for s in summaries):
        for name, level in THRESHOLDS.items():
            hint = f"share of objects with a complex correlation above {level}"
            columns.append(Column(f"> {level}", [_rate(getattr(s, name)) for s in summaries], hint))
    for name in dict.fromkeys(name for s in summaries for name in s.medians):
        columns.append(Column(metric_title(name), [s.medians.get(name) for s in summaries], "median of " + hints.get(name, name)))
    if len({s.starts for s in summaries if math.isfinite(s.starts)}) > 1:
        columns.append(Column("starts", [s.starts for s in summaries], "mean number among which the best was chosen"))
    if any(s.completed < 1 for s in summaries):
        hint = "share of the solver's own steps before the budget ended it, mean of a row"
        columns.append(Column("own run", [s.completed for s in summaries], hint, show=percent))
    columns.append(Column("seconds", [s.seconds for s in summaries], "mean of a row"))
    columns.append(Column("FFTs", [s.ffts for s in summaries], "mean of a row"))
    if any(s.network_evaluations for s in summaries):
        columns.append(Column("denoiser calls", [s.network_evaluations for s in summaries], "mean of a row"))
    columns.append(Column("failed", [s.failures for s in summaries], "rows without an estimate"))
    return TablePanel("summary-table", "Summary: one line a set, noise level, solver and choice of start", columns)


def paired_table(pairs: Sequence[Paired]) -> TablePanel:
    """Which objects each of two solvers solves, and whether the difference could be chance."""
    columns = [
        Column("A", [q.a for q in pairs], choose=True),
        Column("B", [q.b for q in pairs], choose=True),
        Column("set", [q.group for q in pairs], choose=True),
        Column("noise", [_noise(q.noise) for q in pairs], choose=True),
        Column("both", [q.both for q in pairs], "objects that both solve"),
        Column("only A", [q.only_a for q in pairs]),
        Column("only B", [q.only_b for q in pairs]),
        Column("neither", [q.neither for q in pairs]),
        Column("p", [q.p for q in pairs], "McNemar's exact test, two-sided: could the difference be chance?"),
    ]
    return TablePanel("paired-table", "Solver against solver", columns)


def failures_table(rows: Sequence[Row]) -> TablePanel:
    """How many rows failed, and why."""
    counts = Counter((row.solver, row.group, row.noise, row.failure) for row in rows if row.failure is not None)
    columns = [
        Column("solver", [solver for solver, *_ in counts], choose=True),
        Column("set", [group for _, group, *_ in counts], choose=True),
        Column("noise", [_noise(noise) for *_, noise, _ in counts]),
        Column("rows", list(counts.values())),
        Column("reason", [reason for *_, reason in counts]),
    ]
    return TablePanel("failures-table", "Failures", columns)


def _noise(noise: float | None) -> Cell:
    return Cell("as measured", None) if noise is None else Cell(f"{noise:g}", noise)


def _rate(rate: Rate) -> Cell:
    """A success rate with its interval in words and as a bar."""
    if not math.isfinite(rate.rate):
        return Cell(NONE, None)
    return Cell(f"{rate.rate:.0%}", rate.rate, f"{100 * rate.low:.0f}–{100 * rate.high:.0f}", (rate.low, rate.rate, rate.high))
