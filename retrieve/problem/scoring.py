"""R factors and deviances of an object on working and on held-out pixels, and the choice of a start by them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..numerics import fast
from ..numerics.arrays import Array, Device, find_device, namespace, to_numpy
from ..operators import Operator
from .likelihood import Likelihood, Poisson, is_cut, is_described, some_measured, stated_noise
from .problem import Problem

LEAST_COUNTS = 0.1
"""Calculated counts below which PyNX adds this many inside a logarithm."""


@dataclass(frozen=True)
class Score:
    """The fit of one start. Lower is better.

    Parameters
    ----------
    r
        Amplitude R factor Σ(|F|−√I)²/ΣI over the working pixels.
    r_free
        The same on the held-out pixels, per pixel relative to the working pixels' mean intensity; None if no pixel was
        held out.
    nll
        Negative log-likelihood per working pixel.
    failure
        The reason why this start has no usable estimate, or None.
    deviance
        Σ deviance/Σ expected deviance over the working pixels: 1 if noise alone explains the misfit; None if the noise is not
        known, see `known_noise`.
    deviance_free
        The same over the held-out pixels; None if no pixel was held out.
    """

    r: float
    r_free: float | None = None
    nll: float = float("nan")
    failure: str | None = None
    deviance: float | None = None
    deviance_free: float | None = None

    @classmethod
    def of(cls, numbers: Sequence[float], failure: str | None = None) -> Score:
        """The score of r, r_free, nll, deviance and deviance_free, each NaN where there is none."""
        r, free, nll, *deviances = (float(value) for value in numbers)
        optional = [None if math.isnan(value) else value for value in (free, *deviances)]
        return cls(r, optional[0], nll, failure, *optional[1:])

    @property
    def chi2(self) -> float:
        """Former name of `r`."""
        warnings.warn("Score.chi2 is now Score.r", DeprecationWarning, stacklevel=2)
        return self.r

    @property
    def free(self) -> float | None:
        """Former name of `r_free`."""
        warnings.warn("Score.free is now Score.r_free", DeprecationWarning, stacklevel=2)
        return self.r_free

    @property
    def rank(self) -> float:
        """The number that orders the starts: R_free if there is one, else R; infinite for a failed start."""
        value = self.r if self.r_free is None else self.r_free
        return float("inf") if self.failure or value != value else value


@dataclass(frozen=True)
class Scorer:
    """R and R_free from one transform.

    R = Σ_w(√P − √I)²/Σ_w I over the working pixels w. R_free is the mean of (√P − √I)² over the held-out pixels, divided by
    the mean of I over the working pixels. R_free = R if held-out pixels are predicted as well as fitted ones.
    """

    problem: Problem
    work: Array
    held: Array | None

    @classmethod
    def of(cls, problem: Problem, held: Array | None, device: Device | None = None, work: Array | None = None) -> Scorer:
        """Make the scorer of a problem with all its measured pixels, and the mask of held-out pixels (zero frequency first).

        work: the mask of the measured pixels that are not held out, if the caller has it.
        """
        device = device or find_device("cpu")
        valid = to_numpy(problem.valid)
        if work is None:
            work = valid if held is None else valid & ~to_numpy(held)
        masks = [None if mask is None else device.put(to_numpy(mask).astype(bool, copy=False)) for mask in (work, held)]
        return cls(problem.to(device), *masks)

    @cached_property
    def _mean(self) -> Array:
        """The mean intensity of the working pixels."""
        xp = namespace(self.work)
        y = self.problem.amplitude
        return xp.sum(xp.where(self.work, y, xp.zeros_like(y)) ** 2) / xp.sum(xp.astype(self.work, y.dtype))

    @cached_property
    def _shares(self) -> list[Array]:
        """Weights that turn the misfits into R and R_free."""
        weights = [self._weight(mask) for mask in (self.work, self.held) if mask is not None]
        return [weight / (namespace(weight).sum(weight) * self._mean) for weight in weights]

    @cached_property
    def _counts(self) -> np.ndarray:
        """The mean intensity times the number of working and of held-out pixels, on the host."""
        counts = [np.nan if mask is None else np.count_nonzero(mask) for mask in (self.work, self.held)]
        return np.asarray(counts) * float(self._mean)

    def _weight(self, mask: Array) -> Array:
        return namespace(mask).astype(mask, self.problem.amplitude.dtype)

    def __call__(self, x: Array, detector: Operator | None = None, support: Array | None = None) -> tuple[np.ndarray, np.ndarray]:
        """R and R_free (batch,) of x (batch, *shape), on the host; R_free is NaN if no pixel is held out.

        With a `support`, bool (batch or 1, *shape), x is zero outside it.
        """
        xp = namespace(x)
        problem = self.problem if detector is None else self.problem.replace(detector=detector)
        if problem.detector is None and problem.operator.fourier is not None:
            held = self.work if self.held is None else self.held
            sums = fast.misfits(x, support, problem.amplitude, self.work, held, problem.operator.fourier)
            if sums is not None:
                r, left = (sums / self._counts).T
                return r, left
        misfit = problem.misfit(x if support is None else xp.where(support, x, xp.zeros_like(x)))
        axes = tuple(range(1, misfit.ndim))
        r, *free = (to_numpy(xp.sum(misfit * share, axis=axes)) for share in self._shares)
        return r, free[0] if free else np.full_like(r, np.nan)

    @cached_property
    def _noise(self) -> Likelihood | None:
        return known_noise(self.problem)

    def scores(self, x: Array, detector: Operator | None = None, r: np.ndarray | None = None) -> list[Score]:
        """The scores of x (batch, *shape); r: R and R_free (2, batch), if the caller has them.

        A score whose R is not finite is a failure.
        """
        problem = self.problem if detector is None else self.problem.replace(detector=detector)
        r, free = self(x, detector) if r is None else r
        f = problem.operator.forward(x)
        pixels = int(np.count_nonzero(to_numpy(self.work)))
        nll = to_numpy(problem.replace(valid=self.work).nll_of(f)) / max(pixels, 1)
        deviances = deviance_per_pixel(problem, f, self._noise, (self.work, self.held))
        columns = np.stack([r, free, nll, *deviances], axis=1)
        return [
            Score.of(numbers, None if math.isfinite(numbers[0]) else f"R is {numbers[0]:g} on {pixels} fitted pixels")
            for numbers in columns
        ]


def known_noise(problem: Problem) -> Likelihood | None:
    """The noise by which the deviance judges a fit, None where it is not known.

    Parameters
    ----------
    problem : Problem
        The measurement.

    Returns
    -------
    Likelihood or None
        The problem's own likelihood, with three exceptions. σ = ½, the default, stands for counts: it is `Poisson` where the
        intensities are whole numbers, and nothing is known where they are not. Counts that were cut to zero below a threshold
        follow no likelihood here, nor does a simulation without noise or with counts and noise on the amplitude at once.
    """
    y = some_measured(to_numpy(problem.amplitude), to_numpy(problem.valid))
    noise = stated_noise(problem.likelihood, y) if is_described(problem.meta) else None
    return None if isinstance(noise, Poisson) and is_cut(noise, y) else noise


def deviance_per_pixel(problem: Problem, f: Array, noise: Likelihood | None, masks: Sequence[Array | None]) -> np.ndarray:
    """Σ deviance/Σ expected deviance over the pixels of each mask.

    It is 1 for a right model and the right noise, at 0.1 counts a pixel as at 10⁴. A fit of n pixels by p free numbers has about
    1 − p/n on the pixels that it saw, and more than 1 on others.

    Parameters
    ----------
    problem : Problem
        With the amplitudes of all masks.
    f : complex (batch, *field)
        The far field A x.
    noise
        The noise, None if it is not known; see `known_noise`.
    masks
        bool (*shape), zero frequency first.

    Returns
    -------
    float64 (masks, batch)
        NaN for a mask that is None or has no pixels, and where the noise or its expectation is not known.
    """
    sums = np.zeros((2, len(masks), f.shape[0]))
    for at, *pixels in deviances(problem, f, noise):
        xp = namespace(pixels[0])
        axes = tuple(range(1, pixels[0].ndim))
        for total, values in zip(sums, pixels, strict=True):
            for k, mask in enumerate(masks):
                if mask is not None:
                    total[k] += to_numpy(xp.sum(xp.where(mask[at], values, xp.zeros_like(values)), axis=axes))
    total, expected = sums
    return np.divide(total, expected, out=np.full_like(total, np.nan), where=expected > 0)


def deviances(problem: Problem, f: Array, noise: Likelihood | None) -> Iterator[tuple[Any, Array, Array]]:
    """The deviance of each pixel and its expectation (batch, *part) in parts, each with its place on the detector.

    Pixels that were not measured hold no meaning. Nothing comes where the noise or its expectation is not known.
    """
    if noise is None:
        return
    for at, p in problem.slabs(f):
        p = namespace(p).clip(p, min=0)
        expected = noise.expected_deviance(p)
        if expected is None:
            return
        yield at, noise.deviance(p, problem.amplitude[at]), expected


def deviance_of_counts(problem: Problem, x: Array, masks: Sequence[np.ndarray]) -> list[float]:
    """Σ 2(λ − k + k log(k/λ)) over the pixels of each mask, for k measured and λ calculated counts, as PyNX writes it.

    Below a tenth of a count, a tenth is added to λ inside the logarithm, which keeps it finite.

    Parameters
    ----------
    problem : Problem
        The measurement, in counts if its likelihood is not `Poisson`.
    x : complex (*in_shape)
        The object.
    masks
        bool (*shape), zero frequency first.
    """
    scale = problem.likelihood.scale if isinstance(problem.likelihood, Poisson) else 1.0
    sums = np.zeros(len(masks))
    for at, p in problem.slabs(problem.operator.forward(x[None])):
        rate = np.clip(scale * to_numpy(p)[0].astype(np.float64), 0, None)
        counts = scale * to_numpy(problem.amplitude[at]).astype(np.float64) ** 2
        ratio = np.where(counts > 0, counts, 1) / (rate + np.where(rate < LEAST_COUNTS, LEAST_COUNTS, 0))
        deviance = 2 * (rate - counts + counts * np.log(ratio))
        sums += [deviance[mask[at]].sum() for mask in masks]
    return sums.tolist()


def standard_error(pixels: int) -> float:
    """The relative standard error √(2/n) of R on n pixels."""
    return math.sqrt(2 / pixels)


def same_support(problem: Problem, supports: np.ndarray | None) -> bool:
    """Whether all starts kept to one known support, which gives them the same freedom to fit."""
    return problem.support is not None and (supports is None or bool((supports == supports[:1]).all()))


def select_start(scores: Sequence[Score], held: int, alike: bool) -> int:
    """The number of the start to show: that of the lowest R_free.

    On a small pattern the standard error of R_free is large. If the starts have the same freedom to fit, the one of the lowest
    R is chosen among those within one standard error of the lowest R_free [1]_. Failed starts are not chosen.

    Parameters
    ----------
    scores
        One score a start.
    held
        Number of held-out pixels.
    alike
        Whether the starts have the same freedom to fit; see `same_support`.

    References
    ----------
    .. [1] Breiman, Friedman, Olshen & Stone, Classification and Regression Trees (1984): the one-standard-error rule.
    """
    ranks = [score.rank for score in scores]
    lowest = min(ranks)
    if not (held and alike and math.isfinite(lowest)):
        return ranks.index(lowest)
    near = [k for k, rank in enumerate(ranks) if rank <= lowest * (1 + standard_error(held))]
    return min(near, key=lambda k: scores[k].r)
