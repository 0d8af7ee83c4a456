"""The page of a comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...evaluate.comparison import Comparison, Picture, Row
from ...evaluate.statistics import SUCCESS, Summary, paired, summarise
from ..cuts import crop_to, to_middle
from .charts import ChartCurve, ChartLine, distribution_chart, history_chart, success_chart, swatch
from .command import command_of
from .comparison_tables import THRESHOLDS, failures_table, hints_of_metrics, metric_title, paired_table, summary_table
from .html import Html, code, document, fact_table, join, number, tag
from .images import ColourScale, Panel, block_mean, image_html, viewer
from .objects import errors_of, look_of, panels_of, untilted

BUDGET = 2_500_000  # characters that the examples may take; the bar for a whole page is 6 MB


def comparison_page(comparison: Comparison) -> str:
    """The HTML of a comparison: its rows summarised, drawn and, for a few objects, shown."""
    summaries = summarise(comparison)
    hints = hints_of_metrics()
    sections: dict[str, list[Any]] = {
        "Success against noise": _success(comparison, summaries),
        "Summary": summary_table(summaries, hints),
        "Solver against solver": paired_table(paired(comparison)),
        "Distributions": _distributions(comparison, hints),
        "Examples": _examples(comparison),
        "Failures": failures_table(comparison.rows),
        "How this was made": _made(comparison),
    }
    return document(_title(comparison), _lead(comparison), sections)


def _title(comparison: Comparison) -> str:
    solvers = len(comparison.solvers) or len({row.solver for row in comparison.rows})
    name = comparison.settings.get("benchmark")
    return (f"{name}: " if name else "") + ("one solver" if solvers == 1 else f"{solvers} solvers compared")


def _lead(comparison: Comparison) -> str:
    rows = comparison.rows
    objects = len({(row.group, row.object) for row in rows})
    groups, noises = len(_groups(rows)), len({row.noise for row in rows})
    starts = len({row.start for row in rows if row.start is not None})
    several = {row.solver for row in rows if row.start is not None}  # a foreign result has no starts, and is a run itself
    runs = [row for row in rows if row.start is not None or row.solver not in several]
    failed = sum(row.failure is not None for row in runs)
    parts = [
        _count(objects, "object") + (f" in {groups} sets" if groups > 1 else ""),
        _count(noises, "noise level") if noises > 1 else None,
        _count(starts, "start") + " each" if starts else None,
        _count(len(runs), "run") + (f", {failed} failed" if failed else ""),
    ]
    return ", ".join(part for part in parts if part) + "."


def _count(n: int, what: str) -> str:
    return f"{number(n)} {what}" + "s" * (n != 1)


def _groups(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row.group for row in rows))


def _noises(rows: Sequence[Row] | Sequence[Summary]) -> list[float | None]:
    return sorted({row.noise for row in rows}, key=lambda noise: -1.0 if noise is None else noise)


def _labels(noises: Sequence[float | None]) -> list[str]:
    """What stands under a chart for each noise level; nothing where no level is known."""
    if noises == [None]:
        return [""]
    return ["as measured" if noise is None else f"{noise:g}" for noise in noises]


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
        for name, level in THRESHOLDS.items():
            lines = []
            for solver, k in series.items():
                for best in (False, True):
                    found = {s.noise: getattr(s, name) for s in own if s.solver == solver and s.best == best}
                    if found:
                        lines.append(ChartLine(k, best, [tuple(found.get(noise, (math.nan,) * 3)) for noise in noises]))
            title, alt = f"Complex correlation above {level}", f"{group}: share of objects with a correlation above {level}"
            charts.append(success_chart(_labels(noises), lines, title, alt))
        parts += [tag("h3", group), tag("div", *charts, class_="charts")]
    if not parts:
        return []
    words = "Filled marks and full lines: the start chosen by the free score. Hollow marks and dashed lines: a single start."
    bars = "Bars: 95 % intervals over the objects."
    return [_legend(series), *parts, tag("p", f"{words} {bars}", class_="note")]


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
            title, single = metric_title(name), any(not best for _, _, best in found)
            groups = {k: [_array(found, solver, noise, not single) for noise in noises] for solver, k in series.items()}
            marks = {k: [_median(_array(found, solver, noise, True)) for noise in noises] for solver, k in series.items()}
            alt = f"{group}: distribution of {title} for each solver and noise level"
            charts.append(distribution_chart(_labels(noises), groups, title, alt, hints.get(name), marks if single else None))
        parts.append(tag("details", tag("summary", group), tag("div", *charts, class_="charts"), open=place == 0))
    words = (
        "Dots: single starts, at most 40 of each drawn; outline: their density; bar: median; diamond: median of the best starts."
    )
    return [_legend(series), *parts, tag("p", words, class_="note")]


def _values(row: Row) -> dict[str, float]:
    free = {} if row.r_free is None else {"r_free": row.r_free}
    values = {"r": row.r, **free, **row.metrics}
    return {name: float(value) for name, value in values.items() if value is not None and math.isfinite(value)}


def _array(found: Mapping[Any, list[float]], solver: str, noise: float | None, best: bool) -> NDArray[np.float64]:
    return np.array(found.get((solver, noise, best), []), float)


def _median(values: NDArray[np.float64]) -> float:
    return float(np.median(values)) if values.size else math.nan


# examples -----------------------------------------------------------------------------------------


def _examples(comparison: Comparison) -> list[Html]:
    found: dict[tuple[str, float | None, int], list[Picture]] = {}
    for shown in comparison.pictures:
        found.setdefault((shown.row.group, shown.row.noise, shown.row.object), []).append(shown)
    series, spent, left = _series(comparison), 0, 0
    parts: list[Html] = []
    for (group, noise, thing), pictures in found.items():
        beside = tag("div", _pattern(pictures[0].amplitude), _histories(pictures, series), class_="beside")
        made = join((_example(pictures), beside))
        if parts and spent + len(made) > BUDGET:
            left += 1
            continue
        spent += len(made)
        title = f"{group}, object {thing}" + ("" if noise is None else f", noise {noise:g}")
        parts.append(tag("details", tag("summary", title), made, open=not parts, class_="example"))
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
    for shown, x in zip(pictures, estimates, strict=True):
        name = _caption(shown.row)
        errors = [] if truth is None else errors_of(x, truth, look, name)
        rows[name] = [*panels_of(x, look, name), *errors]
    note = "Cropped to the object; the phase is shown where there is amplitude."
    return viewer(rows, origin, [1.0] * len(crop), "px", note)


def _pattern(amplitude: NDArray[np.float32]) -> Html | None:
    """The measured diffraction, in 3D its middle cut."""
    seen = amplitude if amplitude.ndim == 2 else amplitude[len(amplitude) // 2]
    top = float(seen.max())
    if not top > 0:
        return None
    scale = ColourScale("inferno", max(float(seen[seen > 0].min()) ** 2, top**2 * 1e-7), top**2, "intensity", log=True)
    if not scale.low < scale.high:
        return None
    title = "Measured diffraction" + ("" if amplitude.ndim == 2 else ", middle cut")
    return tag("div", image_html(block_mean(seen**2), scale, title, title), scale.bar(), class_="pattern")


def _caption(row: Row) -> str:
    value = row.metrics.get(SUCCESS)
    judged = f", correlation {number(value)}" if value is not None else ""
    return f"{row.solver}{judged}, R {number(row.r)}" + (f": {row.failure}" if row.failure else "")


def _histories(pictures: Sequence[Picture], series: Mapping[str, int]) -> Html | None:
    curves: list[ChartCurve] = []
    shown: dict[str, int] = {}
    for one in pictures:
        for key in ("r", "r_free"):
            values = np.asarray(one.history.get(key, []), float)
            if np.isfinite(values).any():
                k = shown.setdefault(one.row.solver, series[one.row.solver])
                steps = one.history.get("step") or list(range(len(values)))
                curves.append(ChartCurve(k, steps, values, dashed=key == "r_free"))
    if not curves:
        return None
    items = [tag("li", swatch(k, marker=False), name) for name, k in shown.items()]
    drawn = history_chart(curves, "Convergence", "misfit of each solver against the step", "R; dashed: R_free")
    return tag("div", drawn, tag("ul", *items, class_="legend"))


# provenance ---------------------------------------------------------------------------------------


def _made(comparison: Comparison) -> list[Html]:
    parts = [fact_table(comparison.settings)] if comparison.settings else []
    command = command_of(comparison)
    if command:
        parts += [tag("p", "To do it again:"), code(command)]
    for label, options in comparison.solvers.items():
        parts.append(tag("details", tag("summary", f"Options of {label}"), code(options)))
    return parts
