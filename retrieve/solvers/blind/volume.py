"""The search of `auto` in three dimensions: coarse to fine, a support by threshold, and a cost that counts its voxels.

cost(x, S)       = −log L(|F x|²; I) + number of voxels in S                                Akaike's criterion
support(x, s, t) : g = |x| blurred by s px;  S = {g > t·√(Σg⁴/Σg²)}, at most an eighth of the array

COARSE  the middle of the pattern: batches of starts from random phases until the two of the lowest cost agree.
        20 ER + 2·(180 HIO + 20 ER) + 180 RAAR + 20 ER, S ← support(x, 1.5 → 0.6, t) every 10
        these two, with a fit as close as counts ask for: 2·(60 HIO + 15 ER), S ← support(x, 0.6, t) before each
BLUR    a Gaussian by the beam's coherence, kept where held-out pixels ask for it (`volume_blur`)
FINE    all of the pattern, for t falling: rounds of 60 RAAR + 15 ER, S ← support(x, 0.7, t) every 10, while the cost falls
END     ER in the S of the lowest cost
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from ...numerics.alignment import align
from ...numerics.arrays import Array, like, namespace, to_numpy
from ...problem import Problem
from ..base import Step, Streams, random_phases
from ..iterative import Iterative, first_support
from ..projections import ER, HIO, RAAR
from ..shrinkwrap import ShrinkWrap
from .levels import Fit, coarse_problem, cropped, interpolated, shown_on
from .search import FIXED, Parts
from .state import Found, SearchState, relay, take
from .volume_blur import NONE, Trial, blur_of, choose_blur, find_blur

COARSE_STARTS = 4
"""Starts of a batch on the middle of the pattern."""
COARSE_BATCHES = 3
"""Batches at most."""
AGREEMENT = 0.98
"""Correlation of the two best coarse starts at which no more are made."""
LARGEST_SHARE = 1 / 8
"""Share of the array that a support may fill: an oversampling of 2 along each axis."""
COARSE_THRESHOLD = 0.25
FINE_THRESHOLDS = (0.3, 0.2, 0.15, 0.1)
FINE_BLUR = 0.7
"""Standard deviation of the blur before a threshold on all of the pattern, pixels."""
FINE_ROUNDS = 6
"""Rounds at a threshold, at most."""
COST_FALL = 0.005
"""Relative fall of the cost in a round below which no other follows."""


class Coarse(NamedTuple):
    """The end of a coarse search: the state of the lowest cost, a batch of one, and sentences on the search."""

    state: SearchState
    log: list[str]


def phase_volume(problem: Problem, x: Array, rng: Streams, effort: float, coherence: str) -> Iterator[Step]:
    """One start x (1, *shape) of a pattern of three axes."""
    fine = Fit.of(problem, effort)
    coarse = Fit.of(coarse_problem(problem), effort)
    size = " × ".join(map(str, coarse.problem.shape))
    show = shown_on(coarse.problem, problem, f"coarse, {size}")
    found = yield from relay(search_coarse(coarse, cropped(x, problem, coarse.problem), rng), show)
    log, trial = [*fine.words, *found.log], Trial(NONE, found.state)
    if coherence == "auto" and problem.detector is None:
        middle = tempered_parts(coarse, HIO, 60, threshold_wrap(0.6, 0.6, COARSE_THRESHOLD))
        trial = yield from relay(find_blur(coarse, found.state, middle, partial(search_again, rng=rng)), show)
    brought = interpolated(trial.state.x, trial.state.support, coarse.problem, problem)
    trial = trial._replace(state=fine.score(*brought, ("",)))
    if trial.widths != NONE:
        trial, line = yield from choose_blur(fine, trial.widths, trial.state, fine_parts(fine, FINE_THRESHOLDS[1]), rng)
        log.append(line)
    detector = blur_of(trial.widths, fine)
    fine = fine if detector is None else fine.under(detector)
    last = yield from relay(refine_fine(fine, trial.state, log), lambda step: step._replace(detector=detector))
    for step in fine.steps([ER(iterations=30, shrink_wrap=FIXED)], last, "end"):
        yield step._replace(detector=detector, account=[log])


def search_coarse(fit: Fit, x: Array, rng: Streams) -> Generator[Step, None, Coarse]:
    """Batches of starts, the first of all from x (1, *shape), until the two of the lowest cost agree; the best, refined."""
    found: SearchState | None = None
    agreement, number = 0.0, 0
    for number in range(1, COARSE_BATCHES + 1):
        fresh = [like(to_numpy(random_phases(fit.problem, rng)), x) for _ in range(COARSE_STARTS)]
        begun = begin(fit, [x, *fresh[1:]] if number == 1 else fresh)
        ended = yield from fit.run(coarse_parts(fit), begun, f"batch {number}", twin_cut=2)
        found = ended if found is None else joined(found, ended)
        found = take(found, np.argsort(found.score, kind="stable")[:2].tolist())
        one, other = to_numpy(found.x)
        agreement = align(np.nan_to_num(one), np.nan_to_num(other)).correlation
        if agreement >= AGREEMENT:
            break
    assert found is not None
    state = found
    for _ in range(2):
        state = fit.wrapped(state, threshold_wrap(0.6, 0.6, COARSE_THRESHOLD))
        state = yield from fit.run(tempered_parts(fit, HIO, 60), state, "the two best")
    best = take(state, [int(np.argmin(state.score))])
    size, starts = " × ".join(map(str, fit.problem.shape)), number * COARSE_STARTS
    return Coarse(best, [f"searched on the middle {size} px: the two best of {starts} starts correlate by {agreement:.3f}"])


def search_again(fit: Fit, rng: Streams) -> Found:
    """The best of another search, under a blur."""
    x = like(to_numpy(random_phases(fit.problem.replace(detector=None), rng)), fit.problem.amplitude)
    return (yield from search_coarse(fit, x, rng)).state


def refine_fine(fit: Fit, state: SearchState, log: list[str]) -> Found:
    """Rounds in supports of falling threshold, each while the cost falls; the state of the lowest cost."""
    best, chosen = state._replace(score=np.full_like(state.score, np.inf)), 0.0
    for threshold in FINE_THRESHOLDS if fit.problem.support is None else FINE_THRESHOLDS[:1]:
        before, lowest = np.inf, best
        for _ in range(FINE_ROUNDS):
            volume = int(to_numpy(state.support).sum())
            words = f"all of the pattern, support {volume} px, cost {float(state.score[0]):.4g}"
            state = yield from fit.run(fine_parts(fit, threshold), state, words)
            if state.score[0] < lowest.score[0]:
                lowest, chosen = state, threshold
            if not state.score[0] < before * (1 - COST_FALL):
                break
            before = state.score[0]
        if lowest is best:
            break
        best = lowest
    volume = int(to_numpy(best.support).sum())
    log.append(f"a threshold of {chosen:g} of the bright voxels has the lowest cost, {best.score[0]:.6g}: {volume} voxels")
    return best


def fine_parts(fit: Fit, threshold: float) -> Parts:
    """A round on all of the pattern."""
    return tempered_parts(fit, RAAR, 60, threshold_wrap(FINE_BLUR, FINE_BLUR, threshold))


def begin(fit: Fit, starts: Sequence[Array]) -> SearchState:
    """The states of starts (1, *shape) before any iteration."""
    xp = namespace(starts[0])
    x = xp.concat(list(starts))
    support = xp.broadcast_to(first_support(fit.problem, x)[0], x.shape)
    return SearchState(x, support, np.full(x.shape[0], np.inf), ("",) * x.shape[0])


def joined(one: SearchState, other: SearchState) -> SearchState:
    """Two batches as one."""
    xp = namespace(one.x)
    x, support = (xp.concat([a, b]) for a, b in ((one.x, other.x), (one.support, other.support)))
    return SearchState(x, support, np.concatenate([one.score, other.score]), one.by + other.by)


def threshold_wrap(sigma: float, sigma_end: float, threshold: float) -> ShrinkWrap:
    """Shrink-wrap by a threshold relative to the bright voxels."""
    return ShrinkWrap(
        when="always", every=10, sigma=sigma, sigma_end=sigma_end, threshold=threshold, reference="bright", most=LARGEST_SHARE
    )


def coarse_parts(fit: Fit) -> Parts:
    """The iterations of a coarse start."""
    wrap = FIXED if fit.problem.support is not None else threshold_wrap(1.5, 0.6, COARSE_THRESHOLD)
    parts: list[Iterative] = [ER(iterations=20, shrink_wrap=wrap)]
    for kind in (HIO, HIO, RAAR):
        parts += [kind(iterations=180, shrink_wrap=wrap), ER(iterations=20, shrink_wrap=wrap)]
    return parts


def tempered_parts(fit: Fit, kind: type[HIO] | type[RAAR], iterations: int, wrap: ShrinkWrap = FIXED) -> Parts:
    """A search with a fit as close as counts ask for, then ER in the support that it ends in."""
    if fit.problem.support is not None:
        wrap = FIXED
    return [
        kind(iterations=iterations, shrink_wrap=wrap, fit="counts"),
        ER(iterations=15, shrink_wrap=FIXED, fit="counts"),
    ]
