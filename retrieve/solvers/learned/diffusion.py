"""Phase retrieval with a diffusion prior: a denoiser inside a projection iteration, and posterior samples by split Gibbs."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...numerics.alignment import shift_to_centre
from ...numerics.arrays import Array, like, namespace, to_numpy
from ...plugins.options import option
from ...problem import Problem
from ..base import Step, Streams
from ..projections import RRR
from .base import Learned, consistent_with_noise, noise_of, normalise, optimal_scale, per_start
from .gibbs import normalise_rms, posterior_field, reverse
from .pixel_shifts import try_pixel_shifts
from .refine import Refinement

Call = Callable[[Array, float, Array | None], tuple[Array, Array]]
Denoise = Callable[[Array, float, Array | None], Array]

SPANS: dict[int, dict[float, tuple[float, float, float]]] = {
    2: {0.35: (1.2, 0.6, 0.15), 0.45: (2.0, 1.2, 0.3), 0.9: (2.0, 1.2, 1.0)},
    3: {0.35: (1.6, 1.2, 0.15)},
}
"""The levels `high`, `middle` and `low` by the problem's axes and the noise of its amplitudes in the prior's units, as they were
tuned for the priors that ship; linear between, and constant beyond."""

MIN_SIGMA = 0.15
"""The noise, in the prior's units, below which the coupling of samples does not fall."""


