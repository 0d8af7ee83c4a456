"""The records that the stages of `auto` hand on: the context that they share, a batch of states, and one start."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...numerics.arrays import Array, like, namespace
from ...problem import Problem
from ...problem.scoring import Scorer
from ...problem.survey import Survey, survey
from ..base import Step, Streams
from ..iterative import first_support

HELD_BACK = 0.03
"""Share of the pixels that the search keeps back from itself; of 24 starts 22, 20 and 21 are right at 0.015, 0.03 and 0.06."""
REAL_PHASE_LIMIT = math.pi / 2
"""Largest phase of an object that may be real, rad."""

T = TypeVar("T")


class SearchState(NamedTuple):
    """A batch of states.

    x: (batch, *shape).  support: bool (batch, *shape).  score: √(R · R_free), (batch,), on the host.  by: the way to each.
    """

    x: Array
    support: Array
    score: NDArray[np.floating]
    by: tuple[str, ...]


Found = Generator[Step, None, SearchState]
"""Steps on the way to a state."""


@dataclass(frozen=True)
class SearchContext:
    """What every stage of a search reads.

    whole: the problem with all measured pixels.  problem: without the pixels in `held`, which the search keeps back.
    """

    whole: Problem
    problem: Problem
    held: NDArray[np.bool_]
    survey: Survey
    scorer: Scorer
    rng: Streams
    effort: float

    @classmethod
    def of(cls, problem: Problem, rng: Streams, effort: float, held: NDArray[np.bool_] | None = None) -> SearchContext:
        """Survey a problem and keep some of its pixels back: those in `held`, or else pixels of the start's own."""
        if held is None:
            held = problem.islands(HELD_BACK, rng.generators[0])
        working = problem.without(held)
        scorer = Scorer(problem, working.valid, like(held, problem.valid))
        return cls(problem, working, held, survey(problem), scorer, rng, effort)

    @property
    def can_shrink_wrap(self) -> bool:
        """Whether a threshold can find the support: nobody knows it, and zero frequency was measured."""
        return self.problem.support is None and self.survey.centre

    @property
    def phase_limits(self) -> dict[str, Any]:
        """The range of phase of an object that may be real, as options of an algorithm."""
        return {"phase_min": -REAL_PHASE_LIMIT, "phase_max": REAL_PHASE_LIMIT} if self.survey.real else {}

    def begin(self, x: Array) -> SearchState:
        """The states of x (batch, *shape) before any iteration."""
        batch = x.shape[0]
        support = namespace(x).broadcast_to(first_support(self.problem, x)[0], x.shape)
        return SearchState(x, support, np.full(batch, np.inf), ("",) * batch)

    def score(self, x: Array, support: Array, by: tuple[str, ...]) -> SearchState:
        """The states of x and support (batch, *shape)."""
        r, r_free = self.scorer(x, self.problem.detector)
        score = np.where(np.isfinite(r * r_free), np.sqrt(np.abs(r * r_free)), np.inf)
        return SearchState(x, namespace(x).broadcast_to(support, x.shape), score, by)


@dataclass(frozen=True)
class StartRecord:
    """One start between two stages.

    state: a batch of one.  settled: whether its ways agreed, or its score fell into place.  log: sentences on what was done.
    volume: share of the array that the support of a mean fills; None for any other object.
    kernel: the beam's coherence, (1, *detector), centre at index 0.  excluded: bool (*detector), pixels of a second grain.
    """

    state: SearchState
    settled: bool
    log: tuple[str, ...]
    volume: float | None = None
    kernel: Array | None = None
    excluded: NDArray[np.bool_] | None = None

    @property
    def is_finite(self) -> bool:
        """Whether it has a score."""
        return math.isfinite(self.state.score[0])

    def note(self, line: str, **changes: Any) -> StartRecord:
        """The record with a sentence more in its log, and with these fields changed."""
        return replace(self, log=(*self.log, line), **changes)


Stage = Generator[Step, None, StartRecord]
"""Steps of a stage, which returns the start's next record."""


def best_of(states: Sequence[SearchState]) -> SearchState:
    """The state with the lowest score, of each element of the batch."""
    xp = namespace(states[0].x)
    pick = np.argmin(np.stack([state.score for state in states]), axis=0)
    return SearchState(
        xp.stack([states[k].x[b, ...] for b, k in enumerate(pick)]),
        xp.stack([states[k].support[b, ...] for b, k in enumerate(pick)]),
        np.array([states[k].score[b] for b, k in enumerate(pick)]),
        tuple(states[k].by[b] for b, k in enumerate(pick)),
    )


def take(state: SearchState, rows: Sequence[int]) -> SearchState:
    """Some elements of a batch."""
    xp = namespace(state.x)
    x, support = (xp.stack([a[b, ...] for b in rows]) for a in (state.x, state.support))
    return SearchState(x, support, state.score[list(rows)], tuple(state.by[b] for b in rows))


def merge(whole: SearchState, rows: Sequence[int], part: SearchState) -> SearchState:
    """A batch with some elements replaced by those of `part`."""
    score, by = whole.score.copy(), list(whole.by)
    for k, b in enumerate(rows):
        score[b], by[b] = part.score[k], part.by[k]
    return SearchState(_put(whole.x, rows, part.x), _put(whole.support, rows, part.support), score, tuple(by))


def _put(whole: Array, rows: Sequence[int], part: Array) -> Array:
    each = [whole[b, ...] for b in range(whole.shape[0])]
    for k, b in enumerate(rows):
        each[b] = part[k, ...]
    return namespace(whole).stack(each)


def relay(inner: Generator[Step, None, T], show: Callable[[Step], Step | None]) -> Generator[Step, None, T]:
    """Yield each step of `inner` as `show` returns it, none for None; return the value of `inner`."""
    while True:
        try:
            step = show(next(inner))
        except StopIteration as end:
            value: T = end.value
            return value
        if step is not None:
            yield step


def among(whole: SearchState, rows: Sequence[int], inner: Generator[Step, None, T]) -> Generator[Step, None, T]:
    """Yield each step of some elements as one of the whole batch, the others at rest; return the value of `inner`."""

    def show(step: Step) -> Step:
        support = namespace(step.x).broadcast_to(step.support, step.x.shape)
        return step._replace(x=_put(whole.x, rows, step.x), support=_put(whole.support, rows, support))

    return (yield from inner if len(rows) == len(whole.by) else relay(inner, show))
