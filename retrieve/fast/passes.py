"""Elementwise work in single passes, compiled at first use and kept on disk; arrays have rows first.

A division by zero gives what it gives in NumPy, without which no loop would be vectorised; NaN stays NaN.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

compiled: Any = njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "arcp", "nsz"})
ZERO, TINY = np.float32(0), np.float32(1e-20)


@compiled
def set_modulus(f, first, y, valid, factor, free):  # type: ignore[no-untyped-def]
    """f ← f·factor·y/|f| where measured, f·free elsewhere; f is a block (n0, width) of columns, from `first` on, of y."""
    for i in range(f.shape[0]):
        row, modulus, known = f[i], y[i, first : first + f.shape[1]], valid[i, first : first + f.shape[1]]
        for k in range(row.shape[0]):
            z = row[k]
            gain = factor * modulus[k] / (math.sqrt(z.real * z.real + z.imag * z.imag) + TINY)
            row[k] = z * (gain if known[k] else free)


@compiled
def mix(x, m, support, inside, outside):  # type: ignore[no-untyped-def]
    """x ← a·x + b·m with one pair (a, b) inside the support and another outside; a support of one row holds for all."""
    (a, b), (c, d) = inside, outside
    for i in range(x.shape[0]):
        here, there, s = x[i], m[i], support[i % support.shape[0]]
        for k in range(here.shape[0]):
            u, v = here[k], there[k]
            here[k] = a * u + b * v if s[k] else c * u + d * v


@compiled
def misfits(f, first, y, work, held, factor, sums):  # type: ignore[no-untyped-def]
    """Adds Σ(factor·|f| − y)² over the working and over the held-out pixels of a block to `sums`, float64 (2,)."""
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
