"""Shifts between scans of one reflection, to a fraction of a pixel, and scans that differ from the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy import ndimage
from scipy.signal.windows import tukey

from ..errors import InputError
from ..numerics.registration import PeakSearch

SUBPIXEL = 10
TAPER = 0.25
"""Share of a window, at both its ends together, over which it fades out."""
OUTLIER_RATIO = 4.0
"""A scan is an outlier if it decorrelates so many times as much as the best one, noise taken into account."""
OUTLIER_LEAST = 0.01
"""A scan that decorrelates by no more than this is no outlier: its amplitudes differ by 14 %."""
FILLINGS = 3
"""Times that gaps of a scan are filled from the best one, and its shift found again."""
SMOOTH = 0.7
"""Pixels of a Gaussian by which amplitudes are smoothed."""


class Alignment(NamedTuple):
    """Scans against the best one, which correlates most with all.

    best: its number.  shifts: pixels (scans, axes).  correlations: of amplitudes (scans,).  kept: bool (scans,).
    steps: in words.
    """

    best: int
    shifts: NDArray[np.float64]
    correlations: NDArray[np.float64]
    kept: NDArray[np.bool_]
    steps: tuple[str, ...]


class Window(NamedTuple):
    """A part of a scan around the peak.  counts: with neighbours' means where nothing was measured.  valid: bool, measured."""

    counts: NDArray[np.float32]
    valid: NDArray[np.bool_]


def align_windows(windows: Sequence[Window], outliers: str, names: Sequence[str]) -> Alignment:
    """Find the shifts of scans, and those scans that resemble the others too little.

    The amplitudes √counts of the windows, smoothed, are correlated over the voxels that both scans measured. Counting noise
    lowers a correlation by a share that goes as 1/counts: the outliers of "auto" are found with this taken into account.

    Parameters
    ----------
    windows
        Of one shape.
    outliers
        "auto", "never", or the least correlation as text.
    names
        Of the scans, for the steps.

    Raises
    ------
    InputError
        If no more than one of several scans would be left.
    """
    counts = np.array([max(float(window.counts.sum(dtype=float)), 1.0) for window in windows])
    amplitudes = [_amplitude(window.counts) for window in windows]
    size = len(windows)
    correlation, between = np.ones((size, size)), np.zeros((size, size, amplitudes[0].ndim))
    for one in range(size):
        for other in range(one):
            between[one, other], correlation[one, other] = _pair(windows, amplitudes, one, other)
            between[other, one], correlation[other, one] = -between[one, other], correlation[one, other]
    best = int(correlation.sum(axis=1).argmax())
    shifts, own = between[best], correlation[best]
    for _ in range(0 if all(window.valid.all() for window in windows) else FILLINGS):
        for other in set(range(size)) - {best}:  # what a gap hides comes from the best scan, at the shift so far
            amplitudes[other] = _amplitude(_filled_from(windows[best], windows[other], shifts[other]))
            shifts[other], own[other] = _pair(windows, amplitudes, best, other)
    kept = _kept(own, counts, best, outliers)
    if kept.sum() < 2:
        raise InputError(
            f"no scan correlates with {names[best]} by more than {np.delete(own, best).max():.2f}: nothing to sum; give one scan,"
            " or --outliers never"
        )
    steps = []
    for number, name in enumerate(names):
        place = ", ".join(f"{x:+.2f}" for x in shifts[number])
        if number == best:
            steps.append(f"{name}: the others are shifted onto it")
        elif kept[number]:
            steps.append(f"{name}: lies at ({place}) px, correlation {own[number]:.3f}")
        else:
            least = own[kept].min()
            steps.append(f"{name} left out: its correlation is {own[number]:.3f}, that of the others {least:.3f} or more")
    return Alignment(best, shifts, own, kept, tuple(steps))


def _pair(
    windows: Sequence[Window], amplitudes: Sequence[NDArray[np.float64]], one: int, other: int
) -> tuple[NDArray[np.float64], float]:
    """The shift of one scan against another, and their correlation over the voxels that both measured."""
    a, b = amplitudes[one], amplitudes[other]
    spectra = [scipy.fft.fftn(x, norm="ortho") for x in (a, b)]
    _, found, _ = PeakSearch(SUBPIXEL).highest([(spectra[1] * np.conj(spectra[0]))[None]])
    shift = found[0]
    moved = scipy.fft.ifftn(ndimage.fourier_shift(spectra[1], -shift), norm="ortho").real
    both = windows[one].valid & np.roll(windows[other].valid, -np.rint(shift).astype(int), range(a.ndim))
    return shift, _correlation(a[both], moved[both])


def _filled_from(best: Window, other: Window, shift: NDArray[np.float64]) -> NDArray[np.float32]:
    """The counts of a scan, with those of the best one, moved and scaled, where nothing was measured."""
    moved = ndimage.shift(best.counts, shift, order=1, mode="nearest")
    known = ndimage.shift(best.valid.astype(np.float32), shift, order=1, mode="nearest") > 0.999
    both = known & other.valid
    scale = float(other.counts[both].sum(dtype=float)) / max(float(moved[both].sum(dtype=float)), 1e-30)
    return np.where(known & ~other.valid, scale * moved, other.counts)


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Σ ab/√(Σa² Σb²), at least 0."""
    norm = float(np.sqrt(np.sum(a * a) * np.sum(b * b)))
    return max(0.0, float(np.sum(a * b))) / norm if norm else 0.0


def _amplitude(window: NDArray[np.float32]) -> NDArray[np.float64]:
    """√(counts + 3/8) of a window (Anscombe, Biometrika 35, 246 (1948)), smoothed, without its mean, fading out at the ends."""
    smooth = ndimage.gaussian_filter(np.sqrt(np.maximum(window, 0).astype(float) + 0.375), SMOOTH, mode="nearest")
    smooth -= smooth.mean()
    for axis, n in enumerate(window.shape):
        smooth *= tukey(n, TAPER).reshape([-1 if a == axis else 1 for a in range(window.ndim)])
    return smooth


def _kept(correlation: NDArray[np.float64], counts: NDArray[np.float64], best: int, outliers: str) -> NDArray[np.bool_]:
    """The scans that stay, bool (scans,)."""
    lost = 1 - correlation
    if outliers == "never":
        return np.ones(lost.shape, bool)
    if outliers != "auto":
        return correlation >= float(outliers)
    noise = 1 / counts + 1 / counts[best]
    least = float(np.delete(lost / noise, best).min())
    out = (lost > OUTLIER_RATIO * least * noise) & (lost > OUTLIER_LEAST)
    out[best] = False
    return ~out
