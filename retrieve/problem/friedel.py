"""Friedel mates: the pixels at q and −q, whose intensities are equal if the object is real."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .likelihood import Gaussian, Likelihood, Poisson
from .noise_model import stated_noise

MAX_REAL_ASYMMETRY = 0.018
"""Asymmetry up to which a real object is one of the guesses."""


def mates(values: NDArray) -> NDArray:
    """The values (*shape) at −q, zero frequency first."""
    return np.roll(np.flip(values), 1, axis=tuple(range(values.ndim)))


def asymmetry(y: NDArray[np.floating], valid: NDArray[np.bool_]) -> float:
    """Σ(√I(q) − √I(−q))²/2ΣI of the amplitudes y (*shape) on the pixels measured with their mates; 0 for a real object."""
    both = valid & mates(valid)
    y = y.astype(float)
    power = float((y[both] ** 2).sum()) or 1.0
    return float(((y - mates(y))[both] ** 2).sum()) / 2 / power


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
    both = valid & mates(valid)
    both[np.ix_(*([0, n // 2] if n % 2 == 0 else [0] for n in y.shape))] = False  # these are their own mates
    a, b = y[both], mates(y)[both]
    noise = stated_noise(likelihood, y[valid])
    if isinstance(noise, Poisson):
        total = a * a + b * b
        seen = total > 0
        differences = noise.scale * ((a * a - b * b)[seen] ** 2 / total[seen])
    elif type(noise) is Gaussian:
        differences = (a - b) ** 2 / (2 * noise.sigma**2)
    else:
        return asymmetry(y, valid) < MAX_REAL_ASYMMETRY
    pairs = differences.size / 2  # each was taken twice
    return bool(pairs and differences.mean(dtype=float) <= 1 + 3 * math.sqrt(2 / pairs))
