"""Partial coherence of the beam: a blur of the pattern, fitted to a start and kept if held-out pixels ask for it.

A blur of the intensity is a weight on the autocorrelation. A search without it still finds the support, but no object that
explains the pattern. An object that fades towards its edges takes up the rest of a kernel that is too narrow, and explains
the pattern as well. Nothing takes up the excess of a kernel that is too wide. So the widest kernel that fits is taken.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...numerics.arrays import Array, like
from ...operators import PartialCoherence
from ...problem import Problem
from ..base import Step
from .search import refine, run_stage, volume_parts
from .state import Found, SearchContext, SearchState, Stage, StartRecord, best_of, relay

MOST_WIDTHS = 12
"""Kernels that are tried at most, and the most that each axis is widened by itself."""
NARROWEST_WIDTH = 0.13
"""Standard deviation of the first kernel tried, in widths of a speckle."""
WIDTH_STEP = 1.2
"""Each kernel's width over the one before, of one axis alone its square root."""
WIDE_KERNEL = 1.4
"""Width over the first one's of a kernel that fits no coherent pattern."""
FIT_RATIO = 1.1
"""R over the least at which a kernel still fits."""
KERNEL_ABORT_RATIO = 2.0
"""R over the least at which no wider kernel is tried."""
BLUR_SCORE_RATIO = 0.9
"""Score over that without a kernel at which a narrow one is kept; 20 of 24 starts are right at 0.8, 0.9 and 0.95."""

Trials = Generator[Step, None, "list[KernelTrial]"]


class KernelTrial(NamedTuple):
    """A kernel's standard deviations along the axes (px), the start refined under it, and R there."""

    widths: NDArray[np.float64]
    state: SearchState
    r: float


def fit_kernel(context: SearchContext, start: StartRecord) -> Stage:
    """Fit the coherence that the pattern asks for, if any.

    A wide kernel is taken where it fits as well as none, which it does not if the pattern is coherent. A narrow one is taken
    where it lowers the score to BLUR_SCORE_RATIO of that of as many refinements without a kernel.
    """
    trials = yield from try_widths(context, start)
    fit = _fitting(trials, float(context.scorer(start.state.x)[0][0]))
    plain, why = start.state, "fits as well as none"
    if not fit or fit[-1].widths[0] < WIDE_KERNEL * trials[0].widths[0]:
        if not _lower_score(trials, plain):
            return start
        for _ in trials:
            plain = best_of([plain, (yield from _refine_start(context, start, plain))])
        if not _lower_score(trials, plain):
            return start
        why = "lowers the score clearly"
    best = yield from widen_kernel(context, start, trials)
    widths = " × ".join(f"{width:.2f}" for width in best.widths)
    return start.note(
        f"the beam's coherence was fitted as a blur of {widths} px, the widest that fits; it {why} and is kept: "
        f"score {plain.score[0]:.2g} to {best.state.score[0]:.2g}",
        state=best.state,
        kernel=_kernel(best.widths, context.problem),
    )


def try_widths(context: SearchContext, start: StartRecord) -> Trials:
    """Try Gaussian kernels, each wider than the one before and refined from there, until one does not fit."""
    trials: list[KernelTrial] = []
    narrowest = np.full(len(context.problem.shape), NARROWEST_WIDTH * min(context.whole.speckle_size))
    for n in range(MOST_WIDTHS):
        state = trials[-1].state if trials else start.state
        trials.append((yield from _try_kernel(context, start, WIDTH_STEP**n * narrowest, state)))
        if not trials[-1].r <= KERNEL_ABORT_RATIO * _least(trials):
            break
    return trials


def widen_kernel(context: SearchContext, start: StartRecord, trials: list[KernelTrial]) -> Generator[Step, None, KernelTrial]:
    """Take the widest kernel that fits, then widen each axis by itself while that fits, too."""
    best = _fitting(trials, _least(trials))[-1]
    growing = set(range(len(best.widths)))
    for _ in range(MOST_WIDTHS):
        for axis in sorted(growing):
            widths = best.widths * np.where(np.arange(len(best.widths)) == axis, math.sqrt(WIDTH_STEP), 1)
            trials.append((yield from _try_kernel(context, start, widths, best.state)))
            if trials[-1].r <= FIT_RATIO * _least(trials):
                best = trials[-1]
            else:
                growing.remove(axis)
    return best


def _try_kernel(
    context: SearchContext, start: StartRecord, widths: NDArray[np.float64], state: SearchState
) -> Generator[Step, None, KernelTrial]:
    """Refine a state under a Gaussian kernel."""
    detector = PartialCoherence(_kernel(widths, context.problem), context.problem.amplitude.shape)
    blurred = replace(context, problem=context.problem.replace(detector=detector))
    found = yield from relay(_refine_start(blurred, start, state), lambda step: step._replace(detector=detector))
    return KernelTrial(widths, found, float(context.scorer(found.x, detector)[0][0]))


def _refine_start(context: SearchContext, start: StartRecord, state: SearchState) -> Found:
    """Refine a state of the start; a mean stays at its volume."""
    if start.volume is not None:
        return run_stage(context, volume_parts(context, start.volume, 1.0), state)
    return refine(context, state._replace(score=np.array([np.inf])))


def _kernel(widths: NDArray[np.float64], problem: Problem) -> Array:
    return like(PartialCoherence.gaussian(problem.amplitude.shape, tuple(widths)).kernel[None], problem.amplitude)


def _least(trials: Sequence[KernelTrial]) -> float:
    return min(trial.r for trial in trials)


def _lower_score(trials: Sequence[KernelTrial], plain: SearchState) -> bool:
    """Whether a kernel lowers the score clearly."""
    return min(float(trial.state.score[0]) for trial in trials) <= BLUR_SCORE_RATIO * plain.score[0]


def _fitting(trials: Sequence[KernelTrial], least: float) -> list[KernelTrial]:
    """The trials whose R is not far above the least."""
    return [trial for trial in trials if trial.r <= FIT_RATIO * least]
