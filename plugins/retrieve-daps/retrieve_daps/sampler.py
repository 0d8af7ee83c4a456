"""Decoupled annealing posterior sampling (DAPS), as a solver on the priors of `retrieve`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from retrieve import Array, Problem, Step, Streams, option
from retrieve.problem.likelihood import Gaussian
from retrieve.solvers.learned.base import Learned, complex_normal, normalise
from retrieve.solvers.learned.noise import noise_of


@dataclass(frozen=True)
class DAPS(Learned):
    """For each noise level σₜ, from high to low: x̂₀ from xₜ by the probability flow, x₀ by Langevin, then xₜ₋₁ ~ N(x₀, σₜ₋₁²).

    Langevin: x₀ ← x₀ − η ∇[‖x₀ − x̂₀‖²/2r² + ‖y − |A x₀|‖²/2β²] + √(2η) ε with r = `spread`·σₜ, and β the noise's σ but
    no less than `beta`; η is `step` of what the stiffest direction bears, 1/(1/r² + 1/β²), where the paper
    tunes it by hand. The object is sampled inside the support, or the prior's window where none is known. Noise levels
    are in units of the object's rms over the window. At the last level Langevin is without ε: it descends to the mode.
    """

    name: ClassVar[str] = "daps"
    source: ClassVar[str] = "Zhang et al., CVPR 2025; probability flow and levels: Karras et al., NeurIPS 2022"
    starts: ClassVar[int] = 4
    batch: ClassVar[int] = 4
    uses_start: ClassVar[bool] = False
    levels: int = option(100, "noise levels N_A", ge=1, le=10_000)
    flow: int = option(3, "denoiser calls N_ode down the probability flow, at each level", ge=1, le=100)
    langevin: int = option(50, "Langevin steps N at each level", ge=1, le=10_000)
    high: float = option(10.0, "first noise level σ_max", gt=0, le=60)
    low: float = option(0.05, "last noise level σ_min", gt=0, le=10)
    rho: float = option(7.0, "exponent ρ of the levels: the larger, the more of them are low", ge=1, le=20)
    spread: float = option(1.0, "r over σ: how far the data may take x₀ from the prior's x̂₀", gt=0, le=10)
    beta: float = option(0.1, "least noise β that the data are taken to have", gt=0, le=10)
    step: float = option(0.5, "Langevin step η in units of what is stable", gt=0, le=1)

    @property
    def total(self) -> int | None:
        """Its noise levels."""
        return self.levels

    def steps(self, problem: Problem, x: Array, rng: Streams) -> Iterator[Step]:
        """Anneal from noise; every step shows the sample x₀ of its level. The start x gives the shape alone."""
        prior = self.prior(x.device)
        scaled, scale = normalise(problem, prior.window)
        inside = support_of(problem, prior.window, x)
        denoise = self.symmetric(prior, problem, rng)
        sigmas = descent(self.high, self.low, self.levels, self.rho)
        x = sigmas[0] * complex_normal(rng, problem.shape, x) * inside
        for sigma, then in zip(sigmas, [*sigmas[1:], 0.0], strict=True):
            x0 = probability_flow(denoise, x, sigma, self.flow, self.rho)
            x0 = self.sample(scaled, x0, sigma, inside, rng, still=then == 0)
            x = x0 + then * complex_normal(rng, problem.shape, x0) * inside
            yield Step(x0 * scale, evaluations=self.flow, stage="daps")

    def sample(self, problem: Problem, mean: Array, sigma: float, inside: Array, rng: Streams, *, still: bool = False) -> Array:
        """x₀ from p(x₀ | x̂₀, y) ∝ exp(−‖x₀ − x̂₀‖²/2r² − ‖y − |A x₀|‖²/2β²) by Langevin from x̂₀ = `mean`; `still`: without ε."""
        r, beta = self.spread * sigma, max(noise_of(problem), self.beta)
        problem = problem.replace(likelihood=Gaussian(beta))
        eta = self.step / (1 / r**2 + 1 / beta**2)
        x = mean
        for _ in range(self.langevin):
            x = x - eta * ((x - mean) / r**2 + problem.nll_gradient(x)) * inside
            if not still:
                x = x + (2 * eta) ** 0.5 * complex_normal(rng, problem.shape, x) * inside
        return x


def descent(high: float, low: float, n: int, rho: float) -> list[float]:
    """Levels σᵢ = (high^{1/ρ} + i/(n−1)·(low^{1/ρ} − high^{1/ρ}))^ρ (Karras et al. 2022, eq. 5)."""
    levels: list[float] = (np.linspace(high ** (1 / rho), low ** (1 / rho), n) ** rho).tolist()
    return levels


def probability_flow(denoise: Callable[[Array, float], Array], x: Array, sigma: float, calls: int, rho: float) -> Array:
    """x̂₀: dx/dσ = (x − D(x; σ))/σ from σ to 0 by so many Euler steps, the last of which is D itself."""
    levels = [*descent(sigma, sigma / 100, calls + 1, rho)[:-1], 0.0]
    for now, then in zip(levels, levels[1:], strict=False):
        d = denoise(x, now)
        x = d + (then / now) * (x - d)
    return x


def support_of(problem: Problem, window: tuple[int, ...], x: Array) -> Array:
    """1 where the object may be, (1, *shape): in the support, where known, else in the prior's window."""
    import torch

    from retrieve.priors.windows import window_of

    if problem.support is not None:
        return problem.support[None].float()
    box = torch.zeros((1, *problem.shape), device=x.device)
    box[window_of(problem.shape, window)] = 1
    return box
