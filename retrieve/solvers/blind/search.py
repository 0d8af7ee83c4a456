"""The search of `auto`: ways to a support that err differently, judged by pixels that the search keeps back.

Constants are followed by right starts of 24 at a lower and a higher value, and millions of transforms, as
`benchmarks/auto_constants.py` prints them. As the constants are, 20 starts are right, with 1.64 million transforms.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...numerics.alignment import ALIGNMENT_TRANSFORMS, align
from ...numerics.arrays import Array, like, to_numpy
from ...operators import PartialCoherence
from ..base import Step, random_phases
from ..gradient import ConjugateGradient
from ..iterative import Descent, Iterative, iterate
from ..projections import ER, HIO
from ..recipe import Recipe
from ..shrinkwrap import ShrinkWrap
from .state import Found, SearchContext, SearchState, Stage, StartRecord, among, best_of, merge, take

FIXED = ShrinkWrap(when="never")
HALF_ITERATIONS = 400
"""Of HIO in half the autocorrelation's support.  200: 20 right, 1.71; 800: 22 right, 1.73."""
SHRINK_WRAP_RECIPE = "20 er + 3*(160 hio + 40 er)"
VOLUMES = 12
"""Of a sweep; up to twice as many while the smallest are the best.  6: 20 right, 1.63; 24: 20 right, 1.64."""
VOLUME_RATIO = 0.86
"""Each volume of a sweep over the one before.  0.74: 20 right, 1.60; 0.93: 20 right, 1.71."""
VOLUME_ITERATIONS = 60
"""Of HIO at a volume.  30: 21 right, 1.71; 120: 21 right, 1.65."""
SWEEP_ABORT_RATIO = 4.0
"""Score over the best so far at which a sweep ends.  2: 20 right, 1.59; 8: 20 right, 1.72."""
SHORT_ITERATIONS = 60
"""Of HIO in a support that is known, or by threshold, on all pixels of a large pattern."""
REFINE_ITERATIONS = 80
"""Of HIO before the end, in the support and by threshold."""
LONG_ROUNDS = 3
"""At most, for a start whose ways do not agree.  1: 20 right, 1.75; 6: 20 right, 1.64."""
LONG_ITERATIONS = 800
"""Of HIO in a long round.  400: 21 right, 1.29; 1600: 21 right, 2.76."""
AGREEMENT_CORRELATION = 0.95
"""At which two ways found one object.  0.9: 23 right, 1.11; 0.975: 19 right, 2.01."""
STAGNATION_RATIO = 0.7
"""Score over that of the round before above which another round does not improve it."""
CONVERGED_RATIO = 0.1
"""Score over that before the long rounds at which a start has fallen into place: stagnation improves by less."""
SEARCHED_SUPPORT_SHARE = 0.5
"""Share of the array beyond which no support is looked for: its autocorrelation would wrap."""

Parts = Sequence[Iterative | Descent]
Sweep = Sequence[tuple[float, SearchState]]
"""The volumes of a sweep, as shares of the array, and the states there."""


class WayEnd(NamedTuple):
    """The best states of a way, and its sweep if it is one."""

    best: SearchState
    sweep: Sweep = ()


class Explored(NamedTuple):
    """A batch after all ways.

    settled: whether the ways agreed or the score fell into place, bool (batch,).  sweeps: those of all ways.
    logs: sentences on each element of the batch.
    """

    state: SearchState
    settled: NDArray[np.bool_]
    sweeps: Sweep
    logs: list[list[str]]


WaySteps = Generator[Step, None, WayEnd]
Way = Callable[[SearchContext, SearchState], WaySteps]


def explore_start(context: SearchContext, x: Array) -> Stage:
    """Explore one start x (1, *shape)."""
    explored = yield from explore(context, x)
    words = context.survey.words if context.problem.support is None else ("the support is known",)
    return StartRecord(explored.state, bool(explored.settled[0]), (*words, *explored.logs[0]))


