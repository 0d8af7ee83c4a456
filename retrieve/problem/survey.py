"""What a pattern tells of its object before any phasing: how large it is at most, whether it is real, what is missing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy import ndimage

from ..numerics.arrays import to_numpy
from .autocorrelation import fill_unmeasured
from .problem import Problem

RAYLEIGH = 0.459
"""The 10 % quantile of the modulus of complex noise, in units of its standard deviation a component."""

SHARP = 1e-4
"""Below this level the autocorrelation's edge is taken as it is; above, weak edge pixels are lost and half of it is widened."""

NEARLY_REAL = 0.018
"""Asymmetry up to which a real object is one of the guesses."""

LOWEST = 16
"""Values above zero that show how far apart intensities lie."""


class Survey(NamedTuple):
    """The facts that decide how to phase.

    volume: pixels, an upper bound of the support's size.  half: bool (*shape), the autocorrelation's support
    shrunk by two, which is the support itself where that is convex and centrosymmetric; None where it cannot be told.
    level: where the autocorrelation was cut, relative to its maximum.  asymmetry: Σ(√I(q) − √I(−q))²/2ΣI, 0 for a
    real object.  real: whether the asymmetry is so small that the object may be.  centre: whether zero frequency was measured.
    threshold: the intensity below which it was cut to zero, 0 where it was not.  words: the same as sentences.
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
    """Look at a problem's pattern.

    The autocorrelation A of an object on a set S lives on S − S, whose volume is at least 2^d times that of S (Brunn and
    Minkowski). It is cut at five standard deviations of its noise, measured where |A| is smallest, but never above 0.02.
    """
    valid = to_numpy(problem.valid)
    centre = bool(valid[(0,) * valid.ndim])
    intensity = fill_unmeasured(to_numpy(problem.amplitude), valid).astype(float) ** 2
    inside, level, sure = _support_of(intensity)
    for _ in range(0 if valid.all() or not centre else 4):
        intensity = _completed(intensity, valid, ndimage.binary_dilation(inside, iterations=2))
        inside, level, sure = _support_of(intensity)
    volume = float(inside.sum()) / 2**valid.ndim
    sure &= centre
    half = None
    if sure:
        half = _halved(inside) if level < SHARP else ndimage.binary_dilation(_halved(inside))
        half = _fitted(half, tuple(problem.shape))
    if not centre:
        volume *= 3  # without its lowest frequencies the autocorrelation looks smaller than it is
    asymmetry = _asymmetry(problem)
    real = asymmetry < NEARLY_REAL
    volume = min(volume, 0.25 * valid.size)
    threshold = _threshold(problem)
    words = (
        f"the autocorrelation stands out above {level:.1g} of its peak: the object fills at most {volume:.0f} of {valid.size} px",
        "half the autocorrelation is a support to try" if half is not None else "half the autocorrelation is no safe support",
        f"the pattern differs from its inversion by {asymmetry:.2g}: "
        + ("it may be real: phases within ±π/2 are tried, too" if real else "the object has a phase"),
        *([] if centre else ["the centre is unmeasured: larger supports are tried, too"]),
        *([f"no intensity between 0 and {threshold:.3g}: cut there; the zeros count as measured"] if threshold else []),
    )
    return Survey(volume, half, level, asymmetry, real, centre, threshold, words)


def _support_of(intensity: NDArray[np.floating]) -> tuple[NDArray[np.bool_], float, bool]:
    """Where the autocorrelation of an intensity stands out of its noise, bool centred at N//2; at what level; whether surely."""
    a = np.abs(np.fft.fftshift(scipy.fft.ifftn(intensity)))
    noise = float(np.quantile(a, 0.1) / a.max()) / RAYLEIGH
    level = min(max(5 * noise, 1e-6), 0.02)
    labels, _ = ndimage.label(a > level * a.max())
    inside = ndimage.binary_fill_holes(labels == labels[tuple(n // 2 for n in a.shape)])
    return inside, level, 5 * noise < 0.02 and inside.mean() < 0.8


def _completed(
    intensity: NDArray[np.floating], valid: NDArray[np.bool_], inside: NDArray[np.bool_], iterations: int = 60
) -> NDArray[np.floating]:
    """The intensity with its unmeasured pixels such that the autocorrelation vanishes outside `inside`.

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


def _halved(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """{r: 2r in `inside`} about N//2."""
    found = np.ones(inside.shape, bool)
    at = []
    for axis, n in enumerate(inside.shape):
        i = 2 * (np.arange(n) - n // 2) + n // 2
        found &= ((i >= 0) & (i < n)).reshape([-1 if k == axis else 1 for k in range(inside.ndim)])
        at.append(i.clip(0, n - 1))
    return found & inside[np.ix_(*at)]


def _fitted(inside: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The middle of `inside`, or `inside` in the middle of nothing, as the object's array asks: bool (*shape)."""
    for axis, (have, want) in enumerate(zip(inside.shape, shape, strict=True)):
        lost = have // 2 - want // 2
        inside = np.take(inside, np.arange(max(lost, 0), max(lost, 0) + min(have, want)), axis)
        before = max(-lost, 0)
        inside = np.pad(inside, [(before, want - inside.shape[a] - before) if a == axis else (0, 0) for a in range(len(shape))])
    return inside


def _asymmetry(problem: Problem) -> float:
    """Σ(√I(q) − √I(−q))²/2ΣI on the pixels measured with their opposites."""
    y, valid = to_numpy(problem.amplitude).astype(float), to_numpy(problem.valid)
    axes = tuple(range(y.ndim))
    both = valid & np.roll(np.flip(valid), 1, axis=axes)
    z = np.roll(np.flip(y), 1, axis=axes)
    power = float((y[both] ** 2).sum()) or 1.0
    return float(((y - z)[both] ** 2).sum()) / 2 / power


def _threshold(problem: Problem) -> float:
    """The lowest measured intensity above zero, where there are zeros and the values above it lie much closer than it does to 0.

    Counts lie one apart from zero on, and are not taken for cut.
    """
    intensity = to_numpy(problem.amplitude)[to_numpy(problem.valid)].astype(float) ** 2
    if not intensity.any() or (intensity == 0).mean() < 0.01:
        return 0.0
    lowest = float(intensity[intensity > 0].min())
    values = np.unique(np.round(intensity[intensity > 0] / lowest, 3))
    return lowest if len(values) > LOWEST and values[LOWEST] - 1 < LOWEST / 3 else 0.0
