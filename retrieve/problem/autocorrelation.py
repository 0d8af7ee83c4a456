"""The autocorrelation of a pattern: extent, speckle size, oversampling and a first support, before any phasing.

This runs once, before the iterations, in NumPy on the host.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy import ndimage

from ..numerics.arrays import threads_for


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
    a /= a.max()
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

    With `mates`, each is accompanied by the one at −q, zero frequency at index 0.
    """
    wanted = fraction * valid.sum()
    held = np.zeros(valid.shape, bool)
    radii = [max(s / 2, 0.5) for s in size]
    grid = np.meshgrid(*(np.arange(-math.floor(r), math.floor(r) + 1) for r in radii), indexing="ij", sparse=True)
    ball = np.argwhere(sum((g / r) ** 2 for g, r in zip(grid, radii, strict=True)) <= 1)
    ball -= np.array([math.floor(r) for r in radii])
    spots = np.flatnonzero(valid)
    signs = (1, -1) if mates else (1,)
    while held.sum() < wanted:
        number = max(1, math.ceil(0.7 * (wanted - held.sum()) / len(ball) / len(signs)))
        centres = np.stack(np.unravel_index(rng.choice(spots, number), valid.shape), axis=1)
        for sign in signs:
            points = sign * (centres[:, None, :] + ball[None]) % np.array(valid.shape)
            held[tuple(points.reshape(-1, valid.ndim).T)] = True
        held &= valid
    return held


def ellipsoid(shape: tuple[int, ...], size: tuple[float, ...]) -> NDArray[np.bool_]:
    """A first support, bool (*shape): the ellipsoid a little wider than an object of extent `size`, px.

    Half the autocorrelation itself would fit convex objects only. Shrink-wrap trims the excess of the ellipsoid.
    Source: Fienup, Crimmins & Holsztynski, J. Opt. Soc. Am. 72, 610 (1982).
    """
    radii = [0.55 * e for e in size]
    grid = np.meshgrid(*(np.arange(n) - n // 2 for n in shape), indexing="ij", sparse=True)
    return np.asarray(sum((g / r) ** 2 for g, r in zip(grid, radii, strict=True)) <= 1)
