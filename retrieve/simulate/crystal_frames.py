"""Facetted crystals in two dimensions, slices and frames of a rocking scan, to train priors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, gaussian_filter

from ..errors import InputError
from ..numerics.alignment import remove_ramp, tilt
from ..numerics.grids import pixels
from ..plugins.options import option
from .base import ObjectSet
from .crystals import dislocation, faces, peak_to_valley, waves
from .geometry import rotation
from .seeds import stream

LEAST_SHARE = 0.02
"""Of the largest amplitude, below which a blurred edge ends."""
MARGIN = 2
"""Most pixels by which a support is larger than its crystal."""
RAMP = 3.0
"""Most pixels by which the pattern's centre of mass is off its middle."""
WEAKEST = 0.3
"""Weakest smooth phase, peak to valley, rad."""
LONGEST = 1.8
"""Largest length over width."""
THICKNESS_PHASE = 3.0
"""Strongest strain along the beam, as the phase that it adds across the thickness, rad."""
FINER = 2
"""Points a pixel along each axis at which a frame's crystal is integrated."""


@dataclass(frozen=True)
class CrystalFrames(ObjectSet):
    """Facetted crystals in two dimensions of any form, size and strain, slices and frames in turn; peak amplitude 1.

    A slice has flat faces and an amplitude of one. A frame is the object behind one frame of a rocking scan, away from the
    peak by q: ∫ exp(i φ + i q z) dz along the beam through a crystal in three dimensions. Where its thickness changes, fringes
    appear. Phases are smooth, of 0.3 to 10 rad, and a third of the crystals have a dislocation. Edges are sharp or blurred, and
    the support is the crystal with a margin of 0 to 2 px.
    """

    size: int = option(64, "pixels along each axis", ge=16)
    smallest: float = option(0.35, "least extent of a crystal relative to the array's edge", gt=0, le=0.9)
    largest: float = option(0.62, "largest extent of a crystal relative to the array's edge", gt=0, le=0.9)
    phase: float = option(10.0, "strongest smooth phase, peak to valley (rad)", ge=0.3, le=100)
    fringes: float = option(5.0, "most fringes across the thickness of a frame's crystal", ge=0, le=100)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.smallest > self.largest:
            raise InputError(f"smallest={self.smallest} is above largest={self.largest}; give smallest <= largest")

    @property
    def kinds(self) -> tuple[str, ...]:
        """In turn."""
        return ("slices", "frames")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one object."""
        return (self.size, self.size)

    def generate(self, seed: int, numbers: range) -> tuple[NDArray[np.complex64], NDArray[np.bool_]]:
        """One crystal after the other."""
        made = [self._one(stream(seed, number), self.kinds[number % 2]) for number in numbers]
        x, support = (np.stack(parts) for parts in zip(*made, strict=True))
        return x, support

    def _slice(self, rng: np.random.Generator, extent: float) -> NDArray[np.complex128]:
        """The share of each pixel that a flat crystal covers, (size, size)."""
        normals, reach, _ = faces(int(rng.integers(4, 9)), np.full(2, extent), rng, elongation(2, rng))
        depth = reach[:, None, None] - np.tensordot(normals, pixels(self.shape), 1)
        return np.clip(depth.min(axis=0) + 0.5, 0, 1).astype(complex)

    def _frame(self, rng: np.random.Generator, extent: float) -> NDArray[np.complex128]:
        """∫ exp(i k z) dz through a crystal, (size, size), k = q and a strain that varies across it."""
        normals, reach, _ = faces(int(rng.integers(8, 19)), np.array([extent, extent, np.inf]), rng, elongation(3, rng))
        fine = (self.size * FINER,) * 2
        r = (pixels(fine) + 0.5) / FINER - 0.5
        along = normals[:, 2, None, None]
        crossed = (reach[:, None, None] - np.tensordot(normals[:, :2], r, 1)) / along  # z at which the beam meets each face
        top, bottom = crossed[along[:, 0, 0] > 0].min(axis=0), crossed[along[:, 0, 0] < 0].max(axis=0)
        thickness = np.maximum(top - bottom, 0)
        k = 2 * np.pi * self.fringes * rng.random() ** 1.5 * rng.choice([-1, 1])
        k = k + rng.uniform(0, THICKNESS_PHASE) * peak_to_valley(waves(r / (extent / 2), rng), inside=thickness > 0)
        k /= thickness.max()
        whole = thickness * np.sinc(k * thickness / (2 * np.pi)) * np.exp(0.5j * k * (top + bottom))
        return whole.reshape(self.size, FINER, self.size, FINER).mean(axis=(1, 3))

    def _one(self, rng: np.random.Generator, kind: str) -> tuple[NDArray[np.complex64], NDArray[np.bool_]]:
        extent = self.size * rng.uniform(self.smallest, self.largest)
        blur, margin = rng.uniform(0.0, 0.8), int(rng.integers(MARGIN + 1))
        r = pixels(self.shape) / (extent / 2)
        whole = self._slice(rng, extent) if kind == "slices" else self._frame(rng, extent)
        inside = whole != 0
        strength = WEAKEST * (self.phase / WEAKEST) ** rng.random()
        phase = strength * peak_to_valley(waves(r, rng), inside=inside)
        for _ in range(int(rng.choice(3, p=[0.65, 0.25, 0.1]))):
            phase = phase + rng.choice([-1, 1]) * dislocation(r, rng)
        uneven = rng.uniform(0, 0.4) * peak_to_valley(waves(r, rng), inside=inside)
        x = remove_ramp(whole * (1 + uneven) * np.exp(1j * phase))
        x = tilt(x, 2 * np.pi * rng.uniform(-RAMP, RAMP, 2) / self.size)
        x = gaussian_filter(x.real, blur, truncate=2) + 1j * gaussian_filter(x.imag, blur, truncate=2)
        x /= np.abs(x).max()
        support = binary_dilation(np.abs(x) >= LEAST_SHARE, iterations=1)
        if margin > 1:
            support = binary_dilation(support, iterations=margin - 1)
        x[np.abs(x) < LEAST_SHARE] = 0
        return x.astype(np.complex64), support if margin else x != 0


def elongation(d: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A matrix (d, d) that stretches a crystal along a random direction."""
    along = rotation(d, rng)[0]
    return np.eye(d) + rng.uniform(0, LONGEST - 1) * np.outer(along, along)
