"""Elementwise work in single passes, compiled at first use and kept on disk. The first axis of every array is its rows.

A division by zero behaves as in NumPy, which lets the compiler vectorise the loops; NaN stays NaN.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from ...files.cache import cache_folder


def compiled(function: Any) -> Any:
    """Compile a pass at its first use, and keep it in the user's cache folder: beside the source it would outlive the package."""
    config: Any = numba.config
    before = config.CACHE_DIR
    config.CACHE_DIR = before or str(cache_folder() / "numba")
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "arcp", "nsz"})(function)
    finally:
        config.CACHE_DIR = before


ZERO, TINY = np.float32(0), np.float32(1e-20)


@compiled
def times(gain, z):  # type: ignore[no-untyped-def]
    """A real number times a complex one. The compiler would make the real one complex first."""
    return complex(gain * z.real, gain * z.imag)


@compiled
def sum_of(a, u, b, v):  # type: ignore[no-untyped-def]
    """a·u + b·v for real a and b."""
    return complex(a * u.real + b * v.real, a * u.imag + b * v.imag)


@compiled
def set_modulus(f, first, y, valid, factor, free):  # type: ignore[no-untyped-def]
    """f ← f·factor·y/|f| where measured, f·free elsewhere; f (n0, width) is a block of the columns of y, from `first` on."""
    for i in range(f.shape[0]):
        row, modulus, known = f[i], y[i, first : first + f.shape[1]], valid[i, first : first + f.shape[1]]
        for k in range(row.shape[0]):
            z = row[k]
            gain = factor * modulus[k] / (math.sqrt(z.real * z.real + z.imag * z.imag) + TINY)
            row[k] = times(gain if known[k] else free, z)


@compiled
def temper_modulus(f, first, y, valid, factor, free, b, c):  # type: ignore[no-untyped-def]
    """f ← f·free·R/v where measured, v = factor·|f| and R = b·v + √(b²v² + c·y²); f·free elsewhere; a block as above."""
    for i in range(f.shape[0]):
        row, modulus, known = f[i], y[i, first : first + f.shape[1]], valid[i, first : first + f.shape[1]]
        for k in range(row.shape[0]):
            z = row[k]
            v = factor * math.sqrt(z.real * z.real + z.imag * z.imag) + TINY
            near = b * v
            fitted = near + math.sqrt(near * near + c * modulus[k] * modulus[k])
            row[k] = times(free * fitted / v if known[k] else free, z)


@compiled
def gain(f, first, y, free, factor, other):  # type: ignore[no-untyped-def]
    """f ← f·(factor·y/|f| + other·free); f (n0, width) is a block of the columns of y and free, from `first` on."""
    for i in range(f.shape[0]):
        row, modulus, left = f[i], y[i, first : first + f.shape[1]], free[i, first : first + f.shape[1]]
        for k in range(row.shape[0]):
            z = row[k]
            row[k] = times(factor * modulus[k] / (math.sqrt(z.real * z.real + z.imag * z.imag) + TINY) + other * left[k], z)


@compiled
def mix(x, m, support, inside, outside, out):  # type: ignore[no-untyped-def]
    """out ← a·x + b·m with one pair (a, b) inside the support and another outside; a support of one row holds for all."""
    (a, b), (c, d) = inside, outside
    for i in range(x.shape[0]):
        here, there, to, s = x[i], m[i], out[i], support[i % support.shape[0]]
        for k in range(here.shape[0]):
            to[k] = sum_of(a if s[k] else c, here[k], b if s[k] else d, there[k])


@compiled
def mix_second(x, m, n, support, inside, outside, weights):  # type: ignore[no-untyped-def]
    """x ← a·x + b·m + e·n, with a, b and e inside the support and others outside."""
    (a, b), (c, d), (e, f) = inside, outside, weights
    for i in range(x.shape[0]):
        here, there, last, s = x[i], m[i], n[i], support[i % support.shape[0]]
        for k in range(here.shape[0]):
            g, h, w = (a if s[k] else c), (b if s[k] else d), (e if s[k] else f)
            u, v, z = here[k], there[k], last[k]
            here[k] = complex(g * u.real + h * v.real + w * z.real, g * u.imag + h * v.imag + w * z.imag)


