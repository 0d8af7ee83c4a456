"""Panels drawn by matplotlib; the style in force gives colours and sizes, so that pictures and pages share this code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import AxesImage
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from numpy.typing import NDArray

from .numbers import decade
from .panels import (
    ChartPanel,
    ColourScale,
    Curve,
    CurvePanel,
    DensityPanel,
    HistogramPanel,
    ImageGrid,
    ImagePanel,
    outline_lines,
)

PALETTE = ("#0b6fb8", "#d4570a", "#0a8f69", "#a8488a", "#b58900", "#4aa3d8", "#7a5ad0", "#6b7680")  # --c0 … of page.css
MARKERS = "os^Dv*Ph<>X"
UNMEASURED, UNMEASURED_NAME = "0.72", "not measured"  # the grey of such pixels
MAX_DENSITY_POINTS = 40  # of one distribution that are drawn, evenly over its ranks
MIN_DENSITY_POINTS = 5  # from which a density is drawn
SMALL_MARKS_ABOVE = 1000  # points of a curve

STYLE: dict[Any, Any] = {
    "axes.prop_cycle": cycler(color=PALETTE),
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "axes.axisbelow": True,
    "figure.titlesize": 12,
    "grid.color": "0.85",
    "grid.linewidth": 0.6,
    "legend.fontsize": 8,
    "text.parse_math": False,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}


def picture_style() -> AbstractContextManager[None]:
    """The style of pictures, in force within the block."""
    return matplotlib.rc_context(STYLE)


def new_figure(size: tuple[float, float], compress: bool = False) -> Figure:
    """An empty figure of a width and height (in); with `compress`, without gaps between images of one shape."""
    layout = ConstrainedLayoutEngine(compress=compress, w_pad=0.1, h_pad=0.08)
    return Figure(figsize=size, dpi=100, layout=layout)


# images --------------------------------------------------------------------------------------------


def draw_images(places: Sequence[Axes], panels: Sequence[ImagePanel], ticks: bool = True) -> None:
    """One image (2D) a place, and a colour bar for each scale beside the images that share it."""
    images = [_draw_image(axes, panel, ticks) for axes, panel in zip(places, panels, strict=True)]
    named: set[str] = set()
    for axes, panel in zip(places, panels, strict=True):
        named |= _image_legend(axes, panel, named)
    for scale in dict.fromkeys(panel.scale for panel in panels):
        own = [k for k, panel in enumerate(panels) if panel.scale == scale]
        columns = {_column(places[k]) for k in own}
        bar = places[0].figure.colorbar(
            images[own[0]],
            ax=[places[k] for k in own],
            label=scale.label,
            location="bottom" if len(own) > 1 and len(columns) == 1 else "right",
            shrink=0.9,
            extend=_beyond(scale, [panels[k].values for k in own]),
            format=FuncFormatter(lambda v, _: decade(v)) if scale.log else None,
        )
        bar.ax.minorticks_off()
        if scale.high == np.pi and scale.low == -np.pi:
            bar.set_ticks([-np.pi, 0, np.pi], labels=["−π", "0", "π"])


def draw_grid(figure: Figure | SubFigure, grid: ImageGrid, ticks: bool = True) -> NDArray[Any]:
    """Rows of images, under their labels without `ticks`; returns the axes (rows, columns)."""
    columns = max(len(row.panels) for row in grid.rows)
    places = figure.subplots(len(grid.rows), columns, squeeze=False)
    filled: dict[Axes, ImagePanel] = {}
    for axes_row, row in zip(places, grid.rows, strict=True):
        filled |= {axes: panel for axes, panel in zip(axes_row, row.panels, strict=False) if panel}
        if not ticks:
            axes_row[0].set_ylabel(row.label, rotation=0, ha="right", va="center")
    for axes in places.flat:
        if axes not in filled:
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
    draw_images(list(filled), list(filled.values()), ticks)
    return np.asarray(places)


def _column(axes: Axes) -> int:
    place = axes.get_subplotspec()
    return 0 if place is None else place.colspan.start


def _draw_image(axes: Axes, panel: ImagePanel, ticks: bool) -> AxesImage:
    scale, grid = panel.scale, panel.grid
    (top, bottom), (left, right) = (grid.ends(axis, n) for axis, n in enumerate(panel.values.shape))
    image = axes.imshow(
        np.maximum(panel.values, scale.low) if scale.log else panel.values,
        extent=(left, right, bottom, top),
        cmap=colormaps[scale.cmap].with_extremes(bad=UNMEASURED) if panel.unmeasured else scale.cmap,
        norm=LogNorm(scale.low, scale.high) if scale.log else Normalize(scale.low, scale.high),
        interpolation="nearest",
        aspect="equal" if grid.unit or grid.names[0] == grid.names[1] else "auto",
    )
    axes.set_title(panel.title)
    if ticks:
        axes.set_xlabel(grid.label(1))
        axes.set_ylabel(grid.label(0), labelpad=1)
        axes.locator_params(nbins=5 if 2 * abs(right - left) > abs(bottom - top) else 3)
    else:
        axes.set(xticks=[], yticks=[])
    for outline in panel.outlines:
        if outline.inside.any() and not outline.inside.all():
            step = (right - left) / panel.values.shape[1], (bottom - top) / panel.values.shape[0]
            ends = (outline_lines(outline.inside) * step + (left, top)).reshape(-1, 2)
            path = Path(ends, np.tile([Path.MOVETO, Path.LINETO], len(ends) // 2))
            axes.add_artist(PathPatch(path, fill=False, edgecolor=outline.colour, linewidth=0.8))
    return image


def _image_legend(axes: Axes, panel: ImagePanel, named: set[str]) -> set[str]:
    """A legend of the outlines and of the grey that no other image has named; returns the names."""
    lines = [Line2D([], [], color=o.colour, lw=0.8, label=o.label) for o in panel.outlines if o.label and o.label not in named]
    grey = [Patch(facecolor=UNMEASURED, edgecolor="0.3", label=UNMEASURED_NAME)]
    if lines:
        axes.legend(handles=lines, loc="lower left", facecolor="0.25", labelcolor="w", framealpha=0.7, handlelength=1)
        return {str(line.get_label()) for line in lines}
    if panel.unmeasured and UNMEASURED_NAME not in named and np.isnan(panel.values).any():
        axes.legend(handles=grey, loc="upper right", handlelength=1)
        return {UNMEASURED_NAME}
    return set()


def _colour(series: int) -> str:
    """The colour of a series in the style in force."""
    colours = matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
    return str(colours[series % len(colours)])


def _beyond(scale: ColourScale, values: Sequence[NDArray]) -> str:
    """At which ends of a colour bar there are values beyond it."""
    low = any(np.nanmin(v, initial=scale.high) < scale.low for v in values)
    high = any(np.nanmax(v, initial=scale.low) > scale.high for v in values)
    return "both" if low and high else "min" if low else "max" if high else "neither"


# charts --------------------------------------------------------------------------------------------


def draw_chart(axes: Axes, panel: ChartPanel) -> None:
    """A chart of a picture: content, title and legend."""
    draw_content(axes, panel)
    axes.set_title(panel.title)
    if axes.get_legend_handles_labels()[0]:
        axes.legend()


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
    axes.set_ylabel(panel.ylabel)
    if panel.limits:
        axes.set_ylim(panel.limits)
    if panel.categories is None:
        axes.set_xlabel(panel.xlabel or "")
    else:
        _categories(axes, panel.categories, panel.xlabel)


def _draw_curve(axes: Axes, curve: Curve, log: bool) -> bool:
    """Whether there was a point to draw."""
    y = np.asarray(curve.y, float)
    x = np.asarray(curve.x, float)[: y.size]
    good = np.isfinite(y) & ((y > 0) | (not log))
    marks = MARKERS[curve.series % len(MARKERS)] if curve.marks else "o" if good.sum() == 1 else ""
    style: dict[str, Any] = {
        "color": _colour(curve.series),
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
    axes.hist(values, bins=min(24, max(5, int(np.sqrt(values.size)))), color=_colour(panel.series), alpha=0.6)
    axes.axvline(float(np.median(values)), color=matplotlib.rcParams["text.color"], lw=1.6)
    axes.set(xlabel=panel.xlabel, ylabel="number")
    axes.locator_params(nbins=5)


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
    colour = _colour(series)
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
    y[2::3] = np.nan  # a point is a line of no length with round ends: a tenth of the text of a marker in SVG
    axes.plot(x, y, color=colour, lw=3 if shown.size > 12 else 6, solid_capstyle="round", alpha=0.6)
    ink = matplotlib.rcParams["text.color"]
    axes.plot([at - 0.34 * width, at + 0.34 * width], [np.median(values)] * 2, color=ink, lw=1.6, zorder=4)


def draw_legend(figure: Figure | SubFigure, series: Mapping[str, int]) -> None:
    """The names of series that all charts of a figure share."""
    handles = [Line2D([], [], color=_colour(k), marker="o", ls="", label=name) for name, k in series.items()]
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
