"""The picture of an analysis: the panels of Figure 5 of Lee et al. 2026, with groups and resolution beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..evaluate.analyze import Analysis
from .figure import write_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def analysis_picture(analysis: Analysis, path: str | Path | None = None) -> Figure:
    """Draw the picture of an analysis and, with a path, write it there.

    The panels are a: histograms of the pairwise correlations; b: of the diffraction errors; c: mean, modes and spread of
    the amplitude; d: of the phase, in three dimensions a section through the middle; e: the correlation of each pair, by
    group; f: PRTF and FRC.

    Parameters
    ----------
    analysis : Analysis
        As `analyze` returns it.
    path : str or Path, optional
        The file, written beside its place and renamed. Its suffix gives the format: PNG without one, or pdf, svg, …

    Returns
    -------
    matplotlib.figure.Figure
        The figure.

    Raises
    ------
    InputError
        For a suffix that cannot be drawn.
    """
    from .analysis_panels import error_histograms, frequency_panel, modes_of, pair_histograms, pair_matrix
    from .drawing.charts import draw_chart
    from .drawing.images import draw_grid, draw_images
    from .drawing.style import new_figure, picture_style

    grid = modes_of(analysis)
    rows = [row._replace(panels=[replace(p.sections()[0], title=p.title) for p in row.panels if p]) for row in grid.rows]
    [first, *_] = (panel for panel in grid.rows[0].panels if panel)
    place = first.sections()[0].title.removeprefix(first.title).removeprefix(", ")
    cut = f"  ·  c and d: cut at {place}" if place else ""  # of a volume
    charts = [*pair_histograms(analysis), error_histograms(analysis)[0]]
    with picture_style():
        figure = new_figure((max(12.5, 3.3 * len(rows[0].panels)), 13))
        figure.suptitle(f"{len(analysis.members)} {analysis.kind}: {analysis.verdict}{cut}")
        top, middle, bottom = figure.subfigures(3, 1, squeeze=False, height_ratios=(1, 2, 1.15))[:, 0]
        for axes, letter, chart in zip(top.subplots(1, len(charts)), "aaab", charts, strict=True):
            draw_chart(axes, chart)
            axes.set_title(f"{letter}  {chart.title}")
        places = draw_grid(middle, grid._replace(rows=rows))
        for axes, title in zip(places[:, 0], ("c  mean amplitude", "d  circular mean phase"), strict=True):
            axes.set_title(title)
        left, right = bottom.subplots(1, 2, width_ratios=(1, 1.7))
        matrix, curves = pair_matrix(analysis), frequency_panel(analysis)
        draw_images([left], [replace(matrix, title=f"e  {matrix.title}")])
        draw_chart(right, replace(curves, title=f"f  {curves.title}"))
    if path is not None:
        write_figure(figure, path)
    return figure
