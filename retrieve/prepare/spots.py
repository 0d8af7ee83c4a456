"""Outliers beside a Bragg peak: hot and dead pixels of the detector, spikes, and spots of other grains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Volume = NDArray[np.float32]
SpotMask = NDArray[np.bool_]

MIN_NEIGHBOUR_COUNTS = 20.0
"""Mean counts of a dead pixel's neighbours over the scan. A live pixel has none once in e²⁰ then."""
BAND = 1 << 20
"""Pixels of a detector that are looked at at once."""


class Spot(NamedTuple):
    """An alien spot.  box: its voxels.  counts: their sum.  opposite: the sum at the place inverted about the peak."""

    box: tuple[slice, ...]
    counts: float
    opposite: float


def hot_and_dead(values: Volume, valid: SpotMask, ratio: float) -> tuple[SpotMask, SpotMask]:
    """The hot and the dead detector pixels (rows, columns) of a scan (frames, rows, columns).

    Hot: over the scan on average `ratio` times as bright as the brightest of the eight neighbours, and brighter by
    more than counting noise.  Dead: never a count, where the neighbours had `MIN_NEIGHBOUR_COUNTS` each.
    """
    rows, columns = valid.shape[1:]
    hot, dead = np.empty((2, rows, columns), bool)
    height = max(1, BAND // columns)
    for first in range(0, rows, height):
        last, low = min(first + height, rows), max(0, first - 2)  # two rows more decide on those at the edge of a band
        band = np.s_[:, low : last + 2]
        found = _hot_and_dead(values[band], valid[band], ratio)
        hot[first:last], dead[first:last] = (one[first - low : last - low] for one in found)
    return hot, dead


def _hot_and_dead(values: Volume, valid: SpotMask, ratio: float) -> tuple[SpotMask, SpotMask]:
    frames = valid.sum(axis=0)
    total = np.where(valid, values, 0).sum(axis=0, dtype=float)
    seen = frames > 0
    around = np.where(seen, total, 0)
    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    brightest = ndimage.maximum_filter(around, footprint=ring, mode="constant")
    hot = seen & (total > ratio * brightest + 5 * np.sqrt(np.maximum(brightest, 1)) + MIN_NEIGHBOUR_COUNTS)
    near = ndimage.convolve(np.where(hot, 0, around), ring.astype(float), mode="constant")
    count = ndimage.convolve((seen & ~hot).astype(float), ring.astype(float), mode="constant")
    dead = seen & (total == 0) & (near > MIN_NEIGHBOUR_COUNTS * np.maximum(count, 1))
    return hot, dead


def spikes(values: Volume, valid: SpotMask, ratio: float) -> SpotMask:
    """Cosmic rays: voxels `ratio` times as bright as the brightest of their 26 neighbours, above `MIN_NEIGHBOUR_COUNTS`."""
    ring = np.ones((3,) * values.ndim, bool)
    ring[(1,) * values.ndim] = False
    level = np.where(valid, values, 0)
    bright = level > MIN_NEIGHBOUR_COUNTS
    if not bright.any():
        return bright
    return np.asarray(bright & (level > ratio * ndimage.maximum_filter(level, footprint=ring, mode="constant")))


def find_aliens(
    values: Volume, valid: SpotMask, peak: Sequence[int], *, ratio: float, level: float, least: float, grow: int
) -> tuple[SpotMask, list[Spot]]:
    """Find clusters apart from the peak without a partner on its other side: their voxels (*shape), and the spots.

    Clusters are voxels whose mean over 3 px along each axis exceeds `level` counts, joined through faces, edges and
    corners.  |F(q)|² of a weakly strained crystal is nearly that at −q; a spot of another grain has no such
    partner: a cluster of at least `least` counts is alien when it has `ratio` times the counts at the inverted
    place, itself measured.  The mask is grown by `grow` voxels, and never reaches into the peak's own cluster.
    """
    smooth = ndimage.uniform_filter(np.where(valid, values, 0), 3, mode="constant")
    labels, number = ndimage.label(smooth > level, np.ones((3,) * values.ndim))
    own = labels[tuple(peak)]
    place = np.nonzero(labels)
    label, here = labels[place], np.where(valid[place], values[place], 0)
    there, known = _inverted(values, valid, place, peak)
    size, counts, partner, share = (
        np.bincount(label, weights, number + 1) for weights in (None, here, np.where(known, there, 0), known)
    )
    alien = (counts >= least) & (share > 0.5 * size) & (counts > ratio * np.maximum(partner, 1))
    alien[[0, own]] = False
    boxes = ndimage.find_objects(labels)
    found = [Spot(boxes[k - 1], float(counts[k]), float(partner[k])) for k in np.flatnonzero(alien)]
    inside = alien[labels]
    if grow and inside.any():
        inside = ndimage.binary_dilation(inside, iterations=grow) & ~((labels == own) & (own > 0))
    return inside, sorted(found, key=lambda spot: -spot.counts)


def _inverted(
    values: Volume, valid: SpotMask, place: tuple[NDArray[np.intp], ...], peak: Sequence[int]
) -> tuple[Volume, SpotMask]:
    """The values (voxels,) at the places inverted about the peak, and whether there is one and it was measured."""
    at = [2 * p - i for p, i in zip(peak, place, strict=True)]
    inside = np.logical_and.reduce([(i >= 0) & (i < n) for i, n in zip(at, values.shape, strict=True)])
    cut = tuple(np.where(inside, i, 0) for i in at)
    return values[cut], inside & valid[cut]
