"""How `diffusion` begins in a known support: cheap searches with a linear denoiser, and a fall from the best of them.

The denoiser is the best linear one of an object that is known by its support and its pattern's spectrum.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import numpy as np
from scipy.ndimage import gaussian_filter

from ...numerics.arrays import Array, like, namespace, to_numpy
from ...problem import Problem
from ..base import Step, Streams
from .base import consistent_with_noise, per_start
from .noise import noise_of
from .posed import Estimates, Posed

T = TypeVar("T")
BEGINNINGS = {2: 64, 3: 8}
"""Searches of a start, by the number of axes."""
FEW = 8
"""The first of them, after which a trial may tell that the object is of a kind for which the linear search finds nothing."""
POINTS = 2**17
"""Most points of the beginnings of a start that are searched together, which keeps a batch of them in the cache."""
TRIAL_SIGMAS, OTHER_KIND = np.geomspace(1, 0.3, 8).tolist(), 0.8
"""σ of the trial, and R of another kind over that of the first, below which the object is of the
other kind. On blobs the ratio was 0.92 to 1.25 at noise from 0.01 on (0.74 at least without noise); on cells 0.28 to 0.5 for most
starts at noise of 0.01, and below 0.8 for half of them at 0.05 (five to ten tuning objects, eight starts each)."""
FALL_SIGMA, FALL_CALLS = 1.0, 30
"""First σ and denoiser calls of the fall. From 1 in 30, four of five tuning objects of blobs at noise 0.05 came above 0.95; three
from 0.8 in 12."""
KIND_MARGIN = 0.9
"""R of a kind over that of the prior's first, which fits least, below which it is taken. After a trial, R of cells over R of
blobs was 0.62 to 0.85 on objects of cells at noise up to 0.05, and 0.87 to 0.99 on blobs (six tuning objects each)."""
MEMORY = 3.0
"""Standard deviation (px) of the Gaussian under which the autocorrelation counts: the reach of what neighbours tell of a pixel.
Blobs at noise 0.05 are found as often with 2, 4 and 6 px (five tuning objects, 48 beginnings each)."""
ITERATIONS, POLISH = 120, 30
"""Of a beginning, and of x ← D(P_M x; σ_noise) after it. R of the polished estimate ranks the beginnings far better: the best of
64 had a mean correlation of 0.866 (twenty tuning objects of blobs at 0.05), and of 0.815 after 250 iterations without polish;
after 80, 60 and 40 with polish 0.847, 0.826 and 0.815."""
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

    m = argmin_z nll(z) + ‖A(z − x)‖²/2σ². Then d ← D(P_M d; σ_noise), towards the maximum of the posterior of a Gaussian field.
    Yields D of each iteration.
    """
    denoise = Wiener.of(y)
    rms = math.sqrt(float(y.power) / np.count_nonzero(to_numpy(y.support)))
    first, last = (share * rms for share in SIGMAS)
    end = round(END_SHARE * ITERATIONS)
    least = min(max(noise_of(y), 1e-3 * last), last)
    d = x
    for sigma in [*np.geomspace(first, last, ITERATIONS - end), *np.geomspace(last, least, end + 1)[1:]]:
        m = y.proximal(x, float(sigma))
        d = denoise(2 * m - x, float(sigma))
        y.operator.spend(2 * x.shape[0])  # the filter's transforms
        x = beta * (x + d - m) + (1 - beta) * m
        yield d
    for _ in range(POLISH):
        d = denoise(y.fit_modulus(d), least)
        y.operator.spend(2 * x.shape[0])
        yield d


