"""The search of `auto` in three dimensions: coarse to fine, a support by threshold, and a cost that counts its voxels.

cost(x, S)       = −log L(|F x|²; I) + number of voxels in S                                Akaike's criterion
                   R · exp(2 · voxels/pixels) where the intensities are no counts           the same, for unknown noise
support(x, s, t) : g = |x| blurred by s px;  S = {g > t·√(Σg⁴/Σg²)}, at most an eighth of the array

COARSE  the middle of the pattern: batches of six starts from random phases until the three of the lowest cost agree.
        20 ER + 180 HIO + 20 ER with the exact P_M, then 120 HIO + 20 ER + 80 RAAR + 20 ER with a fit as close as counts
        ask for; S ← support(x, 1.5 → 0.6, t) every 10, t lower in the last part; no counts: the higher t in all
        these three: 60 HIO + 15 ER in S ← support(x, 0.6, the last t), twice
BLUR    a Gaussian by the beam's coherence, kept where held-out pixels ask for it (`volume_blur`)
FINE    all of the pattern, rounds of RAAR + 15 ER in one S each: support(x, s, t) of the object from below, t from high to
        low, while the cost falls by half a per cent; then of the best so far, at that t and its neighbours, while it falls,
        of counts with 20 exact HIO and 60 HIO first, which leave local minima
END     ER in the S of the lowest cost
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from ...numerics.alignment import align
from ...numerics.arrays import Array, like, namespace, to_numpy
from ...operators import PartialCoherence
from ...problem import Problem
from ..base import Step, Streams, random_phases
from ..iterative import Iterative, first_support
from ..projections import ER, HIO, RAAR
from ..shrinkwrap import ShrinkWrap
from .levels import Fit, cropped, interpolated, middle_of, shown_on
from .search import FIXED, Parts
from .state import Found, SearchState, best_of, relay, take
from .volume_blur import NONE, blur_of, choose_blur, find_blur
from .volume_grain import leave_out_grains, mask_of

COARSE_BATCHES = 3
"""Batches at most."""
AGREEING = 3
"""Starts that must agree. Two of one wrong object are found now and then."""
AGREEMENT = 0.975
"""Correlation with the best coarse start at which they do, and no more are made."""
LARGEST_SHARE = 1 / 8
"""Share of the array that a support may fill: an oversampling of 2 along each axis."""
COARSE_STARTS = 6
"""Starts of a batch."""
COARSE_THRESHOLD, WIDER_THRESHOLD = 0.25, 0.12
"""Of a coarse start's first two parts, and of its last. The higher finds the outline, and would cut a strained object in the end.

Where the intensities are no counts, the higher is the only one: a misfit of unknown noise nearly always prefers a wider support.
"""
COARSE_PARTS = ((HIO, 180, "exact"), (HIO, 120, "counts"), (RAAR, 80, "counts"))
"""Of a coarse start, each with 20 ER: the algorithm, its iterations, and its fit."""
FINE_THRESHOLDS = (0.3, 0.2, 0.12, 0.07)
"""On all of the pattern, from tight to wide."""
CUT_BLUR, ADJUSTED_BLUR = 0.7, 0.5
"""Blur, pixels, of the object of the level below where the support is cut, and of the best so far."""
TIGHT_THRESHOLD = 0.2
"""On a part of the pattern where the intensities are no counts; all of it is then fitted in the widest.

