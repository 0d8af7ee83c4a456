"""The phase of a crystal: its gradient from neighbours, its ramp and offset, unwrapping, dislocations.

All arrays have three axes (n, m, k). The gradient is an angle of x[n+1]·conj(x[n]), so that it needs no unwrapped phase.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

Complex = NDArray[np.complexfloating]
Mask = NDArray[np.bool_]


def gradient(x: Complex, support: Mask) -> NDArray[np.float32]:
    """The phase gradient of an object inside its support, without unwrapping.

    It is the mean of the phase differences to both neighbours, or that to the only neighbour inside the support. Each
    difference is angle(x[n+1] conj(x[n])), right if the phase changes by less than π in a voxel.

    Parameters
    ----------
    x : ndarray
        complex (n, m, k).
    support : ndarray
        bool (n, m, k).

    Returns
    -------
    ndarray
        float32 (3, n, m, k), rad a voxel along each axis. NaN outside the support, and where no neighbour is inside.
    """
    found = np.full((x.ndim, *x.shape), np.nan, np.float32)
    for axis in range(x.ndim):
        step, both = _differences(x, support, axis)
        total, count = np.zeros(x.shape, np.float32), np.zeros(x.shape, np.float32)
        for side in (slice(None, -1), slice(1, None)):
            total[_at(axis, side)] += np.where(both, step, 0)
            count[_at(axis, side)] += both
        np.divide(total, count, out=found[axis], where=count > 0)
    return found


def mean_gradient(x: Complex, support: Mask) -> NDArray[np.float64]:
    """The phase ramp (3,), rad a voxel, of an object inside its support, weighted by its amplitude.

    It is angle Σ x[n+1] conj(x[n]), so that neither a large ramp nor a dislocation needs unwrapping.
    """
    ramp = []
    for axis in range(x.ndim):
        inside = np.where(support, x, 0)
        ramp.append(np.angle(np.vdot(inside[_at(axis, slice(None, -1))], inside[_at(axis, slice(1, None))])))
    return np.array(ramp)


def unwrapped(x: Complex, support: Mask) -> NDArray[np.float32]:
    """The unwrapped phase of an object inside its support, of mean 0.

    Parameters
    ----------
    x : ndarray
        complex (n, m, k).
    support : ndarray
        bool (n, m, k).

    Returns
    -------
    ndarray
        float32 (n, m, k), rad; NaN outside the support. Around a dislocation it has a cut of 2π.

    Raises
    ------
    InputError
        For an empty support.

    References
    ----------
    Herráez et al., Appl. Opt. 41, 7437 (2002); Abdul-Rahman et al., Appl. Opt. 46, 6623 (2007).
    """
    from skimage.restoration import unwrap_phase

    if not support.any():
        raise InputError("the support is empty, so that there is no phase to unwrap; lower the isosurface")
    phase = np.ma.masked_array(np.angle(np.where(support, x, 1)), mask=~support)
    values = np.asarray(np.ma.getdata(unwrap_phase(phase, rng=0)), np.float32)
    values = np.where(support, values, np.float32(np.nan))
    return np.asarray(values - np.float32(values[support].mean(dtype=float)))


def vortices(x: Complex, support: Mask) -> Mask:
    """The voxels (n, m, k) next to a phase vortex: a loop of four voxels around which the phase turns by 2π.

    A dislocation with a Burgers vector along Q is a line of them.
    """
    found = np.zeros(x.shape, bool)
    for a in range(x.ndim):
        for b in range(a + 1, x.ndim):
            along_a, inside_a = _differences(x, support, a)
            along_b, inside_b = _differences(x, support, b)
            low_a, high_a = _at(b, slice(None, -1)), _at(b, slice(1, None))
            low_b, high_b = _at(a, slice(None, -1)), _at(a, slice(1, None))
            turn = along_a[low_a] + along_b[high_b] - along_a[high_a] - along_b[low_b]
            whole = inside_a[low_a] & inside_a[high_a] & inside_b[low_b] & inside_b[high_b]
            around = whole & (np.abs(turn) > np.pi)
            place: list[Any] = [slice(None)] * x.ndim
            place[a] = place[b] = slice(None, -1)
            found[tuple(place)] |= around
    return found


def _differences(x: Complex, support: Mask, axis: int) -> tuple[NDArray[np.float32], Mask]:
    """angle(x[n+1] conj(x[n])) along an axis, one shorter there, and where both are inside."""
    low, high = _at(axis, slice(None, -1)), _at(axis, slice(1, None))
    return np.angle(x[high] * np.conj(x[low])).astype(np.float32), support[low] & support[high]


def _at(axis: int, part: slice, ndim: int = 3) -> tuple[slice, ...]:
    return tuple(part if a == axis else slice(None) for a in range(ndim))
