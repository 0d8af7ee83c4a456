"""A blur by the beam's coherence in three dimensions: Gaussians of rising width, kept where held-out pixels ask for one."""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

import numpy as np

from ...numerics.arrays import Array, like, to_numpy
from ...operators import PartialCoherence
from ...problem.autocorrelation import islands
from ...problem.scoring import Scorer
from ..base import Step, Streams
from .levels import Fit
from .search import Parts
from .state import SearchState

WIDTHS = (0.3, 0.4, 0.5, 0.6, 0.72, 0.86, 1.03, 1.24)
"""Standard deviations that are tried, detector pixels."""
HELD_BACK = 0.03
"""Share of the pixels that are held back from the trials."""
FREE_RATIO = 0.9
"""R_free over that without a kernel at which one is kept."""
PAST_BEST = 2
"""Widths after the one of the lowest cost at which no wider one is tried."""


class BlurFit(NamedTuple):
    """The state after the trials, the kernel (1, *detector) that was kept or None, and sentences."""

    state: SearchState
    kernel: Array | None
    log: list[str]


class Trial(NamedTuple):
    """Widths along the axes (px), the state refined under them, and R_free there."""

    widths: tuple[float, ...]
    state: SearchState
    free: float


def fit_blur(fit: Fit, start: SearchState, parts: Parts, rng: Streams) -> Generator[Step, None, BlurFit]:
    """Refine a state, a batch of one, under Gaussians of rising width, each from the end of the one before."""
    problem = fit.problem
    held = islands(to_numpy(problem.valid), problem.speckle_size, HELD_BACK, rng.generators[0])
    working = fit.without(held)
    scorer = Scorer(problem, working.problem.valid, like(held, problem.valid))

    def trial(widths: tuple[float, ...], state: SearchState) -> Generator[Step, None, Trial]:
        detector = None
        if any(widths):
            detector = PartialCoherence(kernel_of(widths, fit), tuple(problem.amplitude.shape))
        steps = working.under(detector).run(parts, state, "a blur of " + " × ".join(f"{w:.2f}" for w in widths) + " px")
        found = yield from steps
        return Trial(widths, found, float(scorer(found.x, detector, found.support)[1][0]))

    plain = yield from trial((0.0, 0.0, 0.0), start)
    best, last, since = plain, plain, -1
    for number, width in enumerate(WIDTHS):
        last = yield from trial((width,) * 3, last.state)
        if last.state.score[0] < best.state.score[0]:
            best, since = last, number
        elif number - since >= PAST_BEST:
            break
    if best is plain or best.free > FREE_RATIO * plain.free:
        return BlurFit(start, None, ["no blur by the beam's coherence lowers R_free by a tenth"])
    again = yield from trial((0.0, 0.0, 0.0), plain.state)
    if best.free > FREE_RATIO * min(plain.free, again.free):
        return BlurFit(start, None, ["no blur by the beam's coherence lowers R_free by a tenth"])
    for axis in (0, 1, 2):
        for factor in (1.15, 1 / 1.15):
            tried = yield from trial(tuple(w * factor if k == axis else w for k, w in enumerate(best.widths)), best.state)
            if tried.state.score[0] < best.state.score[0]:
                best = tried
                break
    size = " × ".join(f"{width:.2f}" for width in best.widths)
    line = (
        f"the beam's coherence was fitted as a blur of {size} px, the one of the lowest cost; "
        f"R_free {plain.free:.2g} to {best.free:.2g}"
    )
    return BlurFit(best.state, kernel_of(best.widths, fit), [line])


def kernel_of(widths: tuple[float, ...], fit: Fit) -> Array:
    """The Gaussian of these widths, (1, *detector)."""
    return like(PartialCoherence.gaussian(fit.problem.amplitude.shape, widths).kernel[None], fit.problem.amplitude)
