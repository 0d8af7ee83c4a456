"""Figures 2 and 3 of Lee et al. (2026), drawn from a comparison of solvers on simulated films."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from ..evaluate.comparison import Comparison, Picture, Row
from ..evaluate.metrics import metrics, truth_mask
from ..report.page.comparison_tables import metric_title

OURS = "diffusion"
DPI = 100
GALLERY_SOLVERS = ("hio", "unet", "dps", OURS)  # of the solvers that are there, in figure 2a
COLUMNS = ("pattern", "amplitude", "phase", "amplitude error", "phase error")
MIDDLE = slice(8, 56)  # px of 64 that hold the objects
SOLVER_COLOURS = ("#0072b2", "#d55e00")  # of the sets
SOLVER_TITLES = {
    "hio": "HIO",
    "hio long": "HIO long",
    "rrr long": "RRR long",
    "unet": "U-Net",
    "unet real": "U-Net, real",
    "dps": "DPS",
}
SOLVER_TITLES |= {"limit, from the truth": "limit (from truth)"}
STYLE: dict[Any, Any] = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10}


class GalleryScale(NamedTuple):
    """A colour map and its ends."""

    cmap: str
    low: float
    high: float


GALLERY_SCALES = (
    GalleryScale("magma", -3, 0),
    GalleryScale("viridis", 0, 1),
    GalleryScale("twilight", -np.pi, np.pi),
    GalleryScale("inferno", 0, 0.5),
    GalleryScale("inferno", 0, np.pi / 2),
)
ENDS = ("10⁻³ to 1, log", "0 to 1", "−π to π", "0 to ½", "0 to π/2")


def figure2(whole: Comparison, noise: float) -> Figure:
    """a: the truth and what each solver makes of it.  b: what they reach over the objects."""
    sets = noise_groups(whole)
    solvers = [label for label in GALLERY_SOLVERS if any(p.row.solver == label and p.row.noise == noise for p in whole.pictures)]
    everyone = [label for label in whole.settings["starts"] if label in {row.solver for row in whole.rows}]
    names = ("diffraction_correlation", "chi2_diffraction", "amplitude_correlation", "complex_correlation")
    heights = (1.05 * (1 + len(solvers)) + 1.0, 0.42 * len(everyone) + 1.1)
    whole_figure, above, below = halves(heights)
    columns = [[gallery_picture(whole, name, noise, label) for label in solvers] for name in sets]
    gallery(
        above,
        f"a   object 0 of each set, σ = {noise:g}; in the amplitude: complex correlation",
        sets,
        columns,
        [title(whole, label) for label in solvers],
    )
    below.suptitle(f"b   over the objects, σ = {noise:g}; bars: medians", x=0.01, ha="left", fontweight="bold")
    panels = below.subplots(1, len(names), sharey=True)
    for axes, name in zip(panels, names, strict=True):
        rows = [[best(whole, group, noise, label) for group in sets] for label in everyone]
        strips(axes, name, [title(whole, label) for label in everyone], rows)
    legend(below, panels[0], sets)
    return whole_figure


def figure3(whole: Comparison, levels: Sequence[float]) -> Figure:
    """a: the diffusion solver at each noise level.  b: what it reaches over the objects."""
    sets = noise_groups(whole)
    shown = [level for level in levels if any(p.row.noise == level and p.row.solver == OURS for p in whole.pictures)]
    names = ("amplitude_correlation", "phase_similarity", "complex_correlation")
    whole_figure, above, below = halves((1.05 * (1 + len(shown)) + 1.0, 0.5 * len(levels) + 1.1))
    columns = [[gallery_picture(whole, name, level, OURS) for level in shown] for name in sets]
    gallery(
        above,
        f"a   object 0 of each set, {title(whole, OURS)}; in the amplitude: complex correlation",
        sets,
        columns,
        [f"σ = {level:g}" for level in shown],
        noisy=True,
    )
    below.suptitle(f"b   over the objects, {title(whole, OURS)}; bars: medians", x=0.01, ha="left", fontweight="bold")
    panels = below.subplots(1, len(names), sharey=True)
    for axes, name in zip(panels, names, strict=True):
        rows = [[best(whole, group, level, OURS) for group in sets] for level in levels]
        strips(axes, name, [f"σ = {level:g}" for level in levels], rows)
    legend(below, panels[0], sets)
    return whole_figure


# what is shown -----------------------------------------------------------------------------------


def noise_groups(whole: Comparison) -> list[str]:
    """The sets, in the order of the comparison."""
    return list(dict.fromkeys(row.group for row in whole.rows))


def best(whole: Comparison, group: str, noise: float, solver: str) -> list[Row]:
    """Of each object that did not fail the row of its best start."""
    wanted = (group, noise, solver, None)
    return [row for row in whole.rows if (row.group, row.noise, row.solver, row.start) == wanted and row.failure is None]


def gallery_picture(whole: Comparison, group: str, noise: float, solver: str) -> Picture | None:
    """The example of a solver."""
    wanted = (group, noise, solver)
    return next((p for p in whole.pictures if (p.row.group, p.row.noise, p.row.solver) == wanted), None)


def title(whole: Comparison, label: str) -> str:
    """What a solver is called, with its starts."""
    starts = whole.settings["starts"][label]
    name = SOLVER_TITLES.get(label, label)
    return name if starts == 1 else f"{name}, best of {starts}"


def halves(heights: tuple[float, float]) -> tuple[Figure, SubFigure, SubFigure]:
    """A figure with an upper and a lower half of these heights, in."""
    figure = Figure(figsize=(12, sum(heights)), dpi=DPI, layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=heights, squeeze=False)[:, 0]
    return figure, above, below


def maps(shown: Picture) -> Iterator[NDArray]:
    """Pattern, amplitude, phase and both errors of an estimate, in the order of COLUMNS."""
    truth = shown.truth
    assert truth is not None
    top, inside = np.abs(truth).max(), truth_mask(truth)
    x = shown.estimate
    pattern = np.abs(np.fft.fftshift(np.fft.fftn(x, norm="ortho")))
    yield np.log10(np.maximum(pattern / shown.amplitude.max(), 1e-6))
    yield np.abs(x)[MIDDLE, MIDDLE] / top
    yield np.where(inside, np.angle(x), np.nan)[MIDDLE, MIDDLE]
    yield np.abs(np.abs(x) - np.abs(truth))[MIDDLE, MIDDLE] / top
    yield np.where(inside, np.abs(np.angle(x * truth.conj())), np.nan)[MIDDLE, MIDDLE]


def gallery(
    figure: SubFigure,
    caption: str,
    sets: Sequence[str],
    columns: Sequence[Sequence[Picture | None]],
    names: Sequence[str],
    noisy: bool = False,
) -> None:
    """Of each set the truth, and below it what each picture shows.

    The first column has what was measured, beside the truth alone or with `noisy` in every other row; elsewhere the
    pattern of the object that is shown.
    """
    figure.suptitle(caption, x=0.01, ha="left", fontweight="bold")
    wide = len(COLUMNS) + 1  # a narrow empty column after each set
    grid = figure.subplots(1 + len(names), wide * len(sets), width_ratios=([1] * len(COLUMNS) + [0.2]) * len(sets), squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
        axes.set_box_aspect(1)
    for line, label in enumerate(["truth" if noisy else "truth, (pattern as\nmeasured)", *names]):
        first = grid[line, 0]
        first.text(-0.08, 0.5, label.replace(", ", "\n"), transform=first.transAxes, ha="right", va="center")
    for name, pictures, own in zip(sets, columns, np.split(grid, len(sets), axis=1), strict=True):
        for axes, column, ends in zip(own[0], COLUMNS, ENDS, strict=False):
            axes.set_title(f"\n\n{column}\n{ends}", fontsize=8)  # room for the set's name
        own[0, 2].annotate(name, (0.5, 1.45), xycoords="axes fraction", ha="center", fontsize=10).set_in_layout(False)
        known = next((p for p in pictures if p is not None), None)
        if known is None or known.truth is None:
            continue
        perfect = list(maps(dataclasses.replace(known, estimate=known.truth)))[:3]
        draw(own[0], perfect if noisy else [measured_rows(known), *perfect[1:]])
        for row, shown in zip(own[1:], pictures, strict=True):
            if shown is not None:
                found = list(maps(shown))
                draw(row, [measured_rows(shown), *found[1:]] if noisy else found)
                reached = f"{shown.row.metrics['complex_correlation']:.3f}"
                row[1].text(0.04, 0.04, reached, transform=row[1].transAxes, color="white", fontsize=7.5)


def draw(row: Sequence[Axes], values: Sequence[NDArray]) -> None:
    """One array a panel, in the colours of its column."""
    for axes, one, scale in zip(row, values, GALLERY_SCALES, strict=False):
        axes.imshow(one, cmap=scale.cmap, vmin=scale.low, vmax=scale.high, interpolation="nearest")


def measured_rows(shown: Picture) -> NDArray:
    """The measured pattern, decades below its maximum."""
    return np.log10(np.maximum(shown.amplitude / shown.amplitude.max(), 1e-6))


def strips(axes: Axes, metric: str, names: Sequence[str], rows: Sequence[Sequence[Sequence[Row]]]) -> None:
    """A line of dots for each name and set, one an object, with the median as a bar."""
    rng = np.random.default_rng(0)
    known = metrics()[metric]
    for line, sets in enumerate(rows):
        for k, own in enumerate(sets):
            values = np.array([row.metrics[metric] for row in own], float)
            values = values[np.isfinite(values)]
            if not values.size:
                continue
            middle = line + 0.36 * (k - 0.5 * (len(sets) - 1))
            colour = SOLVER_COLOURS[k % len(SOLVER_COLOURS)]
            axes.scatter(values, middle + rng.uniform(-0.11, 0.11, values.size), s=10, color=colour, alpha=0.5, lw=0)
            axes.plot([np.median(values)] * 2, [middle - 0.17, middle + 0.17], color=colour, lw=2.2)
    if known.direction == "lower":
        axes.set_xscale("log")
    else:
        axes.set_xlim(right=1.02)
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", lw=0.4)
    axes.set_title(f"{metric_title(metric)} ({known.direction} is better)", fontsize=9)


def legend(figure: SubFigure, axes: Axes, sets: Sequence[str]) -> None:
    """The colours of the sets."""
    handles = [axes.scatter([], [], s=25, color=SOLVER_COLOURS[k % len(SOLVER_COLOURS)]) for k in range(len(sets))]
    figure.legend(
        handles,
        sets,
        loc="upper right",
        bbox_to_anchor=(0.99, 1),
        ncols=len(sets),
        frameon=False,
        fontsize=9,
        borderaxespad=0,
        borderpad=0.1,
    )
