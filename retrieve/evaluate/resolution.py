"""How fine a reconstruction is: curves over spatial frequency, and the resolution read off them.

Frequencies are in 1/px of the object, 0.5 at the edge of the pattern's shortest axis; the corners beyond
are left out.  Shells are one Fourier pixel of that axis thick.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import scipy.fft as fft
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from ..numerics.alignment import align, as_object
from ..numerics.arrays import like, to_numpy
from ..numerics.stacks import Stack, align_all
from ..problem import Problem
from .reach import Reach, mean_of, reach_of, shells

CRITERIA = ("1/e", "1/2", "half-bit")

MAX_FIT = 1.1
"""PRTF above which the model puts more amplitude into a shell than was measured; noise of the shell's sum stays below."""


class Curve(NamedTuple):
    """A figure by shells of spatial frequency.

    name: "PRTF" or "FRC".  frequency: (shells,), 1/px, from 0.  value: (shells,), NaN where nothing was
    measured or the data say nothing.  pixels: (shells,), how many of the pattern's pixels each value comes from.
    criterion: the one that is usual for the curve.  fit: (shells,), the calculated over the measured amplitude, or None.
    reach: of the data, None where they were not looked at.
    """

    name: str
    frequency: NDArray[np.float64]
    value: NDArray[np.float64]
    pixels: NDArray[np.int64]
    criterion: str
    fit: NDArray[np.float64] | None = None
    reach: Reach | None = None


class Resolution(NamedTuple):
    """Where a curve crosses its criterion.

    frequency: 1/px.  half_period: px, 1/(2·frequency).  half_period_nm: nm, None without a voxel size.
    All None where the curve never reaches the criterion.  how: how it was read off and the evidence for its limit, in words.
    limit: "data" where counts end, "starts" where their phases disagree, "model" where they agree and the model puts too little
    there, "pixel" where the detector ends; None where nothing tells.
    """

    frequency: float | None
    half_period: float | None
    half_period_nm: float | None
    criterion: str
    how: str
    limit: str | None = None


def prtf(estimates: Stack, problem: Problem) -> Curve:
    """Phase-retrieval transfer function, √(Σ_shell |mean_i F_i|² / Σ_shell I), over the measured pixels whose data say something.

    F_i is the far field of each start, aligned to the first one. 1 where all starts give one phase and fit the data, near
    1/√starts where their phases are random. Intensities are compared, since the mean √ of few counts is far below the
    amplitude: a right object would have a ratio of amplitudes of 2 at a quarter of a count. Zeros of data that were cut
    below a threshold are left out, and shells whose signal noise or the threshold hides are NaN: see `reach_of`.

    Parameters
    ----------
    estimates : complex (starts, *shape)
        At least two.
    problem : Problem
        The data.

    Returns
    -------
    Curve
        With the fit and the reach of the data.

    Raises
    ------
    InputError
        With fewer than two starts, or where a detector operator changes the pixels.

    References
    ----------
    Chapman et al. 2006, J. Opt. Soc. Am. A 23, 1179; Shapiro et al. 2005, PNAS 102, 15343.
    """
    if problem.operator.out_shape != problem.amplitude.shape:
        raise InputError(
            f"the far field has shape {problem.operator.out_shape}, the data {problem.amplitude.shape}: "
            "a PRTF needs one phase a measured pixel; compare two estimates by frc instead"
        )
    if len(estimates) < 2:
        raise InputError(f"a PRTF needs at least two starts, there is {len(estimates)}; give more starts")
    amplitude, starts = to_numpy(problem.amplitude), align_all(estimates, 0)
    field, power, misfit = (np.zeros(amplitude.shape, kind) for kind in (complex, float, float))
    for x in starts:
        far = to_numpy(problem.operator.forward(like(x[None], problem.amplitude)))[0] / len(starts)
        on_detector = _detected(problem, np.abs(far) ** 2) * len(starts)
        field += far
        power += on_detector
        misfit += (np.sqrt(on_detector * len(starts)) - amplitude) ** 2 / len(starts)
    reach = reach_of(problem, misfit)
    frequency, by_shell = shells(amplitude.shape)
    agreed, calculated, measured = (
        by_shell(reach.pixels * p) for p in (_detected(problem, np.abs(field) ** 2), power, amplitude.astype(float) ** 2)
    )
    value, fit = (np.where(reach.weak, np.nan, np.sqrt(mean_of(p, measured))) for p in (agreed, calculated))
    return Curve("PRTF", frequency, value, by_shell(reach.pixels).astype(int), "1/e", fit, reach)


