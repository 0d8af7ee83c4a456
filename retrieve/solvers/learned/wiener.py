"""A search without a network: the best linear denoiser of an object that is known by its support and its pattern's spectrum."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.ndimage import gaussian_filter

from ...numerics.arrays import Array, like, namespace, to_numpy
from ...problem import Problem
from .noise import noise_of

MEMORY = 3.0
"""Standard deviation (px) of the Gaussian under which the autocorrelation counts: the reach of what neighbours tell of a pixel.
Blobs at noise 0.05 are found as often with 2, 4 and 6 px (five tuning objects, 48 beginnings each)."""
ITERATIONS = 250
"""Of a beginning. Four times as many find no more (six tuning objects of blobs)."""
SIGMAS, END_SHARE = (0.8, 0.25), 0.2
"""σ falls from the first to the second, in units of the object's rms in its support; in the last share of the iterations to the
noise of the data. On blobs at 0.01 from 1 to 0.3 found as many, from 0.7 to 0.15 a tenth fewer."""
LEAST_SHARE = 1e-6
"""Of the largest spectral density, below which none is taken to be."""


@dataclass(frozen=True)
class Wiener:
    """D = S F⁻¹ [P/(P + 2σ²)] F S, the Wiener filter of a stationary field of spectral density P, seen through a support S.

    P is the measured intensity less its noise, smoothed over the pattern's speckle, per pixel of the support. No denoiser of
    a Gaussian field is better. Of any other object it knows the resolution, and how alike neighbouring pixels are.

    Parameters
    ----------
    support : Array
        bool (*shape).
    density : Array
        P, real (*shape), zero frequency at index 0, in the units of |x|².

    References
    ----------
    N. Wiener, Extrapolation, interpolation, and smoothing of stationary time series, MIT Press (1949).
    """

    support: Array
    density: Array

    @classmethod
    def of(cls, y: Problem) -> Self:
        """The filter for a far field y of an object in a known support."""
        amplitude, valid = to_numpy(y.amplitude).astype(float), to_numpy(y.valid)
        width = [n / (2 * math.pi * MEMORY) for n in amplitude.shape]
        seen = gaussian_filter(valid.astype(float), width, mode="wrap")
        smooth = gaussian_filter(np.where(valid, amplitude**2 - noise_of(y) ** 2, 0.0), width, mode="wrap")
        density = smooth / np.maximum(seen, 1e-3) * (amplitude.size / np.count_nonzero(to_numpy(y.support)))
        density = np.maximum(density, LEAST_SHARE * density.max())
        return cls(y.support, like(density.astype(np.float32), y.amplitude))

    def __call__(self, x: Array, sigma: float) -> Array:
        """E[x₀ | x₀ + σn] of x (batch, *shape), for a Gaussian field."""
        xp, axes = namespace(x), tuple(range(1, x.ndim))
        gain = self.density / (self.density + 2 * sigma**2)
        return self.support * xp.fft.ifftn(gain * xp.fft.fftn(self.support * x, axes=axes), axes=axes)


def has_spectrum(problem: Problem) -> bool:
    """Whether the support is known, and the pattern is the power spectrum of the object with nothing between."""
    return problem.support is not None and problem.detector is None and problem.operator.isometry


def wiener_raar(y: Problem, x: Array, beta: float) -> Iterator[Array]:
    """RAAR from x (batch, *shape) with `Wiener` as the denoiser D: x ← β (x + D(2m − x; σ) − m) + (1 − β) m.

    m = argmin_z nll(z) + ‖A(z − x)‖²/2σ². Yields D of each iteration.
    """
    denoise = Wiener.of(y)
    rms = math.sqrt(float(y.power) / np.count_nonzero(to_numpy(y.support)))
    first, last = (share * rms for share in SIGMAS)
    end = round(END_SHARE * ITERATIONS)
    least = min(max(noise_of(y), 1e-3 * last), last)
    for sigma in [*np.geomspace(first, last, ITERATIONS - end), *np.geomspace(last, least, end + 1)[1:]]:
        m = y.proximal(x, float(sigma))
        d = denoise(2 * m - x, float(sigma))
        y.operator.spend(2 * x.shape[0])  # the filter's transforms
        x = beta * (x + d - m) + (1 - beta) * m
        yield d
