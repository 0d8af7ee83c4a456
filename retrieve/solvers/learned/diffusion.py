"""Phase retrieval with a diffusion prior: a denoiser inside a projection iteration, and posterior samples by split Gibbs."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...numerics.arrays import Array, like, namespace, to_numpy
from ...plugins.options import option
from ...problem import Problem
from ..base import Step, Streams
from ..projections import RRR
from .base import consistent_with_noise, normalise, optimal_scale, per_start, show_estimate
from .gibbs import MIN_SIGMA, normalise_rms, posterior_field, reverse
from .linear_search import BEGINNINGS, groups_of, has_spectrum, linear_search, steps_of
from .noise import noise_of
from .pixel_shifts import same_object, try_pixel_shifts
from .posed import Denoise, Estimates, Posed, centred
from .refine import Refinement
from .several import Several, is_blind
from .unknown_support import BlindRun

SIGMAS: dict[int, dict[float, tuple[float, float, float]]] = {
    2: {0.35: (1.2, 0.6, 0.15), 0.45: (2.0, 1.2, 0.3), 0.9: (2.0, 1.2, 1.0)},
    3: {0.35: (1.6, 1.2, 0.15)},
}
"""σ_max, σ_mid and σ_min by the number of axes and the noise of the amplitudes in the prior's units.

