"""Pixel positions, and the box around an object."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike, NDArray

SHOWN = 0.1
"""Share of the maximum amplitude below which a phase is noise and is left white."""


def pixels(shape: tuple[int, ...]) -> NDArray:
    """Pixel positions (axes, *shape) relative to the centre N//2."""
    return np.stack(np.meshgrid(*[np.arange(n) - n // 2 for n in shape], indexing="ij")).astype(float)


def shell_index(shape: tuple[int, ...], thickness: float = 1, dtype: DTypeLike = float) -> NDArray[np.intp]:
    """The number of each pixel's shell of |q|, (*shape), zero frequency at index 0.

    thickness: of a shell, in Fourier pixels of the shortest axis.  dtype: of |q|, of half the memory in single precision.
    """
    axes = np.meshgrid(*(np.fft.fftfreq(n).astype(dtype) for n in shape), indexing="ij", sparse=True)
    return np.rint(np.sqrt(sum(q * q for q in axes)) * min(shape) / thickness).astype(int)


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
