"""Figures 2 and 3 of Lee et al. (2026) from a comparison of solvers on simulated films."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..evaluate.comparison import Comparison, Picture, Row
from ..evaluate.metrics import metrics
from ..numerics.grids import crop_to
from ..report.comparison_tables import metric_title
from ..report.drawing.charts import draw_chart, draw_legend
from ..report.drawing.images import draw_grid
from ..report.drawing.style import new_figure, picture_style
from ..report.object_panels import ObjectScales, amplitude_and_phase, error_panels, object_grid
from ..report.panels import ColourScale, DensityPanel, ImageGrid, ImagePanel, ImageRow
from ..report.pattern_panels import detector_grid

OURS = "diffusion"
GALLERY_SOLVERS = ("hio", "unet", "dps", OURS)  # of the solvers that are there, in figure 2a
SOLVER_TITLES = {"hio": "HIO", "unet": "U-Net", "dps": "DPS"}
ROW_HEIGHT, FIGURE_WIDTH = 1.25, 13  # in
FILM_SCALES = ObjectScales(
    ColourScale("viridis", 0.0, 1.0, "amplitude"),
    ColourScale("twilight", -np.pi, np.pi, "phase (rad)"),
    ColourScale("inferno", 0.0, 0.5, "error"),
    ColourScale("inferno", 0.0, np.pi / 2, "error (rad)"),
)
PATTERN_SCALE = ColourScale("magma", 1e-3, 1.0, "amplitude", log=True)


class GalleryRow(NamedTuple):
    """A solver at a noise level, under its title."""

    title: str
    solver: str
    noise: float


def figure2(whole: Comparison, noise: float) -> Figure:
    """a: the truth and the estimate of each solver.  b: their metrics over the objects."""
    everyone = [GalleryRow(solver_title(whole, label), label, noise) for label in whole.settings["starts"]]
    shown = [trial for trial in everyone if trial.solver in GALLERY_SOLVERS and picture_of(whole, trial)]
    names = ("diffraction_correlation", "chi2_diffraction", "amplitude_correlation", "complex_correlation")
    return _figure(whole, f"σ = {noise:g}", shown, everyone, names, measured=False)


def figure3(whole: Comparison, levels: Sequence[float]) -> Figure:
    """a: the diffusion solver at each noise level.  b: its metrics over the objects."""
    trials = [GalleryRow(f"σ = {level:g}", OURS, level) for level in levels]
    shown = [trial for trial in trials if picture_of(whole, trial)]
    names = ("amplitude_correlation", "phase_similarity", "complex_correlation")
    return _figure(whole, solver_title(whole, OURS), shown, trials, names, measured=True)


def solver_title(whole: Comparison, label: str) -> str:
    """A solver's name, with its starts."""
    starts = whole.settings["starts"][label]
    name = SOLVER_TITLES.get(label, label)
    return name if starts == 1 else f"{name}, best of {starts}"


def best(whole: Comparison, group: str, noise: float, solver: str) -> list[Row]:
    """Of each object that did not fail the row of its best start."""
    wanted = (group, noise, solver, None)
    return [row for row in whole.rows if (row.group, row.noise, row.solver, row.start) == wanted and row.failure is None]


def picture_of(whole: Comparison, trial: GalleryRow, group: str | None = None) -> Picture | None:
    """The first picture of a trial, in a set or in any."""
    for shown in whole.pictures:
        if (shown.row.solver, shown.row.noise) == (trial.solver, trial.noise) and group in (None, shown.row.group):
            return shown
    return None


def _figure(
    whole: Comparison, words: str, shown: Sequence[GalleryRow], judged: Sequence[GalleryRow], names: Sequence[str], measured: bool
) -> Figure:
    """Above: object 0 of each set and its estimates.  Below: one chart a metric over all objects."""
    sets = list(dict.fromkeys(row.group for row in whole.rows))
    heights = (ROW_HEIGHT * (1 + len(shown)) + 1, 3.5)
    with picture_style():
        figure = new_figure((FIGURE_WIDTH, sum(heights)))
        above, below = figure.subfigures(2, 1, height_ratios=heights, squeeze=False)[:, 0]
        above.suptitle(f"a   object 0 of each set, {words}; over the amplitude: complex correlation", x=0.01, ha="left")
        for part, group in zip(above.subfigures(1, len(sets), squeeze=False)[0], sets, strict=True):
            part.suptitle(group)
            draw_grid(part, _gallery(whole, group, shown, measured), ticks=False)
        below.suptitle(f"b   over the objects, {words}; bars: medians", x=0.01, ha="left")
        for axes, name in zip(below.subplots(1, len(names)), names, strict=True):
            draw_chart(axes, _metric_chart(whole, name, sets, judged))
        draw_legend(below, {group: k for k, group in enumerate(sets)})
    return figure


def _gallery(whole: Comparison, group: str, shown: Sequence[GalleryRow], measured: bool) -> ImageGrid:
    """The truth and below it each estimate; with `measured` beside the measured pattern, else beside its own."""
    rows: list[ImageRow] = []
    for trial in shown:
        picture = picture_of(whole, trial, group)
        if picture is None or picture.truth is None:
            continue
        if not rows:
            known = _film(picture.truth, picture.truth, picture.amplitude)
            rows.append(ImageRow([*known[:3], None, None], "truth"))
        own = np.abs(np.fft.fftshift(np.fft.fftn(picture.estimate, norm="ortho")))
        panels = _film(picture.estimate, picture.truth, picture.amplitude if measured else own)
        panels[1] = replace(panels[1], title=f"{picture.row.metrics['complex_correlation']:.3f}")
        rows.append(ImageRow(panels, trial.title.replace(", ", "\n")))
    return ImageGrid(rows)


def _film(x: NDArray, truth: NDArray, pattern: NDArray) -> list[ImagePanel]:
    """Pattern, amplitude, phase and both errors of an object, relative to the truth's maximum."""
    crop, top = crop_to(truth, None), np.abs(truth).max()
    x, truth = x[crop] / top, truth[crop] / top
    grid = object_grid([0, 0], {})
    shown = ImagePanel("pattern", pattern / pattern.max(), PATTERN_SCALE, detector_grid(pattern.shape))
    objects = amplitude_and_phase(x, FILM_SCALES, grid, "") + error_panels(x, truth, FILM_SCALES, grid, "")
    return [shown, *objects]


def _metric_chart(whole: Comparison, metric: str, sets: Sequence[str], trials: Sequence[GalleryRow]) -> DensityPanel:
    """Over the objects, a distribution for each trial and set."""
    found = {
        k: [np.array([row.metrics[metric] for row in best(whole, group, trial.noise, trial.solver)], float) for trial in trials]
        for k, group in enumerate(sets)
    }
    direction = metrics()[metric].direction
    title = f"{metric_title(metric)} ({direction} is better)"
    labels = [trial.title.replace(", ", "\n") for trial in trials]
    return DensityPanel(title, found, labels, title, log=direction == "lower")
