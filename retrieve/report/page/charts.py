"""Charts as inline SVG, drawn by matplotlib, whose text and colours the page's style decides, light and dark."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from html import escape
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from numpy.typing import ArrayLike, NDArray

from .html import MARK, Html, decade, tag

CHART_COLOURS = 8  # that the style defines; further series begin again, with other markers
MARKERS = "os^Dv*Ph<>X"
MAX_CHART_POINTS = 40  # of one distribution that are drawn, evenly over its ranks
SIZE = (460, 270)  # px of a chart at its natural size
NOISE_TITLE = "noise σ, share of the largest amplitude"
INK, FAINT = "#010101", "#020202"  # stand-ins that become the style's variables

RC: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "retrieve",
    "text.parse_math": False,
    "path.simplify": False,
    "font.size": 12,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 12,
    "ytick.labelsize": 12,
}


class ChartLine(NamedTuple):
    """Success rates of one series against the noise: (rate, low, high) a level, NaN where there is none."""

    series: int
    solid: bool
    rates: Sequence[tuple[float, float, float]]


class ChartCurve(NamedTuple):
    """One convergence curve."""

    series: int
    steps: ArrayLike
    values: ArrayLike
    dashed: bool = False
    strong: bool = True


@dataclass
class Chart:
    """A drawing under way: fill in `axes`, then take `svg`, which is set when the block of `chart` ends."""

    axes: Axes
    svg: Html = field(default_factory=lambda: Html(""))


@contextmanager
def chart(title: str, alt: str, size: tuple[float, float] = SIZE, note: str | None = None) -> Iterator[Chart]:
    """A chart under a title; what it shows in words goes to those who cannot see it."""
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(size[0] / 72, size[1] / 72), dpi=72, layout="constrained")
        drawn = Chart(figure.add_subplot())
        yield drawn
        drawn.axes.grid(False, axis="x", which="both")
        if drawn.axes.get_yscale() == "log":
            _log_ticks(drawn.axes)
        drawn.svg = tag(
            "figure", tag("figcaption", title, tag("small", note) if note else None), svg(figure, alt), class_="chart"
        )


def colour(k: int) -> str:
    """The stand-in for the colour of series `k`."""
    return f"#0300{k % CHART_COLOURS:02x}"


@cache
def swatch(k: int, *, marker: bool = True, dashed: bool = False) -> Html:
    """The line and mark of series `k` in a legend."""
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(26 / 72, 14 / 72), dpi=72)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.plot([0, 1], [0.5, 0.5], color=colour(k), lw=2, ls=(0, (3, 2)) if dashed else "-")
        if marker:
            axes.plot([0.5], [0.5], color=colour(k), marker=MARKERS[k % len(MARKERS)], ms=7)
        axes.set(xlim=(0, 1), ylim=(0, 1))
        return svg(figure, "", "swatch")


def svg(figure: Figure, alt: str, class_: str = "svg") -> Html:
    """A figure as an SVG element that takes its colours and font from the page.

    Its own names begin with `MARK`, which `document` replaces by a number, so that no two drawings clash.
    """
    file = io.BytesIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = file.getvalue().decode()
    text = text[text.index("<svg") :]
    box = re.search(r'viewBox="[^"]*"', text)
    role = f'role="img" aria-label="{escape(alt)}"' if alt else 'aria-hidden="true"'
    text = re.sub(r"<svg[^>]*>", lambda _: f'<svg class="{class_}" {box[0] if box else ""} {role}>', text, count=1)
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>", "", text, flags=re.S)
    text = re.sub(r"<[^>]*>", lambda m: _short(m[0]), text)
    text = text.replace(INK, "currentColor").replace(FAINT, "var(--faint)")
    text = re.sub(r"#0300([0-9a-f]{2})", lambda m: f"var(--c{int(m[1], 16)})", text)
    used = set(re.findall(r"#([\w-]+)", text))
    text = re.sub(r' id="([^"]+)"', lambda m: f' id="{MARK}{m[1]}"' if m[1] in used else "", text)
    return Html(re.sub(r'(url\(#|href="#)', lambda m: m[1] + MARK, re.sub(r"\s+", " ", text)))


def _short(markup: str) -> str:
    """A tag without the font's name, its coordinates to a tenth of a pixel."""
    markup = re.sub(r"font-family: [^;\"]*;? ?", "", markup)
    markup = re.sub(r"-?\d+\.\d{2,}", lambda m: f"{float(m[0]):.2f}".rstrip("0").rstrip("."), markup)
    return re.sub(r' d="([^"]*)"', lambda m: f' d="{_path(m[1])}"', markup)


