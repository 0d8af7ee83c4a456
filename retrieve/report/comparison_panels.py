"""The panels of a comparison, and the content of its page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..evaluate.comparison import Comparison, Picture, Row
from ..evaluate.statistics import LEVELS, SUCCESS, Summary, paired, summarise
from ..numerics.alignment import shift_to_centre
from ..numerics.grids import crop_to
from ..numerics.phase import without_ramp
from .comparison_command import command_of
from .comparison_tables import THRESHOLDS, failures_table, metric_hints, metric_title, paired_table, summary_table
from .numbers import number
from .object_panels import amplitude_and_phase, error_panels, flattened, object_grid, object_scales
from .panels import ChartCurve, CurvePanel, DensityPanel, ImageGrid, ImagePanel, ImageRow, spans_decades
from .pattern_panels import amplitude_unit, coarser, detector_grid, intensity_scale, intensity_unit

EXAMPLE_PIXELS = 2_000_000  # that all examples together may show; keeps the page below 6 MB
NOISE_TITLE = "noise σ, share of the largest amplitude"


def comparison_page(comparison: Comparison) -> dict[str, Any]:
    """The content of `comparison.html`: rows summarised, drawn and, for a few objects, shown."""
    summaries, hints = summarise(comparison), metric_hints()
    names = [*comparison.solvers, *(row.solver for row in comparison.rows)]
    series = {name: k for k, name in enumerate(dict.fromkeys(names))}  # solver → number of its colour in every chart
    examples, left_out = _examples(comparison, series)
    return {
        "settings": comparison.settings,
        "solvers": comparison.solvers,
        "series": series,
        "counts": _counts(comparison.rows),
        "success": _success(comparison, summaries, series),
        "summary": summary_table(summaries, hints),
        "paired": paired_table(paired(comparison)),
        "solved_above": LEVELS[0],
        "distributions": _distributions(comparison, hints, series),
        "examples": examples,
        "left_out": left_out,
        "notes": comparison.notes,
        "equal": comparison.equal,
        "failures": failures_table(comparison.rows),
        "command": command_of(comparison),
    }


def _counts(rows: Sequence[Row]) -> dict[str, int]:
    """How many objects, sets, noise levels, starts, runs and failed runs there are; starts: 0 where solvers differ."""
    several = {row.solver for row in rows if row.start is not None}  # an external result has no starts, and is a run itself
    runs = [row for row in rows if row.start is not None or row.solver not in several]
    return {
        "objects": len({(row.group, row.object) for row in rows}),
        "sets": len(_groups(rows)),
        "noises": len({row.noise for row in rows}),
        "starts": _starts(rows),
        "runs": len(runs),
        "failed": sum(row.failure is not None for row in runs),
    }


def _starts(rows: Sequence[Row]) -> int:
    if len({row.starts for row in rows if row.starts is not None}) > 1:
        return 0
    return len({row.start for row in rows if row.start is not None})


def _groups(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row.group for row in rows))


def _noises(rows: Sequence[Row] | Sequence[Summary]) -> list[float | None]:
    return sorted({row.noise for row in rows}, key=lambda noise: -1.0 if noise is None else noise)


def _labels(noises: Sequence[float | None]) -> list[str]:
    """The label of each noise level under a chart; none where no level is known."""
    if noises == [None]:
        return [""]
    return ["as measured" if noise is None else f"{noise:g}" for noise in noises]


# charts --------------------------------------------------------------------------------------------


def _success(comparison: Comparison, summaries: Sequence[Summary], series: Mapping[str, int]) -> dict[str, list[CurvePanel]]:
    """Of each set that has a truth the success rates against the noise, one chart a threshold."""
    made = {}
    for group in _groups(comparison.rows):
        own = [s for s in summaries if s.group == group and math.isfinite(s.success95.rate)]
        if own:
            made[group] = [_success_chart(group, own, series, name, level) for name, level in THRESHOLDS.items()]
    return made


def _success_chart(group: str, summaries: Sequence[Summary], series: Mapping[str, int], name: str, level: float) -> CurvePanel:
    """The success rates of each solver, of the best start and of a single one."""
    noises = _noises(summaries)
    lines = sorted({(series[s.solver], s.best) for s in summaries})
    step = min(0.1, 0.6 / len(lines))
    curves = []
    for place, (k, best) in enumerate(lines):
        found = {s.noise: getattr(s, name) for s in summaries if (series[s.solver], s.best) == (k, best)}
        rate, low, high = np.array([found.get(noise, (math.nan,) * 3) for noise in noises], float).T
        x = np.arange(len(noises)) + (place - (len(lines) - 1) / 2) * step
        curves.append(ChartCurve(k, x, rate, dashed=not best, pale=not best, marks=True, interval=(low, high)))
    title, alt = f"complex correlation above {level}", f"{group}: share of objects with a correlation above {level}"
    labels = _labels(noises)
    return CurvePanel(title, curves, NOISE_TITLE, "share of the objects", alt, limits=(-0.03, 1.03), categories=labels)


def _distributions(comparison: Comparison, hints: Mapping[str, str], series: Mapping[str, int]) -> dict[str, list[DensityPanel]]:
    """Of each set one chart a metric."""
    made = {}
    for group in _groups(comparison.rows):
        rows = [row for row in comparison.rows if row.group == group and row.failure is None]
        found: dict[str, dict[tuple[str, float | None, bool], list[float]]] = {}
        for row in rows:
            for name, value in _values(row).items():
                found.setdefault(name, {}).setdefault((row.solver, row.noise, row.start is None), []).append(value)
        noises = _noises(rows)
        made[group] = [_distribution(group, name, own, noises, series, hints.get(name, "")) for name, own in found.items()]
    return made


def _distribution(
    group: str,
    name: str,
    found: Mapping[tuple[str, float | None, bool], Sequence[float]],
    noises: Sequence[float | None],
    series: Mapping[str, int],
    hint: str,
) -> DensityPanel:
    def values(solver: str, noise: float | None, best: bool) -> NDArray[np.float64]:
        return np.array(found.get((solver, noise, best), []), float)

    title, single = metric_title(name), any(not best for _, _, best in found)
    groups = {k: [values(solver, noise, not single) for noise in noises] for solver, k in series.items()}
    marks = {k: [_median(values(solver, noise, True)) for noise in noises] for solver, k in series.items()}
    log = spans_decades([v for row in groups.values() for v in row])
    alt = f"{group}: distribution of {title} for each solver and noise level"
    return DensityPanel(title, groups, _labels(noises), alt, hint, marks if single else None, NOISE_TITLE, log)


def _median(values: NDArray[np.float64]) -> float:
    return float(np.median(values)) if values.size else math.nan


def _values(row: Row) -> dict[str, float]:
    """R, R_free and the metrics of a row that are finite."""
    values = {"r": row.r, "r_free": row.r_free, **row.metrics}
    return {name: float(value) for name, value in values.items() if value is not None and math.isfinite(value)}


# examples ------------------------------------------------------------------------------------------


def _examples(comparison: Comparison, series: Mapping[str, int]) -> tuple[list[tuple[str, ImageGrid, list[Any]]], int]:
    """Of each object shown its title, its images and its charts, and how many are left out for their size."""
    found: dict[tuple[str, float | None, int], list[Picture]] = {}
    for shown in comparison.pictures:
        found.setdefault((shown.row.group, shown.row.noise, shown.row.object), []).append(shown)
    made: list[tuple[str, ImageGrid, list[Any]]] = []
    pixels = 0
    for pictures in found.values():
        grid = example_grid(pictures)
        pixels += sum(panel.values.size for row in grid.rows for panel in row.panels if panel)
        if made and pixels > EXAMPLE_PIXELS:
            break
        title = example_title(pictures[0].row)
        made.append((title, grid, example_charts(pictures, series)))
    return made, len(found) - len(made)


def example_grid(pictures: Sequence[Picture]) -> ImageGrid:
    """Truth and every solver's estimate of one object, in one cropping and on the same scales."""
    truth = pictures[0].truth
    estimates = [np.nan_to_num(picture.estimate) for picture in pictures]
    if truth is None:
        estimates = [without_ramp(np.roll(x, shift_to_centre(x), range(x.ndim))) for x in estimates]
    else:
        *estimates, truth = flattened([*estimates, truth], truth)
    crop = crop_to(estimates[0] if truth is None else truth, None)
    grid = object_grid([n // 2 - cut.start for n, cut in zip(estimates[0].shape, crop, strict=True)], {})
    estimates = [x[crop] for x in estimates]
    truth = None if truth is None else truth[crop]
    scales = object_scales(estimates, truth, amplitude_unit(intensity_unit(np.square(pictures[0].amplitude))))
    rows = [] if truth is None else [ImageRow([*amplitude_and_phase(truth, scales, grid, "truth"), None, None], "truth")]
    for shown, x in zip(pictures, estimates, strict=True):
        name = _caption(shown.row)
        errors = [] if truth is None else error_panels(x, truth, scales, grid, name)
        rows.append(ImageRow([*amplitude_and_phase(x, scales, grid, name), *errors], name))
    return ImageGrid(rows, "Cropped to the object; the phase is shown where there is amplitude.")


def example_title(row: Row) -> str:
    """The set, object and noise of a row."""
    return f"{row.group}, object {row.object}" + ("" if row.noise is None else f", noise {row.noise:g}")


def example_charts(pictures: Sequence[Picture], series: Mapping[str, int]) -> list[ImagePanel | CurvePanel]:
    """The pattern of one object, and the convergence of every solver on it."""
    return [*_pattern(pictures[0].amplitude), *_histories(pictures, series)]


def _pattern(amplitude: NDArray[np.float32]) -> list[ImagePanel]:
    """The measured diffraction, in 3D its middle cut."""
    seen = np.square(amplitude if amplitude.ndim == 2 else amplitude[len(amplitude) // 2])
    if not seen.max() > 0:
        return []
    title = "measured diffraction" + ", middle cut" * (amplitude.ndim == 3)
    scale = intensity_scale(seen, f"intensity ({intensity_unit(seen)})")
    return [coarser(ImagePanel(title, seen, scale, detector_grid(seen.shape), title))]


def _caption(row: Row) -> str:
    value = row.metrics.get(SUCCESS)
    judged = f", correlation {number(value)}" if value is not None else ""
    return f"{row.solver}{judged}, R {number(row.r)}" + (f": {row.failure}" if row.failure else "")


def _histories(pictures: Sequence[Picture], series: Mapping[str, int]) -> list[CurvePanel]:
    curves = []
    for one in pictures:
        for key in ("r", "r_free"):
            values = np.asarray(one.history.get(key, []), float)
            if np.isfinite(values).any():
                steps = one.history.get("step") or list(range(len(values)))
                label = one.row.solver if key == "r" else ""
                curves.append(ChartCurve(series[one.row.solver], steps, values, label, dashed=key == "r_free"))
    alt = "R and R_free of each solver against the step"
    return [CurvePanel("R against the step", curves, "step", "R", alt, "Dashed: R_free.", log=True, wide=True)] if curves else []