A misfit of unknown noise always asks for the widest, and in that, from the part on, runs on a measured crystal agree less.
"""
EXACT_ITERATIONS = 150
"""Of RAAR in a round that fits exactly."""
RENEWAL = (("exact", 20), ("counts", 60))
"""Fits and iterations of HIO before RAAR in a round from the best. The error of strain falls from 4.8 to 3.4 times the bound."""
FINE_ROUNDS = 6
"""Rounds from the best, at most."""
COST_FALL = 0.002
"""Relative fall of the cost in a round below which no other follows."""
WIDER_FALL = 0.005
"""Relative fall of the cost that a wider support must bring: among domains a wide one fits noise for less."""


class Coarse(NamedTuple):
    """The end of a coarse search: the state of the lowest cost, a batch of one, and sentences on the search."""

    state: SearchState
    log: list[str]


class Plan(NamedTuple):
    """The support and the fit of the lowest cost at a level, for the next; first: whether none is known yet."""

    first: bool = True
    threshold: float = FINE_THRESHOLDS[0]
    how: str = ""

    @property
    def words(self) -> str:
        """What it says of the choice."""
        fit = "an exact fit" if self.how == "exact" else "a fit as close as counts ask for"
        return f"a threshold of {self.threshold:g} of the bright voxels and {fit} have the lowest cost"


def phase_volume(
    levels: Sequence[Problem], x: Array, rng: Streams, effort: float, coherence: str, second_grain: str = "never"
) -> Iterator[Step]:
    """One start x (1, *shape) of a pattern of three axes, by its levels (`levels_of`)."""
    problem = levels[0]
    *finer, coarsest = (Fit.of(level, effort) for level in levels)
    show = shown_on(coarsest.problem, problem, "coarse, " + size_of(coarsest))
    found = yield from relay(search_coarse(coarsest, cropped(x, problem, coarsest.problem), rng), show)
    log, state, widths = [*coarsest.words, *found.log], found.state, NONE
    search, excluded = partial(search_again, rng=rng), None
    if second_grain == "auto" and problem.detector is None:
        cleaned = yield from relay(leave_out_grains(coarsest, state, search), show)
        state, log = cleaned.state, [*log, *cleaned.log]
        if cleaned.spots:
            excluded = mask_of(cleaned.spots, coarsest.problem.speckle_size, tuple(problem.shape))
            coarsest, *finer = (fit.without(middle_of(excluded, fit.problem.shape)) for fit in (coarsest, *finer))
    if coherence == "auto" and problem.detector is None:
        middle = tempered_parts(coarsest, HIO, 60, threshold_wrap(0.6, 0.6, last_threshold(coarsest)))
        widths, state = yield from relay(find_blur(coarsest, state, middle, search), show)
    below, plan = coarsest, Plan()
    for fit in reversed(finer or [coarsest]):
        show = shown_on(fit.problem, problem, "middle, " + size_of(fit))
        state = fit.score(*interpolated(state.x, state.support, below.problem, fit.problem), ("",))
        if widths != NONE and plan.first:
            (widths, state), line = yield from relay(choose_blur(fit, widths, state, fine_parts(fit), rng), show)
            log.append(line)
        blur = blur_of(widths, fit)
        below, fit = fit, fit if blur is None else fit.under(blur)
        last = fit.problem.shape == problem.shape
        state, plan = yield from relay(refine_fine(fit, state, plan, last), shown_under(blur) if last else show)
        log.append(f"{size_of(fit)} px: {plan.words}, {state.score[0]:.6g}, with {int(to_numpy(state.support).sum())} voxels")
    for step in fit.steps([ER(iterations=30, shrink_wrap=FIXED)], state, "end"):
        yield step._replace(detector=blur, account=[log], excluded=excluded)


def shown_under(blur: PartialCoherence | None) -> Callable[[Step], Step]:
    """A function that adds the blur to a step."""
    return lambda step: step._replace(detector=blur)


def size_of(fit: Fit) -> str:
    """The shape of a level in words."""
    return " × ".join(map(str, fit.problem.shape))


def search_coarse(fit: Fit, x: Array, rng: Streams) -> Generator[Step, None, Coarse]:
    """Batches of starts, the first of all from x (1, *shape), until the three of the lowest cost agree; the best, refined."""
    found: list[SearchState] = []
    agreement, number, agrees = 0.0, 0, ""
    best = begin(fit, [x])
    for number in range(1, COARSE_BATCHES + 1):
        fresh = [like(to_numpy(random_phases(fit.problem, rng)), x) for _ in range(COARSE_STARTS)]
        begun = begin(fit, fresh if found else [x, *fresh[1:]])
        found.append((yield from fit.run(coarse_parts(fit), begun, f"batch {number}{agrees}", twin_cut=2)))
        best = lowest(found, AGREEING)
        first, *others = (np.nan_to_num(one) for one in to_numpy(best.x))
        agreement = min(align(other, first).correlation for other in others)
        agrees = f", the {AGREEING} best agree by {agreement:.3f}"
        if agreement >= AGREEMENT:
            break
    state = best
    for _ in range(2):
        begun = fit.wrapped(state, threshold_wrap(0.6, 0.6, last_threshold(fit)))
        words = f"the best{agrees}, {told(lowest([begun], 1), lowest([state], 1), False)}"
        state = best_of([state, (yield from fit.run(tempered_parts(fit, HIO, 60), begun, words))])
    best = take(state, [int(np.argmin(state.score))])
    count = number * COARSE_STARTS
    return Coarse(
        best, [f"searched on the middle {size_of(fit)} px: the {AGREEING} best of {count} starts correlate by {agreement:.3f}"]
    )


def lowest(found: Sequence[SearchState], count: int) -> SearchState:
    """The states of the lowest cost, of all batches."""
    rows = [(state, b) for state in found for b in range(len(state.by))]
    order = np.argsort(np.concatenate([state.score for state in found]), kind="stable")[:count]
    chosen = [take(rows[k][0], [rows[k][1]]) for k in order]
    xp = namespace(chosen[0].x)
    x, support = xp.concat([one.x for one in chosen]), xp.concat([one.support for one in chosen])
    return SearchState(x, support, np.concatenate([one.score for one in chosen]), ("",) * len(chosen))


def search_again(fit: Fit, rng: Streams) -> Found:
    """The best of another search, under a blur."""
    x = like(to_numpy(random_phases(fit.problem.replace(detector=None), rng)), fit.problem.amplitude)
    return (yield from search_coarse(fit, x, rng)).state


def thresholds_for(fit: Fit, plan: Plan, last: bool) -> tuple[float, ...]:
    """The thresholds to try at a level, from tight to wide; last: whether it is all of the pattern."""
    if fit.problem.support is not None:
        return (plan.threshold,)
    if fit.counts or (last and plan.first):
        return FINE_THRESHOLDS if plan.first else (plan.threshold,)
    if last:
        return FINE_THRESHOLDS[-1:]
    return tuple(t for t in FINE_THRESHOLDS if t >= TIGHT_THRESHOLD) if plan.first else (plan.threshold,)


def refine_fine(fit: Fit, start: SearchState, plan: Plan, last: bool) -> Generator[Step, None, tuple[SearchState, Plan]]:
    """Rounds in supports cut from the start, from tight to wide, then from the best: the state of the lowest cost, and a plan.

    A round is fitted as close as counts ask for, or exactly if that has the lower cost. Above the first level the threshold and
    the fit that were the best below are taken; of intensities that are no counts, all of the pattern takes the widest.
    """
    thresholds = thresholds_for(fit, plan, last)
    best, chosen, how = start._replace(score=np.full_like(start.score, np.inf)), thresholds[0], plan.how
    for threshold in thresholds:
        begun = best if how == "exact" and np.isfinite(best.score[0]) else start
        cut = fit.wrapped(begun, threshold_wrap(CUT_BLUR, CUT_BLUR, threshold))
        tried = []
        for one in (how,) if how else ("counts", "exact"):
            tried.append((one, (yield from fit.run(fine_parts(fit, one), cut, told(cut, best, last)))))
        how, state = min(tried, key=lambda one: float(one[1].score[0]))
        if not state.score[0] < best.score[0] * (1 - WIDER_FALL):
            break
        best, chosen = state, threshold
    near = thresholds.index(chosen)
    around = thresholds[max(0, near - 1) : near + 2]
    for _ in range(FINE_ROUNDS if plan.first else 1):
        before = best.score[0]
        adjusted: list[tuple[float, SearchState]] = []
        for threshold in around:
            cut = fit.wrapped(best, threshold_wrap(ADJUSTED_BLUR, ADJUSTED_BLUR, threshold))
            adjusted.append((threshold, (yield from fit.run(renewed_parts(fit, how), cut, told(cut, best, last)))))
        threshold, state = min(adjusted, key=lambda one: float(one[1].score[0]) * (1 + WIDER_FALL * (one[0] < chosen)))
        if state.score[0] < before:
            best, chosen = state, threshold
        around = (chosen,)
        if not best.score[0] < before * (1 - COST_FALL):
            break
    return best, Plan(False, chosen, how)


def told(state: SearchState, best: SearchState, last: bool) -> str:
    """A stage's words; last: whether it is all of the pattern."""
    words = f"support {int(to_numpy(state.support).sum())} voxels"
    if np.isfinite(best.score[0]):
        words += f", lowest cost {float(best.score[0]):.4g}"
    return f"all of the pattern, {words}" if last else words


