"""The way of a phased array to an orthogonal grid in nanometres, the same for every start of a result."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..geometry.orthogonal import frame_axes, grid_shape, to_orthogonal
from ..numerics.alignment import shift_to_centre, tilt
from .options import Measure
from .phase import mean_gradient
from .regions import isosurface

Vectors = NDArray[np.float64]
Complex = NDArray[np.complexfloating]

MARGIN = 4
"""Voxels around the crystal that are kept."""
LEAST = 0.25
"""Share of the isosurface above which voxels are kept, if they belong to the phased support."""


@dataclass(frozen=True, eq=False)
class Upright:
    """The steps to the orthogonal grid: ramp, window, roll, crop, interpolation.

    ramp: (3,), rad a voxel of the phased array, removed before.  window: of the pattern.  roll: of the phased array, voxels.
    box: the crop after it.  vectors: (3, 3), nm, row i is a step along array axis i.
    voxel_nm, axes, shape: of the grid; the directions (3, 3) of its axes in the laboratory.
    """

    ramp: Vectors
    window: str
    roll: tuple[int, ...]
    box: tuple[slice, ...]
    vectors: Vectors
    voxel_nm: float
    frame: str
    q: Vectors
    axes: Vectors
    shape: tuple[int, ...]

    @classmethod
    def of(cls, x: Complex, support: NDArray[np.bool_] | None, vectors: Vectors, q: Vectors, options: Measure) -> Upright:
        """The way of an object and of all that are aligned to it. The ramp is that inside its isosurface."""
        amplitude = np.abs(x)
        threshold = isosurface(amplitude, support, options.isosurface).threshold
        inside = amplitude >= threshold
        ramp = mean_gradient(x, inside)
        roll = shift_to_centre(np.where(inside, amplitude, 0))
        seen = inside | (amplitude >= LEAST * threshold) & (True if support is None else support)
        seen = np.roll(seen, roll, range(3))
        box = []
        for axis, n in enumerate(x.shape):
            line = np.flatnonzero(seen.any(axis=tuple(a for a in range(3) if a != axis)))
            half = max(n // 2 - int(line[0]), int(line[-1]) - n // 2) + MARGIN
            box.append(slice(max(0, n // 2 - half), n // 2 + half))
        edge = options.voxel_nm or float(abs(np.linalg.det(vectors)) ** (1 / 3))
        axes = frame_axes(options.frame, q)
        shape = grid_shape(seen[tuple(box)], vectors, edge, axes)
        return cls(ramp, options.apodise, roll, tuple(box), vectors, edge, options.frame, q, axes, shape)

    def __call__(self, x: Complex) -> Complex:
        """An object (n, m, k) on the orthogonal grid."""
        flat = tilt(x, -self.ramp)
        if self.window != "none":
            flat = windowed(flat, self.window)
        return self._resampled(flat, 3)

    def mask(self, support: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A mask (n, m, k) of the phased array on the orthogonal grid."""
        return self._resampled(support, 1)

    def _resampled(self, x: NDArray, order: int) -> NDArray:
        part = np.roll(x, self.roll, range(3))[self.box]
        return to_orthogonal(part, self.vectors, self.voxel_nm, self.frame, q=self.q, shape=self.shape, order=order).array

    def slope(self) -> Vectors:
        """The removed ramp (3,), rad/nm in the laboratory."""
        return np.asarray(np.linalg.solve(self.vectors, self.ramp))


def windowed(x: Complex, name: str) -> Complex:
    """An object (n, m, k) whose far field is multiplied by a window along every axis, 1 at zero frequency."""
    from scipy.signal.windows import get_window

    far = np.fft.fftn(x)
    for axis, n in enumerate(x.shape):
        kind = ("gaussian", n / 6) if name == "gaussian" else ("tukey", 0.5) if name == "tukey" else name
        line = np.fft.ifftshift(get_window(kind, n + 1 - n % 2, fftbins=False)[:n])
        far *= line.reshape([-1 if a == axis else 1 for a in range(x.ndim)]).astype(np.float32)
    return np.asarray(np.fft.ifftn(far), np.complex64)
