"""Seeded objects with known truth, and what a detector would measure of them.

Objects are complex64 (*shape), centred at N//2, of two or three axes; the same seed gives the same
object on every machine.  Patterns are centred as on disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft as fft
from numpy.typing import NDArray
from scipy.spatial import HalfspaceIntersection

from .errors import InputError
from .evaluate import remove_ramp
from .options import unknown
from .problem import Problem

# objects -----------------------------------------------------------------------------------------


def crystal(
    shape: Sequence[int], *, seed: int, fill: float = 0.25, facets: int | None = None, phase: float = 1.0, strong: bool = False
) -> NDArray[np.complex64]:
    """A facetted Bragg crystal (*shape): flat faces, amplitude near 1, displacement phase.

    fill: the crystal's extent relative to the array's edge, at most 0.5 so that the pattern is oversampled.
    facets: number of half-spaces that bound it, at least two an axis; 6 in 2D and 14 in 3D unless given.
    phase: rad, peak to valley of the smooth phase.
    strong: add a dislocation (phase once around a line) and a wall across which the phase jumps by 2 to 3 rad.
    """
    shape = _checked(shape)
    if not 0 < fill <= 0.5:
        raise InputError(f"fill={fill} is out of range; give the crystal's share of the array's edge, in (0, 0.5]")
    rng = np.random.default_rng(seed)
    depth, radius = _polyhedron(shape, fill, facets or {2: 6, 3: 14}[len(shape)], rng)
    cover = np.clip(depth + 0.5, 0, 1)  # the share of an edge pixel that lies inside
    r = _pixels(shape) / radius  # about -1 to 1 in the crystal
    angle = phase * _peak_to_valley(_waves(r, rng), inside=cover > 0)
    if strong:
        angle += _dislocation(r, rng) + _wall(r, rng)
    amplitude = cover * (1 + 0.1 * _peak_to_valley(_waves(r, rng), inside=cover > 0))
    x = amplitude * np.exp(1j * angle)
    return (remove_ramp(x) if strong else x).astype(np.complex64)


def blobs(
    shape: Sequence[int], *, seed: int, number: int = 50, sigma: float = 2.0, fill: float = 0.17
) -> tuple[NDArray[np.complex64], NDArray[np.bool_]]:
    """A sum of Gaussian blobs of random place and phase in an ellipse: the object (*shape) and its support (*shape).

    number: how many.  sigma: px, their standard deviation.
    fill: share of the array that the randomly turned ellipse (ellipsoid) fills, at most 0.3; at 0.17 a
    2D pattern is oversampled about twice an axis.
    """
    shape = _checked(shape)
    if not 0 < fill <= 0.3 or number < 1 or sigma <= 0:
        raise InputError(f"number={number}, sigma={sigma}, fill={fill}: give number >= 1, sigma > 0 and fill in (0, 0.3]")
    rng = np.random.default_rng(seed)
    d = len(shape)
    ball = {2: np.pi, 3: 4 * np.pi / 3}[d]
    axes = rng.uniform(0.8, 1, d)
    axes *= (fill / (ball * np.prod(axes))) ** (1 / d)  # semi-axes in units of the array's edges
    turn = _rotation(d, rng)

    edges = np.array(shape).reshape(d, *[1] * d)
    support = np.sum((np.tensordot(turn, _pixels(shape) / edges, 1) / axes.reshape(edges.shape)) ** 2, axis=0) <= 1
    place = _unit_vectors(number, d, rng) * rng.uniform(0, 1, (number, 1)) ** (1 / d) * axes @ turn  # uniform in it
    field: NDArray = np.exp(2j * np.pi * rng.uniform(size=number))
    for n, centre in zip(shape, place.T * edges.reshape(d, 1), strict=True):
        profile = np.exp(-((np.arange(n) - n // 2 - centre[:, None]) ** 2) / (2 * sigma**2))
        field = field[..., None] * profile.reshape(number, *[1] * (field.ndim - 1), n)
    return (field.sum(axis=0) * support).astype(np.complex64), support


def _polyhedron(shape: tuple[int, ...], fill: float, facets: int, rng: np.random.Generator) -> tuple[NDArray, float]:
    """Signed distance (px, positive inside) to a random convex polyhedron in the middle, and its half width.

    A turned box's faces, which bound it, then more faces where the directions leave most room.
    """
    d = len(shape)
    if facets < 2 * d:
        raise InputError(f"facets={facets} is too few to close a crystal of {d} axes; give at least {2 * d}")
    turn = _rotation(d, rng)
    normals = np.concatenate([turn, -turn])
    trial = _unit_vectors(500, d, rng)
    while len(normals) < facets:
        normals = np.concatenate([normals, trial[[np.argmin(np.max(trial @ normals.T, axis=1))]]])
    reach = rng.uniform(0.8, 1, facets)

    corners = HalfspaceIntersection(np.column_stack([normals, -reach]), np.zeros(d)).intersections
    low, high = corners.min(axis=0), corners.max(axis=0)
    scale = float(np.min(fill * np.array(shape) / (high - low)))
    reach = scale * (reach - normals @ (low + high) / 2)
    depth = np.full(shape, np.inf)
    for normal, distance in zip(normals, reach, strict=True):
        np.minimum(depth, distance - np.tensordot(normal, _pixels(shape), 1), out=depth)
    return depth, scale * float(np.max(high - low)) / 2


def _waves(r: NDArray, rng: np.random.Generator) -> NDArray:
    """A smooth random field: a few cosines of one to two waves across the crystal."""
    k = _unit_vectors(5, len(r), rng) * rng.uniform(np.pi, 2 * np.pi, (5, 1)) / 2
    offset = rng.uniform(0, 2 * np.pi, 5)
    return sum((np.cos(np.tensordot(k_i, r, 1) + o) for k_i, o in zip(k, offset, strict=True)), np.zeros(r.shape[1:]))


def _peak_to_valley(field: NDArray, inside: NDArray) -> NDArray:
    """The field scaled to run over 1 inside, about a mean of 0."""
    return (field - field[inside].mean()) / np.ptp(field[inside])


def _dislocation(r: NDArray, rng: np.random.Generator) -> NDArray:
    """The azimuth about a random line near the middle: 2π of phase once around it."""
    u, v = np.tensordot(_rotation(len(r), rng)[:2], r, 1)
    du, dv = rng.uniform(-0.3, 0.3, 2)
    return np.arctan2(v - dv, u - du)


def _wall(r: NDArray, rng: np.random.Generator) -> NDArray:
    """A domain on one side of a random plane whose phase is 2 to 3 rad ahead."""
    side = np.tensordot(_unit_vectors(1, len(r), rng)[0], r, 1) > rng.uniform(-0.4, 0.4)
    return rng.uniform(2, 3) * side


# measurement -------------------------------------------------------------------------------------


def measure(x: NDArray, *, photons: float | None = None, seed: int = 0) -> NDArray[np.float32]:
    """The centred far-field intensity (*shape) of an object, float32.

    photons: expected number of photons in the whole pattern, drawn as Poisson counts; None for the
    noiseless |F x|² (orthonormal).  Raises InputError for an object without signal.
    """
    intensity = np.abs(fft.fftshift(fft.fftn(x.astype(np.complex128), norm="ortho"))) ** 2
    if photons is None:
        return intensity.astype(np.float32)
    total = float(intensity.sum())
    if not total > 0 or not photons > 0:
        raise InputError(f"photons={photons} on an object of power {total:g}; both must be above 0")
    return np.random.default_rng(seed).poisson(intensity * (photons / total)).astype(np.float32)


def beam_stop(shape: Sequence[int], radius: float) -> NDArray[np.bool_]:
    """The mask (*shape), True where measured, of a beam stop of `radius` px over the centred pattern's peak."""
    return np.sum(_pixels(tuple(shape)) ** 2, axis=0) > radius**2


