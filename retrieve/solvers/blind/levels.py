"""The levels of a search in three dimensions: the middle of a pattern and all of it, and the cost of an object on either."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy import ndimage

from ...numerics.arrays import Array, like, namespace, to_numpy
from ...operators import Operator, PartialCoherence
from ...problem import Problem
from ...problem.likelihood import Poisson
from ..base import Step
from ..iterative import iterate
from ..shrinkwrap import ShrinkWrap
from .coarse import SHOW_INTERVAL, detector_of, pad_pattern
from .search import Parts, scaled
from .state import Found, SearchState

T = TypeVar("T", bound=np.generic)
SMALLEST_COARSE = 24
"""Pixels of an axis below which it is not halved."""
COARSE_POINTS = 1 << 16
"""Points up to which a pattern is searched as it is."""
WHOLE_COUNTS = 1e4
"""Counts up to which single precision shows that they are whole."""


@dataclass(frozen=True)
class Fit:
    """A problem at a level, and the cost of its objects.

    counts: whether the intensities are counts, whose likelihood is Poisson; else the misfit's own size stands for the noise, and
    the cost is R · exp(2 · voxels/pixels), which orders objects as pixels/2 · log R + voxels does, and is positive.
    """

    problem: Problem
    counts: bool
    effort: float

    @classmethod
    def of(cls, problem: Problem, effort: float) -> Fit:
        """The problem, with the likelihood of its counts if it has any."""
        scale = counts_of(problem)
        if scale is not None:
            problem = problem.replace(likelihood=Poisson(scale=scale))
        return cls(problem, scale is not None, effort)

    @property
    def words(self) -> list[str]:
        """What the cost rests on."""
        if self.counts:
            return ["the cost rests on the Poisson likelihood of counts"]
        return ["the cost rests on the size of the misfit: no counts; the middle is searched at the higher threshold alone"]

    def under(self, detector: Operator | None) -> Fit:
        """The same under a blur."""
        return Fit(self.problem.replace(detector=detector), self.counts, self.effort)

    def without(self, pixels: NDArray[np.bool_]) -> Fit:
        """The same with these pixels unmeasured."""
        return Fit(self.problem.without(pixels), self.counts, self.effort)

    def score(self, x: Array, support: Array, by: tuple[str, ...]) -> SearchState:
        """The states of x and support (batch, *shape), by cost."""
        xp = namespace(x)
        support = xp.broadcast_to(support, x.shape)
        inside = xp.where(support, x, xp.zeros((), dtype=x.dtype, device=x.device))
        voxels = to_numpy(xp.sum(xp.astype(support, xp.int32), axis=tuple(range(1, x.ndim)))).astype(float)
        if self.counts:
            cost = to_numpy(self.problem.nll(inside)).astype(float) + voxels
        else:
            pixels = float(to_numpy(self.problem.valid).sum())
            cost = (to_numpy(self.problem.r_factor(inside)).astype(float) + 1e-12) * np.exp(2 * voxels / pixels)
        return SearchState(x, support, np.where(np.isfinite(cost), cost, np.inf), by)

    def steps(self, parts: Parts, state: SearchState, stage: str, twin_cut: int | None = None) -> Iterator[Step]:
        """The steps of the parts from a state."""
        for step in iterate(scaled(parts, self.effort), self.problem, state.x, state.support, twin_cut):
            yield step._replace(stage=stage)

    def run(self, parts: Parts, state: SearchState, stage: str, twin_cut: int | None = None) -> Found:
        """Run the parts from a state, and score the end."""
        step = Step(state.x, state.support)
        for step in self.steps(parts, state, stage, twin_cut):
            yield step
        return self.score(step.x, step.support, state.by)

    def wrapped(self, state: SearchState, wrap: ShrinkWrap) -> SearchState:
        """The state with the support that shrink-wrap leaves at once."""
        if self.problem.support is not None:
            return state
        xp = namespace(state.x)
        inside = xp.where(state.support, state.x, xp.zeros((), dtype=state.x.dtype, device=state.x.device))
        return state._replace(support=wrap.update(inside, state.support, 0.0))


def counts_of(problem: Problem) -> float | None:
    """Counts per unit of intensity, if most intensities are whole multiples of the lowest; None if they are no counts."""
    if isinstance(problem.likelihood, Poisson):
        return problem.likelihood.scale
    intensity = to_numpy(problem.amplitude)[to_numpy(problem.valid)].astype(float) ** 2
    if not intensity.any():
        return None
    unit = float(intensity[intensity > 0].min())
    counts = intensity / unit
    small = counts[counts < WHOLE_COUNTS]
    whole = np.abs(small - np.round(small)).max(initial=0) < 0.02
    return 1 / unit if whole and len(small) > len(counts) / 2 else None


def levels_of(problem: Problem) -> list[Problem]:
    """The problem and the middles of its pattern, each half as long along each axis, down to one that is quick to search."""
    levels = [problem]
    while math.prod(levels[-1].shape) > COARSE_POINTS and (coarser := coarse_problem(levels[-1])) is not levels[-1]:
        levels.append(coarser)
    return levels


def coarse_problem(problem: Problem) -> Problem:
    """The problem of the middle of the pattern, about half of each axis; the problem itself if it is small or has a detector."""
    shape = tuple(coarse_length(n) for n in problem.shape)
    operator = problem.operator.middle(shape)
    if problem.detector is not None or operator is None or shape == tuple(problem.shape):
        return problem

    def crop(a: Array) -> Array:
        return like(middle_of(to_numpy(a), shape), a)

    support = problem.support
    if support is not None:
        support = like(resampled(to_numpy(support), shape), support)
    return problem.replace(
        amplitude=crop(problem.amplitude), valid=crop(problem.valid), operator=operator, support=support, truth=None
    )


def middle_of(a: NDArray[T], shape: tuple[int, ...]) -> NDArray[T]:
    """The middle of an array of the detector, both with zero frequency first."""
    middle = tuple(slice(n // 2 - m // 2, n // 2 - m // 2 + m) for n, m in zip(a.shape, shape, strict=True))
    return np.ascontiguousarray(np.fft.ifftshift(np.fft.fftshift(a)[middle]))


def coarse_length(n: int) -> int:
    """About half an axis: an even number with small factors."""
    return 2 * scipy.fft.next_fast_len(math.ceil(n / 4)) if n >= 2 * SMALLEST_COARSE else n


def resampled(inside: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """A mask on an array of other pixels for the same field of view: fewer, each that it touches, or more."""
    for axis, m in enumerate(shape):
        n = inside.shape[axis]
        many, few = max(n, m), min(n, m)
        nearest = ((np.arange(many) - many // 2) * 2 * few + many) // (2 * many) + few // 2
        nearest = np.clip(nearest, 0, few - 1)
        if m >= n:
            inside = np.take(inside, nearest, axis)
        else:
            inside = np.moveaxis(inside, axis, 0)
            touched = np.zeros((m, *inside.shape[1:]), bool)
            np.logical_or.at(touched, nearest, inside)
            inside = np.moveaxis(touched, 0, axis)
    return inside


def cropped(x: Array, fine: Problem, coarse: Problem) -> Array:
    """x (batch, *shape) on the pixels of the coarse problem."""
    if coarse is fine:
        return x
    field = np.fft.fftshift(to_numpy(fine.operator.forward(x)), axes=(1, 2, 3))
    middle = tuple(slice(n // 2 - m // 2, n // 2 - m // 2 + m) for n, m in zip(fine.shape, coarse.shape, strict=True))
    part = np.fft.ifftshift(field[(slice(None), *middle)], axes=(1, 2, 3)).astype(np.complex64)
    return coarse.operator.adjoint(like(np.ascontiguousarray(part), fine.amplitude))


def interpolated(x: Array, support: Array, coarse: Problem, fine: Problem) -> tuple[Array, Array]:
    """x and support (batch, *coarse shape) on the fine problem's pixels; the support grows by a coarse pixel all around."""
    if fine.support is not None:
        known = namespace(x).broadcast_to(fine.support[None, ...], (x.shape[0], *fine.shape))
    if coarse is fine:
        return x, support if fine.support is None else known
    field = pad_pattern(to_numpy(coarse.operator.forward(x)), tuple(fine.shape)).astype(np.complex64)
    brought = fine.operator.adjoint(like(field, fine.amplitude))
    if fine.support is not None:
        return brought, known
    wider = [ndimage.binary_dilation(resampled(one, tuple(fine.shape)), iterations=2) for one in to_numpy(support)]
    return brought, like(np.stack(wider), fine.valid)


def shown_on(coarse: Problem, fine: Problem, stage: str) -> Callable[[Step], Step | None]:
    """A function that brings the first element of a step on the coarse problem to the fine one's pixels; it drops most steps."""
    count = itertools.count()

    def show(step: Step) -> Step | None:
        if next(count) % SHOW_INTERVAL:
            return None
        xp = namespace(step.x)
        support = xp.broadcast_to(step.support, step.x.shape)[:1, ...]
        x, support = interpolated(step.x[:1, ...], support, coarse, fine)
        kernel = getattr(step.detector, "kernel", None)
        detector: PartialCoherence | None = detector_of([kernel], fine)
        return Step(x, support, detector, f"{stage}: {step.stage}")

    return show