def groups_of(beginnings: int, points: int) -> list[int]:
    """How many beginnings of objects of so many points are searched together, one group after another; the first is small."""
    together = max(1, POINTS // points)
    first = min(FEW, together, beginnings)
    return [first, *(min(together, beginnings - done) for done in range(first, beginnings, together))] if beginnings else []


def steps_of(prior: Any, groups: Sequence[int]) -> int:
    """The steps of the searches, of the trial and of the falls, of an object of the prior's first kind."""
    kinds = kinds_of(prior)
    trial = len(TRIAL_SIGMAS) * kinds if kinds > 1 else 0
    return (ITERATIONS + POLISH) * len(groups) + trial + FALL_CALLS * max(1, kinds) + 1


Found = tuple[Array, Array]  # estimates (batch, *shape) in the prior's units, and their R (batch,)
Told = Generator[Step, None, tuple[Array, np.ndarray]]  # returns estimates, and the number of each one's kind (batch,)


def linear_search(solver: Any, posed: Posed, x: Array, rng: Streams, groups: Sequence[int]) -> Estimates:
    """Search from x (batch, *shape) and from further random phases, and let σ fall from the beginning of the lowest R.

    The search is `wiener_raar`. The fall is made under each of the prior's kinds of objects. It tells which objects are clearly
    of another kind than the first, for which the search finds nothing. Their σ then falls slowly, as in a round of `Diffusion`,
    unless noise explains their estimate. A short fall after the first group tells most of them at once.
    """
    state, r = yield from begun(posed, [x, *drawn(solver, posed, rng, groups[0] - 1)], solver.beta)
    best, kind = state, np.zeros(len(x), int)
    if kinds_of(posed.prior) > 1:
        best, kind = yield from told(solver, posed, state, rng, TRIAL_SIGMAS, OTHER_KIND)
    rows = np.flatnonzero(kind == 0)
    if len(rows):
        further = searched_on(solver, posed, (state[rows], r[rows]), rng.some(rows), groups[1:])
        best[rows], kind[rows] = yield from among(further, rows, best * posed.scale)
    kind[to_numpy(consistent_with_noise(posed.y, best))] = 0
    for k in np.unique(kind[kind > 0]):
        rows = np.flatnonzero(kind == k)
        denoise = solver.symmetric(posed.prior, posed.problem, rng.some(rows))
        steps = solver.raar(posed, denoise, best[rows], solver.sigmas(posed.y), one_kind(posed, k, best[rows]))
        _, best[rows] = yield from among(steps, rows, best * posed.scale)
    yield Step(best * posed.scale, stage="diffusion")  # the last fall was under one kind, perhaps not the one that was taken
    return best, best


def among(steps: Generator[Step, None, T], rows: np.ndarray, x: Array) -> Generator[Step, None, T]:
    """Steps of some rows of a batch, which show the others as they are in x (batch, *shape); returns what they return."""
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            return end.value
        x = x.clone()
        x[rows] = step.estimate
        yield step._replace(x=x, evaluations=len(rows) / len(x) * step.evaluations)


def searched_on(solver: Any, posed: Posed, found: Found, rng: Streams, groups: Sequence[int]) -> Told:
    """The other groups of beginnings, and the fall from the best of them and of those `found`."""
    for count in groups:
        found = lowest([found, (yield from begun(posed, drawn(solver, posed, rng, count), solver.beta))])
    last = solver.span(posed.y)[2]
    sigmas = np.geomspace(max(FALL_SIGMA, last), last, FALL_CALLS).tolist()
    return (yield from told(solver, posed, found[0], rng, sigmas, KIND_MARGIN))


def told(solver: Any, posed: Posed, state: Array, rng: Streams, sigmas: Sequence[float], margin: float) -> Told:
    """Let σ fall under each kind of objects. Another than the first is taken if its R over that of the first is below margin."""
    denoise, found = solver.symmetric(posed.prior, posed.problem, rng), []
    for k in range(max(1, kinds_of(posed.prior))):
        _, d = yield from solver.raar(posed, denoise, state, sigmas, one_kind(posed, k, state), "fall")
        found.append((d, posed.y.r_factor(d) / (margin if k else 1)))
    return lowest(found)[0], np.argmin([to_numpy(r) for _, r in found], axis=0)


def kinds_of(prior: Any) -> int:
    """How many kinds of objects a prior knows."""
    return len(getattr(prior, "kinds", ()))


def one_kind(posed: Posed, k: int, x: Array) -> Array | None:
    """The kth kind for each x (batch, *shape), as the prior takes it."""
    kinds = kinds_of(posed.prior)
    return namespace(x).eye(kinds, device=x.device)[k].expand(len(x), kinds) if kinds else None


def drawn(solver: Any, posed: Posed, rng: Streams, count: int) -> list[Array]:
    """Random beginnings, each (batch, *shape)."""
    return [like(solver.start(posed.problem, rng), posed.y.amplitude) for _ in range(count)]


def begun(posed: Posed, starts: Sequence[Array], beta: float) -> Generator[Step, None, Found]:
    """Search from starts, each (batch, *shape), together. Returns the best of each row of the batch."""
    size = len(starts[0])
    for d in wiener_raar(posed.y, namespace(starts[0]).concat(list(starts)) / posed.scale, beta):
        yield Step(d[:size] * posed.scale, stage="linear search")
    return lowest([(each, posed.y.r_factor(each)) for each in d.reshape(-1, *starts[0].shape)])


def lowest(found: Sequence[Found]) -> Found:
    """Of each row of the batch the estimate of the lowest R."""
    (best, r), *others = found
    xp = namespace(best)
    for x, other in others:
        best, r = xp.where((other < r).reshape(per_start(x)), x, best), xp.minimum(other, r)
    return best, r