def within_reach(curve: Curve, reach: Reach) -> Curve:
    """The curve of estimates of these data, NaN in the shells in which the data say nothing."""
    return curve._replace(value=np.where(reach.weak, np.nan, curve.value), reach=reach)


def _detected(problem: Problem, p: NDArray) -> NDArray[np.float64]:
    """An intensity p (*shape) as the detector sees it, blurred by partial coherence."""
    if problem.detector is not None:
        p = to_numpy(problem.detector.forward(like(p.astype(np.float32)[None], problem.amplitude)))[0].clip(min=0)
    return p.astype(float)


def frc(a: ArrayLike, b: ArrayLike, *, raw: bool = False) -> Curve:
    """Fourier ring (2D) or shell (3D) correlation, Re Σ A B* / √(Σ|A|² Σ|B|²) by shells, −1 to 1.

    a, b: complex (*shape), two independent reconstructions, or one and the truth.  b is aligned to a by
    twin, shift and phase unless `raw`.  Source: Saxton & Baumeister 1982, J. Microsc. 127, 127; Harauz &
    van Heel 1986, Optik 73, 146.

    Raises InputError for shapes that differ, or NaN.
    """
    a, b = as_object("a", a), as_object("b", b)
    if a.shape != b.shape:
        raise InputError(f"a has shape {a.shape}, b {b.shape}; crop or pad one of them")
    far_a, far_b = (fft.fftn(x.astype(complex)) for x in (a, b if raw else align(b, a).object))
    frequency, by_shell = shells(a.shape)
    cross, power_a, power_b = by_shell((far_a * np.conj(far_b)).real), by_shell(np.abs(far_a) ** 2), by_shell(np.abs(far_b) ** 2)
    pixels = by_shell(np.ones(a.shape)).astype(int)
    return Curve("FRC", frequency, mean_of(cross, np.sqrt(power_a * power_b)), pixels, "half-bit")


def half_bit(pixels: ArrayLike) -> NDArray[np.float64]:
    """The correlation at which a pixel of a shell of n carries half a bit, (0.2071 + 1.9102/√n)/(1.2071 + 0.9102/√n).

    Takes the n pixels as independent; an object in a tight support has fewer, and the threshold is then
    somewhat too low.  Source: van Heel & Schatz 2005, J. Struct. Biol. 151, 250.
    """
    root = np.sqrt(np.maximum(np.asarray(pixels, float), 1))
    return (0.2071 + 1.9102 / root) / (1.2071 + 0.9102 / root)


def resolution(curve: Curve, criterion: str | float | None = None, voxel_nm: ArrayLike | None = None) -> Resolution:
    """The frequency at which `curve` first falls below `criterion`, interpolated between shells, or at which it ends.

    Parameters
    ----------
    curve : Curve
        The shell at zero frequency and those without a value are passed over.
    criterion : str or float, optional
        "1/e", "1/2", "half-bit" or a number in (0, 1); the curve's own unless given.
    voxel_nm : float, optional
        nm, one number or one an axis, of which the largest counts.

    Returns
    -------
    Resolution
        With its limit and the evidence.

    Raises
    ------
    InputError
        For an unknown criterion.
    """
    label, threshold = _threshold(curve, curve.criterion if criterion is None else criterion)
    shell = np.flatnonzero(np.isfinite(curve.value) & (np.arange(len(curve.value)) > 0))
    q, margin = curve.frequency[shell], (curve.value - threshold)[shell]
    below = np.flatnonzero(margin < 0)
    if not q.size or (below.size and below[0] == 0):
        how, limit = _without(curve, label, q)
        return Resolution(None, None, None, label, how, limit)
    if not below.size:
        at = float(q[-1])
        how, limit = _to_the_end(curve, label, at)
    else:
        i = below[0]
        at = float(q[i - 1] + (q[i] - q[i - 1]) * margin[i - 1] / (margin[i - 1] - margin[i]))
        how = f"{curve.name} first falls below {label} at {at:.3f}/px, interpolated between shells"
        cause, limit = _cause(curve, threshold, int(shell[i]))
        how += cause
        above = q[i:][margin[i:] >= 0]
        if above.size:
            how += f"; it is above again at {above[0]:.3f}/px"
    how += _excess(curve)
    half = 1 / (2 * at)
    nm = None if voxel_nm is None else half * float(np.max(voxel_nm))
    return Resolution(at, half, nm, label, how, limit)