def _path(d: str) -> str:
    """Path data in few characters; the many short lines that stand for dots get the shortest form."""
    d = re.sub(r"\d+\.\d+", lambda m: f"{float(m[0]):.1f}".removesuffix(".0"), d)
    d = re.sub(r"M (\S+) (\S+) L \S+ \2(?= M|\s*$)", _dot, re.sub(r"\s+", " ", d))
    return re.sub(r" ?([MLzh]) ?", r"\1", d).strip()


def _dot(m: re.Match[str]) -> str:
    left, right = float(m[1]), float(m[0].split()[4])
    return f"M{m[1]} {m[2]}h{right - left:.1f}".removesuffix(".0")


def success_chart(labels: Sequence[str], lines: Sequence[ChartLine], title: str, alt: str) -> Html:
    """Success rates, one a noise level (labels), with their intervals; dashed and hollow for single starts."""
    with chart(title, alt) as drawn:
        axes = drawn.axes
        for place, line in enumerate(lines):
            rates = np.array(line.rates, float)
            at = np.arange(len(labels)) + _dodge(place, len(lines), min(0.1, 0.6 / len(lines)))
            good = np.isfinite(rates[:, 0])
            middle, low, high = rates[good].T
            style: dict[str, Any] = {"color": colour(line.series), "marker": MARKERS[line.series % len(MARKERS)], "ms": 5}
            style |= {"lw": 1.8} if line.solid else {"lw": 1, "ls": (0, (4, 3)), "mfc": "none", "alpha": 0.6}
            axes.errorbar(at[good], middle, (np.maximum(middle - low, 0), np.maximum(high - middle, 0)), elinewidth=1, **style)
        axes.set(ylim=(-0.03, 1.03), xlim=(-0.5, len(labels) - 0.5), ylabel="share of the objects")
        _categories(axes, labels, NOISE_TITLE)
    return drawn.svg


def distribution_chart(
    labels: Sequence[str],
    groups: Mapping[int, Sequence[NDArray]],
    title: str,
    alt: str,
    note: str | None = None,
    marks: Mapping[int, Sequence[float]] | None = None,
    xlabel: str | None = NOISE_TITLE,
) -> Html:
    """Violins with their points, for each series one a label: values (n,), NaN left out.

    The line is the median; `marks` (one a label) are drawn hollow, such as those of the best starts.
    """
    every = [np.asarray(values, float) for row in groups.values() for values in row]
    finite = np.concatenate([values[np.isfinite(values)] for values in every]) if every else np.array([])
    with chart(title, alt, note=note) as drawn:
        axes = drawn.axes
        if spans_decades(finite):
            axes.set_yscale("log")
        width = 0.84 / max(1, len(groups))
        for place, (series, row) in enumerate(groups.items()):
            for category, values in enumerate(row):
                at = category + _dodge(place, len(groups), width)
                _violin(axes, at, width, np.asarray(values, float), series)
            if marks and series in marks:
                at_all = np.arange(len(labels)) + _dodge(place, len(groups), width)
                marker: dict[str, Any] = {"marker": "D", "mfc": "none", "mec": INK, "ms": 4.5, "mew": 1.1, "zorder": 5}
                axes.plot(at_all, marks[series], ls="", **marker)
        axes.set_xlim(-0.5, len(labels) - 0.5)
        if finite.size and axes.get_yscale() == "linear":
            low, high = finite.min(), finite.max()
            margin = 0.05 * (high - low) or 0.02
            axes.set_ylim(low - margin, high + margin)
        _categories(axes, labels, xlabel)
    return drawn.svg


def spans_decades(values: NDArray) -> bool:
    """Whether values want a logarithmic axis: all above zero, and over more than a decade and a half."""
    return bool(values.size and values.min() > 0 and values.max() > 30 * values.min())


