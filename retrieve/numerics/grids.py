"""Pixel positions, and the box around an object."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SHOWN = 0.1
"""Share of the maximum amplitude below which a phase is noise and is left white."""


def pixels(shape: tuple[int, ...]) -> NDArray:
    """Pixel positions (axes, *shape) relative to the centre N//2."""
    return np.stack(np.meshgrid(*[np.arange(n) - n // 2 for n in shape], indexing="ij")).astype(float)


def shell_index(shape: tuple[int, ...], thickness: float = 1) -> NDArray[np.int32]:
    """The number of each pixel's shell of |q|, (*shape), zero frequency at index 0.

    thickness: of a shell, in Fourier pixels of the shortest axis.
    """
    first, *others = np.meshgrid(*map(np.fft.fftfreq, shape), indexing="ij", sparse=True)
    across, index = sum(q[0] * q[0] for q in others), np.empty(shape, np.int32)
    for row, q in zip(index, first.ravel(), strict=True):  # |q| of a volume in double precision takes twice its memory
        row[...] = np.rint(np.sqrt(q * q + across) * min(shape) / thickness)
    return index


def sums_over(index: NDArray[np.integer], values: NDArray, shells: int, where: NDArray[np.bool_] | None = None) -> NDArray:
    """The sum float64 (shells,) of values (*shape) over each shell of `shell_index`, row by row; where: those that count."""
    total = np.zeros(max(shells, int(index.max(initial=0)) + 1))
    for k, row in enumerate(index):
        own = slice(None) if where is None else where[k]
        total += np.bincount(row[own].ravel(), values[k][own].ravel(), minlength=len(total))
    return total[:shells]


def crop_to(x: NDArray, support: NDArray[np.bool_] | None) -> tuple[slice, ...]:
    """The box around the support or, without one, around the visible part of x (*shape), with a margin."""
    seen = np.abs(x) > SHOWN * np.abs(x).max() if support is None or not support.any() else support
    seen = seen if seen.any() else np.ones_like(seen)
    crop = []
    for axis, n in enumerate(x.shape):
        inside = np.flatnonzero(seen.any(axis=tuple(a for a in range(x.ndim) if a != axis)))
        margin = max(3, int(inside[-1] - inside[0]) // 8)
        crop.append(slice(max(0, int(inside[0]) - margin), min(n, int(inside[-1]) + margin + 1)))
    return tuple(crop)
