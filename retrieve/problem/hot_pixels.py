"""Pixels brighter than any diffraction pattern allows beside their neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..numerics.arrays import to_numpy
from .problem import Problem

HOT_RATIO = 10.0
"""Intensity over that of the brightest neighbour. An oversampled peak falls at most to a sixth in one pixel."""
HOT_NOISE = 10.0
"""Standard deviations of the amplitude by which a hot pixel stands out."""
LEAST_NEIGHBOURS = 0.5
"""Share of the neighbours that must be measured."""


class HotPixel(NamedTuple):
    """A pixel by its place in the centred pattern, its intensity, and that of its brightest neighbour."""

    place: tuple[int, ...]
    intensity: float
    neighbour: float

    def __str__(self) -> str:
        return f"pixel {self.place} holds {self.intensity:.3g}, its brightest neighbour {self.neighbour:.3g}"


def hot_pixels(problem: Problem) -> list[HotPixel]:
    """Find single pixels that no object puts there, the brightest first.

    The pattern of an oversampled object varies slowly from pixel to pixel. A pixel is hot if its intensity is `HOT_RATIO` times
    that of its brightest measured neighbour.

    Parameters
    ----------
    problem : Problem
        The measurement.

    Returns
    -------
    list of HotPixel
        Places count from the corner of the centred pattern.
    """
    y, valid = (np.fft.fftshift(to_numpy(a)) for a in (problem.amplitude, problem.valid))
    y = np.where(valid, y, 0)
    around = np.ones((3,) * y.ndim, bool)
    around[(1,) * y.ndim] = False
    neighbour = ndimage.maximum_filter(y, footprint=around, mode="wrap")
    seen = ndimage.convolve(valid.astype(np.uint8), around.astype(np.uint8), mode="wrap")
    known = seen >= LEAST_NEIGHBOURS * around.sum()
    hot = valid & known & (y > HOT_RATIO**0.5 * neighbour + HOT_NOISE * _sigma(problem, y, valid))
    found = [HotPixel(tuple(map(int, at)), float(y[tuple(at)] ** 2), float(neighbour[tuple(at)] ** 2)) for at in np.argwhere(hot)]
    return sorted(found, key=lambda pixel: -pixel.intensity)


def steady_pixels(problem: Problem) -> list[tuple[int, int]]:
    """Find pixels (row, column) of the centred pattern that are bright in every frame of a scan; the peak is in some of them.

    The lowest intensity of such a pixel is above noise, and `HOT_RATIO` times that of three in four pixels around. None are found
    in two axes, nor where more than one in a hundred pixels would be steady, as in a stack of patterns.
    """
    if problem.amplitude.ndim != 3:
        return []
    y, valid = (np.fft.fftshift(to_numpy(a)) for a in (problem.amplitude, problem.valid))
    lowest = np.where(valid, y, np.inf).min(axis=0)
    lowest = np.where(np.isfinite(lowest), lowest, 0).astype(float)
    around = ndimage.percentile_filter(lowest, 75, size=9, mode="wrap")
    steady = lowest > HOT_RATIO**0.5 * around + HOT_NOISE * _sigma(problem, y, valid)
    return [(int(row), int(column)) for row, column in np.argwhere(steady)] if steady.mean() < 0.01 else []


def hot_warning(hot: Sequence[HotPixel], most: int = 3) -> str:
    """The brightest hot pixels in words, how many more there are, and the remedy."""
    more = f", and {len(hot) - most} more pixels stand out like it" if len(hot) > most else ""
    return "; ".join(map(str, hot[:most])) + more + (": hot? mask it" if len(hot) == 1 else ": hot? mask them")


def _sigma(problem: Problem, y: NDArray[np.floating], valid: NDArray[np.bool_]) -> float:
    """The noise of the amplitude, as far as it is known: the likelihood's, that of counts, or a thousandth of the rms."""
    sigma = problem.likelihood.amplitude_noise
    return 1e-3 * float(np.sqrt((y[valid] ** 2).mean(dtype=float))) if sigma is None else sigma