def history_chart(curves: Sequence[ChartCurve], title: str, alt: str, note: str | None = None) -> Html:
    """Errors against the step on a logarithmic axis; dashed for the free score, thin and pale for starts not chosen."""
    with chart(title, alt, size=(1.25 * SIZE[0], SIZE[1]), note=note) as drawn:
        for curve in curves:
            steps, values = np.asarray(curve.steps, float), np.asarray(curve.values, float)
            steps = steps[: values.size]
            good = np.isfinite(values) & (values > 0)
            style: dict[str, Any] = {"lw": 1.8, "zorder": 3} if curve.strong else {"lw": 0.8, "alpha": 0.4}
            if curve.dashed:
                style["ls"] = (0, (4, 2))
            marker = "o" if good.sum() == 1 else ""
            drawn.axes.plot(steps[good], values[good], color=colour(curve.series), marker=marker, ms=4, **style)
        drawn.axes.set_yscale("log")
        drawn.axes.set(xlabel="step", ylabel="R")
    return drawn.svg


def histogram_chart(values: NDArray, title: str, alt: str, xlabel: str, series: int = 0, note: str | None = None) -> Html:
    """How often values (n,) occur; the line is the median."""
    values = np.asarray(values, float)
    with chart(title, alt, note=note) as drawn:
        bins = min(24, max(5, int(np.sqrt(values.size))))
        drawn.axes.hist(values, bins=bins, color=colour(series), alpha=0.6)
        drawn.axes.axvline(float(np.median(values)), color=INK, lw=1.6)
        drawn.axes.set(xlabel=xlabel, ylabel="number")
        drawn.axes.locator_params(axis="x", nbins=5)
    return drawn.svg


def frequency_chart(curves: Sequence[tuple[NDArray, NDArray, NDArray]], title: str, alt: str) -> Html:
    """Curves over spatial frequency, each (frequency, value, threshold), its threshold dashed."""
    with chart(title, alt, size=(1.25 * SIZE[0], SIZE[1])) as drawn:
        for series, (frequency, value, threshold) in enumerate(curves):
            drawn.axes.plot(frequency, value, color=colour(series), lw=1.8)
            drawn.axes.plot(frequency, threshold, color=colour(series), lw=1, ls=(0, (4, 2)))
        drawn.axes.set(xlabel="spatial frequency (1/px)", ylim=(-0.05, 1.1))
    return drawn.svg


def _dodge(place: int, among: int, width: float) -> float:
    return (place - (among - 1) / 2) * width


def _violin(axes: Axes, at: float, width: float, values: NDArray, series: int) -> None:
    values = np.sort(values[np.isfinite(values)])
    if not values.size:
        return
    log = axes.get_yscale() == "log"
    if values.size >= 5 and values[-1] > values[0]:
        _body(axes, at, 0.46 * width, values, series, log)
    shown = values[np.unique(np.linspace(0, values.size - 1, min(MAX_CHART_POINTS, values.size)).round().astype(int))]
    shift = 0.26 * width * (2 * ((np.arange(shown.size) * 0.618034) % 1) - 1) if shown.size > 1 else np.zeros(1)
    x = np.repeat(at + shift, 3)
    y = np.repeat(shown, 3)
    y[2::3] = np.nan  # a dot is a line of no length with round ends: a tenth of the text of a marker
    axes.plot(x, y, color=colour(series), lw=3 if shown.size > 12 else 6, solid_capstyle="round", alpha=0.6)
    axes.plot([at - 0.34 * width, at + 0.34 * width], [np.median(values)] * 2, color=INK, lw=1.6, zorder=4)


def _body(axes: Axes, at: float, half: float, values: NDArray, series: int, log: bool) -> None:
    """A Gaussian kernel density between the extremes, of Scott's width, drawn as wide as there is room."""
    v = np.log10(values) if log else values
    grid = np.linspace(v[0], v[-1], 32)
    density = np.exp(-0.5 * ((grid[:, None] - v) / (v.std() * v.size**-0.2)) ** 2).sum(axis=1)
    width = half * density / density.max()
    axes.fill_betweenx(10**grid if log else grid, at - width, at + width, color=colour(series), alpha=0.22, lw=0)


def _log_ticks(axes: Axes) -> None:
    """Plain numbers, 10ⁿ where they are long; a few between the decades where there is hardly more than one."""
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 30 * low else (1,)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: decade(v)))
    axes.yaxis.set_minor_locator(NullLocator())


def _categories(axes: Axes, labels: Sequence[str], xlabel: str | None) -> None:
    axes.set_xticks(range(len(labels)) if any(labels) else [], labels if any(labels) else None)
    if xlabel and any(labels):
        axes.set_xlabel(xlabel)