Linear between, constant beyond. Tuned for the priors that ship, on four to ten tuning objects each (docs, Levels and noise).
Films at noise 0.4 to 0.7: mean correlation 0.533 from (2, 1.2, 0.3), 0.502 from (1.2, 0.6, 0.15). Six volumes: median 0.870
from 1.6 to 1.2, 0.828 from 1.2 to 0.6.
"""
CALLS: dict[int, dict[float, tuple[int, int]]] = {2: {0.07: (120, 6), 0.25: (450, 2)}, 3: {0.35: (250, 2)}}
"""Denoiser calls of a round and most rounds, by the same. Starts of cells found in one round under the right kind: at noise 0.01
73 % of 48 with 100 calls, 83 % with 150 and with 250; at 0.05 6 % of 96 with 120, 22 % with 250, 44 % with 450.
"""


@dataclass(frozen=True)
class Diffusion(Refinement, Several):
    """A search, then RAAR with a denoiser D in place of the support projection.

    x ← β (x + D(2m − x; σ) − m) + (1 − β) m, with the data step m = argmin_z nll(z) + ‖A(z − x)‖²/2σ² in closed form.
    In a known support the search is `linear_search`, which tells the kind of objects and finds smooth ones; elsewhere it is RRR.
    An iteration of either costs a hundredth of a denoiser call.
    σ falls slowly from `sigma_max` to `sigma_mid`, where the iteration wanders until it finds the solution, then quickly to
    `sigma_min`. At a much larger σ, D forgets the start; at a much smaller one, D keeps whatever it is given. The unit of σ is
    the rms of the object over the prior's window.

    Each call shows D the object at a random global phase, and every second time as its twin: the data cannot tell these apart.
    The scale of the object follows from the measured power, and is fitted while σ is below `sigma_mid`.
    A start begins anew while the noise does not explain its misfit and no two rounds found the same; the better estimate is kept.
    In two dimensions without a known support, `unknown_support.BlindRun` searches by shrink-wrap, and tries several priors.
    In a known support an object may stand a pixel aside. Where a shift by a pixel explains the data better, the fall of σ is
    repeated from there.
    """

    name: ClassVar[str] = "diffusion"
    starts: ClassVar[int] = 8
    batch: ClassVar[int] = 8
    agree: ClassVar[float] = 0.95
    source: ClassVar[str] = (
        "RRR: Elser et al., SIAM J. Imaging Sci. 11, 2429 (2018); RAAR: Luke, Inverse Problems 21, 37 (2005); "
        "prior: Karras et al., NeurIPS 2022; samples: Wu et al., NeurIPS 2024"
    )

    CANDIDATES: ClassVar[int] = 4
    """States of the search's second half that are tried, under the prior's kinds of objects in turn. A prior stays with the kind
    in which it begins: of cells at noise 0.05 half of the starts became blobs for good."""
    TRIAL_CALLS: ClassVar[int] = 6
    """Denoiser calls to try one. R tells the kinds apart after 6 (0.13 against 0.19 to 0.21 after 60, five objects of cells)."""
    DATA_STEP: ClassVar[float] = 1.0
    """Length scale of the data step, in units of σ. Single starts found on cells at 0.05: 0 % at 0.5, 16 % at 1, 6 % at 2."""
    FALL_SHARE: ClassVar[float] = 0.15
    """Share of the calls for the fall from σ_mid to σ_min. The calls above σ_mid find the solution: of those spread evenly
    over ln σ from 2 to 0.15, at most 1 start of 16 found it."""
    SCALE_RATE: ClassVar[float] = 0.1
    """Share of the fitted scale that each call below σ_mid renews. Above σ_mid D shrinks: a fit there failed at every start."""
    SHIFT_CALLS: ClassVar[int] = 12
    """Denoiser calls from a pixel aside. Of six cells at 0.05 it brought three starts from 0.958–0.968 to 0.982–0.986."""
    GIBBS_SWEEPS: ClassVar[int] = 12
    """Sweeps before a sample is taken. With these and the next two, 80 % intervals cover 87 % of pixels (40 cells at 0.05)."""
    REVERSE_CALLS: ClassVar[int] = 6
    """Denoiser calls in the prior's half of a sweep."""
    MIN_COUPLING: ClassVar[float] = 0.4
    """Last ρ of a chain, in units of the noise; the first is twice as large."""
    FORMERLY: ClassVar[Mapping[str, Any]] = {"beginnings": 0}
    RENAMED: ClassVar[Mapping[str, str | None]] = {
        "high": "sigma_max",
        "middle": "sigma_mid",
        "low": "sigma_min",
        **dict.fromkeys(("heads", "trial", "anneal", "trust", "fit", "nudge", "sweeps", "coupling", "inner")),
    }

    search: int = option(
        2000, "iterations of RRR where there is no linear search, or of shrink-wrap where a 2D support is not known", ge=0
    )
    beginnings: int | None = option(
        None, "beginnings of the linear search of a round, in a known support; none: 64, volumes 8", ge=0
    )
    evaluations: int | None = option(
        None, "denoiser calls a round; none: 120 to 450 by the noise of the data, volumes and unknown supports 250", ge=2
    )
    rounds: int | None = option(
        None,
        "most rounds of a start in a known support; it begins anew while the noise does not explain its misfit; none: 6 to 2 by "
        "the noise of the data, volumes 2",
        ge=1,
    )
    beta: float = option(0.95, "relaxation β; the nearer 1, the wider the search", gt=0, le=1)
    sigma_max: float | None = option(
        None, "first noise level of the denoiser; none: 1.2 to 2 by the noise of the data, volumes 1.6", gt=0, le=60
    )
    sigma_mid: float | None = option(
        None, "noise level at the end of the wide search; none: 0.6 to 1.2 by the noise of the data, volumes 1.2", gt=0, le=60
    )
    sigma_min: float | None = option(
        None, "last noise level; none: 0.15 to 1 by the noise of the data, volumes 0.15", gt=0, le=10
    )

    def span(self, y: Problem) -> tuple[float, float, float]:
        """σ_max, σ_mid and σ_min for a problem in the prior's units."""
        known = SIGMAS.get(len(y.shape), SIGMAS[3])
        tuned = (float(np.interp(noise_of(y), list(known), level)) for level in zip(*known.values(), strict=True))
        given = (self.sigma_max, self.sigma_mid, self.sigma_min)
        sigma_max, sigma_mid, sigma_min = (t if own is None else own for t, own in zip(tuned, given, strict=True))
        return sigma_max, sigma_mid, sigma_min

    def effort(self, y: Problem) -> tuple[int, int]:
        """Denoiser calls a round, and most rounds, for a problem in the prior's units."""
        known = CALLS.get(len(y.shape), CALLS[3])
        calls, rounds = (round(float(np.interp(noise_of(y), list(known), one))) for one in zip(*known.values(), strict=True))
        return self.evaluations or calls, self.rounds or rounds

    def sigmas(self, y: Problem) -> list[float]:
        """σ of each call of a round."""
        calls = self.effort(y)[0]
        fall = max(1, round(self.FALL_SHARE * calls))
        sigma_max, sigma_mid, sigma_min = self.span(y)
        slow = np.geomspace(sigma_max, sigma_mid, calls - fall)
        return [*slow.tolist(), *np.geomspace(sigma_mid, sigma_min, fall + 1)[1:].tolist()]

    def beginnings_for(self, problem: Problem) -> int:
        """Beginnings of the linear search, 0 where there is none."""
        tuned = BEGINNINGS[min(len(problem.shape), 3)] if self.beginnings is None else self.beginnings
        return tuned if self.search and has_spectrum(problem) else 0

    def marks(self) -> list[int]:
        """The iterations of the search whose states are candidates, none without a search."""
        even = np.linspace(self.search, self.search / 2, self.CANDIDATES, endpoint=False)
        return sorted({round(n) for n in even.tolist() if self.search})

    def length(self, posed: Posed) -> int:
        """The steps of a round: iterations, trials and denoiser calls."""
        if beginnings := self.beginnings_for(posed.problem):
            return steps_of(posed.prior, groups_of(beginnings, math.prod(posed.problem.shape)))
        tried = len(self.marks())
        return self.search + (self.TRIAL_CALLS * tried if tried > 1 else 0) + self.effort(posed.y)[0]

    def raar(
        self,
        posed: Posed,
        denoise: Denoise,
        x: Array,
        sigmas: Sequence[float],
        kind: Array | None = None,
        stage: str = "diffusion",
    ) -> Estimates:
        """Iterate from x (batch, *shape), in the prior's units, through the noise levels; every step shows the estimate c·D.

        c is the scale between the prior's objects and the measured one.
        """
        xp, y, beta, (_, sigma_mid, _) = namespace(x), posed.y, self.beta, self.span(posed.y)
        c = xp.ones((x.shape[0], *[1] * (x.ndim - 1)), dtype=y.amplitude.dtype, device=x.device)
        d = x
        for sigma in sigmas:
            m = y.proximal(c * x, self.DATA_STEP * sigma) / c
            d = denoise(2 * m - x, sigma, kind)
            x = beta * (x + d - m) + (1 - beta) * m
            if sigma < sigma_mid:
                c = (1 - self.SCALE_RATE) * c + self.SCALE_RATE * xp.clip(optimal_scale(y, d), 0.5, 2.0)
            yield Step(d * (c * posed.scale), evaluations=getattr(posed.prior, "passes", 1), stage=stage)
        return x, d * c

    def steps(self, problem: Problem, x: Array, rng: Streams) -> Iterator[Step]:
        """A round from x, more rounds from new random phases where the noise does not explain the misfit, then pixel shifts."""
        if is_blind(problem):
            yield from BlindRun.of(self, problem, x.device).steps(x, rng)
            return
        prior = self.prior_for(problem, x.device)
        posed = Posed(problem, *normalise(problem, prior.window), prior)
        length, rounds = self.length(posed), self.effort(posed.y)[1]
        total = length + self.refine
        _, best = yield from show_estimate(self.round(posed, x, rng), total)
        r, done = posed.y.r_factor(best), to_numpy(consistent_with_noise(posed.y, best))
        for _ in range(1, rounds):
            left = np.flatnonzero(~done)
            if not len(left):
                break
            some, before = rng.some(left), best[left]
            total += length + 1
            steps = self.round(posed, like(self.start(problem, some), x), some)
            found = yield from keep_better(posed, best, r, left, steps, total)
            done[left] = to_numpy(consistent_with_noise(posed.y, best[left]) | same_object(found, before))
        if problem.support is not None:
            yield from self.shifted(posed, best, r, rng, total)
        if self.refine:
            yield from self.refined(posed.y, best, posed.scale)

    def round(self, posed: Posed, x: Array, rng: Streams) -> Estimates:
        """Search from x, then iterate with the denoiser from the best candidate."""
        if beginnings := self.beginnings_for(posed.problem):
            return (yield from linear_search(self, posed, x, rng, groups_of(beginnings, x[0].numel())))
        denoise = self.symmetric(posed.prior, posed.problem, rng)
        x, kind = (yield from self.searched(posed, denoise, x, rng)) if self.search else (x / posed.scale, None)
        return (yield from self.raar(posed, denoise, x, self.sigmas(posed.y), kind))

    def searched(
        self, posed: Posed, denoise: Denoise, x: Array, rng: Streams
    ) -> Generator[Step, None, tuple[Array, Array | None]]:
        """Search by RRR from x. Returns the candidate of the lowest R after its trial, and the kind of objects assumed there."""
        xp, marks, kinds = namespace(x), self.marks(), len(getattr(posed.prior, "kinds", ()))
        told = xp.eye(kinds, device=x.device) if kinds else None
        best, kind, lowest = x, None, xp.full((x.shape[0],), xp.inf, device=x.device)
        for n, step in enumerate(RRR(iterations=self.search).steps(posed.problem, x, rng), start=1):
            yield step
            if n not in marks:
                continue
            state = (step.estimate if posed.problem.support is not None else centred(step.estimate)) / posed.scale
            if len(marks) == 1:
                return state, None
            assumed = None if told is None else told[marks.index(n) % len(told)].expand(x.shape[0], kinds)
            sigmas = [self.span(posed.y)[0]] * self.TRIAL_CALLS
            state, estimate = yield from self.raar(posed, denoise, state, sigmas, assumed, "trial")
            r = posed.y.r_factor(estimate)
            better = r < lowest
            best, lowest = xp.where(better.reshape(per_start(x)), state, best), xp.where(better, r, lowest)
            if assumed is not None:
                kind = assumed if kind is None else xp.where(better[:, None], assumed, kind)
        return best, kind

    def shifted(self, posed: Posed, best: Array, r: Array, rng: Streams, total: int) -> Iterator[Step]:
        """Repeat the fall of σ from a pixel aside for the starts that explain the data better there; overwrites best and r."""
        _, sigma_mid, sigma_min = self.span(posed.y)
        sigmas = np.geomspace(max(sigma_mid / 1.5, sigma_min), sigma_min, self.SHIFT_CALLS).tolist()
        for _ in range(best.ndim - 1 if self.SHIFT_CALLS else 0):
            moved, better = try_pixel_shifts(posed.y, best)
            left = np.flatnonzero(to_numpy(better))
            if not len(left):
                break
            denoise = self.symmetric(posed.prior, posed.problem, rng.some(left))
            total += self.SHIFT_CALLS + 1
            steps = self.raar(posed, denoise, moved[left], sigmas, stage="pixel shift")
            found = yield from keep_better(posed, best, r, left, steps, total)
            if not bool((posed.y.r_factor(found) <= r[left]).any()):
                break

    def samples(self, problem: Problem, x: Array, rng: Streams) -> Iterator[Step]:
        """Draw from the posterior near x (batch, *shape), one chain each, by split Gibbs; the last step is the sample.

        z given x follows from the measured amplitudes (`posterior_field`), x given z from the reverse diffusion from σ = ρ to 0.
        The coupling ρ falls to `MIN_COUPLING`, in units of the noise.
        """
        if len(self.alternatives) > 1:
            yield from BlindRun.of(self, problem, x.device).samples(x, rng)
            return
        prior = self.prior_for(problem, x.device)
        y, scale = normalise(problem, prior.window)
        denoise = self.symmetric(prior, problem, rng)
        x, c = normalise_rms(x / scale, prior.window)  # c was fitted in the fall; the power knows nothing of unmeasured pixels
        sigma = max(noise_of(y), MIN_SIGMA)
        for rho in self.MIN_COUPLING * sigma * np.geomspace(2, 1, self.GIBBS_SWEEPS):
            z = posterior_field(y, x * c, float(rho), rng) / c
            x, _ = normalise_rms(reverse(denoise, z, float(rho), self.REVERSE_CALLS, rng), prior.window)
            yield Step(x * (c * scale), evaluations=self.REVERSE_CALLS * getattr(prior, "passes", 1))


def keep_better(
    posed: Posed, best: Array, r: Array, left: np.ndarray, steps: Estimates, total: int
) -> Generator[Step, None, Array]:
    """Run steps of the starts `left`, and overwrite best (batch, *shape) and its R (batch,) where their estimates have a lower R.

    Meanwhile all starts show their best. Returns the estimates (left, *shape).
    """
    xp = namespace(best)
    _, found = yield from show_estimate(steps, total, best * posed.scale, len(left) / len(best))
    lower = posed.y.r_factor(found)
    better = lower < r[left]
    r[left] = xp.where(better, lower, r[left])
    best[left] = xp.where(better.reshape(per_start(best)), found, best[left])
    yield Step(best * posed.scale, stage="diffusion")
    return found
