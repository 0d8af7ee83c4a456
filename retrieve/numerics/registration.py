"""Peaks of cross-correlations to a fraction of a pixel, for many pairs at once.

A product is the spectrum of one object times the conjugate spectrum of another, (…, *shape). Its orthonormal inverse transform
c(s) = Σ_k product_k exp(2πi k·s)/√N is their cross-correlation. The peak of |c| is found to a whole pixel by FFT, on a finer
grid by a matrix-multiply DFT (Guizar-Sicairos, Thurman & Fienup, Opt. Lett. 33, 156 (2008)), and then by Newton steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from .arrays import fftn, ifftn

Complex = NDArray[np.complexfloating]
Floats = NDArray[np.float64]

SNAP = 1e-3
"""Pixels: a shift that is so near a whole one counts as whole, so that the object moves by a roll."""
NEAR_PEAK = 0.95
"""Share of the best peak on the fine grid above which a candidate may still win after the Newton steps."""
POINTS_AT_ONCE = 1 << 21
"""Points of a product that are taken in another precision at once."""
MANY = 8
"""Transforms of one shape from which on planning them pays."""


class PeakSearch(NamedTuple):
    """A search for peaks: to 1/`subpixel` pixel and then by Newton steps, to whole pixels if that is 1."""

    subpixel: int
    planned: bool = False

    def transform(self, x: Complex) -> Complex:
        """Orthonormal transform of each of a stack (n, *shape)."""
        return fftn(x, x.ndim - 1) if self.planned else scipy.fft.fftn(x, axes=range(1, x.ndim), norm="ortho")

    def inverse(self, f: Complex) -> Complex:
        """The inverse of `transform`."""
        return ifftn(f, f.ndim - 1) if self.planned else scipy.fft.ifftn(f, axes=range(1, f.ndim), norm="ortho")

    def highest(self, products: Sequence[Complex]) -> tuple[NDArray[np.intp], Floats, Complex]:
        """For each of n: the number of the product (n, *shape) that peaks highest (n,), its s in pixels (n, axes), c(s) (n,)."""
        found = [self._whole(product) for product in products]
        if self.subpixel > 1:
            grid = [_fine(product, s, self.subpixel) for product, (s, _) in zip(products, found, strict=True)]
            top = np.max([height for _, height in grid], axis=0)
            for k, (product, (s, height)) in enumerate(zip(products, grid, strict=True)):
                near = height >= NEAR_PEAK * top
                found[k] = s, np.zeros(len(s), complex)
                if near.any():
                    s[near], found[k][1][near] = _polish(product if near.all() else product[near], s[near], 1 / self.subpixel)
        best = np.argmax([np.abs(c) for _, c in found], axis=0)
        s, c = (np.stack([one[k] for one in found])[best, np.arange(len(best))] for k in (0, 1))
        return best, s, c

    def _whole(self, product: Complex) -> tuple[Floats, Complex]:
        """The peaks of c on whole pixels."""
        shape, correlation = product.shape[1:], self.inverse(product).reshape(len(product), -1)
        at = np.argmax(correlation.real**2 + correlation.imag**2, axis=1)
        each = zip(np.unravel_index(at, shape), shape, strict=True)
        s = np.stack([np.where(i >= (n + 1) // 2, i - n, i) for i, n in each], -1)
        return s.astype(float), correlation[np.arange(len(at)), at].astype(complex)


def _fine(product: Complex, s: Floats, subpixel: int) -> tuple[Floats, Floats]:
    """The peaks of |c| on a grid of 1/`subpixel` pixel around whole pixels, and their heights."""
    reach, shape = _reach(subpixel), product.shape[1:]
    waves = [_fractions(n, subpixel) * np.exp(_ik(n)[1] * s_j[:, None, None]) for s_j, n in zip(s.T, shape, strict=True)]
    window = np.abs(_contract(product, waves))
    flat = window.reshape(len(s), -1)
    at = np.argmax(flat, axis=1)
    steps = np.stack(np.unravel_index(at, window.shape[1:]), -1)
    return s + reach[steps], flat[np.arange(len(s)), at].astype(float)


def _polish(product: Complex, s: Floats, reach: float) -> tuple[Floats, Complex]:
    """Newton steps on |c(s)|² from the derivatives of c, at most `reach` pixels from the start."""
    start, axes = s, s.shape[1]
    first = 3 ** np.arange(axes)[::-1]  # where ∂/∂s_j is in a flat jet
    for _ in range(3):
        jet = _jet(product, s).reshape(len(s), -1)
        c, c_j, c_jk = jet[:, :1], jet[:, first], jet[:, first[:, None] + first]
        slope = np.real(np.conj(c) * c_j)
        curvature = np.real(np.conj(c_j)[:, :, None] * c_j[:, None] + np.conj(c)[:, None] * c_jk)
        concave = np.linalg.eigvalsh(curvature)[:, -1] < 0
        curvature[~concave] = np.eye(axes)
        step = np.linalg.solve(curvature, slope[..., None])[..., 0] * concave[:, None]
        s = np.clip(s - step, start - reach, start + reach)
    s = np.where(np.abs(s - np.rint(s)) < SNAP, np.rint(s), s) + 0.0  # no −0
    return s, _jet(product, s, 1).reshape(len(s))


def _jet(product: Complex, s: Floats, orders: int = 3) -> Complex:
    """c and its derivatives at s: entry [:, a, b, …] is ∂ᵃ/∂s₀ᵃ ∂ᵇ/∂s₁ᵇ … c, an axis below `orders`."""
    shape = product.shape[1:]
    waves = [_ik(n)[:orders] * np.exp(_ik(n)[1] * s_j[:, None, None]) for s_j, n in zip(s.T, shape, strict=True)]
    return _contract(product, waves, np.dtype(complex))


@lru_cache(maxsize=32)
def _ik(n: int) -> Complex:
    """(2πi k)^p for p = 0, 1, 2 over the n frequencies of an axis, (3, n)."""
    return (2j * np.pi * scipy.fft.fftfreq(n)) ** np.arange(3)[:, None]


def _reach(subpixel: int) -> Floats:
    """The steps of 1/`subpixel` pixel within the 1.5 pixels that Guizar-Sicairos et al. search."""
    return np.arange(-(3 * subpixel // 4), 3 * subpixel // 4 + 1) / subpixel


@lru_cache(maxsize=32)
def _fractions(n: int, subpixel: int) -> Complex:
    """exp(2πi k s) for the steps s and the n frequencies k of an axis, (steps, n)."""
    waves: Complex = np.asarray(np.exp(np.outer(_reach(subpixel), _ik(n)[1])), complex)
    return waves


def _contract(product: Complex, waves: Sequence[Complex], dtype: np.dtype | None = None) -> Complex:
    """Orthonormal inverse DFT of each at a few points, by one small matrix (n, points, N) along each axis.

    In a precision of its own, if it is given, part by part, so that no product is copied as a whole.
    """
    shape, points = [len(product), *(wave.shape[1] for wave in waves)], math.prod(product.shape[1:])
    dtype = dtype or product.dtype
    for wave in waves:  # takes the first axis, appends the new one
        columns, turned = product.reshape(len(product), wave.shape[2], -1).swapaxes(1, 2), wave.astype(dtype).swapaxes(1, 2)
        step = max(1, POINTS_AT_ONCE // wave.shape[2])
        parts = [columns[:, k : k + step].astype(dtype, copy=False) @ turned for k in range(0, columns.shape[1], step)]
        product = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
    found: Complex = np.asarray(product.reshape(shape) / product.real.dtype.type(math.sqrt(points)))
    return found
