"""The picture of a strain: sections of its maps through the crystal's middle, and the histograms."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..strain.record import Strain
from .figure import write_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def strain_picture(strain: Strain, path: str | Path | None = None) -> Figure:
    """Draw the picture of a strain and, with a path, write it there.

    Rows are amplitude, phase, displacement and strain, and the spread of the strain where there are several objects. Each row
    has one section across each axis, in nm, with a scale bar. The outline on the amplitude is the isosurface. The histograms
    are those of the amplitude, with the isosurface, and of the strain at the surface and in the bulk.

    Parameters
    ----------
    strain : Strain
        As `strain_of` returns it.
    path : str or Path, optional
        The file, written beside its place and renamed. Its suffix gives the format: PNG without one, or pdf, svg, …

    Returns
    -------
    matplotlib.figure.Figure
        The figure.

    Raises
    ------
    InputError
        For a suffix that cannot be drawn, and for a place that cannot be written.
    """
    from .drawing.charts import draw_chart
    from .drawing.images import draw_images
    from .drawing.style import new_figure, picture_style
    from .strain_panels import SHOWN, map_panel, spread_map, strain_charts

    found = [map_panel(strain, name, light=name == "amplitude") for name in SHOWN] + [spread_map(strain, "strain")]
    rows = [panel.sections() for panel in found if panel is not None]
    with picture_style():
        figure = new_figure((15, 2.7 * len(rows) + 0.6))
        left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(2.4, 1))[0]
        for places, sections in zip(left.subplots(len(rows), 3, squeeze=False), rows, strict=True):
            draw_images(list(places), sections)
        charts = strain_charts(strain)
        for axes, chart in zip(right.subplots(len(charts), 1, squeeze=False)[:, 0], charts, strict=True):
            draw_chart(axes, chart)
        figure.suptitle(_headline(strain))
    if path is not None:
        write_figure(figure, path)
    return figure


def _headline(strain: Strain) -> str:
    from .strain_panels import tiles

    said = [f"{name[0].lower()}{name[1:]} {value}" for name, value, _ in tiles(strain)]
    half = (len(said) + 1) // 2
    return "\n".join("  ·  ".join(line) for line in (said[:half], said[half:]))
