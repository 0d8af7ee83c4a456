"""The page of a comparison."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..comparison import Comparison, Picture, Row
from ..report import crop_to, to_middle
from ..summary import Paired, Rate, Summary, paired, summarise
from .charts import Curve, Line, distribution_chart, history_chart, success_chart, swatch
from .html import Cell, Column, Html, code, document, facts, join, number, table, tag
from .images import Panel, viewer
from .objects import errors_of, look_of, panels_of, untilted

BUDGET = 3_500_000  # characters that the examples may take; the bar for a whole page is 6 MB
LEVELS = {"success95": 0.95, "success99": 0.99}
NAMES = {"chi2": "χ²", "free": "free χ²"}
FORMULAS = {
    "chi2": "Σ(√P − √I)²/ΣI over the fitted pixels; lower is better",
    "free": "the same on pixels that no solver saw; lower is better",
}


def comparison_page(comparison: Comparison) -> str:
    """The HTML of a comparison: its rows summarised, drawn and, for a few objects, shown."""
    summaries = summarise(comparison)
    hints = _hints()
    sections: dict[str, list[Any]] = {
        "Success against noise": _success(comparison, summaries),
        "Summary": [_summary(summaries, hints), tag("p", _reading(summaries), class_="note")] if summaries else [],
        "Solver against solver": _paired(paired(comparison)),
        "Distributions": _distributions(comparison, hints),
        "Examples": _examples(comparison),
        "Failures": _failures(comparison.rows),
        "How this was made": _made(comparison),
    }
    return document(_title(comparison), _lead(comparison), sections)


def _hints() -> dict[str, str]:
    """What each metric means: its formula and which way is better."""
    from ..metrics import metrics

    return FORMULAS | {name: f"{metric.formula}; {metric.direction} is better" for name, metric in metrics().items()}


def _title(comparison: Comparison) -> str:
    solvers = len(comparison.solvers) or len({row.solver for row in comparison.rows})
    name = comparison.settings.get("benchmark")
    return (f"{name}: " if name else "") + ("one solver" if solvers == 1 else f"{solvers} solvers compared")


def _lead(comparison: Comparison) -> str:
    rows = comparison.rows
    objects = len({(row.group, row.object) for row in rows})
    groups, noises = len(_groups(rows)), len({row.noise for row in rows})
    starts = len({row.start for row in rows if row.start is not None})
    failed = sum(row.failure is not None for row in rows)
    parts = [
        _count(objects, "object") + (f" in {groups} sets" if groups > 1 else ""),
        _count(noises, "noise level") if noises > 1 else None,
        _count(starts, "start") + " each" if starts else None,
        _count(sum(row.start is not None for row in rows), "run") + (f", {failed} failed" if failed else ""),
    ]
    return ", ".join(part for part in parts if part) + "."


def _count(n: int, what: str) -> str:
    return f"{number(n)} {what}" + "s" * (n != 1)


def _groups(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row.group for row in rows))


def _noises(rows: Sequence[Row] | Sequence[Summary]) -> list[float | None]:
    return sorted({row.noise for row in rows}, key=lambda noise: -1.0 if noise is None else noise)


def _series(comparison: Comparison) -> dict[str, int]:
    """Solver → number of its colour, the same in every chart."""
    names = [*comparison.solvers, *(row.solver for row in comparison.rows)]
    return {name: k for k, name in enumerate(dict.fromkeys(names))}


def _legend(series: Mapping[str, int], *more: Html) -> Html:
    items = [tag("li", swatch(k), name) for name, k in series.items()]
    return tag("ul", *items, *more, class_="legend")


# success ------------------------------------------------------------------------------------------


def _success(comparison: Comparison, summaries: Sequence[Summary]) -> list[Html]:
    series, parts = _series(comparison), []
    for group in _groups(comparison.rows):
        own = [s for s in summaries if s.group == group and math.isfinite(s.success95[0])]
        if not own:
            continue
        noises = _noises(own)
        charts = []
        for name, level in LEVELS.items():
            lines = []
            for solver, k in series.items():
                for best in (False, True):
                    found = {s.noise: getattr(s, name) for s in own if s.solver == solver and s.best == best}
                    if found:
                        lines.append(Line(k, best, [tuple(found.get(noise, (math.nan,) * 3)) for noise in noises]))
            title = f"Complex correlation above {level}"
            charts.append(success_chart(noises, lines, title, f"{group}: share of objects with a correlation above {level}"))
        parts += [tag("h3", group), tag("div", *charts, class_="charts pair")]
    if not parts:
        return []
    words = "Filled marks and full lines: the start chosen by the free score. Hollow marks and dashed lines: a single start."
    bars = "Bars: 95 % intervals over the objects."
    return [_legend(series), *parts, tag("p", f"{words} {bars}", class_="note")]


# tables -------------------------------------------------------------------------------------------


def _summary(summaries: Sequence[Summary], hints: Mapping[str, str]) -> Html:
    medians = list(dict.fromkeys(name for s in summaries for name in s.medians))
    judged = any(math.isfinite(s.success95[0]) for s in summaries)
    networks = any(s.network_evaluations for s in summaries)
    columns = [Column("set", choose=True), Column("noise", "σ, share of the largest amplitude", choose=True)]
    columns += [Column("solver", choose=True), Column("start", "a single one, or the best of all by the free score", choose=True)]
    columns += [Column("objects")]
    columns += [
        Column(f"> {level}", f"share of objects with a complex correlation above {level}") for level in LEVELS.values()
    ] * judged
    columns += [Column(_name(name), "median of " + hints.get(name, name)) for name in medians]
    columns += [Column("seconds", "mean of a row"), Column("FFTs", "mean of a row")]
    columns += [Column("network calls", "mean of a row")] * networks + [Column("failed", "rows without an estimate")]
    rows = []
    for s in summaries:
        row: list[Any] = [s.group, _noise(s.noise), s.solver, "best" if s.best else "single", s.objects]
        row += [_rate(getattr(s, name)) for name in LEVELS] * judged
        row += [s.medians.get(name) for name in medians]
        row += [s.seconds, s.ffts] + [s.network_evaluations] * networks + [s.failures]
        rows.append(row)
    return table(columns, rows, "Summary: one line a set, noise level, solver and choice of start", id="summary-table")


def _reading(summaries: Sequence[Summary]) -> str:
    return (
        "“single” is what one start gives on average, “best” the start with the best score on held-out pixels. "
        "Success counts objects, with its 95 % interval below it; other columns are medians. Click a head to sort."
    )


def _name(metric: str) -> str:
    return NAMES.get(metric, metric.replace("-", " ").replace("_", " "))


def _noise(noise: float | None) -> Any:
    return Cell("as measured", None) if noise is None else Cell(f"{noise:g}", noise)


def _rate(rate: Rate) -> Cell:
    """A success rate with its interval in words and as a bar."""
    if not math.isfinite(rate[0]):
        return Cell("—", None)
    middle, low, high = (100 * v for v in rate)
    bar = tag(
        "span",
        tag("i", style=f"left:{low:.1f}%;width:{high - low:.1f}%"),
        tag("b", style=f"left:{middle:.1f}%"),
        class_="interval",
        aria_hidden="true",
    )
    return Cell(join((f"{middle:.0f}%", bar, tag("small", f"{low:.0f} to {high:.0f}%"))), rate[0])


def _paired(pairs: Sequence[Paired]) -> list[Html]:
    if not pairs:
        return []
    columns = [
        Column("set", choose=True),
        Column("noise", choose=True),
        Column("A", choose=True),
        Column("B", choose=True),
        Column("both", "objects that both solve"),
        Column("only A"),
        Column("only B"),
        Column("neither"),
        Column("p", "McNemar's exact test, two-sided: could the difference be chance?"),
    ]
    rows = [[q.group, _noise(q.noise), q.a, q.b, q.both, q.only_a, q.only_b, q.neither, q.p] for q in pairs]
    note = "Objects solved (complex correlation above 0.95) by the best start of each. p: McNemar's exact test, not corrected for the number of pairs."
    return [table(columns, rows, "Solver against solver", id="paired-table"), tag("p", note, class_="note")]


def _failures(rows: Sequence[Row]) -> list[Html]:
    counts = Counter((row.group, row.noise, row.solver, row.failure) for row in rows if row.failure is not None)
    if not counts:
        return []
    columns = [Column("set", choose=True), Column("noise"), Column("solver", choose=True), Column("rows"), Column("reason")]
    return [table(columns, [[g, _noise(n), s, count, why] for (g, n, s, why), count in counts.items()], "Failures")]


# distributions ------------------------------------------------------------------------------------


def _distributions(comparison: Comparison, hints: Mapping[str, str]) -> list[Html]:
    series, parts = _series(comparison), []
    for place, group in enumerate(_groups(comparison.rows)):
        rows = [row for row in comparison.rows if row.group == group and row.failure is None]
        noises = _noises(rows)
        columns: dict[str, dict[tuple[str, float | None, bool], list[float]]] = {}
        for row in rows:
            for name, value in _values(row).items():
                columns.setdefault(name, {}).setdefault((row.solver, row.noise, row.start is None), []).append(value)
        charts = []
        for name, found in columns.items():
            single = any(not best for _, _, best in found)
            groups = {k: [_array(found, solver, noise, not single) for noise in noises] for solver, k in series.items()}
            marks = {k: [_median(_array(found, solver, noise, True)) for noise in noises] for solver, k in series.items()}
            alt = f"{group}: distribution of {_name(name)} for each solver and noise level"
            charts.append(distribution_chart(noises, groups, _name(name), alt, hints.get(name), marks if single else None))
        parts.append(tag("details", tag("summary", group), tag("div", *charts, class_="charts"), open=place == 0))
    words = (
        "Dots: single starts, at most 60 of each drawn; outline: their density; bar: median; diamond: median of the best starts."
    )
    return [_legend(series), *parts, tag("p", words, class_="note")]


def _values(row: Row) -> dict[str, float]:
    free = {} if row.free is None else {"free": row.free}
    values = {**row.metrics, "chi2": row.chi2, **free}
    return {name: float(value) for name, value in values.items() if value is not None and math.isfinite(value)}


def _array(found: Mapping[Any, list[float]], solver: str, noise: float | None, best: bool) -> NDArray[np.float64]:
    return np.array(found.get((solver, noise, best), []), float)


def _median(values: NDArray[np.float64]) -> float:
    return float(np.median(values)) if values.size else math.nan


# examples -----------------------------------------------------------------------------------------


def _examples(comparison: Comparison) -> list[Html]:
    found: dict[tuple[str, float | None, int], list[Picture]] = {}
    for picture in comparison.pictures:
        found.setdefault((picture.row.group, picture.row.noise, picture.row.object), []).append(picture)
    series, parts, spent, left = _series(comparison), [], 0, 0
    for (group, noise, thing), pictures in found.items():
        made = join((_example(pictures), _histories(pictures, series)))
        if parts and spent + len(made) > BUDGET:
            left += 1
            continue
        spent += len(made)
        title = f"{group}, object {thing}" + ("" if noise is None else f", noise {noise:g}")
        parts.append(tag("details", tag("summary", title), made, open=not parts))
    if left:
        parts.append(tag("p", f"{_count(left, 'more example')} left out to keep this page small.", class_="note"))
    return parts


def _example(pictures: Sequence[Picture]) -> Html:
    """Truth and every solver's estimate of one object, in one cropping and on the same scales."""
    truth = pictures[0].truth
    estimates = [np.nan_to_num(picture.estimate) for picture in pictures]
    if truth is None:
        estimates = [to_middle(x, None, None)[0] for x in estimates]
    else:
        estimates, truth = untilted(estimates, truth)
    crop = crop_to(estimates[0] if truth is None else truth, None)
    origin = [n // 2 - cut.start for n, cut in zip(estimates[0].shape, crop, strict=True)]
    estimates = [x[crop] for x in estimates]
    truth = None if truth is None else truth[crop]
    look = look_of(estimates, truth, "")
    rows: dict[str, list[Panel | None]] = {}
    if truth is not None:
        rows["truth"] = [*panels_of(truth, look, "truth"), None, None]
    for picture, x in zip(pictures, estimates, strict=True):
        name = _caption(picture.row)
        errors = [] if truth is None else errors_of(x, truth, look, name)
        rows[name] = [*panels_of(x, look, name), *errors]
    note = "Cropped to the object; the phase is shown where there is amplitude."
    return viewer(rows, origin, [1.0] * len(crop), "px", note)


def _caption(row: Row) -> str:
    from ..summary import SUCCESS

    value = row.metrics.get(SUCCESS)
    judged = f", correlation {number(value)}" if value is not None else ""
    return f"{row.solver}{judged}, χ² {number(row.chi2)}" + (f": {row.failure}" if row.failure else "")


def _histories(pictures: Sequence[Picture], series: Mapping[str, int]) -> Html | None:
    curves, shown = [], {}
    for picture in pictures:
        for key in ("chi2", "free"):
            values = np.asarray(picture.history.get(key, []), float)
            if np.isfinite(values).any():
                k = shown.setdefault(picture.row.solver, series[picture.row.solver])
                steps = picture.history.get("step") or list(range(len(values)))
                curves.append(Curve(k, steps, values, dashed=key == "free"))
    if not curves:
        return None
    items = [tag("li", swatch(k, marker=False), name) for name, k in shown.items()]
    drawn = history_chart(curves, "Convergence", "misfit of each solver against the step", "χ²; dashed: free χ²")
    return join((drawn, tag("ul", *items, class_="legend")))


# provenance ---------------------------------------------------------------------------------------


def _made(comparison: Comparison) -> list[Html]:
    settings = dict(comparison.settings)
    command = settings.pop("command", None)
    parts = [facts(settings)] if settings else []
    if command:
        said = command if isinstance(command, str) else " ".join(map(str, command))
        parts += [tag("p", "To do it again:"), code(said)]
    else:
        parts.append(
            tag("p", "To do it again, run the same solvers with the settings and options below; equal seeds give equal rows.")
        )
    for label, options in comparison.solvers.items():
        parts.append(tag("details", tag("summary", f"Options of {label}"), code(json.loads(json.dumps(options, default=str)))))
    return parts
