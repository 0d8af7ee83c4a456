"""The flat parts of the isosurface: their normals, the angles between them, and the lattice planes that they may be."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .maps import perpendicular
from .phase import scikit_image
from .record import Facet

Vectors = NDArray[np.float64]

SMOOTH = 1.0
"""Width of the Gaussian on the amplitude before the surface is drawn, voxels."""
WIDTH_DEG = 6.0
"""Width of the kernel with which normals are counted by direction."""
CAP_DEG = 12.0
"""Angle to a direction within which a piece of the surface counts for it."""
APART_DEG = 25.0
"""Least angle between two facets; {100} and {110} are 45° apart, {110} and {111} 35.3°."""
EXCESS = 2.0
"""Area within `CAP_DEG` of a facet's normal, over that of a sphere."""
LEAST_SHARE = 0.015
"""Share of the surface that a facet must have."""
TILT_DEG = 20.0
"""Angle to a facet's normal up to which a piece of the surface counts in the fit of its plane."""
FLAT = 1.0
"""Distance from a facet's plane up to which a piece of the surface belongs to the facet, voxels."""
NEAR_DEG = 10.0
"""Angle within which a facet is given a low index."""
DIRECTIONS = 3000


class Surface(NamedTuple):
    """Triangles of an isosurface: middles (t, 3) in voxels, outward unit normals (t, 3), areas (t,) in squared voxels."""

    middles: Vectors
    normals: Vectors
    areas: Vectors


def surface_of(amplitude: NDArray, support: NDArray[np.bool_], threshold: float) -> Surface:
    """The isosurface around a crystal, by marching cubes on the smoothed amplitude.

    Parameters
    ----------
    amplitude : ndarray
        float (n, m, k).
    support : ndarray
        bool (n, m, k); holes inside it have no surface.
    threshold : float
        Amplitude of the isosurface.

    Returns
    -------
    Surface
        Its triangles.

    References
    ----------
    Lorensen & Cline, Comput. Graph. 21, 163 (1987).
    """
    near = ndimage.binary_dilation(support, iterations=2)
    deep = ndimage.binary_erosion(support, iterations=2)
    values = np.where(near, amplitude, 0).astype(np.float32)
    values = np.where(deep, np.maximum(values, threshold * 1.5), values)
    values = ndimage.gaussian_filter(np.pad(values, 3), SMOOTH)
    corners, faces, _, _ = scikit_image("measure").marching_cubes(values, threshold)
    a, b, c = (corners[faces[:, k]].astype(float) - 3 for k in range(3))
    across = np.cross(b - a, c - a)
    middles, length = (a + b + c) / 3, np.linalg.norm(across, axis=1)
    kept = length > 1e-6
    normals = across[kept] / length[kept, None]
    outward = np.sum(normals * (middles[kept] - middles.mean(axis=0)) * length[kept, None]) > 0
    return Surface(middles[kept], normals if outward else -normals, length[kept] / 2)