def explore(context: SearchContext, x: Array, thorough: bool = False) -> Generator[Step, None, Explored]:
    """Go from x (batch, *shape) the ways in turn until two agree, each from new random phases; then long rounds.

    thorough: sweeps go on where smaller volumes score no better.
    """
    best = context.begin(x)
    agreed = np.zeros(len(best.by), bool)
    found: list[SearchState] = []
    sweeps: list[tuple[float, SearchState]] = []
    for way in ways(context, thorough):
        going = np.flatnonzero(~agreed).tolist()
        if not going:
            break
        fresh = context.begin(like(to_numpy(random_phases(context.problem, context.rng)), x)) if found else best
        end = yield from among(best, going, way(context, take(fresh, going)))
        sweeps += end.sweep
        found.append(merge(best, going, end.best))
        if len(found) > 1:
            context.problem.operator.spend(ALIGNMENT_TRANSFORMS * len(going))
            agreed[going] = [two_agree(found, b) for b in going]
        best = best_of(found)
    logs = [
        [f"{by} scored best of {len(found)} ways; " + ("two ways agree" if so else "no two ways agree")]
        for by, so in zip(best.by, agreed, strict=True)
    ]
    before = best.score
    best = yield from long_rounds(context, best, np.flatnonzero(~agreed).tolist(), logs)
    return Explored(best, agreed | (best.score < CONVERGED_RATIO * before), sweeps, logs)


def two_agree(found: Sequence[SearchState], b: int) -> bool:
    """Whether the two ways with the best scores found one object, for element b of the batch."""
    order = np.argsort([state.score[b] for state in found], kind="stable")
    one, other = (np.nan_to_num(to_numpy(found[k].x[b, ...])) for k in order[:2])
    return align(one, other, subpixel=1).correlation >= AGREEMENT_CORRELATION


def long_rounds(context: SearchContext, best: SearchState, going: list[int], logs: list[list[str]]) -> Found:
    """Long rounds of some elements of a batch, each until its score no longer improves; a line in its log for each round."""
    for number in range(1, LONG_ROUNDS + 1):
        if not going:
            break
        before = best.score
        best = merge(best, going, (yield from among(best, going, long_round(context, take(best, going)))))
        for b in going:
            logs[b].append(f"long round {number}: score {before[b]:.2g} to {best.score[b]:.2g}")
        going = [b for b in going if best.score[b] <= STAGNATION_RATIO * before[b]]
    return best


