"""Surfaces as the page's viewer, Plotly, reads them, and the viewer itself, taken from its Python package."""

from __future__ import annotations

import base64
import gzip
import re
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

from ..panels import ColourScale
from ..surface import SurfacePanel

COLOURS = 33  # of a colour map that the viewer interpolates between


class Viewer(NamedTuple):
    """A script, and the same packed by gzip in base 64.

    styles: names of elements that the script takes for styles of its maps, which no page needs and the policy forbids.
    """

    script: str
    packed: str
    styles: tuple[str, ...]


@cache
def viewer() -> Viewer:
    """Plotly, five megabytes that pack into two."""
    from plotly.offline import get_plotlyjs

    script = str(get_plotlyjs())
    styles = tuple(re.findall(r'getElementById\("([0-9a-f]{64})"\)', script))
    return Viewer(script, base64.b64encode(gzip.compress(script.encode(), mtime=0)).decode(), styles)


def mapping_of(panel: SurfacePanel) -> dict[str, Any]:
    """A surface as `solid.js` reads it: arrays in base 64 with their type, and the colours of each quantity."""
    faces = panel.faces.astype(np.uint16 if len(panel.vertices) <= 2**16 else np.int32)
    return {
        "vertices": [_packed(column) for column in panel.vertices.T],
        "faces": [_packed(column) for column in faces.T],
        "colours": [
            {"values": _packed(c.values), "low": c.scale.low, "high": c.scale.high, "stops": _stops(c.scale)}
            for c in panel.colours
        ],
        "axes": [f"{name} ({panel.unit})" for name in panel.names],
        "down": panel.down,
    }


def _packed(array: NDArray) -> dict[str, str]:
    """An array (n,) in little-endian bytes."""
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return {"dtype": f"{array.dtype.kind}{array.dtype.itemsize}", "bdata": base64.b64encode(array.tobytes()).decode()}


def _stops(scale: ColourScale) -> list[tuple[float, str]]:
    shares = np.linspace(0, 1, COLOURS)
    colours = (255 * colormaps[scale.cmap](shares)[:, :3]).round().astype(int)
    names = ("#" + "".join(f"{c:02x}" for c in colour) for colour in colours)
    return [(round(float(share), 4), name) for share, name in zip(shares, names, strict=True)]
