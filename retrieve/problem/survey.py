"""Facts about an object from its pattern alone: its largest size, whether it is real, and missing pixels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy import ndimage

from ..numerics.arrays import to_numpy
from .autocorrelation import MAX_REAL_ASYMMETRY, asymmetry, fill_unmeasured
from .problem import Problem

RAYLEIGH_QUANTILE = 0.459
"""The 10 % quantile of the modulus of complex noise, in units of its standard deviation a component."""

SHARP_EDGE_LEVEL = 1e-4
"""Below this level the autocorrelation's edge is taken as it is; above, weak edge pixels are lost and half of it is widened."""

THRESHOLD_VALUES = 16
"""Values above zero that show how far apart intensities lie."""


class Survey(NamedTuple):
    """The facts that decide how to phase.

    volume: upper bound of the support's size, pixels.
    half: bool (*shape), the autocorrelation's support shrunk by two. This is the support itself if the support is convex and
        centrosymmetric. None if the autocorrelation is too noisy.
    level: the level of the autocorrelation's edge, relative to its maximum.
    asymmetry: Σ(√I(q) − √I(−q))²/2ΣI, 0 for a real object.
    real: whether the asymmetry is small enough for a real object.
    centre: whether zero frequency was measured.
    threshold: the intensity below which the pattern was cut to zero, 0 if it was not.
    words: the same as sentences.
    """

    volume: float
    half: NDArray[np.bool_] | None
    level: float
    asymmetry: float
    real: bool
    centre: bool
    threshold: float
    words: tuple[str, ...]


def survey(problem: Problem) -> Survey:
    """Survey a problem's pattern.

    The autocorrelation A of an object on a set S lives on S − S, whose volume is at least 2^d times that of S (Brunn and
    Minkowski). It is cut at five standard deviations of its noise, measured where |A| is smallest, but never above 0.02.
    """
    valid = to_numpy(problem.valid)
    centre = bool(valid[(0,) * valid.ndim])
    intensity = fill_unmeasured(to_numpy(problem.amplitude), valid).astype(float) ** 2
    inside, level, sure = _autocorrelation_support(intensity)
    for _ in range(0 if valid.all() or not centre else 4):
        intensity = _fill_outside_zero(intensity, valid, ndimage.binary_dilation(inside, iterations=2))
        inside, level, sure = _autocorrelation_support(intensity)
    volume = float(inside.sum()) / 2**valid.ndim
    sure &= centre
    half = None
    if sure:
        half = _half_size(inside) if level < SHARP_EDGE_LEVEL else ndimage.binary_dilation(_half_size(inside))
        half = _crop_or_pad(half, tuple(problem.shape))
    if not centre:
        volume *= 3  # without its lowest frequencies the autocorrelation looks smaller than it is
    differs = asymmetry(to_numpy(problem.amplitude), valid)
    real = differs < MAX_REAL_ASYMMETRY
    volume = min(volume, 0.25 * valid.size)
    threshold = cut_level(problem)
    words = (
        f"the autocorrelation stands out above {level:.1g} of its peak: the object fills at most {volume:.0f} of {valid.size} px",
        "half the autocorrelation is a support to try" if half is not None else "half the autocorrelation is no safe support",
        f"the pattern differs from its inversion by {differs:.2g}: "
        + ("it may be real: phases within ±π/2 are tried, too" if real else "the object has a phase"),
        *([] if centre else ["the centre is unmeasured: larger supports are tried, too"]),
        *([f"no intensity between 0 and {threshold:.3g}: cut there; the zeros count as measured"] if threshold else []),
    )
    return Survey(volume, half, level, differs, real, centre, threshold, words)


def _autocorrelation_support(intensity: NDArray[np.floating]) -> tuple[NDArray[np.bool_], float, bool]:
    """The autocorrelation's support, bool centred at N//2; the level of its edge; and whether the level is safe."""
    a = np.abs(np.fft.fftshift(scipy.fft.ifftn(intensity)))
    noise = float(np.quantile(a, 0.1) / a.max()) / RAYLEIGH_QUANTILE
    level = min(max(5 * noise, 1e-6), 0.02)
    labels, _ = ndimage.label(a > level * a.max())
    inside = ndimage.binary_fill_holes(labels == labels[tuple(n // 2 for n in a.shape)])
    return inside, level, 5 * noise < 0.02 and inside.mean() < 0.8


def _fill_outside_zero(
    intensity: NDArray[np.floating], valid: NDArray[np.bool_], inside: NDArray[np.bool_], iterations: int = 60
) -> NDArray[np.floating]:
    """Fill in unmeasured intensities such that the autocorrelation vanishes outside `inside`.

    Conjugate gradients on the missing values alone. Source: Papoulis, IEEE Trans. Circuits Syst. 22, 735 (1975).
    """
    window, missing = np.fft.ifftshift(inside), ~valid

    def outside(values: NDArray) -> NDArray:
        """The part of the missing values, or of what they must cancel, that lives outside; on the missing pixels."""
        return np.where(missing, values - scipy.fft.fftn(np.where(window, scipy.fft.ifftn(values), 0)).real, 0)

    r = -outside(intensity)
    p, added, rr = r, np.zeros_like(intensity), float((r * r).sum())
    enough = 1e-28 * float((intensity * intensity).sum())  # as near to zero as rounding goes
    for _ in range(iterations):
        q = outside(p)
        if rr <= enough or (curvature := float((p * q).sum())) <= 1e-12 * rr:
            break
        step = rr / curvature
        added, r = added + step * p, r - step * q
        rr, before = float((r * r).sum()), rr
        p = r + rr / before * p
    return np.where(missing, np.maximum(intensity + added, 0), intensity)


def _half_size(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """{r: 2r in `inside`} about N//2."""
    found = np.ones(inside.shape, bool)
    at = []
    for axis, n in enumerate(inside.shape):
        i = 2 * (np.arange(n) - n // 2) + n // 2
        found &= ((i >= 0) & (i < n)).reshape([-1 if k == axis else 1 for k in range(inside.ndim)])
        at.append(i.clip(0, n - 1))
    return found & inside[np.ix_(*at)]


def _crop_or_pad(inside: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Crop or pad `inside` about its middle to the object's array, bool (*shape)."""
    for axis, (have, want) in enumerate(zip(inside.shape, shape, strict=True)):
        lost = have // 2 - want // 2
        inside = np.take(inside, np.arange(max(lost, 0), max(lost, 0) + min(have, want)), axis)
        before = max(-lost, 0)
        inside = np.pad(inside, [(before, want - inside.shape[a] - before) if a == axis else (0, 0) for a in range(len(shape))])
    return inside


def cut_level(problem: Problem) -> float:
    """The threshold of a pattern that was cut: its lowest intensity above zero, 0 if it was not cut.

    A cut pattern has zeros, and values that lie closer to each other than the lowest lies to 0. Counts lie one apart, so that a
    lowest count of 2 is a cut.
    """
    intensity = to_numpy(problem.amplitude)[to_numpy(problem.valid)].astype(float) ** 2
    if not intensity.any() or (intensity == 0).mean() < 0.01:
        return 0.0
    lowest = float(intensity[intensity > 0].min())
    values = np.unique(np.round(intensity[intensity > 0] / lowest, 3))
    return lowest if len(values) > THRESHOLD_VALUES and values[THRESHOLD_VALUES] - 1 < THRESHOLD_VALUES / 1.5 else 0.0
