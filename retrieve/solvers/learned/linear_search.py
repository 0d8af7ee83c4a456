"""How `diffusion` begins in a known support: cheap searches with a linear denoiser, and a fall from the best of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...numerics.arrays import Array, like, namespace
from ..base import Step, Streams
from .base import per_start
from .posed import Estimates, Posed
from .wiener import ITERATIONS, wiener_raar

BEGINNINGS = {2: 32, 3: 8}
"""Searches of a start, by the number of axes."""
FALL_SIGMA, FALL_CALLS = 1.0, 30
"""First σ and denoiser calls of the fall. From 1 in 30, four of five tuning objects of blobs at noise 0.05 came above 0.95; three
from 0.8 in 12."""
KIND_MARGIN = 0.9
"""R of a kind over that of the prior's first, which fits least, below which it is taken. After a trial, R of cells over R of
blobs was 0.62 to 0.85 on objects of cells at noise up to 0.05, and 0.87 to 0.99 on blobs (six tuning objects each)."""


def steps_of(prior: Any) -> int:
    """The steps of the search and of its falls."""
    return ITERATIONS + FALL_CALLS * max(1, len(getattr(prior, "kinds", ())))


def linear_search(solver: Any, posed: Posed, x: Array, rng: Streams, beginnings: int) -> Estimates:
    """Search from x (batch, *shape) and from further random phases, and let σ fall from the beginning of the lowest R.

    The search is `wiener.wiener_raar`. The fall is made with each of the prior's kinds of objects.
    """
    xp, size = namespace(x), x.shape[0]
    others = [like(solver.start(posed.problem, rng), x) for _ in range(1, beginnings)]
    for d in wiener_raar(posed.y, xp.concat([x, *others]) / posed.scale, solver.beta):
        yield Step(d[:size] * posed.scale, stage="linear search")
    lowest = xp.argmin(posed.y.r_factor(d).reshape(-1, size), axis=0)
    state = d.reshape(-1, *x.shape)[lowest, xp.arange(size, device=x.device)]
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
