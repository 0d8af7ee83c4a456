"""Whether a beam of partial coherence blurred the pattern: fitted to a start, and kept where unseen pixels ask for it.

A blur of the intensity is the same as a weight on the autocorrelation, so that a search without it still finds the
support, but no object that explains the pattern. An object that fades towards its edges takes up what a kernel is too
narrow for, and explains the pattern as well; one that is too wide leaves nothing that could. So the widest that fits is taken.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...numerics.arrays import Array, like, to_numpy
from ...operators import PartialCoherence
from ...problem import Problem
from ..base import Step
from .coarse import on_all
from .state import Found, SearchState, best_of, select_row

if TYPE_CHECKING:
    from .search import Search

NARROWEST = 0.13
"""Standard deviation of the first kernel tried, in widths of a speckle."""
WIDER = 1.2
"""Each kernel's width over the one before, of one axis alone its square root."""
WIDE_KERNEL = 1.4
"""Width over the first one's of a kernel that fits no coherent pattern."""
FITS = 1.1
"""R over the least at which a kernel still fits."""
KERNEL_ABORT_RATIO = 2.0
"""R over the least at which no wider kernel is tried."""

Fitted = Generator[Step, None, tuple[SearchState, Array | None]]
"""Steps on the way to a state and its kernel, (1, *shape), None where the pattern is not blurred."""


class KernelTrial(NamedTuple):
    """A kernel's standard deviations along the axes (px), the start refined under it, and R there."""

    widths: NDArray[np.float64]
    state: SearchState
    r: float


def fit_kernel(search: Search, b: int, before: SearchState) -> Fitted:
    """Start b of the batch `before` with the coherence that its pattern asks for, as a batch of one.

    A wide kernel is taken where it fits as well as none, which of a coherent pattern it does not; a narrow one where it brings
    the score down to the share `blurred` of what as many refinements without one reach.
    """
    one = select_row(before, b)
    tried = yield from try_widths(search, b, before)
    if not tried:
        return one, None
    fit = _fitting(tried, float(search.scorer(one.x)[0][0]))
    plain, why = one, "fits as well as none"
    if not fit or fit[-1].widths[0] < WIDE_KERNEL * tried[0].widths[0]:
        plain, why = (yield from _without(search, b, before, tried)), "lowers the score clearly"
        if _score(tried) > search.options.blurred * plain.score[0]:
            return one, None
    last = yield from widen_kernel(search, b, before, tried)
    by = " × ".join(f"{w:.2f}" for w in last.widths)
    search.did[b].append(
        f"the beam's coherence, fitted, {why} and is kept: a blur of {by} px, the widest that fits; "
        f"score {plain.score[0]:.2g} to {last.state.score[0]:.2g}"
    )
    return last.state, _kernel(last.widths, search.problem)


def try_widths(search: Search, b: int, before: SearchState) -> Generator[Step, None, list[KernelTrial]]:
    """Start b of the batch `before` under Gaussian kernels, ever wider, refined from the one before, until one does not fit."""
    tried: list[KernelTrial] = []
    narrowest = np.full(len(search.problem.shape), NARROWEST * min(search.whole.speckle_size))
    for n in range(search.options.blurs):
        state = tried[-1].state if tried else select_row(before, b)
        tried.append((yield from _under(WIDER**n * narrowest, search, b, before, state)))
        if not tried[-1].r <= KERNEL_ABORT_RATIO * _least(tried):
            break
    return tried


def widen_kernel(search: Search, b: int, before: SearchState, tried: list[KernelTrial]) -> Generator[Step, None, KernelTrial]:
    """The widest of those tried that fits, each axis by itself then widened as far as that fits, too."""
    best = _fitting(tried, _least(tried))[-1]
    growing = set(range(len(best.widths)))
    for _ in range(search.options.blurs):
        for axis in sorted(growing):
            widths = best.widths * np.where(np.arange(len(best.widths)) == axis, math.sqrt(WIDER), 1)
            tried.append((yield from _under(widths, search, b, before, best.state)))
            if tried[-1].r <= FITS * _least(tried):
                best = tried[-1]
            else:
                growing.remove(axis)
    return best


def _without(search: Search, b: int, before: SearchState, tried: list[KernelTrial]) -> Found:
    """Start b as good as it gets by as many refinements without a kernel, where the kernels are worth the comparison."""
    plain = select_row(before, b)
    if _score(tried) <= search.options.blurred * plain.score[0]:
        for _ in tried:
            plain = best_of([plain, (yield from _refined(search, b, before, plain))])
    return plain


def _under(
    widths: NDArray[np.float64], search: Search, b: int, before: SearchState, state: SearchState
) -> Generator[Step, None, KernelTrial]:
    """The start refined under a Gaussian kernel."""
    search.trying[b] = _kernel(widths, search.problem)
    detector = PartialCoherence(search.trying[b], search.problem.amplitude.shape)
    found = yield from _refined(search.under(search.problem.replace(detector=detector)), b, before, state)
    del search.trying[b]
    return KernelTrial(widths, found, float(search.scorer(found.x, detector)[0][0]))


def _refined(search: Search, b: int, before: SearchState, one: SearchState) -> Found:
    """Start b refined from `one`, the others of its batch at rest."""
    with search.among(before, np.array([b])):
        if b in search.volumes:
            return (yield from search.through(one.by, search.again(b), one.x, one.support))
        return (yield from search.refine(one._replace(score=np.array([np.inf]))))


def _kernel(widths: NDArray[np.float64], problem: Problem) -> Array:
    return like(PartialCoherence.gaussian(problem.amplitude.shape, tuple(widths)).kernel[None], problem.amplitude)


def _least(tried: Sequence[KernelTrial]) -> float:
    return min(trial.r for trial in tried)


def _score(tried: Sequence[KernelTrial]) -> float:
    return min(float(trial.state.score[0]) for trial in tried)


def _fitting(tried: Sequence[KernelTrial], least: float) -> list[KernelTrial]:
    """Those whose R is not far above the least."""
    return [trial for trial in tried if trial.r <= FITS * least]


def detector_of(kernels: dict[int, Array], batch: int, problem: Problem) -> PartialCoherence | None:
    """The operator of a batch from the kernels (1, *shape) of some of its starts; the others' leave all as it is.

    A kernel of another shape is that of the middle of the pattern. None where there is no kernel at all.
    """
    if not kernels:
        return None
    shape = problem.amplitude.shape
    whole = np.zeros((batch, *shape), np.float32)
    whole.reshape(batch, -1)[:, 0] = 1
    for b, kernel in kernels.items():
        whole[b] = on_all(to_numpy(kernel)[0], shape)
    return PartialCoherence(like(whole, problem.amplitude), tuple(shape))


def blur_of(kernels: dict[int, Array], batch: int, problem: Problem) -> dict[str, Any]:
    """What a step tells of the kernels of some of its starts: its ``detector``, where there is a kernel at all."""
    return {"detector": detector_of(kernels, batch, problem)} if kernels else {}
