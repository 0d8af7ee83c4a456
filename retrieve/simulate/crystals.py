"""Facetted Bragg crystals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import HalfspaceIntersection

from ..errors import InputError
from ..numerics.alignment import remove_ramp
from ..numerics.grids import pixels
from ..plugins.options import option
from .base import ObjectSet
from .geometry import object_shape, rotation, unit_vectors
from .seeds import stream


@dataclass(frozen=True)
class Crystals(ObjectSet):
    """Facetted crystals of random form, with a smooth displacement phase; peak amplitude about 1.

    The support is every pixel that the crystal touches.
    """

    dimensions: int = option(2, "axes of the array", ge=2, le=3)
    size: int = option(64, "pixels along each axis", ge=16)
    fill: float = option(0.4, "extent of the crystal relative to the array's edge", gt=0, le=0.5)
    facets: int | None = option(None, "faces that bound it; none: 6 in 2D, 14 in 3D", ge=4)
    phase: float = option(1.0, "smooth phase, peak to valley (rad)", ge=0, le=100)
    strong: bool = option(False, "add a dislocation and a domain wall of 2 to 3 rad")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one object."""
        return (self.size,) * self.dimensions

    def generate(self, seed: int, numbers: range) -> tuple[NDArray[np.complex64], NDArray[np.bool_]]:
        """One crystal after the other."""
        x = np.stack([self._one(stream(seed, number)) for number in numbers])
        return x, x != 0

    def _one(self, rng: np.random.Generator) -> NDArray[np.complex64]:
        return crystal(self.shape, seed=rng, fill=self.fill, facets=self.facets, phase=self.phase, strong=self.strong)


def crystal(
    shape: Sequence[int],
    *,
    seed: int | np.random.Generator,
    fill: float = 0.25,
    facets: int | None = None,
    phase: float = 1.0,
    strong: bool = False,
) -> NDArray[np.complex64]:
    """Make a facetted Bragg crystal: flat faces, amplitude near 1, displacement phase.

    Parameters
    ----------
    shape
        Pixels along two or three axes.
    seed
        Seed of the crystal, or a generator.
    fill
        Extent relative to the array's edge, at most 0.5, which oversamples the pattern.
    facets
        Number of faces, at least two an axis; by default 6 in 2D and 14 in 3D.
    phase
        Smooth phase, peak to valley, rad.
    strong
        Add a dislocation (2π around a line) and a wall across which the phase jumps by 2 to 3 rad.

    Returns
    -------
    complex64 (*shape)
        The crystal, centred at N//2.
    """
    shape = object_shape(shape)
    if not 0 < fill <= 0.5:
        raise InputError(f"fill={fill} is out of range; give the crystal's share of the array's edge, in (0, 0.5]")
    rng = np.random.default_rng(seed)
    depth, radius = polyhedron(shape, fill, facets or {2: 6, 3: 14}[len(shape)], rng)
    cover = np.clip(depth + 0.5, 0, 1)  # the share of an edge pixel that lies inside
    r = pixels(shape) / radius  # about -1 to 1 in the crystal
    angle = phase * peak_to_valley(waves(r, rng), inside=cover > 0)
    if strong:
        angle += dislocation(r, rng) + _wall(r, rng)
    amplitude = cover * (1 + 0.1 * peak_to_valley(waves(r, rng), inside=cover > 0))
    x = amplitude * np.exp(1j * angle)
    return (remove_ramp(x) if strong else x).astype(np.complex64)


def polyhedron(
    shape: tuple[int, ...], fill: float, facets: int, rng: np.random.Generator, stretch: NDArray | None = None
) -> tuple[NDArray, float]:
    """Signed distance (px, positive inside) to a random convex polyhedron in the middle, and its half width.

    A turned box's faces, which bound it, then more faces where the directions leave most room. It is longer along each axis by
    the factor in `stretch`.
    """
    normals, reach, radius = faces(facets, fill * np.array(shape), rng, stretch)
    depth = np.full(shape, np.inf)
    for normal, distance in zip(normals, reach, strict=True):
        np.minimum(depth, distance - np.tensordot(normal, pixels(shape), 1), out=depth)
    return depth, radius


def faces(
    facets: int, extent: NDArray, rng: np.random.Generator, stretch: NDArray | None = None
) -> tuple[NDArray, NDArray, float]:
    """Outward normals (facets, axes), distances from the middle, px, and half width of a random convex polyhedron.

    It is as large as the box `extent`, px, allows; an axis without a limit has infinity there. See `polyhedron`.
    """
    d = len(extent)
    if facets < 2 * d:
        raise InputError(f"facets={facets} is too few to close a crystal of {d} axes; give at least {2 * d}")
    turn = rotation(d, rng)
    normals = np.concatenate([turn, -turn])
    trial = unit_vectors(500, d, rng)
    while len(normals) < facets:
        normals = np.concatenate([normals, trial[[np.argmin(np.max(trial @ normals.T, axis=1))]]])
    reach = rng.uniform(0.8, 1, facets)
    if stretch is not None:
        normals = normals / stretch if stretch.ndim == 1 else normals @ np.linalg.inv(stretch)
        length = np.linalg.norm(normals, axis=1)
        normals, reach = normals / length[:, None], reach / length

    corners = HalfspaceIntersection(np.column_stack([normals, -reach]), np.zeros(d)).intersections
    low, high = corners.min(axis=0), corners.max(axis=0)
    scale = float(np.min(extent / (high - low)))
    return normals, scale * (reach - normals @ (low + high) / 2), scale * float(np.max(high - low)) / 2


def waves(r: NDArray, rng: np.random.Generator) -> NDArray:
    """A smooth random field: a few cosines of one to two waves across the crystal."""
    k = unit_vectors(5, len(r), rng) * rng.uniform(np.pi, 2 * np.pi, (5, 1)) / 2
    offset = rng.uniform(0, 2 * np.pi, 5)
    return sum((np.cos(np.tensordot(k_i, r, 1) + o) for k_i, o in zip(k, offset, strict=True)), np.zeros(r.shape[1:]))


def peak_to_valley(field: NDArray, inside: NDArray) -> NDArray:
    """The field scaled to run over 1 inside, about a mean of 0."""
    return (field - field[inside].mean()) / np.ptp(field[inside])


def dislocation(r: NDArray, rng: np.random.Generator) -> NDArray:
    """The azimuth about a random line near the middle: 2π of phase once around it."""
    u, v = np.tensordot(rotation(len(r), rng)[:2], r, 1)
    du, dv = rng.uniform(-0.3, 0.3, 2)
    return np.arctan2(v - dv, u - du)


def _wall(r: NDArray, rng: np.random.Generator) -> NDArray:
    """A domain on one side of a random plane whose phase is 2 to 3 rad ahead."""
    side = np.tensordot(unit_vectors(1, len(r), rng)[0], r, 1) > rng.uniform(-0.4, 0.4)
    return rng.uniform(2, 3) * side
