"""Where the starts of a batch stand, and how states are compared and put together."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import NamedTuple

import numpy as np

from ...numerics.arrays import Array, namespace
from ..base import Step


class SearchState(NamedTuple):
    """Where each start stands: x and support (batch, *shape), score (batch,) on the host, and what led there."""

    x: Array
    support: Array
    score: np.ndarray
    by: tuple[str, ...]


Found = Generator[Step, None, SearchState]
"""Steps on the way to a state."""


def best_of(states: Sequence[SearchState]) -> SearchState:
    """Of each start the state with the lowest score."""
    xp = namespace(states[0].x)
    pick = np.argmin(np.stack([state.score for state in states]), axis=0)
    return SearchState(
        xp.stack([states[k].x[b, ...] for b, k in enumerate(pick)]),
        xp.stack([states[k].support[b, ...] for b, k in enumerate(pick)]),
        np.array([states[k].score[b] for b, k in enumerate(pick)]),
        tuple(states[k].by[b] for b, k in enumerate(pick)),
    )


def select_row(state: SearchState, b: int) -> SearchState:
    """One start, as a batch of one."""
    return SearchState(state.x[b : b + 1, ...], state.support[b : b + 1, ...], state.score[[b]], state.by[b : b + 1])


def take(a: Array, rows: np.ndarray) -> Array:
    """Some rows of a (batch, …)."""
    return namespace(a).stack([a[int(b), ...] for b in rows])


def merge(best: SearchState, going: np.ndarray, part: SearchState) -> SearchState:
    """The states of all starts with those of some replaced."""
    xp = namespace(best.x)
    xs, supports = [best.x[b, ...] for b in range(best.x.shape[0])], [best.support[b, ...] for b in range(best.x.shape[0])]
    score, by = best.score.copy(), list(best.by)
    for k, b in enumerate(going):
        xs[b], supports[b], score[b] = part.x[k, ...], part.support[k, ...], part.score[k]
        by[b] = part.by[k] if part.by else by[b]
    return SearchState(xp.stack(xs), xp.stack(supports), score, tuple(by))
