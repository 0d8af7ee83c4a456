"""Arrays as indexed PNG data, and volumes as sheets of cuts that the page's slider shows."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import replace

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from ..numbers import decade, number
from ..panels import ColourScale, ImageGrid, ImagePanel, ImageRow

PALETTE_COLOURS = 255  # of a colour map; the 256th entry of the palette is transparent
MAX_VOXELS = 6_000_000  # of all volumes under one slider; noise takes half a byte a voxel
MAX_SIDE = {2: 768, 3: 112}  # pixels along an axis of an image or volume; above that every second, third… one is shown


def png_of(panel: ImagePanel) -> str:
    """A panel as the URI of a PNG; of a volume the cut through the origin."""
    values = panel.values if panel.values.ndim == 2 else panel.values[int(panel.grid.origin[0])]
    return png(values[::-1] if panel.grid.up else values, panel.scale)


def atlas_of(panel: ImagePanel) -> tuple[str, int]:
    """All cuts of a volume as the URI of one PNG, and how many lie in a row."""
    sheet, across = atlas(panel.values)
    return png(sheet, panel.scale), across


def png(values: NDArray, scale: ColourScale) -> str:
    """A 2D array as the URI of an indexed PNG, one pixel a value; NaN is transparent."""
    image = Image.fromarray(palette_indices(values, scale))
    palette = np.vstack([colormaps[scale.cmap](np.linspace(0, 1, PALETTE_COLOURS))[:, :3], np.zeros((1, 3))])
    image.putpalette((255 * palette).round().astype(np.uint8).tobytes())
    file = io.BytesIO()
    image.save(file, "png", optimize=True, transparency=PALETTE_COLOURS)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def palette_indices(values: NDArray, scale: ColourScale) -> NDArray[np.uint8]:
    """The palette entry of each value (*shape); NaN takes the transparent one."""
    low, high = (math.log10(v) if scale.log else v for v in (scale.low, scale.high))
    values = np.asarray(values, np.float32)
    if scale.log:
        values = np.log10(np.maximum(values, scale.low))
    share = np.clip((values - low) / ((high - low) or 1.0), 0, 1)
    return np.where(np.isnan(share), PALETTE_COLOURS, np.nan_to_num(share) * (PALETTE_COLOURS - 1)).round().astype(np.uint8)


def bar_stops(scale: ColourScale) -> str:
    """The colours of a colour bar, from its low to its high end."""
    colours = (colormaps[scale.cmap](share)[:3] for share in np.linspace(0, 1, 17))
    return ", ".join("#" + "".join(f"{round(255 * c):02x}" for c in colour) for colour in colours)


def bar_end(value: float, log: bool) -> str:
    """The number at an end of a colour bar."""
    if math.isclose(abs(value), math.pi):
        return "π" if value > 0 else "−π"
    return decade(value) if log else number(value)


def atlas(volume: NDArray) -> tuple[NDArray, int]:
    """A volume (z, y, x) as one sheet of its cuts, row by row, and the number of cuts in a row."""
    depth, rows, columns = volume.shape
    across = math.ceil(math.sqrt(depth))
    down = math.ceil(depth / across)
    cuts = np.zeros((across * down, rows, columns), volume.dtype)
    cuts[:depth] = volume
    return cuts.reshape(down, across, rows, columns).transpose(0, 2, 1, 3).reshape(down * rows, across * columns), across


def thinned(grid: ImageGrid) -> tuple[ImageGrid, int]:
    """Images of one shape, every so many pixels along each axis, the origin among them; and the step."""
    panels = [panel for row in grid.rows for panel in row.panels if panel]
    first, ndim = panels[0], panels[0].values.ndim
    step = math.ceil(max(first.values.shape) / MAX_SIDE[ndim])
    if ndim == 3:
        step = max(step, math.ceil((len(panels) * first.values.size / MAX_VOXELS) ** (1 / 3)))
    thin = tuple(slice(int(origin) % step, None, step) for origin in first.grid.origin)
    size, origin = tuple(s * step for s in first.grid.size), tuple(int(o) // step for o in first.grid.origin)
    pixels = first.grid._replace(size=size, origin=origin)

    def taken(panel: ImagePanel | None) -> ImagePanel | None:
        if panel is None:
            return None
        outlines = tuple(outline._replace(inside=outline.inside[thin]) for outline in panel.outlines)
        return replace(panel, values=panel.values[thin], grid=pixels, outlines=outlines)

    return grid._replace(rows=[ImageRow([taken(panel) for panel in row.panels], row.label) for row in grid.rows]), step
