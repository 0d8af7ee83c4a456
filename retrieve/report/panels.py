"""Images and charts as data, for matplotlib and HTML alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .numbers import number

MAX_OUTLINE_LINES = 20_000
BAR_SHARE = 0.3  # of the shortest side across that a scale bar takes at most


class ColourScale(NamedTuple):
    """A matplotlib colour map from `low` to `high`, logarithmic with `log`; `label` names the quantity and its unit."""

    cmap: str
    low: float
    high: float
    label: str
    log: bool = False


class PixelGrid(NamedTuple):
    """The places of an array's pixels: names of the axes, index of the point called 0, size of a pixel in `unit`.

    Axes without a unit share no scale.  up: images have their first row at the bottom.
    """

    names: tuple[str, ...]
    origin: tuple[float, ...]
    size: tuple[float, ...]
    unit: str = "px"
    up: bool = False

    def without(self, axis: int) -> PixelGrid:
        """The grid of a section across an axis."""
        before, after = slice(axis), slice(axis + 1, None)
        names, origin, size = self.names, self.origin, self.size
        names, origin, size = names[before] + names[after], origin[before] + origin[after], size[before] + size[after]
        return self._replace(names=names, origin=origin, size=size)

    def place(self, axis: int, index: float) -> str:
        """An index along an axis as a reader's coordinate: in nm, or the number of pixels from the point called 0."""
        offset = index - self.origin[axis]
        told = f"{number(offset * self.size[axis])} nm" if self.unit == "nm" else f"{offset:g}".replace("-", "−")
        return f"{self.names[axis]} = {told}"

    def label(self, axis: int) -> str:
        """Name and unit of an axis."""
        return f"{self.names[axis]} ({self.unit})" if self.unit else self.names[axis]

    def bar(self, shape: Sequence[int]) -> float:
        """The length of a scale bar, 1, 2 or 5 times a power of ten, that fits in every cut of an array of a shape."""
        across = [n * abs(size) for n, size in zip(shape, self.size, strict=True)][1:]
        longest = BAR_SHARE * min(across)
        power = 10.0 ** math.floor(math.log10(longest))
        return max(factor * power for factor in (1, 2, 5) if factor * power <= longest)

    def ends(self, axis: int, pixels: int) -> tuple[float, float]:
        """The outer edges of the first and the last pixel."""
        size, first = self.size[axis], -self.origin[axis] - 0.5
        return size * first, size * (first + pixels)


class Outline(NamedTuple):
    """A line around the pixels that are `inside` (*shape), in a CSS colour."""

    inside: NDArray[np.bool_]
    colour: str
    label: str = ""


@dataclass(frozen=True, eq=False)
class ImagePanel:
    """An array (2D or 3D) in colours; NaN is left empty or, with `unmeasured`, grey.

    cut: where the sections through a volume lie, the origin if None.  alt: the panel in words.  bar: with a scale bar.
    """

    title: str
    values: NDArray
    scale: ColourScale
    grid: PixelGrid
    alt: str = ""
    outlines: tuple[Outline, ...] = ()
    cut: tuple[int, ...] | None = None
    unmeasured: bool = False
    bar: bool = False

    def sections(self) -> list[ImagePanel]:
        """The image itself or, of a volume, one section across each axis."""
        if self.values.ndim == 2:
            return [self]
        at = self.cut or self.grid.origin
        made = []
        for axis, place in enumerate(map(int, at)):
            where = tuple(place if a == axis else slice(None) for a in range(self.values.ndim))
            title = f"{self.title}, {self.grid.place(axis, place)}"
            outlines = tuple(outline._replace(inside=outline.inside[where]) for outline in self.outlines)
            section = replace(self, title=title, alt=title, values=self.values[where], outlines=outlines)
            made.append(replace(section, grid=self.grid.without(axis), cut=None))
        return made