def fine_parts(fit: Fit, how: str = "counts") -> Parts:
    """A round on all of the pattern, in one support."""
    return tempered_parts(fit, RAAR, 60 if how == "counts" else EXACT_ITERATIONS, FIXED, how)


def renewed_parts(fit: Fit, how: str) -> Parts:
    """A round from the best. HIO comes first: RAAR alone stays in local minima, most of them where the middle had ended."""
    if how == "exact" or not fit.counts:
        return fine_parts(fit, how)
    exact, hio = (HIO(iterations=n, shrink_wrap=FIXED, fit=fitted) for fitted, n in RENEWAL)
    return [exact, hio, *fine_parts(fit, how)]


def begin(fit: Fit, starts: Sequence[Array]) -> SearchState:
    """The states of starts (1, *shape) before any iteration."""
    xp = namespace(starts[0])
    x = xp.concat(list(starts))
    support = xp.broadcast_to(first_support(fit.problem, x)[0], x.shape)
    return SearchState(x, support, np.full(x.shape[0], np.inf), ("",) * x.shape[0])


def threshold_wrap(sigma: float, sigma_end: float, threshold: float) -> ShrinkWrap:
    """Shrink-wrap by a threshold relative to the bright voxels."""
    return ShrinkWrap(
        when="always", every=10, sigma=sigma, sigma_end=sigma_end, threshold=threshold, reference="bright", most=LARGEST_SHARE
    )


