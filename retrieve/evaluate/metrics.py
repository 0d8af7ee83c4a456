"""Metrics of a reconstruction: small functions, each declared with its formula, range, direction and source.

A metric that needs the truth takes the aligned estimate x, the truth t and a mask M that the truth fixes, all (*shape).
A metric that needs the data takes the estimate (*shape) and the problem. P = |A x|² is the predicted and I the measured
pattern; V are the measured pixels. Plugins add metrics by `register_metrics`.
"""

from __future__ import annotations

import warnings

import numpy as np
import scipy.fft as fft
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from ..numerics.alignment import ComplexArray, align, as_object, conjugate_inverse, pearson
from ..numerics.alignment import correlation as correlation
from ..numerics.arrays import like, to_numpy
from ..plugins.registry import available
from ..problem import Problem
from .metric import Metric as Metric
from .metric import metric as metric

TruthMask = NDArray[np.bool_]

INSIDE = 0.1  # of the largest amplitude: a pixel above it belongs to the object
FLAT = 1e-4  # relative deviation of an amplitude, up to which it is flat but for rounding
FIELD = "usual in the field"
PAPER_SOURCE = "Lee, Yu, Lin, Yoo & Robinson 2026"


def metrics() -> dict[str, Metric]:
    """All registered metrics by name, those of plugins included."""
    return available("metrics")


def evaluate(
    estimate: ArrayLike, problem: Problem, truth: ArrayLike | None = None, *, raw: bool = False, ramp: bool = False
) -> dict[str, float]:
    """Compute every registered metric of an estimate.

    Parameters
    ----------
    estimate : array_like
        complex (*shape).
    problem : Problem
        The measurement. Metrics of the data always take the estimate as it lies.
    truth : array_like, optional
        complex (*shape), the problem's own unless given. Without any, only the metrics of the data are computed.
    raw : bool
        True to compare with the truth as the estimate lies. Otherwise it is aligned by twin, sub-pixel shift, phase and scale.
    ramp : bool
        True if the alignment may also remove a phase ramp, as fits a measured pattern whose centre is uncertain.

    Returns
    -------
    dict
        Values by the names of the metrics.

    Raises
    ------
    InputError
        For shapes that differ, NaN or infinity, or a truth of zeros.
    """
    x = as_object("estimate", estimate).astype(complex)
    if x.shape != problem.shape:
        raise InputError(f"estimate has shape {x.shape}, the problem's object {problem.shape}; they must agree")
    arguments: dict[str, tuple[object, ...]] = {"data": (x, problem)}
    truth = problem.truth if truth is None else truth
    if truth is not None:
        t = as_object("truth", truth).astype(complex)
        if x.shape != t.shape:
            raise InputError(f"estimate has shape {x.shape}, the truth {t.shape}; crop or pad one of them")
        arguments["truth"] = (x if raw else align(x, t, ramp=ramp, scale=True).object, t, truth_mask(t))
    known = {name: metric for name, metric in metrics().items() if metric.needs in arguments}
    return {name: value for name, metric in known.items() if (value := _value(metric, arguments[metric.needs])) is not None}


def _value(metric: Metric, arguments: tuple[object, ...]) -> float | None:
    """The metric's value; None, with a warning, where one of a plugin raises: the others are wanted all the same."""
    try:
        return metric(*arguments)
    except Exception as error:
        if metric in BUILTIN:
            raise
        warnings.warn(f"metric {metric.name!r} was left out: {type(error).__name__}: {error}", stacklevel=3)
        return None


def truth_mask(truth: ArrayLike, threshold: float = INSIDE) -> TruthMask:
    """Where |truth| (*shape) exceeds `threshold` of its maximum: one mask for every solver.

    Raises InputError for a truth of zeros.
    """
    amplitude = np.abs(np.asarray(truth))
    if not amplitude.any():
        raise InputError("the truth is zero everywhere; nothing can be compared with it")
    return amplitude > threshold * amplitude.max()


@metric("|⟨x,t⟩|/(‖x‖‖t‖), 0 for an empty x", (0, 1), "higher", FIELD)
def complex_correlation(x: ComplexArray, t: ComplexArray, mask: TruthMask) -> float:
    """Amplitude and phase at once."""
    return correlation(x, t)


@metric("Pearson correlation of |x| and |t| over all pixels, 0 for a flat x", (-1, 1), "higher", f"{PAPER_SOURCE}, 4.7")
def amplitude_correlation(x: ComplexArray, t: ComplexArray, mask: TruthMask) -> float:
    """Amplitude alone."""
    return pearson(x, t)


@metric("Pearson correlation of |x| and |t| over M, 0 for a flat x, NaN for a flat t", (-1, 1), "higher", "retrieve")
def inner_amplitude_correlation(x: ComplexArray, t: ComplexArray, mask: TruthMask) -> float:
    """Amplitude inside the object, without the outline, which a flat box has, too."""
    inside = np.abs(t[mask])
    return pearson(x[mask], t[mask]) if inside.std() > FLAT * inside.mean() else float("nan")


@metric("|Σ_M exp(i(φ_x − φ_t))|/S over the S pixels with |t| > 0.1 max|t|", (0, 1), "higher", f"{PAPER_SOURCE}, eq. 10")
def phase_similarity(x: ComplexArray, t: ComplexArray, mask: TruthMask) -> float:
    """Phase alone, whatever its constant; a pixel without amplitude has no phase and adds 0."""
    return min(1.0, float(np.abs(np.mean(unit_phasor(x[mask]) * np.conj(unit_phasor(t[mask]))))))


