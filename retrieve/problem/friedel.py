"""Friedel mates: the pixels at q and −q, whose intensities are equal if the object is real."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .likelihood import Gaussian, Likelihood, Poisson
from .noise_model import stated_noise

MAX_REAL_ASYMMETRY = 0.018
"""Asymmetry up to which a real object is one of the guesses."""

BLOCK_PIXELS = 1 << 20
"""Pixels that are compared with their mates at once."""


def mates(values: NDArray) -> NDArray:
    """The values (*shape) at −q, zero frequency first."""
    return np.roll(np.flip(values), 1, axis=tuple(range(values.ndim)))


def asymmetry(y: NDArray[np.floating], valid: NDArray[np.bool_]) -> float:
    """Σ(√I(q) − √I(−q))²/2ΣI of the amplitudes y (*shape) on the pixels measured with their mates; 0 for a real object."""
    difference = power = 0.0
    for a, b in _measured_with_mates(y, valid):
        difference += float(((a - b) ** 2).sum(dtype=float))
        power += float((a * a).sum(dtype=float))
    return difference / 2 / (power or 1.0)


def may_be_real(y: NDArray[np.floating], valid: NDArray[np.bool_], likelihood: Likelihood) -> bool:
    """Whether mates differ by no more than noise, so that either of them tells the other.

    Of N counts on two mates that expect the same, k and N − k have (k − (N − k))²/N = 1 on average, at any N > 0. Of amplitudes
    with noise σ it is (y − y')²/2σ². The mean over pairs may exceed 1 by three standard errors. Where no noise is known, the
    asymmetry may be `MAX_REAL_ASYMMETRY`.

    Parameters
    ----------
    y : float (*shape)
        Amplitudes, zero frequency first.
    valid : bool (*shape)
        True where measured.
    likelihood
        The noise as the problem states it.
    """
    noise = stated_noise(likelihood, y[valid])
    if not isinstance(noise, Poisson) and type(noise) is not Gaussian:
        return asymmetry(y, valid) < MAX_REAL_ASYMMETRY
    own = np.ix_(*([0, n // 2] if n % 2 == 0 else [0] for n in y.shape))  # their own mates, which differ by 0
    pixels = -int((valid[own] & ((y[own] > 0) | (type(noise) is Gaussian))).sum())
    total = 0.0
    for a, b in _measured_with_mates(y, valid):
        if isinstance(noise, Poisson):
            some = a + b > 0
            a, b = a[some], b[some]
            total += noise.scale * float(((a * a - b * b) ** 2 / (a * a + b * b)).sum(dtype=float))
        else:
            total += float(((a - b) ** 2).sum(dtype=float)) / (2 * noise.sigma**2)
        pixels += a.size
    return pixels > 0 and total / pixels <= 1 + 3 * math.sqrt(4 / pixels)  # each of pixels/2 pairs was taken twice


def _measured_with_mates(y: NDArray[np.floating], valid: NDArray[np.bool_]) -> Iterator[tuple[NDArray, NDArray]]:
    """Amplitudes (pixels,) of the pixels measured with their mates, and those of the mates, in blocks."""
    n, thickness = len(y), max(1, BLOCK_PIXELS // y[0].size)
    axes = tuple(range(1, y.ndim))
    for first in range(0, n, thickness):
        rows = np.arange(first, min(first + thickness, n))
        far, seen = (np.roll(np.flip(values[-rows % n], axes), 1, axes) for values in (y, valid))
        both = valid[rows] & seen
        yield y[rows][both], far[both]
