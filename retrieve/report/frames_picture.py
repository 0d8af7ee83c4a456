"""The pictures of a preparation: before, after, and the selection in between."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .figure import write_figure
from .panels import ChartCurve, CurvePanel, ImagePanel, Outline, PixelGrid
from .pattern_panels import detector_grid, intensity_scale

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..prepare.pulses import PreparedTrain
    from ..prepare.scan import RockingScan

FRAME_AXES = ("frame", "row", "column")


def train_picture(train: PreparedTrain, path: str | Path | None = None) -> Figure:
    """Draw the mean of all frames, the sums, and each frame's correlation with the mean; with a path, write it there."""
    from .drawing.charts import draw_chart
    from .drawing.images import draw_images
    from .drawing.style import new_figure, picture_style

    panels = [_counts("before: mean of all frames", train.mean)]
    for problem, own in zip(train.problems, train.members, strict=True):
        panels.append(_counts(f"after: {own.size} frames, {own[0]} to {own[-1]}", problem.data))
    with picture_style():
        figure = new_figure((4.6 * len(panels), 7.2))
        top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=(1, 0.75))[:, 0]
        draw_images(list(top.subplots(1, len(panels), squeeze=False)[0]), panels)
        draw_chart(bottom.subplots(), _correlations(train))
    if path is not None:
        write_figure(figure, path)
    return figure


def _correlations(train: PreparedTrain) -> CurvePanel:
    correlation, kept = train.selection
    number = np.arange(correlation.size)
    threshold = train.problems[0].meta["prepare"]["threshold"]
    curves = [
        ChartCurve(0, number[kept], correlation[kept], f"{kept.sum()} kept", marks=True, line=False),
        ChartCurve(1, number[~kept], correlation[~kept], f"{(~kept).sum()} dropped", marks=True, line=False),
        ChartCurve(7, number[[0, -1]], [threshold] * 2, f"threshold {threshold:g}", dashed=True),
    ]
    return CurvePanel(
        "selection", curves, "frame", "Pearson correlation with the mean", "correlation of each frame with the mean"
    )


def scan_picture(scan: RockingScan, path: str | Path | None = None) -> Figure:
    """Draw sections through the peak before, with outlines of the masked voxels, and through the middle after.

    With a path, write the picture there.
    """
    from .drawing.images import draw_images
    from .drawing.style import new_figure, picture_style

    whole = PixelGrid(FRAME_AXES, (0, 0, 0), (1.0, 1.0, 1.0), "")
    before = replace(_counts("before", scan.before), grid=whole, cut=scan.peak).sections()
    before = [replace(p, outlines=(Outline(np.any(scan.removed, axis=k), "cyan", "masked"),)) for k, p in enumerate(before)]
    after = scan.problem.data
    grid = detector_grid(after.shape)._replace(names=FRAME_AXES)
    with picture_style():
        figure = new_figure((13.5, 8))
        rows = figure.subplots(2, 3)
        draw_images(list(rows[0]), before)
        draw_images(list(rows[1]), replace(_counts("after", after), grid=grid).sections())
    if path is not None:
        write_figure(figure, path)
    return figure


def _counts(title: str, values: NDArray) -> ImagePanel:
    """Counts (*shape), NaN where not measured."""
    return ImagePanel(title, values, intensity_scale(values, "counts"), detector_grid(values.shape), title, unmeasured=True)
