"""Curves, histograms and densities."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from ..numbers import decade
from ..panels import ChartCurve, ChartPanel, CurvePanel, DensityPanel, HistogramPanel
from .style import MARKERS, colour_of

MAX_DENSITY_POINTS = 40  # of one distribution that are drawn, evenly over its ranks
MIN_DENSITY_POINTS = 5  # from which a density is drawn
SMALL_MARKS_ABOVE = 1000  # points of a curve
NUMBER_SIZE, NAME_SIZE = 7.5, 7  # points, of numbers above the axes and of their names below
LETTER = 4.2  # points that a letter of a name takes, on average
BELOW_LABEL = -36  # points from the axes to the names, below the label of the axis


def draw_chart(axes: Axes, panel: ChartPanel) -> None:
    """A chart of a picture: content, title, legend and the names of what begins."""
    draw_content(axes, panel)
    numbers = panel.numbers if isinstance(panel, CurvePanel) else {}
    axes.set_title(panel.title, pad=16 if numbers else None)
    if numbers:
        _name_numbers(axes, numbers)
    if axes.get_legend_handles_labels()[0]:
        axes.legend()


def _name_numbers(axes: Axes, numbers: Mapping[str, int]) -> None:
    """The names behind numbers, below the label of the axis, in lines about as wide as the axes."""
    said = "   ".join(f"{number} {name}".replace(" ", "\u00a0") for name, number in numbers.items())  # one name, one line
    points = 72 * axes.figure.bbox.width / axes.figure.dpi * axes.get_position().width
    lines = textwrap.fill(said, int(points / LETTER))
    axes.annotate(lines, (0, 0), (0, BELOW_LABEL), "axes fraction", "offset points", va="top", fontsize=NAME_SIZE)


def draw_content(axes: Axes, panel: ChartPanel) -> None:
    """A chart without its title and legend."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, axis="y")
    if isinstance(panel, CurvePanel):
        _draw_curves(axes, panel)
    elif isinstance(panel, HistogramPanel):
        _draw_histogram(axes, panel)
    else:
        _draw_density(axes, panel)
    if axes.get_yscale() == "log":
        _log_ticks(axes)


def _draw_curves(axes: Axes, panel: CurvePanel) -> None:
    if panel.log:
        axes.set_yscale("log")
    drawn = [_draw_curve(axes, curve, panel.log) for curve in panel.curves]
    if not any(drawn):
        axes.text(0.5, 0.5, "no history" if panel.log else "no values", ha="center", transform=axes.transAxes)
    for mark in panel.begins if any(drawn) else ():
        axes.axvline(mark.x, color=matplotlib.rcParams["text.color"], lw=0.6, alpha=0.45, zorder=1)
        number, place = str(panel.numbers.get(mark.name, "")), axes.get_xaxis_transform()
        axes.text(mark.x, 1.01, number, fontsize=NUMBER_SIZE, ha="center", va="bottom", transform=place)
    axes.set_ylabel(panel.ylabel)
    if panel.limits:
        axes.set_ylim(panel.limits)
    if panel.categories is None:
        axes.set_xlabel(panel.xlabel or "")
    else:
        _categories(axes, panel.categories, panel.xlabel)


def _draw_curve(axes: Axes, curve: ChartCurve, log: bool) -> bool:
    """Whether there was a point to draw."""
    y = np.asarray(curve.y, float)
    x = np.asarray(curve.x, float)[: y.size]
    good = np.isfinite(y) & ((y > 0) | (not log))
    marks = MARKERS[curve.series % len(MARKERS)] if curve.marks else "o" if good.sum() == 1 else ""
    style: dict[str, Any] = {
        "color": colour_of(curve.series),
        "marker": marks,
        "ms": 2 if good.sum() > SMALL_MARKS_ABOVE else 5,
    }
    style |= {"lw": 0.8, "alpha": 0.45, "mfc": "none"} if curve.pale else {"lw": 1.8, "zorder": 3}
    style["ls"] = "" if not curve.line else (0, (4, 2)) if curve.dashed else "-"
    if not good.any():
        return False
    if curve.interval is None:
        axes.plot(x[good], y[good], label=curve.label or None, **style)
    else:
        low, high = (np.asarray(end, float)[good] for end in curve.interval)
        ends = np.maximum(y[good] - low, 0), np.maximum(high - y[good], 0)
        axes.errorbar(x[good], y[good], ends, elinewidth=1, label=curve.label or None, **style)
    return True


