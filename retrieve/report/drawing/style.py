"""The look of pictures."""

from __future__ import annotations

import io
from contextlib import AbstractContextManager
from typing import Any

import matplotlib
from cycler import cycler
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

PALETTE = ("#0b6fb8", "#d4570a", "#0a8f69", "#a8488a", "#b58900", "#4aa3d8", "#7a5ad0", "#6b7680")  # --c0 … of page.css
MARKERS = "os^Dv*Ph<>X"

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


class Picture(Figure):
    """A figure that a notebook shows by itself, without a backend of matplotlib."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()


def new_figure(size: tuple[float, float], compress: bool = False) -> Figure:
    """An empty figure of a width and height (in); with `compress`, without gaps between images of one shape."""
    layout = ConstrainedLayoutEngine(compress=compress, w_pad=0.1, h_pad=0.08)
    return Picture(figsize=size, dpi=100, layout=layout)


def colour_of(series: int) -> str:
    """The colour of a series in the style in force."""
    colours = matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
    return str(colours[series % len(colours)])
