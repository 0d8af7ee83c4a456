"""How fine a reconstruction is: curves over spatial frequency, and the resolution read off them.

Frequencies are in 1/px of the object, 0.5 at the edge of the pattern's shortest axis; the corners beyond
are left out.  Shells are one Fourier pixel of that axis thick.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.fft as fft
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from ..numerics.alignment import align, as_object
from ..numerics.arrays import like, to_numpy
from ..numerics.stacks import Stack, align_all
from ..problem import Problem

CRITERIA = ("1/e", "1/2", "half-bit")


class Curve(NamedTuple):
    """A figure by shells of spatial frequency.

    name: "PRTF" or "FRC".  frequency: (shells,), 1/px, from 0.  value: (shells,), NaN where nothing was
    measured.  pixels: (shells,), how many of the pattern's pixels each value comes from.
    criterion: the one that is usual for the curve.
    """

    name: str
    frequency: NDArray[np.float64]
    value: NDArray[np.float64]
    pixels: NDArray[np.int64]
    criterion: str


class Resolution(NamedTuple):
    """Where a curve crosses its criterion.

    frequency: 1/px.  half_period: px, 1/(2·frequency).  half_period_nm: nm, None without a voxel size.
    All None where the curve never reaches the criterion.  how: how it was read off, in words.
    """

    frequency: float | None
    half_period: float | None
    half_period_nm: float | None
    criterion: str
    how: str


def prtf(estimates: Stack, problem: Problem) -> Curve:
    """Phase-retrieval transfer function, Σ_shell |mean_i F_i| / Σ_shell √I over the measured pixels.

    F_i is the far field of each start, aligned to the first one.  1 where all starts give one
    phase and fit the data, near 1/√starts where their phases are random.  The sums weigh a pixel by its
    amplitude; the mean of the pixels' ratios would be noise where few photons are.
    Source: Chapman et al. 2006, J. Opt. Soc. Am. A 23, 1179; Shapiro et al. 2005, PNAS 102, 15343.

    Raises InputError with fewer than two starts, or where a detector operator changes the pixels.
    """
    if problem.operator.out_shape != problem.amplitude.shape:
        raise InputError(
            f"the far field has shape {problem.operator.out_shape}, the data {problem.amplitude.shape}: "
            "a PRTF needs one phase a measured pixel; compare two estimates by frc instead"
        )
    if len(estimates) < 2:
        raise InputError(f"a PRTF needs at least two starts, there is {len(estimates)}; give more starts")
    starts = align_all(estimates, 0)
    field = sum(to_numpy(problem.operator.forward(like(x[None], problem.amplitude)))[0] for x in starts)
    valid = to_numpy(problem.valid)
    frequency, by_shell = _shells(valid.shape)
    agreed, measured = by_shell(valid * np.abs(field) / len(starts)), by_shell(valid * to_numpy(problem.amplitude))
    return Curve("PRTF", frequency, _ratio(agreed, measured), by_shell(valid).astype(int), "1/e")


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
    frequency, by_shell = _shells(a.shape)
    cross, power_a, power_b = by_shell((far_a * np.conj(far_b)).real), by_shell(np.abs(far_a) ** 2), by_shell(np.abs(far_b) ** 2)
    pixels = by_shell(np.ones(a.shape)).astype(int)
    return Curve("FRC", frequency, _ratio(cross, np.sqrt(power_a * power_b)), pixels, "half-bit")


def half_bit(pixels: ArrayLike) -> NDArray[np.float64]:
    """The correlation at which a pixel of a shell of n carries half a bit, (0.2071 + 1.9102/√n)/(1.2071 + 0.9102/√n).

    Takes the n pixels as independent; an object in a tight support has fewer, and the threshold is then
    somewhat too low.  Source: van Heel & Schatz 2005, J. Struct. Biol. 151, 250.
    """
    root = np.sqrt(np.maximum(np.asarray(pixels, float), 1))
    return (0.2071 + 1.9102 / root) / (1.2071 + 0.9102 / root)


def resolution(curve: Curve, criterion: str | float | None = None, voxel_nm: ArrayLike | None = None) -> Resolution:
    """The frequency at which `curve` first falls below `criterion`, interpolated between shells.

    criterion: "1/e", "1/2", "half-bit" or a number in (0, 1); the curve's own unless given.
    voxel_nm: nm, one number or one an axis, of which the largest counts.  The shell at zero frequency and
    those without measured pixels are passed over.  A curve that stays above is resolved to its last shell.

    Raises InputError for an unknown criterion.
    """
    label, threshold = _threshold(curve, curve.criterion if criterion is None else criterion)
    known = np.isfinite(curve.value) & (np.arange(len(curve.value)) > 0)
    q, margin = curve.frequency[known], (curve.value - threshold)[known]
    below = np.flatnonzero(margin < 0)
    if not q.size:
        return Resolution(None, None, None, label, f"{curve.name} has no measured shell above zero frequency; no resolution")
    if not below.size:
        at = float(q[-1])
        how = f"{curve.name} stays above {label} up to its last shell, {at:.3f}/px: limited by the pixel, not by the data"
    elif below[0] == 0:
        return Resolution(
            None, None, None, label, f"{curve.name} is below {label} from its first shell, {q[0]:.3f}/px; no resolution"
        )
    else:
        i = below[0]
        at = float(q[i - 1] + (q[i] - q[i - 1]) * margin[i - 1] / (margin[i - 1] - margin[i]))
        how = f"{curve.name} first falls below {label} at {at:.3f}/px, interpolated between shells"
        above = q[i:][margin[i:] >= 0]
        if above.size:
            how += f"; it is above again at {above[0]:.3f}/px"
    half = 1 / (2 * at)
    nm = None if voxel_nm is None else half * float(np.max(voxel_nm))
    return Resolution(at, half, nm, label, how)


def threshold_of(curve: Curve, criterion: str | float | None = None) -> NDArray[np.float64]:
    """What a curve is held against, (shells,); its own criterion unless given. Raises InputError for an unknown one."""
    return _threshold(curve, curve.criterion if criterion is None else criterion)[1]


def _threshold(curve: Curve, criterion: str | float) -> tuple[str, NDArray[np.float64]]:
    if criterion == "half-bit":
        return "half-bit", half_bit(curve.pixels)
    level = {"1/e": 1 / np.e, "1/2": 0.5}.get(criterion, criterion) if isinstance(criterion, str) else criterion
    if isinstance(level, str) or not 0 < level < 1:
        raise InputError(f"criterion={criterion!r} is unknown; give {', '.join(CRITERIA)} or a number between 0 and 1")
    return criterion if isinstance(criterion, str) else f"{level:g}", np.full(curve.value.shape, float(level))


def _shells(shape: tuple[int, ...]) -> tuple[NDArray[np.float64], Callable[[NDArray], NDArray]]:
    """The shells' frequencies (shells,) and what sums values (*shape), zero frequency at index 0, over each."""
    n = min(shape)
    radius = np.sqrt(sum(q**2 for q in np.meshgrid(*map(fft.fftfreq, shape), indexing="ij", sparse=True)))
    index, count = np.rint(radius * n).astype(int).ravel(), n // 2 + 1
    return np.arange(count) / n, lambda values: np.bincount(index, values.ravel(), minlength=count)[:count]


def _ratio(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(a, b, out=np.full(a.shape, np.nan), where=b > 0)
