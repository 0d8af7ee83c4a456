"""The way of a phased array to an orthogonal grid in nanometres, the same for every start of a result."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..geometry.orthogonal import to_orthogonal
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

    ramp: (3,), rad a voxel of the phased array, removed before.  roll: of the phased array, voxels.  box: the crop after it.
    vectors: (3, 3), nm, row i is a step along array axis i.  direction: (3,), of Q in the laboratory.
    """

    ramp: Vectors
    roll: tuple[int, ...]
    box: tuple[slice, ...]
    vectors: Vectors
    direction: Vectors
    options: Measure

    @classmethod
    def of(cls, x: Complex, support: NDArray[np.bool_] | None, vectors: Vectors, q: Vectors, options: Measure) -> Upright:
        """The way of an object and of all that are aligned to it. The ramp is that inside its isosurface."""
        amplitude = np.abs(x)
        threshold = isosurface(amplitude, support, options.isosurface).threshold
        ramp = mean_gradient(x, amplitude >= threshold)
        roll = shift_to_centre(np.where(amplitude >= threshold, amplitude, 0))
        seen = np.roll(amplitude >= LEAST * threshold, roll, range(3))
        if support is not None and support.any():
            seen &= np.roll(support, roll, range(3)) | np.roll(amplitude >= threshold, roll, range(3))
        box = []
        for axis, n in enumerate(x.shape):
            line = np.flatnonzero(seen.any(axis=tuple(a for a in range(3) if a != axis)))
            half = max(n // 2 - int(line[0]), int(line[-1]) - n // 2) + MARGIN
            box.append(slice(max(0, n // 2 - half), min(n, n // 2 + half + 1)))
        return cls(ramp, roll, tuple(box), vectors, q / np.linalg.norm(q), options)

    def __call__(self, x: Complex) -> tuple[Complex, float, Vectors]:
        """An object (n, m, k) on the orthogonal grid, the edge of its voxel in nm, and the directions of its axes (3, 3)."""
        flat = tilt(x, -self.ramp)
        if self.options.apodise != "none":
            flat = windowed(flat, self.options.apodise)
        part = np.roll(flat, self.roll, range(3))[self.box]
        return to_orthogonal(part, self.vectors, self.options.voxel_nm, frame=self.options.frame, direction=self.direction)

    def mask(self, support: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A mask (n, m, k) of the phased array on the orthogonal grid."""
        plain = replace(self, ramp=np.zeros(3), options=replace(self.options, apodise="none"))
        return np.asarray(np.abs(plain(support.astype(np.complex64))[0]) > 0.5)

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
