"""The denoiser of the paper: it predicts the noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .denoiser import Denoiser, normal_like
from .windows import broadcast_over


class Epsilon(Denoiser):
    """D = x − σ ε(√ᾱ x, t), with the noise ε predicted at the T levels of a linear β schedule.

    The network is asked at the level t whose σ = √((1 − ᾱ)/ᾱ) is the nearest. The loss is ‖ε − ε_θ(√ᾱ x₀ + √(1 − ᾱ) ε, t)‖².

    Parameters
    ----------
    window, network, conditioned, pattern, kinds : see `Denoiser`
    steps : int
        Number of levels T; β goes from 0.1/T to 20/T.

    References
    ----------
    J. Ho, A. Jain, P. Abbeel, NeurIPS (2020), eq. 14. S. Lee et al. (2026), eq. 7.
    """

    kind = "epsilon"
    alpha_bar: Tensor

    def __init__(
        self,
        window: Sequence[int],
        network: dict[str, Any],
        *,
        conditioned: bool = False,
        pattern: bool = False,
        kinds: Sequence[str] = (),
        steps: int = 500,
    ) -> None:
        super().__init__(window, network, conditioned=conditioned, pattern=pattern, kinds=kinds)
        self.steps = steps
        beta = torch.linspace(0.1 / steps, 20 / steps, steps, dtype=torch.float64)
        self.register_buffer("alpha_bar", torch.cumprod(1 - beta, 0).float(), persistent=False)

    @property
    def sigmas(self) -> Tensor:
        """σ of the levels t = 1 … T."""
        return ((1 - self.alpha_bar) / self.alpha_bar).sqrt()

    def estimate(self, x: Tensor, sigma: Tensor, told: Tensor, kind: Tensor | None = None) -> Tensor:
        """E[x₀] (batch, 2, *window)."""
        between = (self.sigmas[1:] * self.sigmas[:-1]).sqrt()
        t = torch.searchsorted(between, sigma.contiguous())
        s = broadcast_over(sigma, x)
        return x - s * self.run(x / (1 + s**2).sqrt(), t.float() + 1, told, kind)

    def forward(self, x0: Tensor, told: Tensor, kind: Tensor | None, rng: torch.Generator) -> Tensor:
        """‖ε − ε_θ‖² of each object, averaged over its pixels."""
        t = torch.randint(len(self.alpha_bar), (len(x0),), generator=rng)
        bar = broadcast_over(self.alpha_bar[t.to(x0.device)], x0)
        noise = normal_like(x0, rng)
        found = self.run(bar.sqrt() * x0 + (1 - bar).sqrt() * noise, t.to(x0.device).float() + 1, told, kind)
        return ((noise - found) ** 2).flatten(1).mean(1)
