"""Where an object is determined: the map in its box, and the agreement of the starts by spatial frequency."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..evaluate.support_agreement import moved
from ..evaluate.uncertainty import AGREED
from ..io.result import Result
from ..io.uncertainty import LIMITS
from ..numerics.alignment import Aligned, shift_to_centre
from .panels import ChartCurve, ColourScale, CurvePanel, ImageGrid, ImagePanel, ImageRow, Outline, PixelGrid


def uncertainty_panel(result: Result, grid: PixelGrid, shape: tuple[int, ...], known: Aligned | None = None) -> ImagePanel | None:
    """The map in the box of a placed object; None without a map.

    grid, shape: of the box.  known: how the object was brought onto the truth, if it was.  Outlined: what is not determined.
    """
    found = result.uncertainty
    if found is None or found.relative is None:
        return None
    values = np.nan_to_num(found.relative)  # above 0 inside the object
    if known is None:
        values = np.roll(values, shift_to_centre(np.nan_to_num(result.object)), range(values.ndim))
    else:
        values = moved(values, known)
    first = [n // 2 - int(origin) for n, origin in zip(values.shape, grid.origin, strict=True)]
    values = values[tuple(slice(start, start + length) for start, length in zip(first, shape, strict=True))]
    scale = ColourScale("magma", 0.0, min(1.0, 2 * found.level), "spread / amplitude")
    alt = "standard deviation over the local amplitude; not determined inside the outline"
    outline = Outline(values > found.level, "cyan")
    return ImagePanel("uncertainty", np.where(values > 0, values, np.nan), scale, grid, alt, (outline,))


def uncertainty_grid(result: Result, panel: ImagePanel | None) -> ImageGrid | None:
    """The map for the page; None without one."""
    if panel is None or result.uncertainty is None:
        return None
    note = f"Standard deviation over the local amplitude. Above {result.uncertainty.level:g} the object is not determined."
    return ImageGrid([ImageRow([panel])], note)


def shells_panel(result: Result) -> CurvePanel | None:
    """The agreement of the starts by shells, in those that are determined and in the others; None without two starts."""
    shells = {} if result.uncertainty is None else result.uncertainty.shells
    agreement = _numbers(shells.get("agreement", []))
    if not np.isfinite(agreement).any():
        return None
    frequency, limit = _numbers(shells["frequency"]), np.array(shells["limit"])
    sure = np.where(limit == "", agreement, np.nan)
    curves = [ChartCurve(0, frequency, sure, "determined", marks=True)]
    for series, (name, why) in enumerate(LIMITS.items(), start=1):
        if (limit == name).any():
            values = np.where(limit == name, agreement, np.nan)
            curves.append(ChartCurve(series, frequency, values, f"not determined: {why}", marks=True, line=False))
    curves.append(ChartCurve(0, frequency[[0, -1]], np.full(2, AGREED), dashed=True, pale=True))
    return CurvePanel(
        "agreement by spatial frequency",
        curves,
        "spatial frequency (1/px)",
        "",
        "correlation of the chosen start with the others by spatial frequency",
        f"Correlation of the chosen start with the mean of the others that explain the data. Dashed: the least, {AGREED:g}.",
        limits=(min(-0.05, float(np.nanmin(agreement))), 1.05),
        wide=True,
    )


def _numbers(values: list[float | None]) -> NDArray[np.float64]:
    """Numbers of a record, NaN where unknown."""
    return np.array([np.nan if value is None else value for value in values], float)
