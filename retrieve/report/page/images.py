"""Arrays as pictures: a colour scale, small indexed PNG data, cuts through a volume with a slider."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from .html import Html, decade, join, number, tag

CONTOUR_LEVELS = 255  # of a colour map; the 256th entry of the palette is transparent
MAX_PIXELS = 112  # voxels along an axis of a volume with a slider; above that every second, third… one is shown
AXIS_NAMES = {2: "yx", 3: "zyx"}


class ColourScale(NamedTuple):
    """How values become colours: a matplotlib colour map from `low` to `high`, on a logarithmic axis with `log`."""

    cmap: str
    low: float
    high: float
    label: str
    log: bool = False

    def indices(self, values: NDArray) -> NDArray[np.uint8]:
        """The palette entry of each value (*shape); NaN takes the transparent one."""
        low, high = (math.log10(v) if self.log else v for v in (self.low, self.high))
        values = np.asarray(values, float)
        if self.log:
            values = np.log10(np.maximum(values, self.low))
        share = np.clip((values - low) / ((high - low) or 1.0), 0, 1)
        return np.where(np.isnan(share), CONTOUR_LEVELS, np.nan_to_num(share) * (CONTOUR_LEVELS - 1)).round().astype(np.uint8)

    def bar(self) -> Html:
        """The colour bar with its ends and label."""
        stops = ", ".join(_hex(self.cmap, share) for share in np.linspace(0, 1, 17))
        ramp = tag("i", style=f"background:linear-gradient(90deg, {stops})")
        ends = tag("span", _end(self.low, self.log), ramp, _end(self.high, self.log))
        return tag("span", tag("span", self.label), ends, class_="bar")


def _end(value: float, log: bool) -> str:
    if math.isclose(abs(value), math.pi):
        return "π" if value > 0 else "−π"
    return decade(value) if log else number(value, 2)


def _hex(cmap: str, share: float) -> str:
    return "#" + "".join(f"{round(255 * c):02x}" for c in colormaps[cmap](share)[:3])


def png(values: NDArray, scale: ColourScale) -> str:
    """A 2D array as the URI of an indexed PNG, one pixel a value; NaN is transparent."""
    image = Image.fromarray(scale.indices(values))
    palette = np.vstack([colormaps[scale.cmap](np.linspace(0, 1, CONTOUR_LEVELS))[:, :3], np.zeros((1, 3))])
    image.putpalette((255 * palette).round().astype(np.uint8).tobytes())
    file = io.BytesIO()
    image.save(file, "png", optimize=True, transparency=CONTOUR_LEVELS)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def image_html(values: NDArray, scale: ColourScale, alt: str, title: str | None = None, **attributes: object) -> Html:
    """An array (2D) as an image under a title."""
    rows, columns = values.shape
    image = tag("img", src=png(values, scale), alt=alt, width=columns, height=rows, **attributes)
    return tag("figure", tag("figcaption", title) if title else None, image, class_="picture")


def atlas(volume: NDArray) -> tuple[NDArray, int]:
    """A volume (z, y, x) as one sheet of its cuts, row by row, and the number of cuts in a row."""
    depth, rows, columns = volume.shape
    across = math.ceil(math.sqrt(depth))
    down = math.ceil(depth / across)
    cuts = np.zeros((across * down, rows, columns), volume.dtype)
    cuts[:depth] = volume
    return cuts.reshape(down, across, rows, columns).transpose(0, 2, 1, 3).reshape(down * rows, across * columns), across


class Panel(NamedTuple):
    """One quantity to show: its values (*shape) in colours, what stands above it, what it is for those who cannot see it.

    middle: the cut (0th axis) of a volume that is shown at first.
    """

    title: str
    values: NDArray
    scale: ColourScale
    alt: str
    middle: int = 0


def cuts(panel: Panel) -> Html:
    """A panel: the array itself in 2D; in 3D its middle cut, with the whole volume for the slider to cut."""
    if panel.values.ndim == 2:
        return image_html(panel.values, panel.scale, panel.alt, panel.title)
    sheet, across = atlas(panel.values)
    return image_html(
        panel.values[panel.middle], panel.scale, panel.alt, panel.title, data_atlas=png(sheet, panel.scale), data_across=across
    )


Rows = Mapping[str, Sequence[Panel | None]]


def grid(rows: Rows) -> Html:
    """Panels in rows, each row under its label ("" for none), with the colour bars of all below."""
    made = []
    for name, row in rows.items():
        shown = [cuts(panel) if panel else tag("span") for panel in row]
        label = tag("h4", name) if name else None
        panels = tag("div", *shown, class_=f"panels of{len(row)}")
        made.append(tag("div", label, panels, class_="row", style=f"--columns:{len(row)}"))
    scales = dict.fromkeys(panel.scale for row in rows.values() for panel in row if panel)
    return join([*made, tag("p", *(scale.bar() for scale in scales), class_="bars")])


def viewer(rows: Rows, origin: Sequence[int], size: Sequence[float], unit: str, note: str = "") -> Html:
    """Panels of one shape in a grid; in 3D with one slider that cuts them all.

    origin: the index called 0 on each axis.  size: the pixel's, one number an axis, in `unit`.
    """
    shape = next(panel.values.shape for row in rows.values() for panel in row if panel)
    names, what = (AXIS_NAMES[len(shape)], "voxels" if len(shape) == 3 else "pixels")
    step = math.ceil(max(shape) / MAX_PIXELS) if len(shape) == 3 else 1
    begin = [o % step for o in origin]  # so that the origin is among the voxels shown
    if step > 1:
        thin = tuple(slice(b, None, step) for b in begin)
        rows = {name: [panel and panel._replace(values=panel.values[thin]) for panel in row] for name, row in rows.items()}
        shape = tuple(math.ceil((n - b) / step) for n, b in zip(shape, begin, strict=True))
    extent = " × ".join(f"{n} ({name})" for n, name in zip(shape, names, strict=True))
    sizes = " × ".join(dict.fromkeys(number(float(s) * step) for s in size))
    every = "" if step == 1 else f", one in {step} along each axis"
    caption = tag("p", f"{extent} {what}{every}" + (f" of {sizes} {unit}" if unit != "px" else "") + f". {note}", class_="note")
    if len(shape) == 2:
        return tag("div", grid(rows), caption, class_="viewer", style=f"--aspect:{_aspect(shape, size)}")
    zero = [o // step for o in origin]
    rows = {name: [panel and panel._replace(middle=zero[0]) for panel in row] for name, row in rows.items()}
    return tag(
        "div",
        _slider(shape[0], zero[0], names),
        grid(rows),
        caption,
        class_="viewer",
        data_shape=",".join(map(str, shape)),
        data_origin=",".join(map(str, zero)),
        data_size=",".join(f"{s:g}" for s in size),
        data_step=step,
        style=f"--aspect:{_aspect(shape[1:], size[1:])}",
    )


def _aspect(shape: Sequence[int], size: Sequence[float]) -> str:
    return f"{shape[1] * size[1]:g}/{shape[0] * size[0]:g}"


def _slider(depth: int, zero: int, names: str) -> Html:
    """Which axis to cut across, and where."""
    buttons = [tag("button", name, type="button", aria_pressed="false" if k else "true") for k, name in enumerate(names)]
    place = tag("input", type="range", min=0, max=depth - 1, value=zero, step=1, aria_label="position of the cut")
    axes = tag("span", "cut across", *buttons, class_="axes", role="group", aria_label="axis of the cut")
    return tag("div", axes, place, tag("output", "z = 0"), class_="slider")


def block_mean(values: NDArray, largest: int = 768) -> NDArray:
    """A 2D array of at most `largest` pixels a side, by means over blocks that leave NaN out."""
    step = math.ceil(max(values.shape) / largest)
    if step == 1:
        return values
    rows, columns = (n // step for n in values.shape)
    blocks = values[: rows * step, : columns * step].reshape(rows, step, columns, step)
    known = np.isfinite(blocks).sum(axis=(1, 3))
    total = np.nan_to_num(blocks).sum(axis=(1, 3), dtype=float)
    return np.where(known, total / np.maximum(known, 1), np.nan)