def _draw_histogram(axes: Axes, panel: HistogramPanel) -> None:
    values = np.asarray(panel.values, float)
    middle, half = float(values.mean()), 0.05 * abs(float(values.mean())) or 0.05
    within = None if np.ptp(values) > 0 else (middle - half, middle + half)
    axes.hist(values, bins=min(24, max(5, int(np.sqrt(values.size)))), range=within, color=colour_of(panel.series), alpha=0.6)
    axes.axvline(float(np.median(values)), color=matplotlib.rcParams["text.color"], lw=1.6)
    axes.set(xlabel=panel.xlabel, ylabel="number")
    axes.locator_params(nbins=3)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))


def _draw_density(axes: Axes, panel: DensityPanel) -> None:
    every = [np.asarray(values, float) for row in panel.groups.values() for values in row]
    finite = np.concatenate([values[np.isfinite(values)] for values in every]) if every else np.array([])
    if panel.log:
        axes.set_yscale("log")
    elif finite.size:
        margin = 0.05 * np.ptp(finite) or 0.02
        axes.set_ylim(finite.min() - margin, finite.max() + margin)
    width = 0.84 / max(1, len(panel.groups))
    places = np.arange(len(panel.categories))
    for k, (series, row) in enumerate(panel.groups.items()):
        middle = places + (k - (len(panel.groups) - 1) / 2) * width
        for at, values in zip(middle, row, strict=True):
            _draw_distribution(axes, at, width, np.asarray(values, float), series, panel.log)
        if panel.marks and series in panel.marks:
            ink = matplotlib.rcParams["text.color"]
            axes.plot(middle, panel.marks[series], ls="", marker="D", mfc="none", mec=ink, ms=4.5, mew=1.1, zorder=5)
    _categories(axes, panel.categories, panel.xlabel)


def _draw_distribution(axes: Axes, at: float, width: float, values: NDArray, series: int, log: bool) -> None:
    """Density between the extremes, points and median of one distribution."""
    values = np.sort(values[np.isfinite(values)])
    if not values.size:
        return
    colour = colour_of(series)
    if values.size >= MIN_DENSITY_POINTS and values[-1] > values[0]:
        from scipy.stats import gaussian_kde

        v = np.log10(values) if log else values
        heights = np.linspace(v[0], v[-1], 32)
        density = gaussian_kde(v)(heights)
        half = 0.46 * width * density / density.max()
        axes.fill_betweenx(10**heights if log else heights, at - half, at + half, color=colour, alpha=0.22, lw=0)
    shown = values[np.unique(np.linspace(0, values.size - 1, min(MAX_DENSITY_POINTS, values.size)).round().astype(int))]
    shift = 0.26 * width * (2 * ((np.arange(shown.size) * 0.618034) % 1) - 1) if shown.size > 1 else np.zeros(1)
    x, y = np.repeat(at + shift, 3), np.repeat(shown, 3)
    x[1::3] += 1e-3
    y[2::3] = np.nan  # a point is a short line with round ends: a tenth of the text of a marker in SVG
    axes.plot(x, y, color=colour, lw=3 if shown.size > 12 else 6, solid_capstyle="round", alpha=0.6, zorder=5, snap=False)
    ink = matplotlib.rcParams["text.color"]
    axes.plot([at - 0.34 * width, at + 0.34 * width], [np.median(values)] * 2, color=ink, lw=1.6, zorder=4)


def draw_legend(figure: Figure | SubFigure, series: Mapping[str, int]) -> None:
    """The names of series that all charts of a figure share."""
    handles = [Line2D([], [], color=colour_of(k), marker="o", ls="", label=name) for name, k in series.items()]
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles), frameon=False)


def _log_ticks(axes: Axes) -> None:
    """Plain numbers, 10ⁿ where they are long; a few between the decades where there is hardly more than one."""
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: decade(v)))
    axes.yaxis.set_minor_locator(NullLocator())


def _categories(axes: Axes, labels: Sequence[str], xlabel: str | None) -> None:
    axes.set_xlim(-0.5, len(labels) - 0.5)
    named = any(labels)
    axes.set_xticks(range(len(labels)) if named else [], labels if named else None)
    axes.set_xlabel(xlabel if xlabel and named else "")
