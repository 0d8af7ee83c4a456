"""Diffusion posterior sampling, as Lee et al. (2026) do it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from ...numerics.arrays import Array
from ...plugins.options import option
from ...problem import Problem
from ..base import Step, Streams
from .base import Learned, complex_normal, normalise
from .diffusion import Diffusion
from .refine import Refinement


@dataclass(frozen=True)
class DPS(Refinement, Learned):
    """Reverse diffusion of T steps, each followed by −ζ ∇ₓ[λ₁‖y − |A x̂₀|‖₁ + λ₂‖y − |A x̂₀|‖₂] through the network.

    x̂₀ is the denoiser's estimate (Tweedie). A step costs three network evaluations, and one without guidance (ζ = 0); two more
    and one more with a denoiser that is told the measurement. The paper leaves some points open. Here the far field is the
    Fourier transform of re + i·im (its eq. 8 has a factor 2π that eqs. 5 and 6 lack), each start has a loss of its own, and the
    object's scale follows from the measured power.

    From pure noise no start found an object. By default a start is therefore x̂ + σn: x̂ is the estimate of a start of `diffusion`
    with the same prior, σ is `sigma_begin`, and the reverse diffusion goes on from there.
    """

    name: ClassVar[str] = "dps"
    batch: ClassVar[int] = 8
    source: ClassVar[str] = "Lee et al. 2026; Chung et al., ICLR 2023"
    TOLD_FAMILY: ClassVar[str] = "told{}d"
    KARRAS_RANGE: ClassVar[tuple[float, float]] = (0.02, 80.0)
    """Smallest and largest σ = √(1/ᾱ − 1) of the schedule karras."""
    KARRAS_RHO: ClassVar[float] = 7.0
    TOLD: ClassVar[dict[str, Any]] = {"timesteps": 100, "step": 0.0, "schedule": "karras"}
    FOLLOWING: ClassVar[dict[str, Any]] = {"timesteps": 100, "step": 3.0, "schedule": "karras"}
    UNTOLD: ClassVar[dict[str, Any]] = {"timesteps": 500, "step": 0.5, "schedule": "linear"}
    """Defaults with a denoiser that is told the measurement; with another one after a search, and from noise.

    ζ = 3 on tuning objects, from the truth at σ = 0.8: correlation 0.998 of cells at 0.01, 0.982 of blobs at 0.05; ζ = 0.5: 0.973
    and 0.974."""
    FORMERLY: ClassVar[Mapping[str, Any]] = {"begin": "noise"}
    begin: str = option(
        "search",
        "what the reverse diffusion begins from: an estimate of `diffusion` under noise, or pure noise as in the paper",
        choices=("search", "noise"),
    )
    sigma_begin: float = option(0.8, "noise level at which a search is followed; T counts the levels above it too", gt=0, le=60)
    timesteps: int | None = option(
        None, "reverse steps T; none: 100, or 500 from noise with a denoiser that is not told", ge=2, le=10_000
    )
    step: float | None = option(
        None, "size ζ of the guiding step; none: 3, or 0.5 from noise, or 0 if the denoiser is told the measurement", ge=0
    )
    l1: float = option(0.5, "weight λ₁ of the 1-norm, per √pixel", ge=0)
    l2: float = option(0.5, "weight λ₂ of the 2-norm", ge=0)
    norm: str = option("plain", "the 2-norm as it stands, or its square", choices=("plain", "squared"))
    schedule: str = option(
        "auto",
        "β from 0.1/T to 20/T, the cosine of ᾱ, or the levels of EDM; auto: karras, or linear from noise if not told",
        choices=("auto", "linear", "cosine", "karras"),
    )
    variance: str = option("posterior", "of the reverse step: β̃, or the larger β", choices=("posterior", "beta"))

    def family_for(self, problem: Problem) -> str:
        """`told`, whose denoiser is told the measurement, where it ships and the support is known; else the prior."""
        from ...priors.weights import shipped

        told = self.TOLD_FAMILY
        known = problem.support is not None and told.format(len(problem.shape)) in shipped()
        return told if known else self.family

    @property
    def families(self) -> tuple[str, ...]:
        """All that `auto` may take."""
        return (self.family, self.TOLD_FAMILY)

    def resolve_for(self, problem: Problem) -> Self:
        """Replace `auto` by weights, and what is left open by the defaults for them."""
        from ...priors.told import ToldEDM

        chosen = super().resolve_for(problem)
        untold = self.FOLLOWING if self.begin == "search" else self.UNTOLD
        defaults = self.TOLD if isinstance(chosen.prior(), ToldEDM) else untold
        return replace(chosen, **{k: v for k, v in defaults.items() if getattr(chosen, k) in (None, "auto")})

    @property
    def uses_start(self) -> bool:  # type: ignore[override]
        """Whether it searches."""
        return self.begin == "search"

    @property
    def total(self) -> int | None:
        """Reverse steps and refinement; unknown where it searches."""
        return None if self.timesteps is None or self.begin == "search" else self.timesteps + self.refine

    def alpha_bar(self) -> np.ndarray:
        """ᾱ of t = 1 … T (linear: Ho et al. 2020; cosine: Nichol & Dhariwal 2021, eq. 17; karras: Karras et al. 2022, eq. 5)."""
        steps = self.timesteps or self.UNTOLD["timesteps"]
        if self.schedule == "karras":
            low, high = (level ** (1 / self.KARRAS_RHO) for level in self.KARRAS_RANGE)
            return 1 / (1 + np.linspace(low, high, steps) ** (2 * self.KARRAS_RHO))
        if self.schedule == "linear":
            beta = np.linspace(0.1, 20, steps) / steps
        else:
            f = np.cos((np.arange(steps + 1) / steps + 0.008) / 1.008 * np.pi / 2) ** 2
            beta = 1 - f[1:] / f[:-1]
        return np.cumprod(1 - np.minimum(beta, 0.999))

    def steps(self, problem: Problem, x: Array, rng: Streams) -> Iterator[Step]:
        """Search from x, then sample; or sample from pure noise (x only gives the shape). Every reverse step shows x̂₀."""
        yield from self.resolve_for(problem).sampled(problem, x, rng)

    def sampled(self, problem: Problem, x: Array, rng: Streams) -> Iterator[Step]:
        """`steps`, with all options chosen."""
        import torch

        from ...priors.precision import arithmetic
        from ...priors.windows import crop_or_pad

        prior = self.prior_for(problem, x.device)
        scaled, scale = normalise(problem, prior.window)
        y, valid = scaled.amplitude, scaled.valid
        inside = crop_or_pad(torch.ones((1, *prior.window), device=x.device), x.shape[1:])
        support = None if problem.support is None else problem.support[None]
        bars = self.alpha_bar().tolist()[::-1]
        if self.begin == "search":
            bars = [bar for bar in bars if 1 - bar <= self.sigma_begin**2 * bar] or bars[-1:]
            after = len(bars) + self.refine
            for found in Diffusion(weights=self.weights, precision=self.precision).steps(problem, x, rng):
                yield found._replace(total=found.total and found.total + after)
            noise = complex_normal(rng, x.shape[1:], x) * inside
            x = bars[0] ** 0.5 / scale * found.estimate + (1 - bars[0]) ** 0.5 * noise
        else:
            x = complex_normal(rng, x.shape[1:], x) * inside
        size = self.step or 0.0
        guided, passes = size > 0, getattr(prior, "passes", 1)
        for bar, before in zip(bars, [*bars[1:], 1.0], strict=True):
            x = x.detach().requires_grad_(guided)
            gradient: Any = 0.0
            with torch.set_grad_enabled(guided):
                sigma = ((1 - bar) / bar) ** 0.5
                with arithmetic(self.precision, x.device):
                    x0 = prior.denoise(x / bar**0.5, sigma, support)
                if guided:
                    residual = ((y - scaled.modulus(x0)) * valid).flatten(1)
                    l2 = residual.norm(dim=1) if self.norm == "plain" else residual.square().sum(1)
                    loss = self.l1 * residual.abs().sum(1) / y.numel() ** 0.5 + self.l2 * l2
                    (gradient,) = torch.autograd.grad(loss.sum(), x)
                    scaled.operator.spend(x.shape[0])  # the gradient goes back through the transform
            with torch.no_grad():
                alpha = bar / before
                beta = 1 - alpha
                mean = (before**0.5 * beta * x0 + alpha**0.5 * (1 - before) * x) / (1 - bar)
                variance = beta * (1 - before) / (1 - bar) if self.variance == "posterior" else beta * (before < 1)
                x = mean + variance**0.5 * complex_normal(rng, x.shape[1:], x) * inside - size * gradient
                x0 = x0.detach()
            yield Step(x0 * scale, evaluations=passes + 2 * guided, stage="dps")
        yield from self.refined(scaled, x0, scale)
