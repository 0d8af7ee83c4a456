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


def align_windows(windows: Sequence[NDArray[np.float32]], outliers: str, names: Sequence[str]) -> Alignment:
    """Find the shifts of scans, and those scans that resemble the others too little.

    The amplitudes √counts of the windows, smoothed, are correlated. Counting noise lowers a correlation by a share
    that goes as 1/counts: the outliers of "auto" are found with this taken into account.

    Parameters
    ----------
    windows
        Counts around the peak, of one shape.
    outliers
        "auto", "never", or the least correlation as text.
    names
        Of the scans, for the steps.

    Raises
    ------
    InputError
        If no more than one of several scans would be left.
    """
    counts = np.array([max(float(window.sum(dtype=float)), 1.0) for window in windows])
    amplitudes = np.stack([_amplitude(window) for window in windows])
    spectra = scipy.fft.fftn(amplitudes, axes=range(1, amplitudes.ndim), norm="ortho")
    norms = np.sqrt(np.sum(np.abs(spectra) ** 2, axis=tuple(range(1, spectra.ndim))))
    search = PeakSearch(SUBPIXEL)
    size = len(windows)
    correlation, shifts = np.empty((size, size)), np.empty((size, size, windows[0].ndim))
    for one in range(size):
        _, shifts[one], peak = search.highest([spectra * np.conj(spectra[one])])
        scale = np.sqrt(windows[0].size) / np.maximum(norms * norms[one], 1e-30)
        correlation[one] = np.clip(np.abs(peak) * scale, 0, 1)
    best = int(correlation.sum(axis=1).argmax())
    own = correlation[best]
    kept = _kept(own, counts, best, outliers)
    if kept.sum() < 2:
        raise InputError(
            f"no scan correlates with {names[best]} by more than {np.delete(own, best).max():.2f}: nothing to sum; give one scan,"
            " or --outliers never"
        )
    steps = []
    for number, name in enumerate(names):
        place = ", ".join(f"{x:+.2f}" for x in shifts[best, number])
        if number == best:
            steps.append(f"{name}: the others are shifted onto it")
        elif kept[number]:
            steps.append(f"{name}: lies at ({place}) px, correlation {own[number]:.3f}")
        else:
            least = own[kept].min()
            steps.append(f"{name} left out: its correlation is {own[number]:.3f}, that of the others {least:.3f} or more")
    return Alignment(best, shifts[best], own, kept, tuple(steps))


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
