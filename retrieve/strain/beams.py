"""Refraction and absorption inside the crystal, along both beams."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Vector = NDArray[np.float64]


def path_length(support: NDArray[np.bool_], direction: Vector) -> NDArray[np.float32]:
    """The way that a straight ray has made inside a crystal when it arrives at each voxel.

    Parameters
    ----------
    support : ndarray
        bool (n, m, k).
    direction : ndarray
        (3,), where the ray goes to, along the array axes; of any length.

    Returns
    -------
    ndarray
        float32 (n, m, k), voxels; half a voxel for the voxel that it enters by.
    """
    forward = direction / np.linalg.norm(direction)
    first = np.cross(forward, np.eye(3)[int(np.abs(forward).argmin())])
    first /= np.linalg.norm(first)
    turn = np.stack([forward, first, np.cross(forward, first)])  # rows: axes of the turned grid
    size = int(np.ceil(np.linalg.norm(support.shape))) + 2
    middle, centre = np.full(3, size // 2), np.array([n // 2 for n in support.shape])
    turned = ndimage.affine_transform(support.astype(np.float32), turn.T, centre - turn.T @ middle, (size,) * 3, order=1)
    way = np.cumsum(turned, axis=0) - turned / 2
    back = ndimage.affine_transform(way, turn, middle - turn @ centre, support.shape, order=1)
    return np.asarray(back, np.float32)


def corrected(
    x: NDArray[np.complexfloating],
    support: NDArray[np.bool_],
    voxel_nm: float,
    incoming: Vector,
    q: Vector,
    delta: float,
    beta: float,
) -> NDArray[np.complexfloating]:
    """Remove refraction and absorption along both beams from an object on an orthogonal grid.

    The index of refraction is n = 1 − δ + iβ everywhere inside the support. Both beams stay straight. A ray that has gone the
    way L inside the crystal has the factor exp(ik(n − 1)L).

    Parameters
    ----------
    x : ndarray
        complex (n, m, k).
    support : ndarray
        bool (n, m, k), the whole crystal.
    voxel_nm : float
        Edge of a voxel, nm.
    incoming, q : ndarray
        (3,), nm⁻¹ along the array axes: wave vector of the incoming beam, of length 2π/λ, and scattering vector.
    delta, beta : float
        δ and β.

    Returns
    -------
    ndarray
        complex (n, m, k).
    """
    k = float(np.linalg.norm(incoming))
    way = path_length(support, incoming) + path_length(support, -(incoming + q))
    return np.asarray(x * np.exp(k * voxel_nm * way * (beta + 1j * delta)).astype(np.complex64))
