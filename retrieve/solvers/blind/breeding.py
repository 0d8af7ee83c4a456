"""A population for a start that is not settled: searches of its own, the volume at which they agree, and breeding.

Each start has its own population. So two starts stay independent of each other, and their agreement is evidence.
Constants are followed by right starts of 24 and millions of transforms, as in `search`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ...numerics.alignment import ALIGNMENT_TRANSFORMS, align_stack
from ...numerics.arrays import like, to_numpy
from ...problem import Problem
from ..base import Step, Streams, random_phases
from .search import STAGNATION_RATIO, SWEEP_ABORT_RATIO, Sweep, explore, long_round
from .state import SearchContext, SearchState, Stage, StartRecord, best_of, merge, relay, take

MEMBERS = 8
"""Searches in a population; half as many of a large pattern.  4: 20 right, 0.88; 16: 23 right, 2.88."""
SMALL_PATTERN = 2**15
"""Pixels up to which a population is a whole one."""
GENERATIONS = 5
"""At most.  2: 20 right, 1.46; 10: 20 right, 1.82."""
CONSENSUS_SHARE = 0.5
"""Members agree at a volume where they disagree by at most this share of their disagreement at the best scores."""


class Consensus(NamedTuple):
    """Where the members' sweeps agree.

    state: the members there.  share: the support's, of the array.  agreement: mean correlation of the others with the best.
    """

    state: SearchState
    share: float
    agreement: float


def evolve(context: SearchContext, start: StartRecord) -> Stage:
    """Search with a population, from the start's own random numbers.

    A loose support fits anything, and each member another object. So where the object may be real, the mean of the members is
    taken at a smaller volume, if they agree there and not at the best scores. Other objects gained nothing from it, and the
    shuffled pixels of a pattern agreed on a round object. Without such a volume the members breed.
    """
    crowd = replace(context, rng=Streams([*context.rng.generators] * members_for(context.problem)))
    x = like(to_numpy(random_phases(crowd.problem, crowd.rng)), start.state.x)
    explored = yield from relay(explore(crowd, x, thorough=True), _first_member)
    members = merge(explored.state, [0], start.state)
    found = None
    if context.survey.real:
        _spend_alignments(crowd, members, *(state for _, state in explored.sweeps if len(state.by) > 1))
        found = find_consensus(members, explored.sweeps)
    if found is None:
        return (yield from breed(crowd, start, members))
    _spend_alignments(crowd, found.state)
    best = take(found.state, [int(np.argmin(found.state.score))])
    mean = like(_aligned(found.state).mean(axis=0)[None], best.x)
    return start.note(
        f"{len(found.state.by)} searches agree on a support of {found.share * math.prod(context.problem.shape):.0f} px "
        f"(they correlate by {found.agreement:.2f}), but not on larger ones with better scores: their mean there is taken",
        state=context.score(mean, best.support, ("the mean of a population",)),
        volume=found.share,
    )


def breed(crowd: SearchContext, start: StartRecord, members: SearchState) -> Stage:
    """Move the members halfway to the best of them and run all on, until the best no longer improves.

    Source: Chen, Miao, Wang & Lee, PRB 76, 064113 (2007), there with a geometric mean.
    """
    scores = [float(members.score.min())]
    for _ in range(GENERATIONS):
        _spend_alignments(crowd, members)
        members = best_of([members, (yield from relay(long_round(crowd, _cross(members)), _first_member))])
        scores.append(float(members.score.min()))
        if scores[-1] > STAGNATION_RATIO * scores[-2]:
            break
    return start.note(
        f"bred {len(members.by)} searches: score " + " to ".join(f"{score:.2g}" for score in scores),
        state=take(members, [int(np.argmin(members.score))]),
    )


def members_for(problem: Problem) -> int:
    """How many searches a population has."""
    return MEMBERS if math.prod(problem.shape) <= SMALL_PATTERN else max(1, MEMBERS // 2)


def _spend_alignments(crowd: SearchContext, *stacks: SearchState) -> None:
    """Count the alignment of each stack's members with its best."""
    crowd.problem.operator.spend(ALIGNMENT_TRANSFORMS * sum(len(stack.by) for stack in stacks))


def _first_member(step: Step) -> Step:
    """A population's step as that of its start."""
    return step._replace(x=step.x[:1, ...], support=None if step.support is None else step.support[:1, ...])


def _aligned(members: SearchState) -> np.ndarray:
    """All members brought onto the best, complex64 (members, *shape), on the host."""
    x, k = np.nan_to_num(to_numpy(members.x)), int(np.argmin(members.score))
    return align_stack(x, x[k], subpixel=1).objects.astype(np.complex64)


def _cross(members: SearchState) -> SearchState:
    """The others moved halfway to the best, in its support; scores unknown."""
    x, k = _aligned(members), int(np.argmin(members.score))
    support = np.stack([to_numpy(members.support[k, ...])] * len(x))
    return SearchState(like((x + x[k]) / 2, members.x), like(support, members.support), np.full(len(x), np.inf), members.by)


def find_consensus(members: SearchState, sweeps: Sweep) -> Consensus | None:
    """The volume of the members' sweeps at which they agree, if they do not at the best scores; None if there is none."""
    together = [(share, state) for share, state in sweeps if len(state.by) > 1]
    medians = [float(np.median(state.score)) for _, state in together]
    usual, found = mean_correlation(members), None
    for (share, state), median in zip(together, medians, strict=True):
        if median <= SWEEP_ABORT_RATIO * min(medians):
            alike = mean_correlation(state)
            if 1 - alike <= CONSENSUS_SHARE * (1 - usual) and (found is None or alike > found.agreement):
                found = Consensus(state, share, alike)
    return found


def mean_correlation(members: SearchState) -> float:
    """Mean correlation of the others with the best by score."""
    x, k = np.nan_to_num(to_numpy(members.x)), int(np.argmin(members.score))
    return float(np.delete(align_stack(x, x[k], subpixel=1).correlations, k).mean())