def last_threshold(fit: Fit) -> float:
    """The threshold that a coarse search ends at."""
    return WIDER_THRESHOLD if fit.counts else COARSE_THRESHOLD


def coarse_parts(fit: Fit) -> Parts:
    """The iterations of a coarse start."""
    *thresholds, last = (COARSE_THRESHOLD,) * len(COARSE_PARTS)
    thresholds.append(last_threshold(fit))
    known = fit.problem.support is not None
    wraps = [FIXED if known else threshold_wrap(1.5, 0.6, threshold) for threshold in thresholds]
    parts: list[Iterative] = [ER(iterations=20, shrink_wrap=wraps[0])]
    for (kind, iterations, how), wrap in zip(COARSE_PARTS, wraps, strict=True):
        parts += [kind(iterations=iterations, shrink_wrap=wrap, fit=how), ER(iterations=20, shrink_wrap=wrap, fit=how)]
    return parts


def tempered_parts(
    fit: Fit, kind: type[HIO] | type[RAAR], iterations: int, wrap: ShrinkWrap = FIXED, how: str = "counts"
) -> Parts:
    """A search, then ER, fitted as close as counts ask for, in the support that it ends in."""
    wrap = FIXED if fit.problem.support is not None else wrap
    return [kind(iterations=iterations, shrink_wrap=wrap, fit=how), ER(iterations=15, shrink_wrap=FIXED, fit="counts")]
