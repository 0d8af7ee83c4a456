"""Whether a beam of partial coherence blurred the pattern: fitted to a start, and kept where unseen pixels ask for it.

A blur of the intensity is the same as a weight on the autocorrelation, so that a search without it still finds the
support, but no object that explains the pattern.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import Array, like, namespace, to_numpy
from ..operators import PartialCoherence
from ..problem import Problem
from .base import Step
from .coarse import on_all
from .iterative import Coherence
from .state import Found, State, best_of, row

if TYPE_CHECKING:
    from .search import Parts, Search

TRIED = 6
"""Rounds after which a blur is given up that does not lower the score clearly."""
GAIN = 0.97
"""The score over that of two rounds before at which the rounds go on."""

Fitted = Generator[Step, None, tuple[State, Array | None]]
"""Steps on the way to a state and its kernel, (1, *shape), None where the pattern is not blurred."""


def fitted(search: Search, b: int, before: State) -> Fitted:
    """Start b of the batch `before` with the coherence that its pattern asks for, as a batch of one.

    In turn the kernel is fitted to the object, by Richardson–Lucy steps, and the object to the kernel. It is kept where the
    score comes down to the share `blurred` of what as many iterations without it reach. Source: Clark et al., Nat.
    Commun. 3, 993 (2012).
    """
    one, wanted = row(before, b), search.options.blurred
    found, problem, scores = one, search.problem, list[float]()
    best: tuple[State, Array | None] = one, None
    for n in range(search.options.blurs):
        xp = namespace(found.x)
        estimate = xp.where(found.support, found.x, xp.zeros_like(found.x))
        problem = Coherence(when="always").refine(problem, estimate)
        found = yield from _alone(search.under(problem), b, before, search.again(b), found)
        if not scores or found.score[0] < min(scores):
            assert isinstance(problem.detector, PartialCoherence)
            best = found, problem.detector.kernel
        scores.append(float(found.score[0]))
        if n + 1 >= TRIED and min(scores) > (wanted * one.score[0] if n + 1 == TRIED else GAIN * min(scores[:-2])):
            break
    if not scores or min(scores) > wanted * one.score[0]:
        return one, None
    plain = one
    for _ in scores:
        plain = best_of([plain, (yield from _alone(search, b, before, search.again(b), plain))])
    if min(scores) > wanted * plain.score[0]:
        return one, None
    search.did[b].append(
        f"the beam's coherence, fitted, lowers the score from {plain.score[0]:.2g} to {min(scores):.2g} and is kept: "
        f"a blur of {' × '.join(f'{w:.2f}' for w in PartialCoherence(to_numpy(best[1])[0]).widths)} px"
    )
    return best


def _alone(search: Search, b: int, before: State, parts: Parts, one: State) -> Found:
    """Start b through the parts, the others of its batch at rest."""
    with search.among(before, np.array([b])):
        return (yield from search.through(one.by, parts, one.x, one.support))


def detector_of(kernels: dict[int, Array], batch: int, problem: Problem) -> PartialCoherence | None:
    """The operator of a batch from the kernels (1, *shape) of some of its starts; the others' leave all as it is.

    A kernel of another shape is that of the middle of the pattern. None where there is no kernel at all.
    """
    if not kernels:
        return None
    shape = problem.amplitude.shape
    whole = np.zeros((batch, *shape), np.float32)
    whole.reshape(batch, -1)[:, 0] = 1
    for b, kernel in kernels.items():
        whole[b] = on_all(to_numpy(kernel)[0], shape)
    return PartialCoherence(like(whole, problem.amplitude), tuple(shape))