@metric("min_c ‖c x − t‖/‖t‖ over complex c", (0, 1), "lower", "Fienup 1997, Appl. Opt. 36, 8352")
def nrmse(x: ComplexArray, t: ComplexArray, mask: TruthMask) -> float:
    """What is left after the best phase and scale: √(1 − complex_correlation²), without its rounding near 0."""
    power = float(np.vdot(x, x).real)
    c = np.vdot(x, t) / power if power else 0.0
    return min(1.0, float(np.linalg.norm(c * x - t)) / float(np.linalg.norm(t)))


@metric("Σ(u − v)²/Σu², u = |x|/max|x|, v = |t|/max|t|; inf for an empty x", (0, np.inf), "lower", f"{PAPER_SOURCE}, eq. 9")
def chi2_object(x: ComplexArray, t: ComplexArray, mask: TruthMask) -> float:
    """The paper's error of the amplitude."""
    return normalised_chi2(np.abs(x), np.abs(t))


@metric("|b|²/(|a|² + |b|²) of the best fit a t + b w of x, w the twin of t at any whole pixel", (0, 1), "lower", "retrieve")
def twin_fraction(x: ComplexArray, t: ComplexArray, mask: TruthMask) -> float:
    """How much of the truth's twin is mixed into x; ½ when both are equally strong.

    w lies where it explains most of what t leaves.  Places where w and t are nearly the same,
    |⟨t,w⟩|² > 0.9 ‖t‖⁴, are passed over: an object that is its own twin has none.
    """
    t = t / np.linalg.norm(t)
    far = np.conj(fft.fftn(conjugate_inverse(t)))
    wx, wt = fft.ifftn(fft.fftn(x) * far), fft.ifftn(fft.fftn(t) * far)  # ⟨w,x⟩ and ⟨w,t⟩ for every place of w
    tx = np.vdot(t, x)
    new = 1 - np.abs(wt) ** 2  # ‖w‖² outside t
    rest = wx - wt * tx  # ⟨w,x⟩ outside t
    gain = np.where(new > 0.1, np.abs(rest) ** 2 / np.maximum(new, 0.1), 0)
    at = np.unravel_index(np.argmax(gain), gain.shape)
    b = rest[at] / new[at] if gain[at] else 0.0
    a = tx - b * np.conj(wt[at])
    return float(abs(b) ** 2 / (abs(a) ** 2 + abs(b) ** 2)) if b else 0.0


@metric("|X ∩ M|/|X ∪ M|, X: |x| > 0.1 max|x|, M: |t| > 0.1 max|t|", (0, 1), "higher", "Jaccard 1912, New Phytol. 11, 37")
def support_overlap(x: ComplexArray, t: ComplexArray, mask: TruthMask) -> float:
    """The shape alone."""
    inside = np.abs(x) > INSIDE * np.abs(x).max()
    return float((inside & mask).sum() / (inside | mask).sum())


@metric("Σ_V(√P − √I)²/Σ_V I", (0, np.inf), "lower", FIELD, "data")
def r(x: ComplexArray, problem: Problem) -> float:
    """The amplitude R factor, over all measured pixels. The R of a score leaves out the held-out ones."""
    return float(to_numpy(problem.r_factor(_batch(x, problem)))[0])


@metric(
    "Σ_V(u − v)²/Σ_V u², u = √P/max√P, v = √I/max√I; inf for an empty x", (0, np.inf), "lower", f"{PAPER_SOURCE}, eq. 9", "data"
)
def chi2_diffraction(x: ComplexArray, problem: Problem) -> float:
    """The paper's error of the pattern, of its amplitude; one bright pixel sets the scale."""
    return normalised_chi2(*_amplitudes(x, problem))


@metric("Pearson correlation of √P and √I over V, 0 for an empty x", (-1, 1), "higher", f"{PAPER_SOURCE}, 4.7", "data")
def diffraction_correlation(x: ComplexArray, problem: Problem) -> float:
    """Agreement of the pattern's amplitude, whatever its scale."""
    return pearson(*_amplitudes(x, problem))


BUILTIN = (
    complex_correlation,
    amplitude_correlation,
    inner_amplitude_correlation,
    phase_similarity,
    nrmse,
    chi2_object,
    twin_fraction,
    support_overlap,
    r,
    chi2_diffraction,
    diffraction_correlation,
)


def normalised_chi2(u: NDArray[np.floating], v: NDArray[np.floating]) -> float:
    """Σ(u − v)²/Σu² of two non-negative arrays of one shape, each over its maximum; inf where u is zero."""
    if not u.any():
        return float("inf")
    u, v = u / u.max(), v / (v.max() or 1.0)
    return float(np.sum((u - v) ** 2) / np.sum(u**2))


def unit_phasor(x: NDArray) -> NDArray:
    """x/|x|, 0 where x is 0."""
    size = np.abs(x)
    return x / np.where(size > 0, size, 1)


def _amplitudes(x: ComplexArray, problem: Problem) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """√P of x and √I on the valid pixels, both (pixels,)."""
    valid = to_numpy(problem.valid)
    predicted = to_numpy(problem.intensity(_batch(x, problem)))[0][valid].astype(float)
    return np.sqrt(predicted.clip(0)), to_numpy(problem.amplitude)[valid].astype(float)


def _batch(x: ComplexArray, problem: Problem) -> NDArray:
    return like(np.asarray(x, np.complex64)[None], problem.amplitude)
