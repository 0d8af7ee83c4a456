"""What a pattern tells before any phasing: by its autocorrelation extent, speckle size and a first support; and its symmetry.

This runs once, before the iterations, in NumPy on the host.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy import ndimage

from ..numerics.arrays import threads_for
from .likelihood import Gaussian, Likelihood, Poisson, some_measured, stated_noise

MAX_REAL_ASYMMETRY = 0.018
"""Asymmetry up to which a real object is one of the guesses."""

LARGEST_ISLAND = 0.25
"""Share of the valid pixels that one island of held-out pixels may take."""

BLOCK_PIXELS = 1 << 18
"""Pixels that are compared with their mates at once."""


def fill_unmeasured(values: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Interpolate the pixels that are not valid from their valid neighbours (periodic).

    Normalised convolution with a Gaussian that widens until every gap is closed.
    """
    if valid.all():
        return values
    filled, known = np.where(valid, values, np.float32(0)), valid.copy()
    sigma = 1.0
    while not known.all():
        weight, mean = valid.astype(np.float32), np.where(valid, values, np.float32(0))
        for blurred in (weight, mean):
            ndimage.gaussian_filter(blurred, sigma, mode="wrap", truncate=3, output=blurred)
        reached = ~known & (weight > 0.05)
        filled[reached] = mean[reached] / weight[reached]
        known |= reached
        del weight, mean, blurred  # before the next two are made
        sigma *= 2
        if sigma > max(values.shape):
            filled[~known] = filled[known].mean() if known.any() else 0
            break
    return filled


def autocorrelation(amplitude: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """|F⁻¹ I| with its maximum 1 at N//2, (*shape); unmeasured pixels are interpolated."""
    y = fill_unmeasured(amplitude, valid)
    axes = tuple(range(y.ndim))
    intensity = (y * y).astype(np.complex64)
    del y
    a = np.abs(scipy.fft.ifftn(intensity, axes=axes, workers=threads_for(intensity.size), overwrite_x=True))
    del intensity
    a /= a.max() or 1
    return np.fft.fftshift(a)


def extent(amplitude: NDArray[np.float32], valid: NDArray[np.bool_], threshold: float = 0.02) -> tuple[float, ...]:
    """The object's extent in pixels along each axis: half the autocorrelation's width above `threshold`."""
    return tuple(max(1.0, width / 2) for width in widths(_main_part(autocorrelation(amplitude, valid) > threshold)))


def widths(inside: NDArray[np.bool_]) -> tuple[int, ...]:
    """The widths in pixels, along each axis, of the box around the pixels `inside` (*shape)."""
    axes = range(inside.ndim)
    lines = [np.flatnonzero(inside.any(axis=tuple(a for a in axes if a != axis))) for axis in axes]
    return tuple(int(line[-1] - line[0] + 1) for line in lines)


def _main_part(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The connected part that holds the centre N//2."""
    labels, _ = ndimage.label(inside)
    return labels == labels[tuple(n // 2 for n in inside.shape)]


def islands(
    valid: NDArray[np.bool_], size: tuple[float, ...], fraction: float, rng: np.random.Generator, mates: bool = False
) -> NDArray[np.bool_]:
    """Scatter ellipsoids of diameters `size` (px) over the valid pixels until they cover `fraction` of them.

    With `mates`, each is accompanied by the one at −q, zero frequency at index 0. An island that would take more than
    `LARGEST_ISLAND` of the valid pixels, as where the object is nearly a point, is smaller than `size`.
    """
    wanted = fraction * valid.sum()
    held = np.zeros(valid.shape, bool)
    signs = (1, -1) if mates else (1,)
    ball, largest = _ball(size), max(fraction, LARGEST_ISLAND) * float(valid.sum()) / len(signs)
    while len(ball) > max(1.0, largest):
        size = tuple(s * 0.9 for s in size)
        ball = _ball(size)
    spots = np.flatnonzero(valid)
    while held.sum() < wanted:
        number = max(1, math.ceil(0.7 * (wanted - held.sum()) / len(ball) / len(signs)))
        centres = np.stack(np.unravel_index(rng.choice(spots, number), valid.shape), axis=1)
        for sign in signs:
            points = sign * (centres[:, None, :] + ball[None]) % np.array(valid.shape)
            held[tuple(points.reshape(-1, valid.ndim).T)] = True
        held &= valid
    return held


def _ball(size: tuple[float, ...]) -> NDArray[np.intp]:
    """The pixels (n, axes) of an ellipsoid of diameters `size` around zero."""
    radii = [max(s / 2, 0.5) for s in size]
    grid = np.meshgrid(*(np.arange(-math.floor(r), math.floor(r) + 1) for r in radii), indexing="ij", sparse=True)
    inside = np.argwhere(sum((g / r) ** 2 for g, r in zip(grid, radii, strict=True)) <= 1)
    return inside - np.array([math.floor(r) for r in radii])


def ellipsoid(shape: tuple[int, ...], size: tuple[float, ...]) -> NDArray[np.bool_]:
    """A first support, bool (*shape): the ellipsoid a little wider than an object of extent `size`, px.

    Half the autocorrelation itself would fit convex objects only. Shrink-wrap trims the excess of the ellipsoid.
    Source: Fienup, Crimmins & Holsztynski, J. Opt. Soc. Am. 72, 610 (1982).
    """
    radii = [0.55 * e for e in size]
    grid = np.meshgrid(*(np.arange(n) - n // 2 for n in shape), indexing="ij", sparse=True)
    return np.asarray(sum((g / r) ** 2 for g, r in zip(grid, radii, strict=True)) <= 1)


# Friedel mates ------------------------------------------------------------------------------------


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
    noise = stated_noise(likelihood, some_measured(y, valid))
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
