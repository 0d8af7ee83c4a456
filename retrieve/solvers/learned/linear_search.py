"""How `diffusion` begins in a known support: cheap searches with a linear denoiser, and a fall from the best of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...numerics.arrays import Array, like, namespace
from ..base import Step, Streams
from .base import per_start
from .posed import Estimates, Posed
from .wiener import ITERATIONS, wiener_raar

BEGINNINGS = {2: 32, 3: 8}
"""Searches of a start, by the number of axes."""
POINTS = 2**17
"""Most points of the beginnings of a start that are searched together, which keeps a batch of them in the cache."""
FALL_SIGMA, FALL_CALLS = 1.0, 30
"""First σ and denoiser calls of the fall. From 1 in 30, four of five tuning objects of blobs at noise 0.05 came above 0.95; three
from 0.8 in 12."""
KIND_MARGIN = 0.9
"""R of a kind over that of the prior's first, which fits least, below which it is taken. After a trial, R of cells over R of
blobs was 0.62 to 0.85 on objects of cells at noise up to 0.05, and 0.87 to 0.99 on blobs (six tuning objects each)."""


def groups_of(beginnings: int, points: int) -> list[int]:
    """How many beginnings of objects of so many points are searched together, one group after another."""
    together = max(1, POINTS // points)
    return [min(together, beginnings - done) for done in range(0, beginnings, together)]


def steps_of(prior: Any, groups: Sequence[int]) -> int:
    """The steps of the searches and of the falls."""
    return ITERATIONS * len(groups) + FALL_CALLS * max(1, len(getattr(prior, "kinds", ())))


def linear_search(solver: Any, posed: Posed, x: Array, rng: Streams, groups: Sequence[int]) -> Estimates:
    """Search from x (batch, *shape) and from further random phases, and let σ fall from the beginning of the lowest R.

    The search is `wiener.wiener_raar`. The fall is made with each of the prior's kinds of objects.
    """
    xp, size = namespace(x), x.shape[0]
    state, r = x, xp.full((size,), xp.inf, device=x.device)
    for number, count in enumerate(groups):
        begun = [x if number == k == 0 else like(solver.start(posed.problem, rng), x) for k in range(count)]
        for d in wiener_raar(posed.y, xp.concat(begun) / posed.scale, solver.beta):
            yield Step(d[:size] * posed.scale, stage="linear search")
        for found in d.reshape(-1, *x.shape):
            reached = posed.y.r_factor(found)
            state, r = xp.where((reached < r).reshape(per_start(x)), found, state), xp.minimum(reached, r)
    denoise, last = solver.symmetric(posed.prior, posed.problem, rng), solver.span(posed.y)[2]
    sigmas = np.geomspace(max(FALL_SIGMA, last), last, FALL_CALLS).tolist()
    kinds = len(getattr(posed.prior, "kinds", ()))
    told = xp.eye(kinds, device=x.device)[:, None].expand(kinds, size, kinds) if kinds else [None]
    best, r = state, xp.full((size,), xp.inf, device=x.device)
    for number, kind in enumerate(told):
        x, found = yield from solver.raar(posed, denoise, state, sigmas, kind, "fall")
        lower = posed.y.r_factor(found) / (KIND_MARGIN if number else 1)
        best, r = xp.where((lower < r).reshape(per_start(x)), found, best), xp.minimum(lower, r)
    return x, best
