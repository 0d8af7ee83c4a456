"""Where the crystal is: its isosurface, chosen from the histogram of the amplitude; its surface and its bulk."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..errors import InputError

BINS = 100
SMOOTH = 2.0
"""Width, in bins, by which the histogram is smoothed before its highest place is sought."""
FAINT = 0.3
"""Share of a bright voxel's amplitude below which a place of the histogram is background, not bulk."""
HALF = 0.5
"""Share of the bulk's amplitude at a sharp edge, however the resolution blurs it."""
LEAST_EXTENT = 5
"""Voxels along every axis that a crystal must have."""
LEAST_BULK = 27


class Isosurface(NamedTuple):
    """The amplitude at which a crystal ends.

    threshold: amplitude.  bulk: the amplitude at the highest place of the histogram.  counts: int (bins,), the voxels.
    edges: float (bins + 1,), of the amplitude.
    """

    threshold: float
    bulk: float
    counts: NDArray[np.int64]
    edges: NDArray[np.float64]


class Regions(NamedTuple):
    """bool (n, m, k): the crystal, its outer layer, and the rest of it.  left_out: share of other parts in the voxels."""

    support: NDArray[np.bool_]
    surface: NDArray[np.bool_]
    bulk: NDArray[np.bool_]
    left_out: float


def isosurface(amplitude: NDArray, support: NDArray[np.bool_] | None = None, share: float | None = None) -> Isosurface:
    """Choose the isosurface from the histogram of the amplitude.

    Parameters
    ----------
    amplitude : ndarray
        float (n, m, k).
    support : ndarray, optional
        bool (n, m, k), the support of phasing; all voxels above a twentieth of the maximum unless given.
    share : float, optional
        Threshold over the amplitude of the bulk; half unless given, since a blurred sharp edge has half there.

    Returns
    -------
    Isosurface
        The threshold, with the histogram that it comes from.

    Raises
    ------
    InputError
        For an object that is zero.
    """
    top = float(amplitude.max())
    if not top > 0:
        raise InputError("the object is zero everywhere; look at the result's scores, and phase it again")
    inside = amplitude > 0.05 * top if support is None or not support.any() else np.asarray(support, bool)
    values = amplitude[inside]
    counts, edges = np.histogram(values, BINS, (0, float(values.max()) or top))
    middles = (edges[1:] + edges[:-1]) / 2
    smooth = np.where(middles > FAINT * np.quantile(values, 0.99), ndimage.gaussian_filter1d(counts.astype(float), SMOOTH), 0)
    bulk = float(middles[smooth.argmax()])
    return Isosurface((share or HALF) * bulk, bulk, counts, edges)


def regions(amplitude: NDArray, threshold: float, layers: float) -> Regions:
    """The largest part above an amplitude, with its holes, and its outer layer.

    Parameters
    ----------
    amplitude : ndarray
        float (n, m, k).
    threshold : float
        Amplitude of the isosurface.
    layers : float
        Thickness of the surface, voxels.

    Returns
    -------
    Regions
        The masks.

    Raises
    ------
    InputError
        For a crystal of fewer than five voxels along an axis, or one that has no bulk.
    """
    labels, count = ndimage.label(amplitude >= threshold)
    if not count:
        raise InputError(f"no voxel has an amplitude above the isosurface, {threshold:.3g}; give a lower --isosurface")
    sizes = np.bincount(labels.ravel())[1:]
    support = np.asarray(ndimage.binary_fill_holes(labels == 1 + int(sizes.argmax())))
    extent = [int(np.ptp(np.flatnonzero(support.any(axis=tuple(a for a in range(3) if a != axis))))) + 1 for axis in range(3)]
    size = "×".join(map(str, extent))
    if min(extent) < LEAST_EXTENT:
        raise InputError(
            f"the crystal has {size} voxels above the isosurface, {threshold:.3g}; strain needs at least {LEAST_EXTENT} along "
            "every axis: give a lower --isosurface, a smaller --voxel-nm, or a pattern that reaches to higher angles"
        )
    depth = ndimage.distance_transform_edt(support)
    surface = support & (depth <= layers)
    bulk = support & ~surface
    if bulk.sum() < LEAST_BULK:
        raise InputError(
            f"the crystal of {size} voxels has {int(bulk.sum())} of them below a surface of {layers:g}; give fewer --layers"
        )
    return Regions(support, surface, bulk, float(1 - sizes.max() / sizes.sum()))
