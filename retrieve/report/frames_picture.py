"""What a preparation did, as a picture: before, after, and what was chosen in between."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..problem import Problem
from .figure import write_figure
from .result_picture import DECADES, UNMEASURED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..prepare.pulses import PreparedTrain
    from ..prepare.scan import RockingScan


def train_picture(train: PreparedTrain, path: str | Path | None = None) -> Figure:
    """Mean of all frames, each frame's correlation with it, and the prepared sums; written where a path is given."""
    columns = 1 + len(train.problems)
    figure = _figure(4.6 * columns, 7.2)
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=(1, 0.75))[:, 0]
    axes = np.atleast_1d(top.subplots(1, columns))
    draw_counts(axes[0], train.mean, "before: mean of all frames")
    for axis, problem, own in zip(axes[1:], train.problems, train.members, strict=True):
        draw_counts(axis, pattern_of(problem), f"after: {own.size} frames, {own[0]} to {own[-1]}")
    _draw_correlations(bottom.subplots(), train)
    return written(figure, path)


def _draw_correlations(axes: Axes, train: PreparedTrain) -> None:
    correlation, kept = train.selection
    number = np.arange(correlation.size)
    size = 14 if correlation.size < 1000 else 3
    axes.scatter(number[kept], correlation[kept], s=size, color="tab:blue", label=f"{kept.sum()} kept")
    axes.scatter(number[~kept], correlation[~kept], s=size, color="tab:red", marker="x", label=f"{(~kept).sum()} dropped")
    threshold = train.problems[0].meta["prepare"]["threshold"]
    axes.axhline(threshold, color="0.3", lw=1, ls="--", label=f"threshold {threshold:g}")
    axes.set(xlabel="frame", ylabel="Pearson correlation with the mean")
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    axes.grid(alpha=0.3)


def pattern_of(problem: Problem) -> NDArray[np.float32]:
    """The centred intensity (*shape) of a problem, NaN where not measured."""
    values = np.where(np.asarray(problem.valid), np.asarray(problem.amplitude) ** 2, np.nan)
    return np.fft.fftshift(values).astype(np.float32)


def draw_counts(
    axes: Axes, values: NDArray, title: str, labels: tuple[str, str] = ("qx (px)", "qy (px)"), index: bool = False
) -> None:
    """Counts (2D) on a logarithmic scale, grey where NaN, dark where 0; axes from the middle, or from 0 with `index`."""
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm

    seen = values[np.isfinite(values) & (values > 0)]
    top = float(seen.max()) if seen.size else 1.0
    low = min(max(float(np.quantile(seen, 0.02)) if seen.size else 0.1, top * 10.0**-DECADES), top / 10)
    scale: dict[str, Any] = {"cmap": colormaps["inferno"].with_extremes(bad=UNMEASURED), "norm": LogNorm(low, top)}
    shown = np.where(np.isfinite(values), np.maximum(values, low), np.nan)
    edges = [(-0.5 - (0 if index else n // 2), n - 0.5 - (0 if index else n // 2)) for n in values.shape]
    extent = (*edges[1], *edges[0][::-1])
    image = axes.imshow(shown, extent=extent, interpolation="nearest", aspect="auto" if index else "equal", **scale)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(labels[0], fontsize=9)
    axes.set_ylabel(labels[1], fontsize=9)
    axes.tick_params(labelsize=8)
    axes.figure.colorbar(image, ax=axes, label="counts", shrink=0.85)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=100, layout="constrained")


def written(figure: Figure, path: str | Path | None) -> Figure:
    """The figure, written where a path is given."""
    if path is not None:
        write_figure(figure, path)
    return figure


def scan_picture(scan: RockingScan, path: str | Path | None = None) -> Figure:
    """Cuts through the peak before (what was masked is outlined) and through the middle after; written where a path is given."""
    figure = _figure(13.5, 8)
    rows = figure.subplots(2, 3)
    names = ("frame", "row", "column")
    after = pattern_of(scan.problem)
    for k, (top, bottom) in enumerate(rows.T):
        labels = tuple(name for a, name in enumerate(names) if a != k)[::-1]
        where = tuple(scan.peak[k] if a == k else slice(None) for a in range(3))
        draw_counts(top, scan.before[where], f"before: {names[k]} {scan.peak[k]}", (labels[0], labels[1]), index=True)
        outline = scan.removed.any(axis=k)
        if outline.any():
            top.contour(outline, [0.5], colors="tab:cyan", linewidths=0.8)
        middle = tuple(after.shape[k] // 2 if a == k else slice(None) for a in range(3))
        draw_counts(bottom, after[middle], f"after: {names[k]} in the middle", (labels[0], labels[1]))
    return written(figure, path)