# examples ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Example:
    """A crystal and its exposure, by which demonstrations and tests are named."""

    shape: tuple[int, ...]
    photons: float
    fill: float = 0.25
    seed: int = 0


EXAMPLES = {
    "crystal2d": Example((128, 128), 1e6),
    "crystal3d": Example((64, 64, 64), 1e7, fill=0.35),
}


def example(name: str) -> Problem:
    """The problem of a named example, with its truth and without its support.

    The truth is scaled to the photons of the pattern.  Raises InputError for an unknown name.
    """
    if name not in EXAMPLES:
        raise InputError(unknown("example", name, EXAMPLES))
    one = EXAMPLES[name]
    x = crystal(one.shape, seed=one.seed, fill=one.fill)
    x *= np.sqrt(one.photons / np.sum(np.abs(x) ** 2, dtype=float)).astype(np.float32)
    intensity = measure(x, photons=one.photons, seed=one.seed)
    meta = {"source": f"simulated {name}", "photons": one.photons, "seed": one.seed}
    return Problem.from_arrays(intensity=intensity, truth=x, meta=meta)


# geometry ----------------------------------------------------------------------------------------


def _checked(shape: Sequence[int]) -> tuple[int, ...]:
    if len(shape) not in (2, 3) or min(shape) < 8:
        raise InputError(f"shape={tuple(shape)} cannot hold an object; give two or three axes of at least 8 pixels")
    return tuple(int(n) for n in shape)


def _pixels(shape: tuple[int, ...]) -> NDArray:
    """Pixel positions (axes, *shape) relative to the centre N//2."""
    return np.stack(np.meshgrid(*[np.arange(n) - n // 2 for n in shape], indexing="ij")).astype(float)


def _unit_vectors(number: int, d: int, rng: np.random.Generator) -> NDArray:
    v = rng.normal(size=(number, d))
    return v / np.linalg.norm(v, axis=1, keepdims=True)


def _rotation(d: int, rng: np.random.Generator) -> NDArray:
    """A random orthonormal basis, one vector a row."""
    q, r = np.linalg.qr(rng.normal(size=(d, d)))
    return (q * np.sign(np.diag(r))).T