def long_round(context: SearchContext, best: SearchState) -> Found:
    """Run long in the support, then on with shrink-wrap by threshold if that can find it; return the best of the three."""
    states = [best, (yield from run_stage(context, fixed_parts(LONG_ITERATIONS), best, "a long run from there"))]
    if context.can_shrink_wrap:
        parts = threshold_parts(LONG_ITERATIONS // 4)
        states.append((yield from run_stage(context, parts, states[-1], "shrink-wrap from there")))
    return best_of(states)


def refine(context: SearchContext, best: SearchState) -> Found:
    """Run shortly in the support, and shortly with shrink-wrap by threshold if that can find it; return the best of the three."""
    states = [best, (yield from run_stage(context, fixed_parts(REFINE_ITERATIONS), best))]
    if context.can_shrink_wrap:
        states.append((yield from run_stage(context, threshold_parts(REFINE_ITERATIONS), best)))
    return best_of(states)


def refine_start(context: SearchContext, start: StartRecord) -> Stage:
    """Refine one start."""
    return replace(start, state=best_of([start.state, (yield from refine(context, start.state))]))


def polish(context: SearchContext, start: StartRecord) -> Iterator[Step]:
    """Descend on all pixels, those kept back included, under the start's kernel if it has one."""
    problem, detector = context.whole, None
    if start.kernel is not None:
        detector = PartialCoherence(start.kernel, tuple(problem.amplitude.shape))
        problem = problem.replace(detector=detector)
    parts = scaled([ER(iterations=30, shrink_wrap=FIXED), ConjugateGradient(iterations=30)], context.effort)
    for step in iterate(parts, problem, start.state.x, start.state.support):
        yield step._replace(stage="polish", detector=detector)


# ways to a support -------------------------------------------------------------------------------


def ways(context: SearchContext, thorough: bool) -> list[Way]:
    """The ways that this pattern allows."""
    sweep = partial(sweep_volumes, thorough=thorough)
    if context.problem.support is not None:
        return [known_support, known_support]
    if not context.survey.centre:  # without its lowest frequencies an object has no level to cut at
        return [sweep, sweep]
    by_cut: list[Way] = [shrink_wrap] if context.survey.half is None else [half_autocorrelation, shrink_wrap]
    return [sweep, *by_cut] if context.survey.real else [*by_cut, sweep]


def known_support(context: SearchContext, state: SearchState) -> WaySteps:
    """HIO in the support that is known."""
    return WayEnd((yield from run_stage(context, fixed_parts(HALF_ITERATIONS), state, "the known support")))


def half_autocorrelation(context: SearchContext, state: SearchState) -> WaySteps:
    """HIO in half the autocorrelation, then shrink-wrap from there where that scores better."""
    half = like(context.survey.half, context.problem.valid)[None, ...]
    first = yield from run_stage(context, fixed_parts(HALF_ITERATIONS), state._replace(support=half), "half the autocorrelation")
    parts = threshold_parts(3 * HALF_ITERATIONS // 10)
    second = yield from run_stage(context, parts, first, "half the autocorrelation, then shrink-wrap")
    return WayEnd(best_of([first, second]))


def shrink_wrap(context: SearchContext, state: SearchState) -> WaySteps:
    """Shrink-wrap by threshold, as the default recipe does."""
    recipe = Recipe(recipe=SHRINK_WRAP_RECIPE)
    return WayEnd((yield from run_stage(context, recipe.parts(), state, "shrink-wrap", recipe.twin_cut)))


def sweep_volumes(context: SearchContext, state: SearchState, thorough: bool) -> WaySteps:
    """Volumes of the support from large to small, each from the end of the one before."""
    size = math.prod(context.problem.shape)
    states: list[SearchState] = []
    sweep: list[tuple[float, SearchState]] = []
    over = np.zeros(len(state.by), bool)
    for k in range(2 * VOLUMES):
        share = min(SEARCHED_SUPPORT_SHARE, 1.15 * context.survey.volume / size * VOLUME_RATIO**k)
        sigma = 2.5 * 0.4 ** min(1.0, k / (VOLUMES - 1))
        parts = volume_parts(context, share, sigma)
        state = yield from run_stage(context, parts, state, f"a volume of {share * size:.0f} px")
        over |= state.score > SWEEP_ABORT_RATIO * best_of([*states, state]).score
        states.append(state._replace(score=np.where(over, np.inf, state.score)))
        if k >= VOLUMES - 1 and not thorough:
            over |= np.argmin([s.score for s in states], axis=0) < k - 1
        if over.all():
            break
        sweep.append((share, state))
    return WayEnd(best_of(states), sweep)


# parts of a stage --------------------------------------------------------------------------------


def run_stage(context: SearchContext, parts: Parts, state: SearchState, by: str = "", twin_cut: int | None = None) -> Found:
    """Run the parts from a state and score the last step, which `by` led to, or else the same way as before."""
    step = Step(state.x, state.support)
    for step in iterate(scaled(parts, context.effort), context.problem, state.x, state.support, twin_cut):
        yield step._replace(stage=by or "refine")
    return context.score(step.estimate, step.support, (by,) * len(state.by) if by else state.by)


def scaled(parts: Parts, effort: float) -> Parts:
    """The parts with their iterations times `effort`, rounded up."""
    return [replace(part, iterations=max(1, math.ceil(effort * part.iterations))) for part in parts]  # type: ignore[arg-type]


def fixed_parts(n: int) -> Parts:
    """HIO and ER in a support that stays."""
    return [HIO(iterations=n, shrink_wrap=FIXED), ER(iterations=50, shrink_wrap=FIXED)]


def threshold_parts(n: int) -> Parts:
    """HIO and ER, the support cut at a tenth of the maximum."""
    wrap = ShrinkWrap(when="always", every=5, sigma=1.2, sigma_end=1.0)
    return [HIO(iterations=n, shrink_wrap=wrap), ER(iterations=40, shrink_wrap=wrap)]


def volume_parts(context: SearchContext, share: float, sigma: float) -> Parts:
    """HIO with a support of this share of the array, then ER in it."""
    wrap = ShrinkWrap(when="always", every=10, sigma=sigma, sigma_end=sigma, area=min(SEARCHED_SUPPORT_SHARE, share))
    limits = context.phase_limits
    return [HIO(iterations=VOLUME_ITERATIONS, shrink_wrap=wrap, **limits), ER(iterations=15, shrink_wrap=FIXED, **limits)]


def mean_parts(context: SearchContext, share: float) -> Parts:
    """A little ER at a volume, for a mean: it fits the missing part and stays a mean."""
    wrap = ShrinkWrap(when="always", every=5, sigma=2.0, sigma_end=2.0, area=share)
    return [ER(iterations=5, shrink_wrap=wrap, **context.phase_limits)]
