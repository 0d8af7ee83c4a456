"""The sections of plugins on the page of a result, each made under guard."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import Markup

from ...errors import PluginError
from ...plugins.guard import guarded
from ...plugins.loading import limit, loaded
from ...plugins.registry import available, registered
from ..added_panels import Panel
from ..panels import ImageGrid, ImageRow
from .render import fragment

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ...io.result import Result

HEADINGS = (
    "In short",
    "Object",
    "Diffraction",
    "Uncertainty",
    "Convergence",
    "Starts",
    "Spread and modes",
    "How this was made",
)
"""The page's own headings."""
FIGURE_DPI = 192  # twice the pixels of CSS


class Section(NamedTuple):
    """A section of a plugin: its heading, its content as HTML, and the reason where there is none."""

    title: str
    content: Markup
    fault: str = ""


class Drawing(NamedTuple):
    """A figure of matplotlib: the data of its PNG in base 64, and its size in pixels of CSS."""

    data: str
    width: int
    height: int


def added_sections(result: Result) -> list[Section]:
    """The sections that plugins add for a result, by the order of their plugins.

    A panel that raises, exits or does not end in time is told in its place, and in a warning. A heading that the page has
    already is followed by the registered name.
    """
    origin = registered("panels")
    titles = {heading.lower() for heading in HEADINGS}
    found = []
    for name, panel in available("panels").items():
        title = panel.heading or name
        title = f"{title} ({name})" if title.lower() in titles else title
        titles.add(title.lower())
        try:
            content = guarded(limit(), section_of, panel, result, name)
        except PluginError as error:
            loaded().reject(origin[name][1], f"panel {name!r}: {error}")
            found.append(Section(title, Markup(), f"panel {name!r} of plugin {origin[name][1]} was left out: {error}"))
            continue
        if content:
            found.append(Section(title, content))
    return found


def section_of(panel: Panel, result: Result, name: str) -> Markup:
    """What a panel shows of a result, as HTML. Empty for nothing.

    Raises `PluginError` for content that no page can show.
    """
    parts = [(kind, _shown(kind, one, f"added-{name}-{k}")) for k, (kind, one) in enumerate(panel.contents(result))]
    return Markup(fragment("added.html", parts=parts, title=panel.heading)) if parts else Markup()


def _shown(kind: str, content: Any, name: str) -> Any:
    """Content as the template takes it."""
    if kind == "image":
        return ImageGrid([ImageRow([content])])
    if kind == "figure":
        return _drawing(content)
    if kind == "table":
        return replace(content, name="".join(c if c.isalnum() else "-" for c in name))
    return content


def _drawing(figure: Figure) -> Drawing:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=FIGURE_DPI, metadata={"Software": None})
    width, height = (round(96 * length) for length in figure.get_size_inches())
    return Drawing(base64.b64encode(file.getvalue()).decode(), width, height)
