"""Where an object is determined and where it is not: pixel by pixel, and shell by shell of spatial frequency.

u(r) = √(⟨v + 4σ²⟩ / ⟨|x|²⟩)(r)     v: variance of x over the starts that explain the data;  ⟨⟩: a Gaussian of one pixel

Starts that fit one pattern share its noise, which their variance does not show. A pixel of the detector with the noise σ measures
one of the two components of its field, so that noise alone gives a pixel of the object at least the variance 4σ², on average
over the support: the diagonal of the Fisher information of x is 1/2σ² for the real and for the imaginary part.

A shell is determined where the data say something (`reach_of`), and the chosen start correlates with the mean of the others.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..io.result import Result
from ..io.uncertainty import LIMITS, Uncertainty
from ..numerics.alignment import align
from ..numerics.arrays import like, to_numpy
from ..problem import Problem
from ..problem.scoring import known_noise, standard_error
from .metrics import INSIDE
from .reach import Reach, mean_of, reach_of, shells

AS_WELL = 1.2
"""A start explains the data as well as the chosen one if its misfit beyond noise is at most so many times as large."""
ERRORS = 3
"""Standard errors of the deviance by which it may exceed that besides."""
WINDOW = 1.0
"""Standard deviation of the Gaussian over which variance and power are taken, pixels: one pixel of one pair is a single draw."""
UNDETERMINED = 0.3
"""Standard deviation over amplitude from which a pixel is not determined; its phase then errs by 0.2 rad."""
AGREED = 0.7
"""Correlation of the starts from which they determine a shell: on simulated crystals the truth then correlates by 0.6 or more."""
MODEL_SHARE = 0.5
"""Share of the measured amplitude that the model must put into a shell."""


def uncertainty_of(result: Result) -> Uncertainty:
    """Tell how far the object of a result is determined, from its starts or posterior samples and from the noise.

    A start counts if its deviance per pixel or, where no noise is known, its R is within noise of the chosen start's. Agreement
    does not count: starts that disagree and fit alike are what makes an object uncertain.

    Parameters
    ----------
    result : Result
        A result of two starts or samples or more. With one, the words say so, and there is no map.

    Returns
    -------
    Uncertainty
        With its map, and a statement on each shell.
    """
    if not (np.isfinite(result.object).all() and result.object.any()):
        return Uncertainty("the object is empty or not finite; nothing can be said of its uncertainty")
    drawn = result.samples is not None and len(result.samples) > 1
    starts = explaining_starts(result)
    found = moments_of(result, None if drawn else starts)
    noise = 0.0 if drawn else noise_of(result)
    relative = undetermined = None
    if found.members > 1:
        relative = relative_spread(result.object, found, noise)
        undetermined = float(np.mean(relative[np.isfinite(relative)] > UNDETERMINED))
    by_shell = shells_of(result, found)
    return Uncertainty(
        _words(result, found, drawn, undetermined, by_shell),
        starts,
        found.members if drawn else 0,
        noise,
        relative,
        undetermined,
        UNDETERMINED,
        by_shell,
        _end_of(by_shell)[0],
    )


def explaining_starts(result: Result) -> tuple[int, ...]:
    """Numbers of the starts that explain the data as well as the chosen one, which comes first."""
    chosen = result.scores[result.chosen]
    if chosen.failure is not None:
        return ()
    pixels = int(to_numpy(result.problem.valid).sum()) - (0 if result.held is None else int(result.held.sum()))
    slack = ERRORS * standard_error(max(1, pixels))
    found = [result.chosen]
    for k, score in enumerate(result.scores):
        if k == result.chosen or score.failure is not None or not np.isfinite(result.estimates[k]).all():
            continue
        if score.deviance is None or chosen.deviance is None:
            as_well = score.r <= chosen.r * (AS_WELL + slack)
        else:
            as_well = score.deviance - 1 <= AS_WELL * max(chosen.deviance - 1, 0) + slack
        if as_well:
            found.append(k)
    return tuple(found)


class Moments(NamedTuple):
    """Mean and variance of the members, aligned to the object.

    members: how many.  first: complex (*shape), the chosen start or the first sample.  mean: complex (*shape).
    variance, power: float32 (*shape), Σ|x − mean|²/(members − 1) and the mean of |x|².
    """

    members: int
    first: NDArray[np.complexfloating]
    mean: NDArray[np.complexfloating]
    variance: NDArray[np.float32]
    power: NDArray[np.float32]

    @property
    def others(self) -> NDArray[np.complexfloating]:
        """The mean of all but the first, (*shape)."""
        return np.asarray((self.members * self.mean - self.first) / (self.members - 1), self.mean.dtype)


def moments_of(result: Result, starts: tuple[int, ...] | None) -> Moments:
    """The moments of these starts, one after the other so that no stack is aligned; of the samples if None."""
    members = starts if starts is not None else range(0 if result.samples is None else len(result.samples))
    x = result.object
    first, mean, count = x, np.zeros_like(x), 0
    squares, power = np.zeros(x.shape, np.float32), np.zeros(x.shape, np.float32)
    for k in members:
        if starts is None:
            one = np.asarray(result.samples)[k]
        else:
            one = x if k == result.chosen and result.averaged is None else align(result.estimates[k], x).object
        first, count = (one if count == 0 else first), count + 1
        away = one - mean
        mean += away / count
        squares += (away.conj() * (one - mean)).real
        power += np.abs(one) ** 2
    squares /= max(1, count - 1)
    power /= max(1, count)
    return Moments(count, first, mean, squares, power)


def noise_of(result: Result) -> float:
    """The standard deviation 2σ of a pixel of the object by the noise σ of the amplitudes; 0 where A is not orthonormal.

    Where σ is not known, the misfit stands for it.
    """
    problem = result.problem
    if not problem.operator.isometry:
        return 0.0
    noise = known_noise(problem)
    if noise is not None and noise.amplitude_noise is not None:
        return 2 * noise.amplitude_noise
    mean = float(problem.power) / max(1, int(to_numpy(problem.valid).sum()))
    return 2 * math.sqrt(max(result.score.r, 0) * mean)


def relative_spread(x: NDArray, found: Moments, noise: float) -> NDArray[np.float32]:
    """u (*shape), 0 to 1; NaN where neither the object x (*shape) nor the members have a tenth of its largest amplitude."""
    least = (INSIDE * float(np.abs(x).max())) ** 2
    power = np.maximum(ndimage.gaussian_filter(found.power, WINDOW), np.finfo(np.float32).tiny)
    variance = ndimage.gaussian_filter(found.variance, WINDOW) + np.float32(noise**2)
    relative = np.sqrt(variance / power).clip(0, 1)
    outside = (np.abs(x) ** 2 <= least) & (found.power <= least)
    relative[outside] = np.nan
    return relative.astype(np.float32, copy=False)


def shells_of(result: Result, found: Moments) -> dict[str, list[Any]]:
    """The lists of `Uncertainty.shells`; empty where a detector operator changes the pixels."""
    problem = result.problem
    if problem.operator.out_shape != problem.amplitude.shape or not found.members:
        return {}
    frequency, by_shell = shells(problem.amplitude.shape)
    fields = [_field(problem, one) for one in (found.first, found.others)] if found.members > 1 else []
    agreement = np.full(frequency.shape, np.nan)
    if fields:
        one, others = fields
        cross = by_shell((one * others.conj()).real)
        agreement = mean_of(cross, np.sqrt(by_shell(np.abs(one) ** 2) * by_shell(np.abs(others) ** 2)))
    del fields
    batch = like(found.first[None].astype(np.complex64), problem.amplitude)
    reach = reach_of(problem, to_numpy(problem.misfit(batch))[0])
    modelled = by_shell(reach.pixels * to_numpy(problem.intensity(batch))[0])
    measured = by_shell(reach.pixels * to_numpy(problem.amplitude) ** 2)
    fit = np.sqrt(mean_of(modelled.clip(0), measured))
    return {
        "frequency": frequency.tolist(),
        "signal": _numbers(reach.signal),
        "hidden": _numbers(reach.hidden),
        "agreement": _numbers(agreement),
        "limit": _limits(reach, agreement, fit, found.members),
    }


def _field(problem: Problem, x: NDArray) -> NDArray[np.complexfloating]:
    """The far field (*shape) of x (*shape)."""
    return to_numpy(problem.operator.forward(like(x[None].astype(np.complex64), problem.amplitude)))[0]


def _limits(reach: Reach, agreement: NDArray, fit: NDArray, members: int) -> list[str]:
    """What hides each shell; empty where nothing does."""
    disagree = np.full(agreement.shape, "one start") if members < 2 else np.where(agreement < AGREED, "starts", "")
    limit = np.where(fit < MODEL_SHARE, "model", disagree) if members > 1 else disagree
    limit = np.where(disagree == "starts", "starts", limit)
    limit = np.where(reach.weak, "data", limit)
    return [str(name) for name in np.where(np.isfinite(reach.signal), limit, "not measured")]


def _numbers(values: NDArray) -> list[float | None]:
    """Numbers for JSON."""
    return [float(value) if np.isfinite(value) else None for value in values]


def _end_of(by_shell: dict[str, list[Any]]) -> tuple[float | None, str]:
    """The last frequency (1/px) before the first shell that is not determined, None without any, and what limits that shell."""
    last = None
    for q, limit in list(zip(by_shell.get("frequency", ()), by_shell.get("limit", ()), strict=True))[1:]:
        if limit not in ("", "not measured"):
            return last, limit
        last = last if limit else float(q)
    return last, ""


def _words(result: Result, found: Moments, drawn: bool, undetermined: float | None, by_shell: dict[str, list[Any]]) -> str:
    """The summary of an uncertainty."""
    starts, pixel = len(result.scores), "voxels" if result.object.ndim == 3 else "pixels"
    if undetermined is None:
        said = "one start" if starts == 1 else f"no other of {starts} starts explains the data as well as the chosen one"
        return f"{said}: a map of where the object is not determined needs two or more that do; give more --starts"
    who = f"{found.members} posterior samples" if drawn else f"{found.members} of {starts} starts explain the data alike"
    share = f"{undetermined:.1%} of the object's {pixel} are not determined (spread above {UNDETERMINED:g} of the amplitude)"
    resolution, limit = _end_of(by_shell)
    if not by_shell:
        return f"{who}; {share}"
    if resolution is None:
        return f"{who}; {share}; no shell of frequency is determined"
    beyond = f"beyond, {LIMITS[limit]}" if limit else "the last shell"
    return f"{who}; {share}; determined up to {resolution:.3f}/px, a half period of {1 / (2 * resolution):.2f} px: {beyond}"