@dataclass(frozen=True)
class Diffusion(Refinement, Learned):
    """A classical search, then RAAR with the denoiser D in the place of the support: x ← β(x + D(2m − x; σ) − m) + (1 − β) m.

    The search is RRR, whose iterations cost a hundredth of a call of the network: it brings most starts so near
    that the denoiser finds the rest. m is the data step: argmin nll(m) + ‖A(m − x)‖²/2r² with r = `trust`·σ, in
    closed form. σ falls slowly from `high` to `middle`, in units of the object's rms over the prior's window, where the
    iteration wanders until it finds the solution, then quickly to `low`. Much above, D is all but zero and forgets
    the start; much below, it holds on to whatever it is given. Each call of the denoiser sees the object under a
    random global phase, and every other time as its twin, which the data cannot tell apart. The scale of the
    measurement follows from its power and is fitted in the fall. A start whose estimate misses the data by more than
    the noise does begins anew, and the better of its estimates is kept. A known support may hold an object a pixel
    aside: where that explains the data better, the fall is run again from there.
    """

    name: ClassVar[str] = "diffusion"
    starts: ClassVar[int] = 8
    batch: ClassVar[int] = 4
    agree: ClassVar[float] = 0.95
    source: ClassVar[str] = (
        "RRR: Elser et al. 2018; RAAR: Luke 2005; prior: Karras et al., NeurIPS 2022; samples: Wu et al., NeurIPS 2024"
    )
    search: int = option(2000, "iterations of RRR before the denoiser comes in", ge=0)
    heads: int = option(4, "states of the search's second half that are tried, for the kinds of objects in turn", ge=1)
    trial: int = option(6, "calls of the denoiser to try one", ge=1)
    evaluations: int = option(250, "calls of the denoiser a round", ge=2)
    rounds: int = option(2, "times at most that a start is begun, until the noise explains its misfit", ge=1)
    beta: float = option(0.95, "relaxation; the nearer 1, the wider the search", gt=0, le=1)
    high: float | None = option(
        None, "first noise level of the denoiser; none: 1.2 to 2 as the data's is, for volumes 1.6", gt=0, le=60
    )
    middle: float | None = option(None, "that at the end of the wide search; none: 0.6 to 1.2, for volumes 1.2", gt=0, le=60)
    low: float | None = option(None, "last noise level; none: 0.15 to 1 as the data's is, for volumes 0.15", gt=0, le=10)
    anneal: float = option(0.15, "share of the calls for the fall from the middle to the last noise level", gt=0, lt=1)
    trust: float = option(1.0, "how far the data step may go, in units of the denoiser's noise level", gt=0)
    fit: float = option(0.1, "share by which the fitted scale is renewed each step of the fall; 0 keeps the power's", ge=0, le=1)
    nudge: int = option(12, "calls of the denoiser from a pixel aside, where that explains the data better; 0 for none", ge=0)
    sweeps: int = option(12, "Gibbs sweeps before a posterior sample is taken", ge=1)
    coupling: float = option(0.4, "last ρ between a sample and the field that fits the data, in units of the noise", gt=0, le=10)
    inner: int = option(6, "denoiser calls in the prior's half of a sweep", ge=2)

    @property
    def total(self) -> int | None:
        """One round and the refinement; of more rounds, and nudges, only the data tell how many there will be."""
        return self.length + self.refine if self.rounds == 1 and not self.nudge else None

    @property
    def length(self) -> int:
        """The steps of a round: iterations, trials and evaluations."""
        tried = len(self.marks())
        return self.search + (self.trial * tried if tried > 1 else 0) + self.evaluations

    def marks(self) -> list[int]:
        """The iterations of the search at which a head is taken, none without a search."""
        even = np.linspace(self.search, self.search / 2, self.heads, endpoint=False)
        return sorted({round(n) for n in even.tolist() if self.search})

    def span(self, scaled: Problem) -> tuple[float, float, float]:
        """`high`, `middle` and `low`, for a problem in the prior's units."""
        known = SPANS.get(len(scaled.shape), SPANS[3])
        tuned = (float(np.interp(noise_of(scaled), list(known), level)) for level in zip(*known.values(), strict=True))
        high, middle, low = (t if own is None else own for t, own in zip(tuned, (self.high, self.middle, self.low), strict=True))
        return high, middle, low

    def levels(self, scaled: Problem) -> list[float]:
        """σ of each call."""
        fall = max(1, round(self.anneal * self.evaluations))
        high, middle, low = self.span(scaled)
        slow = np.geomspace(high, middle, self.evaluations - fall)
        return [*slow.tolist(), *np.geomspace(middle, low, fall + 1)[1:].tolist()]

    def steps(self, problem: Problem, x: Array, rng: Streams) -> Iterator[Step]:
        """A round from x, and from new random phases for the starts that are not explained, which then show their best so far."""
        xp = namespace(x)
        scaled, scale = normalise(problem, self.prior(x.device).window)
        total = self.length + self.refine
        best, r = yield from with_info(self.round(problem, scaled, scale, x, rng), {"total": total})
        for _ in range(1, self.rounds):
            left = np.flatnonzero(~to_numpy(consistent_with_noise(scaled, best)))
            if not len(left):
                break
            some = Streams([rng.generators[int(k)] for k in left])
            steps = self.round(problem, scaled, scale, like(self.start(problem, some), x), some)
            total += self.length + 1
            again, lower = yield from with_info(steps, {"total": total}, best * scale, len(left) / len(best))
            better = lower < r[left]
            r[left] = xp.where(better, lower, r[left])
            best[left] = xp.where(better.reshape(per_start(x)), again, best[left])
            yield Step(best * scale, stage="diffusion")
        if self.nudge and problem.support is not None:
            best = yield from self.nudged(problem, scaled, scale, best, r, rng, total)
        yield from self.refined(scaled, best, scale)

    def round(
        self, problem: Problem, scaled: Problem, scale: float, x: Array, rng: Streams
    ) -> Generator[Step, None, tuple[Array, Array]]:
        """Search from x; then every step shows the denoiser's estimate. Returns the last, in the prior's units, and its R."""
        denoise = self.symmetric(self.prior_for(problem, x.device), problem, rng)

        def call(x: Array, sigma: float, kind: Array | None) -> tuple[Array, Array]:
            """The next x, and the denoiser's estimate, at the scale that the power tells."""
            return self.raar(denoise, scaled, x, 1.0, sigma, kind)

        x, kind = (yield from self.beginning(problem, x, call, scaled, scale, rng)) if self.search else (x / scale, None)
        d = yield from self.fall(denoise, scaled, scale, x, kind, self.levels(scaled))
        return d, scaled.r_factor(d)

    def fall(
        self, denoise: Denoise, scaled: Problem, scale: float, x: Array, kind: Array | None, levels: list[float]
    ) -> Generator[Step, None, Array]:
        """The iteration through these noise levels from x, in the prior's units, as the end is that is returned."""
        xp, (_, middle, _) = namespace(x), self.span(scaled)
        c = xp.ones((x.shape[0], *[1] * (x.ndim - 1)), dtype=scaled.amplitude.dtype, device=x.device)
        d = x
        for sigma in levels:
            x, d = self.raar(denoise, scaled, x, c, sigma, kind)
            if sigma < middle and self.fit:  # above, D shrinks its estimate and would drag the scale along
                c = (1 - self.fit) * c + self.fit * xp.clip(optimal_scale(scaled, d), 0.5, 2.0)
            yield Step(d * (c * scale), evaluations=1, stage="diffusion")
        return d * c

    def raar(
        self, denoise: Denoise, scaled: Problem, x: Array, c: Array | float, sigma: float, kind: Array | None
    ) -> tuple[Array, Array]:
        """The next x, and the denoiser's estimate; c is the scale between them and the measurement."""
        m = scaled.proximal(x * c, self.trust * sigma) / c
        d = denoise(2 * m - x, sigma, kind)
        return self.beta * (x + d - m) + (1 - self.beta) * m, d

    def nudged(
        self, problem: Problem, scaled: Problem, scale: float, best: Array, r: Array, rng: Streams, total: int
    ) -> Generator[Step, None, Array]:
        """The starts (batch, *shape), with R (batch,); of those that explain the data better a pixel aside the end of a fall
        from there, where that is lower.
        """
        xp, prior = namespace(best), self.prior_for(problem, best.device)
        _, middle, low = self.span(scaled)
        levels = np.geomspace(max(middle / 1.5, low), low, self.nudge).tolist()
        for _ in range(best.ndim - 1):
            moved, better = try_pixel_shifts(scaled, best)
            left = np.flatnonzero(to_numpy(better))
            if not len(left):
                break
            denoise = self.symmetric(prior, problem, Streams([rng.generators[int(k)] for k in left]))
            steps = self.fall(denoise, scaled, scale, moved[left], None, levels)
            total += self.nudge + 1
            again = yield from with_info(steps, {"stage": "nudge", "total": total}, best * scale, len(left) / len(best))
            lower = scaled.r_factor(again)
            kept = lower < r[left]
            r[left] = xp.where(kept, lower, r[left])
            best[left] = xp.where(kept.reshape(per_start(best)), again, best[left])
            yield Step(best * scale, stage="nudge")
            if not kept.any():
                break
        return best

    def beginning(
        self, problem: Problem, x: Array, call: Call, scaled: Problem, scale: float, rng: Streams
    ) -> Generator[Step, None, tuple[Array, Array | None]]:
        """The state in which the denoiser comes in, in its units, and the kind of objects that it then assumes.

        Of the search's `heads` that of the lowest R after a few calls, each under one of the prior's kinds in turn.
        A prior of several kinds holds on to the one in which it begins, right or wrong; R tells soon. One that
        cannot be told the kind takes it from the head, by chance.
        """
        xp = namespace(x)
        marks, kinds = self.marks(), len(getattr(self.prior(x.device), "kinds", ()))
        told = xp.eye(kinds, device=x.device) if kinds else None
        best, kind, lowest = x, None, xp.full((x.shape[0],), xp.inf, device=x.device)
        for n, step in enumerate(RRR(iterations=self.search).steps(problem, x, rng), start=1):
            yield step
            if n not in marks:
                continue
            head = (step.estimate if problem.support is not None else centred(step.estimate)) / scale
            if len(marks) == 1:
                return head, None
            assumed = None if told is None else told[marks.index(n) % kinds].expand(x.shape[0], kinds)
            for _ in range(self.trial):
                head, d = call(head, self.span(scaled)[0], assumed)
                yield Step(d * scale, evaluations=1, stage="trial")
            r = scaled.r_factor(d)
            better = r < lowest
            best, lowest = xp.where(better.reshape(per_start(x)), head, best), xp.where(better, r, lowest)
            if assumed is not None:
                kind = assumed if kind is None else xp.where(better[:, None], assumed, kind)
        return best, kind

    def samples(self, problem: Problem, x: Array, rng: Streams) -> Iterator[Step]:
        """Draw from the posterior near x (batch, *shape), one chain each; the last step is the sample.

        Split Gibbs with coupling ρ, which falls from twice `coupling` to `coupling`, in units of the noise: z given x by
        the Fourier amplitudes and phases (`posterior_field`), x given z by the reverse diffusion from σ = ρ to 0.
        Source: Wu et al., Principled probabilistic imaging using diffusion models as plug-and-play priors, NeurIPS 2024.
        """
        prior = self.prior_for(problem, x.device)
        scaled, scale = normalise(problem, prior.window)
        denoise = self.symmetric(prior, problem, rng)
        x, c = normalise_rms(x / scale, prior.window)  # c was fitted in the fall; the power knows nothing of unmeasured pixels
        last = max(noise_of(scaled), MIN_SIGMA)
        for rho in self.coupling * last * np.geomspace(2, 1, self.sweeps):
            z = posterior_field(scaled, x * c, float(rho), rng) / c
            x, _ = normalise_rms(reverse(denoise, z, float(rho), self.inner, rng), prior.window)
            yield Step(x * (c * scale), evaluations=self.inner)


def with_info(
    steps: Generator[Step, None, Any], fields: dict[str, Any], x: Array | None = None, share: float = 1.0
) -> Generator[Step, None, Any]:
    """Steps of a `share` of the batch with some `fields` set, which all show x where it is given; returns what they return."""
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            return end.value
        shown = step.estimate if x is None else x
        yield step._replace(x=shown, support=None, evaluations=share * step.evaluations, more=False, **fields)


def centred(x: Array) -> Array:
    """Each object of x (batch, *shape) rolled by whole pixels so that its centre of mass is at N//2."""
    import torch

    axes = tuple(range(x.ndim - 1))
    return torch.stack([torch.roll(one, shift_to_centre(to_numpy(one)), axes) for one in x])
