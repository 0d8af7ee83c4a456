"""A blur by the beam's coherence in three dimensions: a Gaussian of the lowest cost, kept where held-out pixels ask for it.

On the middle of a pattern widths rise from none, each trial from the end of the one before. If one lowers the cost clearly,
the object is searched again under it, and the widths are adjusted, together and axis by axis. On all of the pattern the
object is refined without and under the blur, whose scale is adjusted, and R_free decides.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import NamedTuple

from ...numerics.arrays import Array, like, to_numpy
from ...operators import PartialCoherence
from ...problem.autocorrelation import islands
from ...problem.scoring import Scorer
from ..base import Step, Streams
from .levels import Fit
from .search import Parts
from .state import Found, SearchState

WIDTHS = (0.3, 0.4, 0.5, 0.6, 0.72, 0.86, 1.03, 1.24)
"""Standard deviations that are tried, detector pixels."""
PAST_BEST = 2
"""Widths past the one of the lowest cost at which no wider one is tried."""
COST_RATIO = 0.94
"""Cost on the middle over that without a blur at which a width is tried further; coherent patterns stay above 0.96."""
FREE_RATIO = 0.9
"""R_free on all of the pattern over that without a blur at which one is kept."""
HELD_BACK = 0.03
"""Share of all pixels that this choice holds back."""
ADJUSTMENT = 1.12
"""Factor of a step in width."""
MOST_STEPS = 6
"""Steps of one adjustment, at most."""

Widths = tuple[float, ...]
NONE: Widths = (0.0, 0.0, 0.0)


class Trial(NamedTuple):
    """Widths along the axes, px, and the state refined under them."""

    widths: Widths
    state: SearchState


Trials = Generator[Step, None, Trial]


def find_blur(fit: Fit, start: SearchState, parts: Parts, search: Callable[[Fit], Found]) -> Trials:
    """The blur that the middle of the pattern asks for, if any, and the state under it; else `start`, a batch of one."""
    plain = yield from attempt(fit, NONE, start, parts)
    best, last, since = plain, plain, -1
    for number, width in enumerate(WIDTHS):
        last = yield from attempt(fit, (width,) * 3, last.state, parts)
        if last.state.score[0] < best.state.score[0]:
            best, since = last, number
        elif number - since >= PAST_BEST:
            break
    if not best.state.score[0] < COST_RATIO * plain.state.score[0]:
        return Trial(NONE, start)
    again = Trial(best.widths, (yield from search(fit.under(blur_of(best.widths, fit)))))
    best = again if again.state.score[0] < best.state.score[0] else best
    best = yield from adjusted(fit, best, parts, (0, 1, 2))
    for axis in (0, 1, 2):
        best = yield from adjusted(fit, best, parts, (axis,))
    return best


def choose_blur(
    fit: Fit, widths: Widths, start: SearchState, parts: Parts, rng: Streams
) -> Generator[Step, None, tuple[Trial, str]]:
    """On all of the pattern: the trial under a blur about as wide, or one without, as R_free asks, and a sentence."""
    problem = fit.problem
    held = islands(to_numpy(problem.valid), problem.speckle_size, HELD_BACK, rng.generators[0])
    working = fit.without(held)
    scorer = Scorer(problem, working.problem.valid, like(held, problem.valid))

    def free(trial: Trial) -> float:
        return float(scorer(trial.state.x, blur_of(trial.widths, fit), trial.state.support)[1][0])

    plain = yield from attempt(working, NONE, start, parts)
    plain = yield from attempt(working, NONE, plain.state, parts)
    best = yield from attempt(working, widths, start, parts)
    best = yield from adjusted(working, best, parts, (0, 1, 2))
    size = " × ".join(f"{width:.2f}" for width in best.widths)
    found = f"a blur of {size} px by the beam's coherence, the one of the lowest cost, takes R_free from {free(plain):.2g} to "
    if free(best) < FREE_RATIO * free(plain):
        return best, f"{found}{free(best):.2g} and is kept"
    return plain, f"{found}{free(best):.2g} and is not kept"


def attempt(fit: Fit, widths: Widths, state: SearchState, parts: Parts) -> Trials:
    """Refine a state under a Gaussian."""
    blur = blur_of(widths, fit)
    words = "no blur" if blur is None else "a blur of " + " × ".join(f"{width:.2f}" for width in widths) + " px"
    return Trial(widths, (yield from fit.under(blur).run(parts, state, words)))


def adjusted(fit: Fit, best: Trial, parts: Parts, axes: tuple[int, ...]) -> Trials:
    """The trial with the widths along these axes changed by steps of one factor while the cost falls."""
    for factor in (ADJUSTMENT, 1 / ADJUSTMENT):
        moved = False
        for _ in range(MOST_STEPS):
            widths = tuple(width * factor if axis in axes else width for axis, width in enumerate(best.widths))
            trial = yield from attempt(fit, widths, best.state, parts)
            if not trial.state.score[0] < best.state.score[0]:
                break
            best, moved = trial, True
        if moved:
            break
    return best


def blur_of(widths: Widths, fit: Fit) -> PartialCoherence | None:
    """The Gaussian of these widths on the detector; None for none."""
    if not any(widths):
        return None
    shape = tuple(fit.problem.amplitude.shape)
    kernel: Array = like(PartialCoherence.gaussian(shape, widths).kernel[None], fit.problem.amplitude)
    return PartialCoherence(kernel, shape)