def facets_of(surface: Surface, voxel_nm: float, centre: Sequence[int], strain: NDArray | None = None) -> tuple[Facet, ...]:
    """Find the flat parts of a surface: directions in which its normals cluster.

    Normals are counted by direction with a kernel of 6°. From the highest direction, the normal moves to the mean of the normals
    within 12° until it rests. A plane is then fitted to the pieces that lie within a voxel of it, and its normal is the facet's.
    Directions within 25° of a facet are left out, and so on.

    Parameters
    ----------
    surface : Surface
        Its triangles.
    voxel_nm : float
        Edge of a voxel, nm.
    centre : sequence of int
        The voxel of coordinate 0.
    strain : ndarray, optional
        float (n, m, k), NaN outside the crystal: its mean a voxel and a half below each facet is given.

    Returns
    -------
    tuple of Facet
        The largest first. A ball has none.
    """
    total = float(surface.areas.sum())
    cap = np.cos(np.deg2rad(CAP_DEG))
    trial = _directions(DIRECTIONS)
    counted = np.zeros(len(trial))
    sharp = 1 / np.deg2rad(WIDTH_DEG) ** 2
    for part in np.array_split(np.arange(len(surface.areas)), max(1, len(surface.areas) // 4096)):
        counted += np.exp(sharp * (trial @ surface.normals[part].T - 1)) @ surface.areas[part]
    found: list[Facet] = []
    free = np.ones(len(trial), bool)
    least = max(LEAST_SHARE, EXCESS * (1 - cap) / 2)
    while free.any():
        first = trial[np.where(free, counted, -1).argmax()]
        normal = _settled(first, surface)
        free &= (trial @ normal < np.cos(np.deg2rad(APART_DEG))) & (trial @ first < cap)
        if float(surface.areas[surface.normals @ normal > cap].sum()) < least * total:
            if counted[free].max(initial=0) < 0.2 * counted.max():
                break
            continue
        normal, mine, distance = _plane(surface, normal)
        area = float(surface.areas[mine].sum())
        if area < LEAST_SHARE * total or any(np.dot(normal, other.normal) > cap for other in found):
            continue
        middle = np.average(surface.middles[mine], axis=0, weights=surface.areas[mine]) - np.asarray(centre)
        found.append(
            Facet(
                normal=_triple(normal),
                area_nm2=area * voxel_nm**2,
                share=area / total,
                rms_nm=distance * voxel_nm,
                centre_nm=_triple(middle * voxel_nm),
                strain=None if strain is None else _below(strain, surface.middles[mine] - 1.5 * normal),
            )
        )
    return tuple(sorted(found, key=lambda facet: -facet.area_nm2))


def angles_between(facets: Sequence[Facet]) -> Vectors:
    """The angles between the normals of facets, degrees, (facets, facets)."""
    normals = np.array([facet.normal for facet in facets]).reshape(-1, 3)
    return np.asarray(np.rad2deg(np.arccos(np.clip(normals @ normals.T, -1, 1))))


def indexed(facets: Sequence[Facet], q: Vectors, hkl: Sequence[float], axes: Vectors | None = None) -> tuple[Facet, ...]:
    """Give facets the low indices of a cubic crystal: {111}, {100} or {110}.

    hkl lies along Q. The turn around Q is that which brings the normals, weighted by area, nearest to low indices.

    Parameters
    ----------
    facets : sequence of Facet
        The facets.
    q : ndarray
        (3,), in the laboratory.
    hkl : sequence of float
        The reflection.
    axes : ndarray, optional
        (3, 3), rows are the array axes in the laboratory; the array's own unless given.

    Returns
    -------
    tuple of Facet
        With `hkl` and `off_deg` for each facet within 6° of a low index.
    """
    if not facets:
        return ()
    indices = [index for index in itertools.product((-1, 0, 1), repeat=3) if any(index)]
    planes = np.array(indices, float) / np.linalg.norm(indices, axis=1, keepdims=True)
    normals = np.array([f.normal for f in facets]) @ (np.eye(3) if axes is None else axes)
    areas = np.array([f.area_nm2 for f in facets])
    own = _frame(np.asarray(hkl, float))
    there = _frame(np.asarray(q, float))

    def off(turn: float) -> Vectors:
        c, s = np.cos(turn), np.sin(turn)
        rotation = there.T @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ own
        return np.rad2deg(np.arccos(np.clip(normals @ rotation @ planes.T, -1, 1)))

    def merit(turn: float) -> float:
        return float(areas @ np.maximum(0, 1 - (off(turn).min(axis=1) / (2 * NEAR_DEG)) ** 2))

    turns = np.deg2rad(np.arange(0, 360, 0.5))
    merits = np.array([merit(turn) for turn in turns])
    angles = off(turns[np.argmax(merits > merits.max() - 1e-6 * areas.sum())])  # the first of those that symmetry makes equal
    nearest = angles.argmin(axis=1)
    return tuple(
        replace(facet, hkl=indices[k], off_deg=float(row[k])) if row[k] <= NEAR_DEG else facet
        for facet, row, k in zip(facets, angles, nearest, strict=True)
    )


def _below(strain: NDArray, places: Vectors) -> float | None:
    """The mean strain in the voxels at places (n, 3) in voxels; None where none has a value."""
    index = tuple(np.clip(np.rint(places).astype(int), 0, np.array(strain.shape) - 1).T)
    values = strain[index]
    return float(np.nanmean(values, dtype=float)) if np.isfinite(values).any() else None


def _frame(axis: Vectors) -> Vectors:
    """Three right-handed unit vectors (3, 3), the first along `axis`."""
    return np.vstack([axis / np.linalg.norm(axis), perpendicular(axis)])


def _settled(normal: Vectors, surface: Surface) -> Vectors:
    """The direction to which the mean of the normals around it moves, by mean shift."""
    for _ in range(20):
        near = surface.areas * (surface.normals @ normal > np.cos(np.deg2rad(CAP_DEG)))
        mean = near @ surface.normals
        if not (length := float(np.linalg.norm(mean))) > 0:
            break
        moved, normal = float(np.dot(mean / length, normal)), mean / length
        if moved > 1 - 1e-10:
            break
    return normal


def _plane(surface: Surface, normal: Vectors) -> tuple[Vectors, NDArray[np.bool_], float]:
    """The normal of the plane through most of the pieces that face a direction, those that belong to it, and their rms distance.

    The plane starts at the distance from the origin at which most area lies, and is fitted to the pieces within `FLAT` of it,
    weighted by area, until it rests.
    """
    mine = np.zeros(len(surface.areas), bool)
    distance = 0.0
    for _ in range(15):
        facing = surface.normals @ normal > np.cos(np.deg2rad(TILT_DEG))
        height = surface.middles @ normal
        edges = np.arange(height.min(), height.max() + 1, 0.25)
        counts = np.convolve(np.histogram(height[facing], edges, weights=surface.areas[facing])[0], np.ones(5), "same")
        level = float(edges[counts.argmax()]) + 0.125
        mine = facing & (np.abs(height - level) < FLAT)
        if mine.sum() < 10:
            break
        middle = np.average(surface.middles[mine], axis=0, weights=surface.areas[mine])
        away = (surface.middles[mine] - middle) * np.sqrt(surface.areas[mine, None])
        values, vectors = np.linalg.eigh(away.T @ away)
        fitted = vectors[:, 0] * np.sign(vectors[:, 0] @ normal)
        distance = float(np.sqrt(max(0.0, values[0]) / surface.areas[mine].sum()))
        moved, normal = float(fitted @ normal), fitted
        if moved > 1 - 1e-9:
            break
    return normal, mine, distance


def _directions(number: int) -> Vectors:
    """Unit vectors (number, 3), evenly over the sphere, on Fibonacci's spiral."""
    k = np.arange(number) + 0.5
    z, turn = 1 - 2 * k / number, np.pi * (1 + 5**0.5) * k
    flat = np.sqrt(1 - z * z)
    return np.stack([z, flat * np.cos(turn), flat * np.sin(turn)], axis=1)


def _triple(values: Vectors) -> tuple[float, float, float]:
    a, b, c = (float(value) for value in values)
    return a, b, c
