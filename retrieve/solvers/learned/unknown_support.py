"""`diffusion` where the support is not known: beginnings by shrink-wrap, a trial of each prior, a fall to the noise."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...numerics.arrays import Array, like, namespace, to_numpy
from ...problem import Problem
from ..base import Step, Streams
from ..recipe import Recipe
from .base import normalise, per_start, show_estimate
from .linear_search import among
from .noise import noise_of
from .posed import Posed, centred

BEGINNINGS = 4
"""Searches of a start, each from random phases of its own."""
TRIAL_CALLS = 6
"""Denoiser calls by which a prior is tried on the end of a search."""
LEVELS = (1.5, 0.5)
"""σ at which the iteration begins, and at which the quick fall to the noise of the data begins."""
LEAST_SIGMA = 0.02
"""Below which no prior was trained."""
CALLS = 250
"""Denoiser calls of a start, unless told."""
BLOCK = (180, 40)
"""Iterations of HIO and of ER by turns in a search."""


@dataclass(frozen=True)
class Found:
    """Objects (batch, *shape) in the units of the data, the number of each one's prior, and R by prior after the trial.

    tried: (priors, batch).
    """

    x: Array
    by: np.ndarray
    tried: np.ndarray


def search_recipe(iterations: int) -> Recipe:
    """Shrink-wrap of about so many iterations, in blocks of `BLOCK`."""
    hio, er = BLOCK
    return Recipe(recipe=f"20 er + {max(1, round(iterations / (hio + er)))}*({hio} hio + {er} er)")


def with_levels(solver: Any, y: Problem) -> Any:
    """The solver with every noise level stated, for y in the prior's units: `LEVELS`, and the noise of the data."""
    least = max(noise_of(y), LEAST_SIGMA)
    stated = {"sigma_max": max(LEVELS[0], least), "sigma_mid": max(LEVELS[1], least), "sigma_min": least}
    return replace(solver, **{name: level for name, level in stated.items() if getattr(solver, name) is None})


Chosen = Generator[Step, None, Found]


@dataclass(frozen=True)
class BlindRun:
    """A run of `diffusion` without a support, with one of several priors; posed: the problem in the units of each."""

    solver: Any
    names: Sequence[str]
    posed: Sequence[Posed]

    @classmethod
    def of(cls, solver: Any, problem: Problem, device: Any) -> BlindRun:
        """With the priors that the solver's weights name."""
        priors = [one.prior_for(problem, device) for one in solver.alternatives]
        posed = [Posed(problem, *normalise(problem, prior.window), prior) for prior in priors]
        return cls(solver, [one.weights for one in solver.alternatives], posed)

    @property
    def states(self) -> int:
        """The states that are tried."""
        return BEGINNINGS if self.solver.search else 1

    @property
    def trial_calls(self) -> int:
        """Denoiser calls of the trials, none where there is nothing to choose."""
        tried = self.states * len(self.posed)
        return TRIAL_CALLS * tried if tried > 1 else 0

    @property
    def fall_calls(self) -> int:
        """Denoiser calls that are left for the fall."""
        return max(2, (self.solver.evaluations or CALLS) - self.trial_calls)

    @property
    def search(self) -> Recipe:
        """Of one beginning."""
        return search_recipe(self.solver.search // BEGINNINGS)

    def steps(self, x: Array, rng: Streams) -> Iterator[Step]:
        """Search from x and from new random phases, try each prior on each end, and iterate from the end of the lowest R."""
        first, ends = self.posed[0], []
        searched = self.states * (self.search.total or 0) if self.solver.search else 0
        total = searched + self.trial_calls + self.fall_calls + 1 + self.solver.refine
        for k in range(self.states if searched else 0):
            begin = like(self.solver.start(first.problem, rng), x) if k else x
            for step in self.search.steps(first.problem, begin, rng):
                yield step._replace(x=step.estimate, support=None, total=total, more=False)
            ends.append(centred(step.estimate))
        found = yield from show_estimate(self.trial(ends or [centred(x)], rng), total)
        total += self.fall_calls * (len(set(found.by.tolist())) - 1)
        found = yield from show_estimate(self.fall(found, rng), total)
        account = [self.account(int(by), tried) for by, tried in zip(found.by, found.tried.T, strict=True)]
        yield Step(found.x, account=account, total=total, stage="diffusion")
        for step in self.solver.refined(first.y, found.x / first.scale, first.scale):
            yield step._replace(account=account)

    def trial(self, ends: Sequence[Array], rng: Streams) -> Chosen:
        """The end of the lowest R after `TRIAL_CALLS`, and its prior."""
        xp, x = namespace(ends[0]), ends[0]
        by, tried = np.zeros(len(x), int), np.full((len(self.posed), len(x)), np.inf)
        if len(ends) * len(self.posed) == 1:
            return Found(x, by, tried)
        for number, posed in enumerate(self.posed):
            denoise, solver = self.solver.symmetric(posed.prior, posed.problem, rng), with_levels(self.solver, posed.y)
            for end in ends:
                sigmas = [solver.sigma_max] * TRIAL_CALLS
                state, estimate = yield from solver.raar(posed, denoise, end / posed.scale, sigmas, stage="trial")
                r = to_numpy(posed.y.r_factor(estimate))
                better = r < tried.min(axis=0)
                x = xp.where(like(better, x.real).bool().reshape(per_start(x)), state * posed.scale, x)
                by[better], tried[number] = number, np.minimum(r, tried[number])
        return Found(x, by, tried)

    def fall(self, found: Found, rng: Streams) -> Chosen:
        """Iterate from each object with its prior down to the noise of the data."""
        best = found.x
        for number, posed in enumerate(self.posed):
            rows = np.flatnonzero(found.by == number)
            if not len(rows):
                continue
            denoise = self.solver.symmetric(posed.prior, posed.problem, rng.some(rows))
            solver = with_levels(self.solver, posed.y)
            sigmas = replace(solver, evaluations=self.fall_calls).sigmas(posed.y)
            steps = solver.raar(posed, denoise, best[rows] / posed.scale, sigmas)
            _, estimate = yield from among(steps, rows, best)
            best[rows] = estimate * posed.scale
        return replace(found, x=best)

    def samples(self, x: Array, rng: Streams) -> Iterator[Step]:
        """Draw from the posterior near x (batch, *shape), each with the prior under which it fits better after a trial."""
        found = yield from show_estimate(self.trial([x], rng), None, x)
        drawn = to_numpy(x).copy()
        for number, one in enumerate(self.solver.alternatives):
            rows = np.flatnonzero(found.by == number)
            for step in one.samples(self.posed[0].problem, x[rows], rng.some(rows)) if len(rows) else ():
                drawn[rows] = to_numpy(step.estimate)
                yield step._replace(x=like(drawn.copy(), x), evaluations=step.evaluations * len(rows) / len(x))

    def account(self, by: int, tried: np.ndarray) -> list[str]:
        """Sentences on the prior of one start."""
        if len(self.names) == 1:
            return []
        others = [f"{r:.3g} with {name}" for name, r in zip(self.names, tried, strict=True) if name != self.names[by]]
        return [
            f"the support is not known: {' and '.join(self.names)} were tried, and the prior of the lower R was taken",
            f"prior {self.names[by]}: R {tried[by]:.3g} after {TRIAL_CALLS} denoiser calls, {', '.join(others)}",
        ]
