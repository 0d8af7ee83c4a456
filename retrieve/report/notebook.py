"""How problems, results, verdicts and comparisons look in a notebook: a short card, and a picture."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..evaluate.comparison import Comparison
from ..evaluate.statistics import paired, summarise
from ..io.result import Result
from ..io.verdict import Verdict
from ..problem import Problem
from ..problem.words import facts_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .tables import TablePanel

PICTURE_DPI = 70  # of the picture in a card


def html(shown: Problem | Result | Verdict | Comparison) -> str:
    """The card of a thing as HTML. It brings its own style, and no script."""
    if isinstance(shown, Problem):
        return _card("Problem", facts=facts_of(shown), picture=pattern_figure(shown), alt="the measured pattern")
    if isinstance(shown, Verdict):
        return _card("Verdict", shown.headline, _lines(shown))
    if isinstance(shown, Comparison):
        from .comparison_tables import metric_hints, paired_table, summary_table

        pairs = paired(shown)
        tables = [summary_table(summarise(shown), metric_hints()), *([paired_table(pairs)] if pairs else [])]
        return _card("Comparison", shown.equal, shown.notes, tables=tables)
    from .result_picture import plot

    verdict = shown.verdict
    said = "no verdict was taken" if verdict is None else verdict.headline
    lines = [] if verdict is None else _lines(verdict)
    return _card("Result", said, lines, picture=plot(shown), alt="the object, its diffraction and its convergence")


def png(shown: Problem | Result) -> bytes:
    """The picture of a result, or the measured pattern of a problem, as PNG data."""
    from .result_picture import plot

    return _png(pattern_figure(shown) if isinstance(shown, Problem) else plot(shown))


def pattern_figure(problem: Problem) -> Figure:
    """The measured intensity on a logarithmic scale; of a volume, one section across each axis through the peak."""
    import numpy as np

    from .drawing.images import draw_images
    from .drawing.style import new_figure, picture_style
    from .panels import ImagePanel
    from .pattern_panels import coarser, detector_grid, intensity_scale, intensity_unit

    data = problem.data
    peak = tuple(int(i) for i in np.unravel_index(np.nanargmax(data), data.shape))
    scale = intensity_scale(data, f"intensity ({intensity_unit(data)})")
    panel = ImagePanel("measured", data, scale, detector_grid(data.shape), "measured, intensity", cut=peak, unmeasured=True)
    sections = [coarser(section) for section in panel.sections()]
    with picture_style():
        figure = new_figure((4.5 * len(sections), 4))
        draw_images(list(figure.subplots(1, len(sections), squeeze=False)[0]), sections)
    return figure


def _lines(verdict: Verdict) -> list[str]:
    advice = [f"Next: {verdict.advice}."] if verdict.advice else []
    return [verdict.words, *verdict.warnings, *advice]


def _card(
    title: str,
    headline: str = "",
    lines: Sequence[str] = (),
    facts: Mapping[str, Any] | None = None,
    tables: Sequence[TablePanel] = (),
    picture: Figure | None = None,
    alt: str = "",
) -> str:
    from .page.render import fragment

    uri = "" if picture is None else "data:image/png;base64," + base64.b64encode(_png(picture)).decode()
    return fragment("card.html", title=title, headline=headline, lines=lines, facts=facts, tables=tables, picture=uri, alt=alt)


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=PICTURE_DPI)
    return file.getvalue()