def _without(curve: Curve, label: str, q: NDArray[np.float64]) -> tuple[str, str | None]:
    """Why there is no resolution, and its limit."""
    if q.size:
        return f"{curve.name} is below {label} from its first shell, {q[0]:.3f}/px; no resolution", "starts"
    if curve.reach is not None and curve.reach.end is not None:
        return f"no shell above zero frequency holds a signal: {curve.reach.describe(curve.reach.end)}; no resolution", "data"
    return f"{curve.name} has no measured shell above zero frequency; no resolution", None


def _to_the_end(curve: Curve, label: str, at: float) -> tuple[str, str | None]:
    """What ends a curve that stays above its criterion."""
    stays, reach = f"{curve.name} stays above {label} up to", curve.reach
    if reach is None:
        return f"{stays} its last shell, {at:.3f}/px; whether the data reach there was not judged", None
    if reach.end is not None:
        from_here = f"from {reach.frequency[reach.end]:.3f}/px on {reach.describe(reach.end)}"
        return f"{stays} {at:.3f}/px, where the data end: limited by the data ({from_here})", "data"
    last = int(np.flatnonzero(np.isfinite(curve.value))[-1])
    return f"{stays} its last shell, {at:.3f}/px: limited by the pixel, not by the data ({reach.describe(last)})", "pixel"


def _cause(curve: Curve, threshold: NDArray[np.float64], shell: int) -> tuple[str, str]:
    """What brings a curve below its criterion at a shell: phases that disagree, or a model that puts too little there."""
    if curve.fit is None:
        return "", "starts"
    fit = curve.fit[shell]
    if curve.value[shell] / max(fit, 1e-30) >= threshold[shell]:
        return f": limited by the model, which puts {fit:.2g} of the measured amplitude there in phases that agree", "model"
    return ": limited by the starts, whose phases disagree from there on", "starts"


def _excess(curve: Curve) -> str:
    """Where a PRTF exceeds 1, in words."""
    if curve.fit is None:
        return ""
    over = np.flatnonzero(np.nan_to_num(curve.value[1:]) > MAX_FIT) + 1
    if not over.size:
        return ""
    worst, q = over[np.argmax(curve.value[over])], curve.frequency
    return (
        f"; it exceeds 1 from {q[over[0]]:.3f} to {q[over[-1]]:.3f}/px, with {curve.value[worst]:.2f} at {q[worst]:.3f}/px: "
        "the model puts more there than was measured"
    )


def threshold_of(curve: Curve, criterion: str | float | None = None) -> NDArray[np.float64]:
    """What a curve is held against, (shells,); its own criterion unless given. Raises InputError for an unknown one."""
    return _threshold(curve, curve.criterion if criterion is None else criterion)[1]


def _threshold(curve: Curve, criterion: str | float) -> tuple[str, NDArray[np.float64]]:
    if criterion == "half-bit":
        return "half-bit", half_bit(curve.pixels)
    level = {"1/e": 1 / math.e, "1/2": 0.5}.get(criterion, criterion) if isinstance(criterion, str) else criterion
    if isinstance(level, str) or not 0 < level < 1:
        raise InputError(f"criterion={criterion!r} is unknown; give {', '.join(CRITERIA)} or a number between 0 and 1")
    return criterion if isinstance(criterion, str) else f"{level:g}", np.full(curve.value.shape, float(level))
