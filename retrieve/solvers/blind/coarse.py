"""The middle of a large pattern, where it is searched first, and the way back to all of it.

It is the pattern of the same object on fewer and larger pixels, so that a search there costs a share of the time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from scipy import ndimage

from ...numerics.arrays import Array, like, namespace, to_numpy
from ...operators import PartialCoherence
from ...problem import Problem
from ..base import Step
from ..gradient import ConjugateGradient
from ..iterative import iterate
from .search import SHORT_ITERATIONS, Parts, fixed_parts, mean_parts, scaled, threshold_parts, volume_parts
from .state import SearchContext, SearchState, StartRecord

SHOW_INTERVAL = 50
"""Steps of a coarse search between two that are shown on all pixels."""
CUT_RATIO = 4.0
"""R over that in the loose support at which a threshold has cut into the object: less support always fits worse."""


def factor_for(problem: Problem, most: int) -> int:
    """The power of two by which to crop a pattern to at most `most` pixels; 1 if it is smaller, or cannot be cropped."""
    plain = problem.detector is None and problem.operator.middle(problem.shape) is not None
    factor = 1
    while plain and math.prod(problem.shape) / factor ** len(problem.shape) > most:
        if any(n % (4 * factor) for n in problem.shape):
            break
        factor *= 2
    return factor


def crop_pattern(problem: Problem, factor: int) -> Problem:
    """The problem of the middle 1/factor of the pattern along each axis, the support with it."""
    shape = tuple(n // factor for n in problem.shape)
    middle = tuple(slice(n // 2 - m // 2, n // 2 - m // 2 + m) for n, m in zip(problem.shape, shape, strict=True))

    def crop(a: Array) -> Array:
        return like(np.ascontiguousarray(np.fft.ifftshift(np.fft.fftshift(to_numpy(a))[middle])), a)

    support = problem.support
    if support is not None:
        blocks = to_numpy(support).reshape([k for m in shape for k in (m, factor)])
        support = like(blocks.any(axis=tuple(range(1, 2 * len(shape), 2))), support)
    return problem.replace(
        amplitude=crop(problem.amplitude),
        valid=crop(problem.valid),
        operator=problem.operator.middle(shape),
        support=support,
        truth=None,
    )


def pad_pattern(middle: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Zero-pad the middle of a pattern, (..., *coarse shape), zero frequency first, to all of it."""
    axes, small = tuple(range(-len(shape), 0)), middle.shape[-len(shape) :]
    pad = [(n // 2 - m // 2, n - m - (n // 2 - m // 2)) for n, m in zip(shape, small, strict=True)]
    whole = np.pad(np.fft.fftshift(middle, axes=axes), [(0, 0)] * (middle.ndim - len(shape)) + pad)
    return np.asarray(np.fft.ifftshift(whole, axes=axes))


def interpolate(x: Array, support: Array, coarse: Problem, fine: Problem) -> tuple[Array, Array]:
    """Bring x and support (batch, *coarse shape) to the fine problem's pixels; the support grows by a coarse pixel all around."""
    factor = fine.shape[0] // coarse.shape[0]
    axes = tuple(range(1, len(fine.shape) + 1))
    field = pad_pattern(to_numpy(coarse.operator.forward(x)), fine.shape).astype(np.complex64)
    inside = to_numpy(support)
    for axis in axes:
        inside = np.roll(inside.repeat(factor, axis), -(factor // 2), axis)
    wider = np.stack([ndimage.binary_dilation(one, iterations=factor) for one in inside])
    return fine.operator.adjoint(like(field, fine.amplitude)), like(wider, fine.valid)


def on_all_pixels(coarse: Problem, fine: Problem) -> Callable[[Step], Step | None]:
    """A function that brings a step on the coarse problem to the fine one's pixels, and drops most steps."""
    count = itertools.count()

    def show(step: Step) -> Step | None:
        if next(count) % SHOW_INTERVAL:
            return None
        x, support = interpolate(step.x, step.support, coarse, fine)
        return Step(x, support, detector_of([getattr(step.detector, "kernel", None)], fine), f"coarse, {step.stage}")

    return show


def finish(context: SearchContext, start: StartRecord, problem: Problem) -> Iterator[Step]:
    """Run a start on all pixels of a problem, from the end of the search on the middle."""
    x, support = interpolate(start.state.x, start.state.support, context.whole, problem)
    if problem.support is not None:
        support = namespace(support).broadcast_to(problem.support[None, ...], x.shape)
    excluded = None if start.excluded is None else pad_pattern(start.excluded, problem.amplitude.shape)
    detector = detector_of([start.kernel], problem)
    problem = problem.replace(detector=detector) if excluded is None else problem.replace(detector=detector).without(excluded)
    size = " × ".join(map(str, context.problem.shape))
    log = [*start.log, f"searched on the middle {size} px, then on all of the pattern"]
    for step in _run_on(context, start, problem, SearchState(x, support, start.state.score, start.state.by), log):
        yield Step(step.x, step.support, detector, "all of the pattern", account=[log], excluded=excluded)


def _run_on(context: SearchContext, start: StartRecord, problem: Problem, state: SearchState, log: list[str]) -> Iterator[Step]:
    """The iterations on all pixels.

    Under a blur that was fitted the object has the sharp edge that a threshold needs. The support, until then a volume on
    coarse pixels, is shrunk to it, unless R says that the threshold cuts into the object.
    """
    if start.volume is not None:
        parts: Parts = [*mean_parts(context, start.volume), ConjugateGradient(iterations=10)]
    elif problem.support is not None:
        parts = [*fixed_parts(SHORT_ITERATIONS), ConjugateGradient(iterations=20)]
    else:
        parts = [*volume_parts(context, float(to_numpy(state.support).mean()), 2.0), ConjugateGradient(iterations=20)]
    loose = Step(state.x, state.support)
    for loose in iterate(scaled(parts, context.effort), problem, state.x, state.support):
        yield loose
    if start.kernel is None or problem.support is not None:
        return
    tight, parts = loose, [*threshold_parts(SHORT_ITERATIONS), ConjugateGradient(iterations=20)]
    for tight in iterate(scaled(parts, context.effort), problem, loose.x, loose.support):
        yield tight
    if not float(problem.r_factor(tight.estimate)[0]) < CUT_RATIO * float(problem.r_factor(loose.estimate)[0]):
        log.append("shrink-wrap by threshold cut into the object and was undone")
        yield loose


def detector_of(kernels: Sequence[Array | None], problem: Problem) -> PartialCoherence | None:
    """The operator of a batch from the kernel of each start, (1, *shape); None leaves that start's intensity as it is.

    A smaller kernel is one of the middle of the pattern. Returns None where there is no kernel at all.
    """
    if all(kernel is None for kernel in kernels):
        return None
    shape = tuple(problem.amplitude.shape)
    batch = np.zeros((len(kernels), *shape), np.float32)
    for one, kernel in zip(batch, kernels, strict=True):
        if kernel is None:
            one.flat[0] = 1
        else:
            one[...] = pad_pattern(to_numpy(kernel)[0], shape)
    return PartialCoherence(like(batch, problem.amplitude), shape)