def outline_lines(inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The pixels' edges (lines, 2 ends, xy) between what is inside (2D) and what is not; pixel k covers k to k + 1.

    None of a mask so speckled that its outline would hide the image.
    """
    padded = np.pad(np.asarray(inside, bool), 1)
    row, left, right = _runs((padded[1:] != padded[:-1])[:, 1:-1])
    column, top, bottom = _runs((padded[:, 1:] != padded[:, :-1])[1:-1].T)
    across = np.stack([np.stack([left, row], 1), np.stack([right, row], 1)], 1)
    down = np.stack([np.stack([column, top], 1), np.stack([column, bottom], 1)], 1)
    lines = np.concatenate([across, down]).astype(float)
    return lines if len(lines) <= MAX_OUTLINE_LINES else lines[:0]


def _runs(marked: NDArray[np.bool_]) -> tuple[NDArray, NDArray, NDArray]:
    """Row, first and last + 1 index of each run of True along the rows."""
    turns = np.diff(np.pad(marked, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    (row, first), (_, last) = np.nonzero(turns == 1), np.nonzero(turns == -1)
    return row, first, last


def matrix_panel(title: str, matrix: NDArray, members: Sequence[Sequence[int]], name: str) -> ImagePanel:
    """The correlation of each pair, ordered by groups of `members`, each group outlined; `name` is of the members."""
    order = np.concatenate([np.asarray(group, int) for group in members])
    number = np.repeat(np.arange(len(members)), [len(group) for group in members])
    scale = ColourScale("viridis", 0.0, 1.0, "complex correlation")
    groups = tuple(Outline(np.outer(number == k, number == k), "white") for k in range(len(members))) * (len(members) > 1)
    grid = PixelGrid((name, name), (0, 0), (1.0, 1.0), "")
    return ImagePanel(title, matrix[np.ix_(order, order)], scale, grid, f"correlation of each pair of {name}", groups)


class ImageRow(NamedTuple):
    """Images side by side under a label; None leaves a place empty."""

    panels: Sequence[ImagePanel | None]
    label: str = ""


class ImageGrid(NamedTuple):
    """Rows of images."""

    rows: Sequence[ImageRow]
    note: str = ""

    @property
    def scales(self) -> list[ColourScale]:
        """The different scales of its images."""
        return list(dict.fromkeys(panel.scale for row in self.rows for panel in row.panels if panel))


class ChartCurve(NamedTuple):
    """A line of a chart.

    Attributes
    ----------
    series : int
        The number of its colour and mark.
    x, y : array-like
        (n,) each.
    label : str
        For the legend, none if empty.
    dashed, pale : bool
        How it is drawn.
    marks : bool
        With a mark on each point.
    line : bool
        False for marks alone.
    interval : (array-like, array-like) or None
        The low and the high end of each value.
    """

    series: int
    x: ArrayLike
    y: ArrayLike
    label: str = ""
    dashed: bool = False
    pale: bool = False
    marks: bool = False
    line: bool = True
    interval: tuple[ArrayLike, ArrayLike] | None = None


class ChartMark(NamedTuple):
    """A place on the x axis at which something begins; without a name a line alone."""

    x: float
    name: str = ""


@dataclass(frozen=True, eq=False)
class CurvePanel:
    """Curves over one axis.

    Attributes
    ----------
    title : str
        Above the chart.
    curves : sequence of ChartCurve
        The curves.
    xlabel, ylabel : str
        Quantity and unit of each axis.
    alt : str
        The chart in words, for readers who do not see it.
    note : str
        A sentence below the title.
    log : bool
        A logarithmic y axis.
    limits : (float, float) or None
        Of the y axis.
    categories : sequence of str or None
        Names that stand at x = 0, 1, ….
    wide : bool
        Over the whole width of the page.
    begins : sequence of ChartMark
        Lines across the curves; one number a name, above the axes.
    """

    title: str
    curves: Sequence[ChartCurve]
    xlabel: str | None
    ylabel: str
    alt: str
    note: str = ""
    log: bool = False
    limits: tuple[float, float] | None = None
    categories: Sequence[str] | None = None
    wide: bool = False
    begins: Sequence[ChartMark] = ()

    @property
    def numbers(self) -> dict[str, int]:
        """The number of each name in `begins`, from 1."""
        return {name: number for number, name in enumerate(dict.fromkeys(mark.name for mark in self.begins if mark.name), 1)}


@dataclass(frozen=True, eq=False)
class HistogramPanel:
    """How often values (n,) of a quantity occur, with their median."""

    quantity: str
    values: NDArray[np.float64]
    xlabel: str
    series: int = 0
    note: str = ""

    @property
    def median(self) -> float:
        """Their median."""
        return float(np.median(self.values))

    @property
    def title(self) -> str:
        """Quantity and median."""
        return f"{self.quantity}: median {number(self.median)}"

    @property
    def alt(self) -> str:
        """The panel in words."""
        return f"histogram of {self.quantity}"


@dataclass(frozen=True, eq=False)
class DensityPanel:
    """Distributions: of each series one a category (n,), NaN left out, with its density, points and median.

    marks: of each series one number a category, drawn hollow.
    """

    title: str
    groups: Mapping[int, Sequence[NDArray[np.float64]]]
    categories: Sequence[str]
    alt: str
    note: str = ""
    marks: Mapping[int, Sequence[float]] | None = None
    xlabel: str | None = None
    log: bool = False


def spans_decades(values: Sequence[NDArray]) -> bool:
    """Whether values want a logarithmic axis: all above zero, and over more than a decade and a half."""
    every = np.concatenate([np.ravel(v) for v in values]) if values else np.array([])
    finite = every[np.isfinite(every)]
    return bool(finite.size and finite.min() > 0 and finite.max() > 30 * finite.min())


ChartPanel = CurvePanel | HistogramPanel | DensityPanel
