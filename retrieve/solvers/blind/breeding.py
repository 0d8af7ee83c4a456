"""A population for a start that is not settled: more starts of its own, the volume at which they agree, and breeding.

Each start has its own population, so that two starts stay independent of each other and their agreement says something.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from ...numerics.alignment import align_stack
from ...numerics.arrays import like, to_numpy
from ..base import Step, random_phases
from .state import Found, SearchState, best_of, merge, select_row

if TYPE_CHECKING:
    from .search import Search

T = TypeVar("T")

CONSENSUS_SHARE = 0.5
"""Members agree at a volume where they disagree by at most this share of what they do at the best scores."""


class Consensus(NamedTuple):
    """Where the members' sweeps agree.

    state: the members there.  share: the support's, of the array.  agreement: mean correlation of the others with the best.
    """

    state: SearchState
    share: float
    agreement: float


def evolve(search: Search, b: int, before: SearchState) -> Found:
    """Start b of the batch `before` by means of a population, as a batch of one.

    Each member searches by itself. Where the object may be real, and they disagree but agree on a smaller volume of their
    sweeps that explains the pattern almost as well, their mean there is taken: a loose support fits anything, and each
    member another. (Without a real object it helped nowhere, and shuffled pixels agreed on a round nothing.) Else
    generations: the others take the mean of themselves and the best, aligned, and all go on, until the best no longer
    improves. Source of the breeding: Chen, Miao, Wang & Lee, PRB 76, 064113 (2007), there with a geometric mean.
    """
    crowd = search.crowd(b)
    x = like(to_numpy(random_phases(crowd.problem, crowd.rng)), before.x)
    members, _ = yield from _shown(crowd.explore(x), before, b)
    members, said = merge(members, np.array([0]), select_row(before, b)), search.did[b]
    found = concert(members, crowd.sweeps, search.options.past) if search.seen.real else None
    if found is not None:
        search.volumes[b] = found.share
        said.append(
            f"{len(found.state.score)} searches agree on a support of {found.share * math.prod(search.problem.shape):.0f} px "
            f"(they correlate by {found.agreement:.2f}), not on larger ones that score better: their mean there is taken"
        )
        best = select_row(found.state, int(np.argmin(found.state.score)))
        return search.scored(like(_aligned(found.state).mean(axis=0)[None], best.x), best.support, ("the mean of a population",))
    scores = [float(members.score.min())]
    for _ in range(search.options.generations):
        members = best_of([members, (yield from _shown(crowd.long_round(_crossed(members)), before, b))])
        scores.append(float(members.score.min()))
        if scores[-1] > 0.7 * scores[-2]:
            break
    said.append(f"bred {len(members.score)} searches: score " + " to ".join(f"{score:.2g}" for score in scores))
    return select_row(members, int(np.argmin(members.score)))


def _aligned(members: SearchState) -> np.ndarray:
    """All members brought onto the best, complex64 (members, *shape), on the host."""
    x, k = np.nan_to_num(to_numpy(members.x)), int(np.argmin(members.score))
    return align_stack(x, x[k], subpixel=1).objects.astype(np.complex64)


def _crossed(members: SearchState) -> SearchState:
    """The others moved halfway to the best, in its support; scores unknown."""
    x, k = _aligned(members), int(np.argmin(members.score))
    support = np.stack([to_numpy(members.support[k, ...])] * len(x))
    return SearchState(like((x + x[k]) / 2, members.x), like(support, members.support), np.full(len(x), np.inf), members.by)


def concert(members: SearchState, sweeps: Sequence[tuple[float, SearchState]], past: float) -> Consensus | None:
    """The volume of the members' sweeps at which they agree, if they do not at the best scores; None where there is none.

    sweeps: each volume as a share of the array, and the members there.  past: score over the best up to which a volume counts.
    """
    sweeps = [one for one in sweeps if len(one[1].score) > 1]
    usual, scores = agreement(members), [float(np.median(state.score)) for _, state in sweeps]
    found = None
    for (share, state), score in zip(sweeps, scores, strict=True):
        if score <= past * min(scores):
            alike = agreement(state)
            if 1 - alike <= CONSENSUS_SHARE * (1 - usual) and (found is None or alike > found.agreement):
                found = Consensus(state, share, alike)
    return found


def agreement(members: SearchState) -> float:
    """Mean correlation of the others with the best by score."""
    x, k = np.nan_to_num(to_numpy(members.x)), int(np.argmin(members.score))
    return float(np.delete(align_stack(x, x[k], subpixel=1).correlations, k).mean())


def _shown(inner: Generator[Step, None, T], before: SearchState, b: int) -> Generator[Step, None, T]:
    """The steps of a population as those of its start, by its first member; returns what the population does."""
    while True:
        try:
            step = next(inner)
        except StopIteration as end:
            done: T = end.value
            return done
        one = SearchState(
            step.x[:1, ...], step.estimate[:1, ...] != 0 if step.support is None else step.support[:1, ...], before.score[[b]], ()
        )
        whole = merge(before, np.array([b]), one)
        yield step._replace(x=whole.x, support=whole.support)
