"""Images and their colour bars."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from ..numbers import decade, number
from ..panels import ColourScale, ImageGrid, ImagePanel, outline_lines

DARK = ("viridis", "magma", "inferno")  # colour maps that begin dark
UNMEASURED, UNMEASURED_NAME = "0.72", "not measured"  # the grey of such pixels


def draw_images(places: Sequence[Axes], panels: Sequence[ImagePanel], ticks: bool = True) -> None:
    """One image (2D) a place, and a colour bar for each scale beside the images that share it."""
    images = [_draw_image(axes, panel, ticks) for axes, panel in zip(places, panels, strict=True)]
    named: set[str] = set()
    for axes, panel in zip(places, panels, strict=True):
        named |= _image_legend(axes, panel, named)
    for scale in dict.fromkeys(panel.scale for panel in panels):
        own = [k for k, panel in enumerate(panels) if panel.scale == scale]
        beside, location = _bar_place([places[k] for k in own])
        bar = places[0].figure.colorbar(
            images[own[0]],
            ax=beside,
            label=scale.label,
            location=location,
            shrink=0.9,
            extend=_beyond(scale, [panels[k].values for k in own]),
            format=FuncFormatter(lambda v, _: decade(v)) if scale.log else None,
        )
        bar.ax.minorticks_off()
        if scale.high == np.pi and scale.low == -np.pi:
            bar.set_ticks([-np.pi, 0, np.pi], labels=["−π", "0", "π"])


def draw_grid(figure: Figure | SubFigure, grid: ImageGrid, ticks: bool = True) -> NDArray[Any]:
    """Rows of images; returns the axes (rows, columns).

    Without `ticks` as a gallery: each row with its label, and each title once a column.
    """
    columns = max(len(row.panels) for row in grid.rows)
    places = figure.subplots(len(grid.rows), columns, squeeze=False)
    filled: dict[Axes, ImagePanel] = {}
    titles: set[tuple[int, str]] = set()
    for axes_row, row in zip(places, grid.rows, strict=True):
        for column, (axes, panel) in enumerate(zip(axes_row, row.panels, strict=False)):
            if panel:
                known = not ticks and (column, panel.title) in titles
                filled[axes] = replace(panel, title="") if known else panel
                titles.add((column, panel.title))
        if not ticks:
            axes_row[0].set_ylabel(row.label, rotation=0, ha="right", va="center")
    for axes in set(places.flat) - set(filled):
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    draw_images(list(filled), list(filled.values()), ticks)
    return np.asarray(places)


def _bar_place(places: Sequence[Axes]) -> tuple[list[Axes], Literal["right", "bottom"]]:
    """Right of images that fill rows, else below the column that holds most of them."""
    rows, columns = ([getattr(axes.get_subplotspec(), span).start for axes in places] for span in ("rowspan", "colspan"))
    in_rows = set(Counter(rows).values())
    if len(in_rows) == 1 and (in_rows != {1} or len(places) == 1):
        return list(places), "right"
    fullest = Counter(columns).most_common(1)[0][0]
    return [axes for axes, column in zip(places, columns, strict=True) if column == fullest], "bottom"


def _draw_image(axes: Axes, panel: ImagePanel, ticks: bool) -> AxesImage:
    scale, grid = panel.scale, panel.grid
    (first, last), (left, right) = (grid.ends(axis, n) for axis, n in enumerate(panel.values.shape))
    image = axes.imshow(
        np.maximum(panel.values, scale.low) if scale.log else panel.values,
        extent=(left, right, first, last) if grid.up else (left, right, last, first),
        origin="lower" if grid.up else "upper",
        cmap=colormaps[scale.cmap].with_extremes(bad=UNMEASURED) if panel.unmeasured else scale.cmap,
        norm=LogNorm(scale.low, scale.high) if scale.log else Normalize(scale.low, scale.high),
        interpolation="nearest",
        aspect="equal" if grid.unit or grid.names[0] == grid.names[1] else "auto",
    )
    axes.set_title(panel.title)
    if ticks:
        axes.set_xlabel(grid.label(1))
        axes.set_ylabel(grid.label(0), labelpad=1)
        nbins = 5 if 2 * abs(right - left) > abs(last - first) else 3
        axes.locator_params(nbins=nbins)
        if not grid.unit:  # members of an ensemble, by number
            axes.xaxis.set_major_locator(MaxNLocator(nbins, integer=True))
            axes.yaxis.set_major_locator(MaxNLocator(nbins, integer=True))
    else:
        axes.set(xticks=[], yticks=[])
    if panel.bar and grid.unit == "nm":
        length, dark = grid.bar(panel.values.shape), panel.scale.cmap in DARK and not np.isnan(panel.values).any()
        _draw_bar(axes, right - 0.05 * (right - left), length, f"{number(length)} {grid.unit}", "w" if dark else "0.1")
    for outline in panel.outlines:
        if outline.inside.any() and not outline.inside.all():
            step = (right - left) / panel.values.shape[1], (last - first) / panel.values.shape[0]
            ends = (outline_lines(outline.inside) * step + (left, first)).reshape(-1, 2)
            path = Path(ends, np.tile([Path.MOVETO, Path.LINETO], len(ends) // 2))
            axes.add_artist(PathPatch(path, fill=False, edgecolor=outline.colour, linewidth=0.8))
    return image


def _draw_bar(axes: Axes, right: float, length: float, label: str, colour: str) -> None:
    """A scale bar that ends near the right edge, with a rim that sets it off."""
    rim = [withStroke(linewidth=3, foreground="0.2" if colour == "w" else "w", alpha=0.7)]
    place = axes.get_xaxis_transform()  # data across, share of the axes upwards
    line = Line2D([right - length, right], [0.06] * 2, color=colour, lw=2, solid_capstyle="butt", transform=place)
    axes.add_artist(line)
    axes.text(right, 0.08, label, color=colour, fontsize=8, ha="right", va="bottom", transform=place, path_effects=rim)


BELOW: Any = {"loc": "upper left", "bbox_to_anchor": (0, -0.3), "borderaxespad": 0.0, "fontsize": 7}
"""A legend's place: beside its image, below the label of its axis."""


def _image_legend(axes: Axes, panel: ImagePanel, named: set[str]) -> set[str]:
    """A legend of the outlines and of the grey that no other image has named; returns the names."""
    lines = [Line2D([], [], color=o.colour, lw=0.8, label=o.label) for o in panel.outlines if o.label and o.label not in named]
    grey = [Patch(facecolor=UNMEASURED, edgecolor="0.3", label=UNMEASURED_NAME)]
    if lines:
        axes.legend(handles=lines, facecolor="0.25", labelcolor="w", handlelength=1, **BELOW)
        return {str(line.get_label()) for line in lines}
    if panel.unmeasured and UNMEASURED_NAME not in named and np.isnan(panel.values).any():
        axes.legend(handles=grey, handlelength=1, **BELOW)
        return {UNMEASURED_NAME}
    return set()


def _beyond(scale: ColourScale, values: Sequence[NDArray]) -> str:
    """At which ends of a colour bar there are values beyond it."""
    low = any(np.nanmin(v, initial=scale.high) < scale.low for v in values)
    high = any(np.nanmax(v, initial=scale.low) > scale.high for v in values)
    return "both" if low and high else "min" if low else "max" if high else "neither"
