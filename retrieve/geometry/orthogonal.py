"""A phased array, whose voxel is skewed, on a grid of cubes: in the laboratory, or with one axis along Q."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

FRAMES = ("laboratory", "crystal")
SEEN = 1e-3
"""Share of the maximum above which a voxel belongs to the object that the new grid must hold."""
MARGIN = 2
"""Empty voxels around the object."""
MOST_VOXELS = 2**29
"""Voxels of a grid that is refused because no memory holds its maps."""


class Orthogonal(NamedTuple):
    """An array on cubes.

    Attributes
    ----------
    array : (n, m, k)
        The values; the point at N//2 of the phased array stays at N//2.
    voxel_nm : float
        Edge of a cube, nm.
    axes : float (3, 3)
        Directions of the array's axes in the laboratory frame (x outboard, y up, z along the beam), one a line.
    """

    array: NDArray[Any]
    voxel_nm: float
    axes: NDArray[np.float64]


def to_orthogonal(
    array: NDArray[Any],
    vectors: NDArray[np.float64],
    voxel_nm: float | None = None,
    frame: str = "laboratory",
    *,
    q: NDArray[np.float64] | None = None,
    shape: Sequence[int] | None = None,
    order: int = 3,
) -> Orthogonal:
    """Resample an array with skewed voxels on cubes.

    Real and imaginary part are interpolated, so that a jump of the phase by 2π does no harm.

    Parameters
    ----------
    array
        Complex or real (n, m, k).
    vectors
        Edges of its voxel (3, 3) in the laboratory frame, nm, from `voxel_vectors`.
    voxel_nm
        Edge of a cube, nm; by default that of the volume of the array's voxel.
    frame
        "laboratory": the array's axes are x, y and z. "crystal": the third axis is along Q, the first as near to x as can be.
    q
        The scattering vector (3,), for the frame of the crystal.
    shape
        Shape of the grid; by default it holds all of the object, which lies in the middle.
    order
        Order of the splines: 3 for an object, 1 for a share that must stay between 0 and 1, 0 for a mask.

    Returns
    -------
    Orthogonal
        The array, float32 or complex64 or bool, with its voxel and axes.

    Raises
    ------
    InputError
        For an array that has not three axes or is zero, an unknown frame, a voxel that is not positive, or a grid too large.
    """
    from scipy.ndimage import affine_transform

    array = np.asarray(array)
    if array.ndim != 3:
        raise InputError(f"the array has {array.ndim} axes; an orthogonal grid needs three: give a phased rocking scan")
    axes = frame_axes(frame, q)
    edge = float(abs(np.linalg.det(vectors)) ** (1 / 3)) if voxel_nm is None else float(voxel_nm)
    if not np.isfinite(edge) or edge <= 0:
        raise InputError(f"voxel_nm={edge:g} is out of range; give the edge of a voxel in nm, above 0")
    size = tuple(int(n) for n in shape) if shape is not None else grid_shape(np.abs(array), vectors, edge, axes)
    if np.prod(size, dtype=float) > MOST_VOXELS:
        words = "×".join(map(str, size))
        raise InputError(f"a grid of {words} voxels of {edge:.3g} nm is too large; give larger voxels, as voxel_nm")
    matrix = (edge * axes @ np.linalg.inv(vectors)).T
    offset = np.array([n // 2 for n in array.shape]) - matrix @ np.array([n // 2 for n in size])

    def resampled(part: NDArray[Any]) -> NDArray[np.float32]:
        source = np.asarray(part, dtype=np.float32)
        found = affine_transform(source, matrix, offset, size, np.float32, order, mode="constant", cval=0.0)
        return np.asarray(found)

    if np.iscomplexobj(array):
        values = resampled(array.real) + np.complex64(1j) * resampled(array.imag)
    else:
        values = resampled(array)
        values = values > 0.5 if array.dtype == bool else values
    return Orthogonal(values, edge, axes)


def frame_axes(frame: str, q: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Return the right-handed axes (3, 3) of a frame in the laboratory, one a line.

    Raises `InputError` for an unknown frame, or for that of a crystal without its scattering vector.
    """
    if frame == "laboratory":
        return np.eye(3)
    if frame != "crystal":
        raise InputError(f"frame={frame!r} is unknown; give one of {', '.join(FRAMES)}")
    if q is None or not np.linalg.norm(q) > 0:
        raise InputError("the frame of the crystal needs the scattering vector; give q, or take the laboratory frame")
    along = np.asarray(q) / np.linalg.norm(q)
    near = np.eye(3)[0 if abs(along[0]) < 0.9 else 1]
    first = near - (near @ along) * along
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(along, first), along])


def grid_shape(
    amplitude: NDArray[Any], vectors: NDArray[np.float64], voxel_nm: float, axes: NDArray[np.float64]
) -> tuple[int, ...]:
    """Return the shape of the grid of cubes that holds every voxel that is seen, with the array's middle in its middle.

    Parameters
    ----------
    amplitude
        Non-negative (n, m, k), of which voxels above a thousandth of the maximum are seen; or a support.
    vectors
        Edges of its voxel (3, 3), nm.
    voxel_nm
        Edge of a cube, nm.
    axes
        Axes of the grid (3, 3).

    Returns
    -------
    tuple of int
        Even numbers.

    Raises
    ------
    InputError
        If the array is zero.
    """
    seen = amplitude > SEEN * amplitude.max() if amplitude.dtype != bool else amplitude
    places = np.argwhere(seen) - np.array([n // 2 for n in amplitude.shape])
    if not places.size:
        raise InputError("the object is zero everywhere; phase the pattern again")
    reach = np.abs(places @ vectors @ axes.T).max(axis=0) + np.abs(vectors @ axes.T).max(axis=0)
    return tuple(2 * (int(np.ceil(r / voxel_nm)) + MARGIN) for r in reach)
