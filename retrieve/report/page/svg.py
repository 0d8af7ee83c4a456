"""Charts as inline SVG, drawn by matplotlib, whose text and colours the page's style decides, light and dark."""

from __future__ import annotations

import io
import re
from collections.abc import Container
from functools import cache
from typing import Any

import matplotlib
from cycler import cycler
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from ..drawing.charts import draw_content
from ..drawing.style import MARKERS, PALETTE, STYLE
from ..panels import ChartPanel, CurvePanel

CHART_SIZE = (460, 270)  # px of a chart at its natural size
WIDE_CHART = 1.25  # times that for a wide one
CHART_MARGINS = (62, 46, 8, 8)  # px left, below, right and above the axes: fixed, since a layout draws each chart twice
NUMBERS_ABOVE = 10  # px more above the axes where numbers stand
DRAWING_MARK = "\ue000"  # stands before the names inside a drawing until `numbered` makes them unique
INK, FAINT = "#010101", "#020202"  # stand-ins that become the style's variables

SVG_STYLE: dict[Any, Any] = STYLE | {
    "axes.prop_cycle": cycler(color=[f"#0300{k:02x}" for k in range(len(PALETTE))]),  # stand-ins of the style's colours
    "svg.fonttype": "none",
    "svg.hashsalt": "retrieve",
    "path.simplify": False,
    "font.size": 12,
    "axes.labelsize": 12,
    "xtick.labelsize": 12,
    "ytick.labelsize": 12,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "grid.color": FAINT,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
}


def chart_svg(panel: ChartPanel) -> Markup:
    """A chart without title and legend."""
    width = CHART_SIZE[0] * (WIDE_CHART if isinstance(panel, CurvePanel) and panel.wide else 1.0)
    height, (left, bottom, right, top) = CHART_SIZE[1], CHART_MARGINS
    if isinstance(panel, CurvePanel) and panel.begins:
        top += NUMBERS_ABOVE
    with matplotlib.rc_context(SVG_STYLE):
        figure = Figure(figsize=(width / 72, height / 72), dpi=72)
        box = (left / width, bottom / height, 1 - (left + right) / width, 1 - (bottom + top) / height)
        draw_content(figure.add_axes(box), panel)
        return _svg(figure, panel.alt)


@cache
def swatch(series: int, marks: bool = True, dashed: bool = False) -> Markup:
    """The line and mark of a series in a legend."""
    with matplotlib.rc_context(SVG_STYLE):
        figure = Figure(figsize=(26 / 72, 14 / 72), dpi=72)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        colour = f"#0300{series % len(PALETTE):02x}"
        axes.plot([0, 1], [0.5, 0.5], color=colour, lw=2, ls=(0, (3, 2)) if dashed else "-")
        if marks:
            axes.plot([0.5], [0.5], color=colour, marker=MARKERS[series % len(MARKERS)], ms=7)
        axes.set(xlim=(0, 1), ylim=(0, 1))
        return _svg(figure, "", "swatch")


def _svg(figure: Figure, alt: str, class_: str = "svg") -> Markup:
    """A figure as an SVG element that takes its colours and font from the page."""
    file = io.BytesIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = file.getvalue().decode()
    text = re.sub(r"<[^>]*>", lambda tag: _shortened(tag[0]), text[text.index("<svg") :])
    box = re.search(r'viewBox="[^"]*"', text)
    role = f'role="img" aria-label="{escape(alt)}"' if alt else 'aria-hidden="true"'
    text = re.sub(r"<svg[^>]*>", lambda _: f'<svg class="{class_}" {box[0] if box else ""} {role}>', text, count=1)
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>", "", text, flags=re.S)
    used = set(re.findall(r"#([\w-]+)", text))
    text = re.sub(r"<[^>]*>", lambda tag: _adapted(tag[0], used), text)  # text between the tags may say anything
    return Markup(re.sub(r"\s+", " ", text))


def _adapted(tag: str, used: Container[str]) -> str:
    """A tag with the colours of the page, and with marks before the names that are used."""
    tag = tag.replace(INK, "currentColor").replace(FAINT, "var(--faint)")
    tag = re.sub(r"#0300([0-9a-f]{2})", lambda m: f"var(--c{int(m[1], 16)})", tag)
    tag = re.sub(r' id="([^"]+)"', lambda m: f' id="{DRAWING_MARK}{m[1]}"' if m[1] in used else "", tag)
    return re.sub(r'(url\(#|href="#)', lambda m: m[1] + DRAWING_MARK, tag)


def numbered(page: str) -> str:
    """A page whose drawings' inner names differ from drawing to drawing."""
    *drawings, last = page.split("</svg>")
    return "".join(part.replace(DRAWING_MARK, f"d{k}-") + "</svg>" for k, part in enumerate(drawings)) + last


def _shortened(tag: str) -> str:
    """A tag without the font's name, its coordinates to a tenth of a pixel."""
    tag = re.sub(r"font-family: [^;\"]*;? ?", "", tag)
    return re.sub(r"(?<=[ \"(-])\d+\.\d{2,}", lambda m: f"{float(m[0]):.1f}", tag)
