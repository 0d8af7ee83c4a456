"""Conventions of files: intensity or amplitude, the place of the peak, flags among the counts."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..problem.likelihood import SQUARE_TOLERANCE, whole_numbers

AMPLITUDE_WORDS = {"amplitude", "amplitudes", "amp", "modulus", "moduli", "magnitude", "sqrt", "sqrti"}
INTENSITY_WORDS = {"intensity", "intensities", "counts", "count", "i", "iobs", "photons"}
CENTRE_DISTANCE = 1 / 8  # of an axis: largest distance of a peak from the centre, or from index 0, to count as there
EDGE_SHARE = 1 / 4  # of an axis, from its end: a peak in it has a pattern that is cut on one side
MIN_PEAK_RATIO = 10  # peak over mean, below which the brightest spot is no peak
FLAGS = (2**16 - 1, 2**31 - 1, 2**32 - 2, 2**32 - 1)
"""Values that detectors write for gaps, bad and saturated pixels."""
LARGEST_SUMMED = 1e30  # above it sums over neighbours may be no float32
FAR_ABOVE = 10  # times all other values: where a value of FLAGS is one
PYNX_FLAG = -1e37  # PyNX marks masked pixels with float32(-1e38), which is a little above -1e38


def guess_kind(name: str, data: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> tuple[str, str]:
    """ "intensity" or "amplitude" for a real array called `name`, and the reason in words.

    mask: True = measured, of the data's shape. Other pixels decide nothing.
    """
    words = set(re.split(r"[^a-z]+", name.rpartition("/")[2].lower()))
    if words & AMPLITUDE_WORDS:
        return "amplitude", f"array {name!r} taken as amplitude because of its name"
    if words & INTENSITY_WORDS:
        return "intensity", f"array {name!r} taken as intensity because of its name"
    if re.search(r"(^|/)detector[^/]*/data", name):
        return "intensity", f"array {name!r} taken as intensity because it is a detector's data"
    data = data if mask is None or data.dtype.kind in "iu" else data[mask]
    if whole_numbers(data):
        return "intensity", f"array {name!r} taken as intensity because its values are whole numbers (counts)"
    if whole_numbers(np.square(data.astype(np.float64)), SQUARE_TOLERANCE):
        return "amplitude", f"array {name!r} taken as amplitude because its squares are whole numbers (counts)"
    return "intensity", f"array {name!r} assumed to be intensity; if it is √I, say --kind amplitude"


def find_peak(data: NDArray[np.float32], mask: NDArray[np.bool_] | None) -> tuple[int, ...]:
    """Find the brightest place, without masked pixels, single hot pixels and, in a stack, pixels as bright in every frame.

    Each pixel is limited to its brightest neighbour, which removes single bright pixels, and averaged over 3 px along each axis.
    Both wrap around, as a peak at index 0 does. Of a plateau, as of a saturated peak, the middle is taken.
    """
    from scipy.ndimage import uniform_filter

    level = np.nan_to_num(data, nan=0.0, posinf=0.0, neginf=0.0)
    level = np.where(mask, level, 0) if mask is not None else level
    if (largest := np.abs(level).max()) > LARGEST_SUMMED:
        level = level / largest
    if level.ndim == 3:
        varying = level - level.min(axis=0)  # of a pixel, above its lowest value in any frame
        level = np.where(varying > level / 2, level, varying) if varying.any() else level
    neighbours = np.zeros_like(level)
    for axis in range(level.ndim):
        for step in (-1, 1):
            np.maximum(neighbours, np.roll(level, step, axis), out=neighbours)
    limited = np.minimum(level, neighbours)
    smooth = uniform_filter(limited, size=3, mode="wrap")
    ties = np.argwhere(smooth >= smooth.max() - 1e-4 * abs(smooth.max()))
    brightest = ties[np.argmin(((ties - ties.mean(axis=0)) ** 2).sum(axis=1))]
    around = [np.arange(i - 1, i + 2) % n for i, n in zip(brightest, smooth.shape, strict=True)]
    cube = np.ix_(*around)  # the mean moves the maximum by up to a pixel, and a peak now ties with its brightest neighbour
    best = np.where(limited[cube] == limited[cube].max(), level[cube], -1)
    at = (1,) * level.ndim if best[(1,) * level.ndim] == best.max() else np.unravel_index(np.argmax(best), best.shape)
    return tuple(int(a[i]) for a, i in zip(around, at, strict=True))


def guess_centred(data: NDArray[np.float32], mask: NDArray[np.bool_] | None) -> tuple[bool, str]:
    """Whether the peak is at N//2 (True) or at index 0 (False), and the reason in words."""
    peak = find_peak(data, mask)
    centre = tuple(n // 2 for n in data.shape)
    off = tuple(p - c for p, c in zip(peak, centre, strict=True))
    if all(min(p, n - p) <= CENTRE_DISTANCE * n for p, n in zip(peak, data.shape, strict=True)):
        return False, f"peak at {peak}, in the corner: zero frequency at index 0"
    if not any(off):
        return True, f"peak at {peak}: centred"
    if all(abs(o) <= max(1, CENTRE_DISTANCE * n) for o, n in zip(off, data.shape, strict=True)):
        return True, f"peak at {peak}, {off} pixels from the centre {centre}: taken as centred"
    if mask is not None and not mask[centre]:
        return True, f"the centre {centre} is masked, the brightest measured place is {peak}: taken as centred"
    frames = "; if axis 0 counts separate frames, take one with --frame" if data.ndim == 3 and not any(off[1:]) else ""
    return True, f"peak at {peak}, off-centre by {off} pixels from {centre}: taken as centred, check with --centred{frames}"


def cut_at_edge(data: NDArray[np.float32], mask: NDArray[np.bool_] | None) -> tuple[int, ...] | None:
    """The peak of a 2D pattern that the detector's edge cuts on one side; None for other patterns.

    The peak of a cut pattern lies in the outer quarter of an axis, `MIN_PEAK_RATIO` above the mean. A peak near index 0 is zero
    frequency, and a masked centre decides nothing. (`retrieve prepare` centres, crops and pads rocking scans.)
    """
    centre = tuple(n // 2 for n in data.shape)
    if data.ndim != 2 or (mask is not None and not mask[centre]):
        return None
    peak = find_peak(data, mask)
    corner = all(min(p, n - p) <= CENTRE_DISTANCE * n for p, n in zip(peak, data.shape, strict=True))
    near = any(min(p, n - 1 - p) <= EDGE_SHARE * n for p, n in zip(peak, data.shape, strict=True))
    good = np.nan_to_num(data, nan=0.0, posinf=0.0, neginf=0.0)[... if mask is None else mask]
    return peak if near and not corner and data[peak] > MIN_PEAK_RATIO * good.mean() else None


def flagged(data: NDArray[Any], detector: bool, mask: NDArray[np.bool_] | None = None) -> tuple[NDArray[np.bool_] | None, str]:
    """Pixels whose value is a flag and not a measurement, and the flag in words; None if there are none.

    mask: True = measured; it broadcasts to the data. Other pixels are no flags, and decide nothing.

    PyNX writes about -1e38. Raw detector frames have the largest unsigned integer (gaps, saturation; with 32 bits or more it is
    a flag in any file), or a negative integer. The values of `FLAGS` are flags in numbers of any type if they lie far above all
    others.
    """
    kind, flag, meaning = data.dtype.kind, None, ""
    if kind == "f":
        flag, meaning = data < PYNX_FLAG, "below -1e38 (PyNX's flag)"
    elif kind == "u" and data.itemsize >= (2 if detector else 4):
        flag, meaning = data == np.iinfo(data.dtype).max, f"at the largest {data.dtype} ({_meaning(data.dtype)})"
    elif kind == "i" and detector:
        flag, meaning = data < 0, "below zero (detector flag)"
    flag = flag if flag is None or mask is None else flag & mask
    words = [f"{int(flag.sum())} pixels {meaning} masked"] if flag is not None and flag.any() else []
    far = _far_above(data, flag, mask)
    if far is not None:
        words.append(f"{int(far.sum())} pixels at {data[far].max():.0f}, far above all others (detector flag) masked")
        flag = far if flag is None else flag | far
    return (np.asarray(flag), "; ".join(words)) if words else (None, "")


def _meaning(dtype: np.dtype[Any]) -> str:
    return "saturated" if dtype.itemsize < 4 else "detector flag"


def _far_above(data: NDArray[Any], known: NDArray[np.bool_] | None, mask: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    """The measured pixels at values of `FLAGS`, if these lie far above the other measured values."""
    if data.dtype.kind not in "iuf" or not data.size or data.dtype.itemsize < 2 or data.max() < min(FLAGS):
        return None
    at_flag = np.isin(data, np.array(FLAGS, np.float64).astype(data.dtype) if data.dtype.kind == "f" else FLAGS)
    at_flag = at_flag if known is None else at_flag & ~known
    at_flag = at_flag if mask is None else at_flag & mask
    if not at_flag.any():
        return None
    aside = at_flag if known is None else at_flag | known
    others = data[~aside if mask is None else ~aside & mask]
    others = others[np.isfinite(others)] if data.dtype.kind == "f" else others
    if not others.size or float(data[at_flag].min()) < FAR_ABOVE * max(1.0, float(others.max())):
        return None
    return np.asarray(at_flag)
