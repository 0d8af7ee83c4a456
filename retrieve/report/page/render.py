"""Templates filled in, everything escaped that is not markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ...provenance import versions
from ..numbers import NONE, number, ordinal
from ..panels import ImagePanel, outline_lines
from ..surface import SurfacePanel
from ..tables import percent
from .images import atlas_of, bar_end, bar_stops, png_of, thinned
from .solid import mapping_of, viewer
from .svg import chart_svg, numbered, swatch

SHORT_CELL = 28  # characters up to which a cell is kept on one line


def render(template: str, script: str = "page.js", **content: Any) -> str:
    """The HTML document of a template, which holds its style, scripts, pictures and charts.

    With the script ``live.js`` its policy lets it ask its own server, and no other.
    """
    solid = any(isinstance(value, SurfacePanel) for value in content.values())
    programs = [viewer()] * solid
    names = ("page.css", script, *["solid.js"] * solid)
    style, *scripts = (Markup((files(__package__) / name).read_text("utf-8")) for name in names)
    digests = [_digest(script) for script in (*scripts, *(program.script for program in programs))]
    styles = [_digest(style), *[_digest("")] * solid]  # the viewer adds rules to an empty element of its own
    own = {
        "live": script == "live.js",
        "style": style,
        "scripts": scripts,
        "digests": digests,
        "style_digests": styles,
        "packed": [Markup(program.packed) for program in programs],
        "taken": [name for program in programs for name in program.styles],
    }
    made = f"retrieve {versions().get('retrieve-phase', '')}".strip()
    return numbered(_environment().get_template(template).render(made=made, **own, **content).lstrip())


def fragment(template: str, **content: Any) -> str:
    """A template that stands alone within another page."""
    return numbered(_environment().get_template(template).render(**content).strip())


def _digest(script: str) -> str:
    """The source expression by which a content security policy knows a script or a style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


@cache
def _environment() -> Environment:
    """The templates with their filters."""
    made = Environment(
        loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters |= {
        "number": number,
        "ordinal": ordinal,
        "percent": percent,
        "plural": lambda n, name: f"{number(n)} {name}" + "s" * (n != 1),
        "capital": lambda title: title[:1].upper() + title[1:] if title[:1].isascii() else title,
        "slug": lambda title: "".join(c if c.isalnum() else "-" for c in title.lower()),
        "headings": lambda page: [map(Markup, found) for found in re.findall(r'<h2 id="([^"]*)">(.*?)</h2>', page)],
        "fact": _fact,
        "json": _json,
        "base64": lambda data: base64.b64encode(data).decode(),
        "svg": chart_svg,
        "labelled": lambda panel: [curve for curve in getattr(panel, "curves", ()) if curve.label],
        "begins": lambda panel: getattr(panel, "numbers", {}),
        "png": png_of,
        "atlas": atlas_of,
        "end": bar_end,
        "stops": bar_stops,
        "thinned": thinned,
        "outline": _outline_path,
        "solid": lambda panel: Markup(json.dumps(mapping_of(panel)).replace("<", "\\u003c")),
    }
    made.globals |= {"swatch": swatch, "SHORT_CELL": SHORT_CELL}
    made.tests["image"] = lambda panel: isinstance(panel, ImagePanel)
    return made


def _fact(value: Any) -> str:
    if isinstance(value, Mapping) and not any(isinstance(v, (Mapping, list, tuple)) for v in value.values()):
        return ", ".join(f"{k} {_fact(v)}" for k, v in value.items()) or NONE
    if isinstance(value, (Mapping, list, tuple)):
        return json.dumps(value, default=str, ensure_ascii=False)
    return NONE if value is None else str(value)


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(dict(value), indent=2, default=str, ensure_ascii=False)


def _outline_path(inside: Any) -> str:
    """The outline of pixels (2D) as SVG path data, in pixels."""
    ends = outline_lines(inside).astype(int)
    return "".join(f"M{a} {b}" + (f"H{c}" if b == d else f"V{d}") for (a, b), (c, d) in ends)
