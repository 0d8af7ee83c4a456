"""How `diffusion` begins in a known support: cheap searches with a linear denoiser, and a fall from the best of them.

The denoiser is the best linear one of an object that is known by its support and its pattern's spectrum.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.ndimage import gaussian_filter

from ...numerics.arrays import Array, like, namespace, to_numpy
from ...problem import Problem
from ..base import Step, Streams
from .base import per_start
from .noise import noise_of
from .posed import Estimates, Posed

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
MEMORY = 3.0
"""Standard deviation (px) of the Gaussian under which the autocorrelation counts: the reach of what neighbours tell of a pixel.
Blobs at noise 0.05 are found as often with 2, 4 and 6 px (five tuning objects, 48 beginnings each)."""
ITERATIONS = 250
"""Of a beginning. Four times as many find no more (six tuning objects of blobs)."""
SIGMAS, END_SHARE = (0.8, 0.25), 0.2
"""σ falls from the first to the second, in units of the object's rms in its support; in the last share of the iterations to the
noise of the data. On blobs at 0.01 from 1 to 0.3 found as many, from 0.7 to 0.15 a tenth fewer."""
LEAST_SHARE = 1e-6
"""Of the largest spectral density, below which none is taken to be."""


@dataclass(frozen=True)
class Wiener:
    """D = S F⁻¹ [P/(P + 2σ²)] F S, the Wiener filter of a stationary field of spectral density P, seen through a support S.

    P is the measured intensity less its noise, smoothed over the pattern's speckle, per pixel of the support. No denoiser of
    a Gaussian field is better. Of any other object it knows the resolution, and how alike neighbouring pixels are.

    Parameters
    ----------
    support : Array
        bool (*shape).
    density : Array
        P, real (*shape), zero frequency at index 0, in the units of |x|².

    References
    ----------
    N. Wiener, Extrapolation, interpolation, and smoothing of stationary time series, MIT Press (1949).
    """

    support: Array
    density: Array

    @classmethod
    def of(cls, y: Problem) -> Self:
        """The filter for a far field y of an object in a known support."""
        amplitude, valid = to_numpy(y.amplitude).astype(float), to_numpy(y.valid)
        width = [n / (2 * math.pi * MEMORY) for n in amplitude.shape]
        seen = gaussian_filter(valid.astype(float), width, mode="wrap")
        smooth = gaussian_filter(np.where(valid, amplitude**2 - noise_of(y) ** 2, 0.0), width, mode="wrap")
        density = smooth / np.maximum(seen, 1e-3) * (amplitude.size / np.count_nonzero(to_numpy(y.support)))
        density = np.maximum(density, LEAST_SHARE * density.max())
        return cls(y.support, like(density.astype(np.float32), y.amplitude))

    def __call__(self, x: Array, sigma: float) -> Array:
        """E[x₀ | x₀ + σn] of x (batch, *shape), for a Gaussian field."""
        xp, axes = namespace(x), tuple(range(1, x.ndim))
        gain = self.density / (self.density + 2 * sigma**2)
        return self.support * xp.fft.ifftn(gain * xp.fft.fftn(self.support * x, axes=axes), axes=axes)


def has_spectrum(problem: Problem) -> bool:
    """Whether the support is known, and the pattern is the power spectrum of the object with nothing between."""
    return problem.support is not None and problem.detector is None and problem.operator.isometry


def wiener_raar(y: Problem, x: Array, beta: float) -> Iterator[Array]:
    """RAAR from x (batch, *shape) with `Wiener` as the denoiser D: x ← β (x + D(2m − x; σ) − m) + (1 − β) m.

    m = argmin_z nll(z) + ‖A(z − x)‖²/2σ². Yields D of each iteration.
    """
    denoise = Wiener.of(y)
    rms = math.sqrt(float(y.power) / np.count_nonzero(to_numpy(y.support)))
    first, last = (share * rms for share in SIGMAS)
    end = round(END_SHARE * ITERATIONS)
    least = min(max(noise_of(y), 1e-3 * last), last)
    for sigma in [*np.geomspace(first, last, ITERATIONS - end), *np.geomspace(last, least, end + 1)[1:]]:
        m = y.proximal(x, float(sigma))
        d = denoise(2 * m - x, float(sigma))
        y.operator.spend(2 * x.shape[0])  # the filter's transforms
        x = beta * (x + d - m) + (1 - beta) * m
        yield d


def groups_of(beginnings: int, points: int) -> list[int]:
    """How many beginnings of objects of so many points are searched together, one group after another."""
    together = max(1, POINTS // points)
    return [min(together, beginnings - done) for done in range(0, beginnings, together)]


def steps_of(prior: Any, groups: Sequence[int]) -> int:
    """The steps of the searches and of the falls."""
    return ITERATIONS * len(groups) + FALL_CALLS * max(1, len(getattr(prior, "kinds", ())))


def linear_search(solver: Any, posed: Posed, x: Array, rng: Streams, groups: Sequence[int]) -> Estimates:
    """Search from x (batch, *shape) and from further random phases, and let σ fall from the beginning of the lowest R.

    The search is `wiener_raar`. The fall is made with each of the prior's kinds of objects.
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