@compiled
def mix_positive(x, m, support, inside, outside, tested, shown):  # type: ignore[no-untyped-def]
    """`mix` of real x and m; a pixel with p·x + q·m < 0 counts as outside. shown ← P_S m, complex.

    Both first get the sign with which the sum of m inside the support is positive.
    """
    (a, b), (c, d), (p, q) = inside, outside, tested
    for i in range(x.shape[0]):
        here, there, s, seen = x[i], m[i], support[i % support.shape[0]], shown[i]
        total = ZERO
        for k in range(here.shape[0]):
            total += there[k] if s[k] else ZERO
        sign = np.float32(-1) if total < ZERO else np.float32(1)
        for k in range(here.shape[0]):
            u, v = sign * here[k], sign * there[k]
            here[k] = a * u + b * v if s[k] and p * u + q * v >= ZERO else c * u + d * v
            seen[k] = v if s[k] and v > ZERO else ZERO


@compiled
def nearest(z, wedge, weight):  # type: ignore[no-untyped-def]
    """Whether z's phase is in the range, given by cosine and sine of middle and half width; `weight` times the nearest value."""
    turn, c, s = complex(wedge[0], wedge[1]), wedge[2], wedge[3]
    re, im = z.real * wedge[0] + z.imag * wedge[1], z.imag * wedge[0] - z.real * wedge[1]
    reach = weight * max(re * c + abs(im) * s, ZERO)
    return re >= math.sqrt(re * re + im * im) * c, turn * complex(reach * c, reach * s if im > ZERO else -reach * s)


@compiled
def mix_phased(x, m, support, inside, outside, tested, weight, wedge):  # type: ignore[no-untyped-def]
    """`mix` under a range of phases; a pixel with p·x + q·m out of range counts as outside.

    There `weight` times the nearest allowed value is added. m ← P_S m.
    """
    (a, b), (c, d), (p, q), one = inside, outside, tested, np.float32(1)
    for i in range(x.shape[0]):
        here, there, s = x[i], m[i], support[i % support.shape[0]]
        for k in range(here.shape[0]):
            u, v = here[k], there[k]
            fits, near = nearest(sum_of(p, u, q, v), wedge, weight)
            here[k] = sum_of(a, u, b, v) if s[k] and fits else sum_of(c, u, d, v) + (near if s[k] else ZERO)
            fits, near = nearest(v, wedge, one)
            there[k] = (v if fits else near) if s[k] else ZERO


@compiled
def scale(f, first, table, line):  # type: ignore[no-untyped-def]
    """f ← f·table·line, `line` (n0,) along the first axis; f (n0, width) is a block of the table's columns, from `first` on."""
    for i in range(f.shape[0]):
        row, factors, one = f[i], table[i % table.shape[0], first : first + f.shape[1]], line[i]
        for k in range(row.shape[0]):
            row[k] = times(one * factors[k], row[k])


@compiled
def misfits(f, first, y, work, held, factor, sums):  # type: ignore[no-untyped-def]
    """Add Σ(factor·|f| − y)² over the working and over the held-out pixels of a block to `sums`, float64 (2,)."""
    for i in range(f.shape[0]):
        row, modulus = f[i], y[i, first : first + f.shape[1]]
        seen, left = work[i, first : first + f.shape[1]], held[i, first : first + f.shape[1]]
        one, other = ZERO, ZERO
        for k in range(row.shape[0]):
            z = row[k]
            away = math.sqrt(z.real * z.real + z.imag * z.imag) * factor - modulus[k]
            one += away * away if seen[k] else ZERO
            other += away * away if left[k] else ZERO
        sums[0] += one
        sums[1] += other
