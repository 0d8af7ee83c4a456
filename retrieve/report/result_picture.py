"""The picture of a result: its object, its diffraction and its convergence."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..evaluate.verdict import choice_lines
from ..io.result import Result
from .figure import write_figure
from .numbers import ordinal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEADLINE_WIDTH = 110  # characters of a line above the picture


def plot(result: Result) -> Figure:
    """Draw the picture of a result as a matplotlib figure.

    The panels are amplitude and phase of the object (its phase ramp and offset removed) with the outline of the support;
    the spread over the starts; the uncertainty, with an outline of what is not determined; measured and calculated intensity
    on one logarithmic scale; R and R_free of all starts, with a numbered line where each stage of the chosen start begins.
    Outlines on the spread show the pixels that the supports of all agreeing starts hold, and those that any holds.
    In three dimensions, each quantity has one section across each axis: through the object's centre of mass, or through
    the pattern's peak. Axes of the object are in px. They are in nm, with a scale bar, if the problem's meta has the experiment
    or `voxel_size_nm` (one number, or one an axis).

    Parameters
    ----------
    result : Result
        As `solve` returns it.

    Returns
    -------
    matplotlib.figure.Figure
        The figure, not written anywhere.
    """
    from ..evaluate.support_agreement import support_agreement
    from .drawing.charts import draw_chart
    from .drawing.images import draw_images
    from .drawing.style import new_figure, picture_style
    from .history_panel import history_panel
    from .object_panels import amplitude_and_phase, object_scales
    from .pattern_panels import amplitude_unit, coarser, diffraction_panels, intensity_unit
    from .result_panels import place, spread_panel
    from .uncertainty_panels import uncertainty_panel

    supports = support_agreement(result)
    placed = place(result, supports)
    measured, calculated, _ = diffraction_panels(result)
    unit = amplitude_unit(intensity_unit(measured.values))
    panels = amplitude_and_phase(placed.x, object_scales([placed.x], None, unit), placed.grid, "the object", placed.support)
    uncertain = uncertainty_panel(result, placed.grid, placed.x.shape)
    panels += [*spread_panel(placed, supports, unit), *([uncertain] if uncertain else []), measured, calculated]
    shown = {panel.title: [coarser(section) for section in panel.sections()] for panel in panels}
    with picture_style():
        flat = placed.x.ndim == 2
        figure = new_figure((17 if uncertain else 13.5, 7.5) if flat else (17, 10.5 if uncertain else 8.5), compress=flat)
        places = _places(figure, {name: len(sections) for name, sections in shown.items()})
        for row in (["amplitude"], ["phase"], ["spread"], ["uncertainty"], ["measured", "calculated"]):
            own = [section for name in row for section in shown.get(name, [])]
            draw_images([axes for name in row for axes in places.get(name, [])], own)
        draw_chart(places["history"][0], history_panel(result))
        figure.suptitle(_headline(result))
    return figure


def _places(figure: Figure, sections: Mapping[str, int]) -> dict[str, list[Any]]:
    """The axes of each quantity, one a section, and of the history; in 3D the object left, its diffraction right."""
    names = {name: [f"{name} {k}" for k in range(number)] for name, number in sections.items()}
    seen: list[Any] = [names[name] for name in ("amplitude", "phase", "spread", "uncertainty") if name in names]
    fitted: list[Any] = [names["measured"], names["calculated"]]
    if sections["amplitude"] == 1:
        top, bottom = ([row[0] for row in rows] for rows in (seen, fitted))
        across = max(3, len(top))
        made = figure.subplot_mosaic([[*top, "history"][:across], [*bottom, *["history"] * (across - 2)]])
    else:
        left, right = figure.subfigures(1, 2, squeeze=False)[0]
        made = left.subplot_mosaic(seen) | right.subplot_mosaic([*fitted, ["history"] * 3])
    return {name: [made[key] for key in keys] for name, keys in names.items()} | {"history": [made["history"]]}


def result_picture(result: Result, path: str | Path | None = None) -> Figure:
    """Draw the picture of a result and, with a path, write it there.

    Parameters
    ----------
    result : Result
        As `solve` returns it.
    path : str or Path, optional
        The file, written beside its place and renamed. Its suffix gives the format: PNG without one, or pdf, svg, …

    Returns
    -------
    matplotlib.figure.Figure
        The figure; see `plot` for its panels.

    Raises
    ------
    InputError
        For a suffix that cannot be drawn.
    """
    figure = plot(result)
    if path is not None:
        write_figure(figure, path)
    return figure


def _headline(result: Result) -> str:
    score, starts = result.score, len(result.scores)
    failed = sum(s.failure is not None for s in result.scores)
    parts = [str(result.manifest["solver"])] if result.manifest.get("solver") else []
    parts.append(f"R {score.r:.3g}")
    if score.r_free is not None:
        parts.append(f"R_free {score.r_free:.3g}")
    if score.deviance is not None:
        parts.append(f"deviance {score.deviance:.3g} per pixel")
    shown = f"the {ordinal(result.chosen)} was chosen" if result.averaging is None else f"their {result.averaging}"
    parts.append("1 start" if starts == 1 else f"{starts} starts, {shown}" + f", {failed} failed" * bool(failed))
    if result.interrupted:
        parts.append("interrupted")
    lines = ["  ·  ".join(parts), *choice_lines(result)]
    if result.uncertainty is not None:
        lines.append(f"uncertainty: {result.uncertainty.words}")
    if result.verdict is not None:
        lines += [f"verdict: {result.verdict.headline}", *result.verdict.warnings]
    return "\n".join(line for said in lines for line in _evenly(said))


def _evenly(said: str) -> list[str]:
    """A line as few lines of about one length, so that no single word is left for the last."""
    few = textwrap.wrap(said, HEADLINE_WIDTH)
    widths = range(math.ceil(len(said) / max(1, len(few))), HEADLINE_WIDTH)
    return next((lines for width in widths if len(lines := textwrap.wrap(said, width)) == len(few)), few)
