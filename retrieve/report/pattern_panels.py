"""Diffraction patterns: measured, calculated and their difference."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..io.result import Result
from ..problem.likelihood import SQUARE_TOLERANCE, whole_numbers
from .object_panels import AXIS_NAMES
from .panels import ColourScale, ImagePanel, PixelGrid

PATTERN_DECADES = 7  # that the scale of an intensity spans at most
PATTERN_PIXELS = 768  # along a side of a pattern that is shown; above that, means over blocks


def diffraction_panels(result: Result) -> list[ImagePanel]:
    """Measured and calculated intensity on one scale, and the difference of their amplitudes; cut through the peak."""
    measured = result.problem.data
    calculated = np.fft.fftshift(np.asarray(result.problem.intensity(np.nan_to_num(result.object)[None]))[0])
    difference = np.sqrt(np.maximum(calculated, 0)) - np.sqrt(measured)
    limit = float(np.nanquantile(np.abs(difference), 0.998)) or 1.0
    unit = intensity_unit(measured)
    intensity = intensity_scale(measured, f"intensity ({unit})")
    error = ColourScale("coolwarm", -limit, limit, f"√calculated − √measured ({amplitude_unit(unit)})")
    peak = tuple(int(i) for i in np.unravel_index(np.nanargmax(measured), measured.shape))
    grid = detector_grid(measured.shape)
    return [
        ImagePanel(name, values, scale, grid, f"{name}, intensity", cut=peak, unmeasured=True)
        for name, values, scale in (
            ("measured", measured, intensity),
            ("calculated", calculated, intensity),
            ("difference", difference, error),
        )
    ]


def detector_grid(shape: tuple[int, ...]) -> PixelGrid:
    """The whole detector, px from its centre."""
    names = tuple("q" + name for name in AXIS_NAMES[len(shape)])
    return PixelGrid(names, tuple(n // 2 for n in shape), (1.0,) * len(shape))


def intensity_scale(intensity: NDArray, label: str) -> ColourScale:
    """A logarithmic scale up to the largest intensity: at least one decade, at most `PATTERN_DECADES`."""
    seen = intensity[np.isfinite(intensity) & (intensity > 0)]
    top = float(seen.max()) if seen.size else 1.0
    low = float(np.quantile(seen, 0.02)) if seen.size else 0.1
    return ColourScale("inferno", min(max(low, top * 10.0**-PATTERN_DECADES), top / 10), top, label, log=True)


def intensity_unit(intensity: NDArray) -> str:
    """The unit of an intensity that was kept as an amplitude: counts where its values are whole numbers."""
    return "counts" if whole_numbers(intensity, SQUARE_TOLERANCE) else "arb. units"


def amplitude_unit(unit: str) -> str:
    """The unit of the amplitude whose square has `unit`."""
    return f"√{unit}" if unit == "counts" else unit


def coarser(panel: ImagePanel, largest: int = PATTERN_PIXELS) -> ImagePanel:
    """An image (2D) of at most `largest` pixels a side, by means over blocks that leave NaN out."""
    step = math.ceil(max(panel.values.shape) / largest)
    if step == 1:
        return panel
    rows, columns = (n // step for n in panel.values.shape)
    blocks = panel.values[: rows * step, : columns * step].reshape(rows, step, columns, step)
    known = np.isfinite(blocks).sum(axis=(1, 3))
    total = np.nan_to_num(blocks).sum(axis=(1, 3), dtype=float)
    grid = panel.grid
    origin = tuple((o - (step - 1) / 2) / step for o in grid.origin)
    return replace(
        panel,
        values=np.where(known, total / np.maximum(known, 1), np.nan),
        grid=grid._replace(origin=origin, size=tuple(s * step for s in grid.size)),
    )
