"""Displacement, strain, tilts and spacings from the phase of a crystal on an orthogonal grid.

The far field is Σ x(r) exp(−i q·r), as NumPy's forward transform has it along axes that point to growing q. An atom at r + u
adds exp(−i Q·u), so that the phase is φ = −Q·u. Hence u = −φ/|Q| is the displacement along +Q.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .phase import gradient, unwrapped
from .record import Map

Vector = NDArray[np.float64]


class Maps(NamedTuple):
    """The maps of one object, and what was taken from its phase.

    maps: by the names of `record.UNITS`.  ramp: (3,), rad/nm along the array axes, removed from the phase.
    """

    maps: dict[str, Map]
    ramp: Vector


def maps_of(
    x: NDArray[np.complexfloating],
    support: NDArray[np.bool_],
    bulk: NDArray[np.bool_],
    voxel_nm: float,
    q: Vector,
    across: Vector,
) -> Maps:
    """The maps of an object on an orthogonal grid.

    Strain is −(Q/|Q|)·∇φ/|Q|, from the gradient of exp(iφ), so that a dislocation needs no unwrapping. Ramp and offset are
    those that make the mean strain, tilts and displacement of the bulk zero.

    Parameters
    ----------
    x : ndarray
        complex (n, m, k), centred anywhere.
    support, bulk : ndarray
        bool (n, m, k).
    voxel_nm : float
        Edge of a voxel, nm.
    q : ndarray
        (3,), nm⁻¹, along the array axes.
    across : ndarray
        (2, 3), the directions of the two tilts.

    Returns
    -------
    Maps
        float32 (n, m, k) each, NaN outside the support.
    """
    slopes = gradient(x, support) / np.float32(voxel_nm)
    ramp = np.array([float(np.nanmean(slope[bulk])) for slope in slopes])
    slopes -= ramp[:, None, None, None].astype(np.float32)
    flat = x * _plane(x.shape, -ramp * voxel_nm)
    length = float(np.linalg.norm(q))

    def along(direction: Vector) -> Map:
        return np.asarray(-np.tensordot(direction.astype(np.float32), slopes, 1) / np.float32(length))

    phase = unwrapped(flat, support)
    phase -= np.float32(phase[bulk].mean(dtype=float))
    found = {
        "amplitude": np.abs(x).astype(np.float32),
        "phase": phase,
        "displacement": -phase / np.float32(length),
        "strain": along(q / length),
        "tilt_1": np.rad2deg(along(across[0])),
        "tilt_2": np.rad2deg(along(across[1])),
    }
    return Maps({name: np.asarray(one, np.float32) for name, one in found.items()}, ramp)


def spacings(strain: Map, mean: float, hkl: tuple[float, float, float] | None) -> dict[str, Map]:
    """The spacing of the planes where their mean is `mean`, Å, and the lattice parameter of a cubic crystal, if hkl is known."""
    found = {"d_spacing": np.asarray(np.float32(mean) * (1 + strain), np.float32)}
    if hkl is not None:
        found["lattice"] = found["d_spacing"] * np.float32(np.linalg.norm(hkl))
    return found


def perpendicular(q: Vector) -> Vector:
    """Two unit vectors (2, 3) across Q and each other: Q × (the axis farthest from Q), and Q × the first."""
    first = np.cross(q, np.eye(3)[int(np.abs(q).argmin())])
    first /= np.linalg.norm(first)
    second = np.cross(q, first)
    return np.stack([first, second / np.linalg.norm(second)])


def _plane(shape: tuple[int, ...], slope: Vector) -> NDArray[np.complex64]:
    """exp(i slope·n) over the voxels of an array, slope in rad a voxel."""
    lines = [np.exp(1j * g * np.arange(n)).astype(np.complex64) for g, n in zip(slope, shape, strict=True)]
    return np.asarray(lines[0][:, None, None] * lines[1][:, None] * lines[2])
