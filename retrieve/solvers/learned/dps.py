"""Diffusion posterior sampling, as Lee et al. (2026) do it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...numerics.arrays import Array
from ...plugins.options import option
from ...problem import Problem
from ..base import Step, Streams
from .base import Learned, complex_normal, normalise
from .refine import Refinement


@dataclass(frozen=True)
class DPS(Refinement, Learned):
    """Reverse diffusion of T steps, each followed by −ζ ∇ₓ[λ₁‖y − |A x̂₀|‖₁ + λ₂‖y − |A x̂₀|‖₂] through the network.

    x̂₀ is the denoiser's estimate (Tweedie). One step costs three network evaluations. The paper leaves some points open. Here
    the far field is the Fourier transform of re + i·im (its eq. 8 has a factor 2π that eqs. 5 and 6 lack), each start has a loss
    of its own, and the object's scale follows from the measured power.
    """

    name: ClassVar[str] = "dps"
    batch: ClassVar[int] = 8
    uses_start: ClassVar[bool] = False
    source: ClassVar[str] = "Lee et al. 2026; Chung et al., ICLR 2023"
    timesteps: int = option(500, "reverse steps T", ge=2, le=10_000)
    step: float = option(0.5, "size ζ of the guiding step", gt=0)
    l1: float = option(0.5, "weight λ₁ of the 1-norm, per √pixel", ge=0)
    l2: float = option(0.5, "weight λ₂ of the 2-norm", ge=0)
    norm: str = option("plain", "the 2-norm as it stands, or its square", choices=("plain", "squared"))
    schedule: str = option("linear", "β from 0.1/T to 20/T, or the cosine of ᾱ", choices=("linear", "cosine"))
    variance: str = option("posterior", "of the reverse step: β̃, or the larger β", choices=("posterior", "beta"))

    @property
    def total(self) -> int | None:
        """Reverse steps and refinement."""
        return self.timesteps + self.refine

    def alpha_bar(self) -> np.ndarray:
        """ᾱ of t = 1 … T (linear: Ho et al. 2020; cosine: Nichol & Dhariwal 2021, eq. 17)."""
        if self.schedule == "linear":
            beta = np.linspace(0.1, 20, self.timesteps) / self.timesteps
        else:
            f = np.cos((np.arange(self.timesteps + 1) / self.timesteps + 0.008) / 1.008 * np.pi / 2) ** 2
            beta = 1 - f[1:] / f[:-1]
        return np.cumprod(1 - np.minimum(beta, 0.999))

    def steps(self, problem: Problem, x: Array, rng: Streams) -> Iterator[Step]:
        """Sample from pure noise (the start x only gives the shape); every step shows x̂₀."""
        import torch

        from ...priors.precision import arithmetic
        from ...priors.windows import crop_or_pad

        prior = self.prior_for(problem, x.device)
        scaled, scale = normalise(problem, prior.window)
        y, valid = scaled.amplitude, scaled.valid
        inside = crop_or_pad(torch.ones((1, *prior.window), device=x.device), x.shape[1:])
        support = None if problem.support is None else problem.support[None]
        bars = self.alpha_bar().tolist()[::-1]
        x = complex_normal(rng, x.shape[1:], x) * inside
        for bar, before in zip(bars, [*bars[1:], 1.0], strict=True):
            x = x.detach().requires_grad_(True)
            with torch.enable_grad():
                sigma = ((1 - bar) / bar) ** 0.5
                with arithmetic(self.precision, x.device):
                    x0 = prior.denoise(x / bar**0.5, sigma, support)
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
                x = mean + variance**0.5 * complex_normal(rng, x.shape[1:], x) * inside - self.step * gradient
                x0 = x0.detach()
            yield Step(x0 * scale, evaluations=3, stage="dps")
        yield from self.refined(scaled, x0, scale)
