"""The denoiser of the paper: it predicts the noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .denoiser import Denoiser, normal_like


class Epsilon(Denoiser):
    """D = x − σ ε(x √ᾱ, t) with the noise ε predicted at the T levels of a linear β schedule (Ho et al. 2020), the paper's.

    The network is asked at the level t whose σ = √((1 − ᾱ)/ᾱ) is the nearest.
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
        self.settings["steps"] = steps
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
        s = sigma.reshape(-1, *[1] * (x.ndim - 1))
        return x - s * self.run(x / (1 + s**2).sqrt(), t.float() + 1, told, kind)

    def forward(self, x0: Tensor, told: Tensor, kind: Tensor | None, rng: torch.Generator) -> Tensor:
        """‖ε − ε_θ‖² of each object, averaged over its pixels (paper's eq. 7)."""
        t = torch.randint(len(self.alpha_bar), (len(x0),), generator=rng)
        bar = self.alpha_bar[t.to(x0.device)].reshape(-1, *[1] * (x0.ndim - 1))
        noise = normal_like(x0, rng)
        found = self.run(bar.sqrt() * x0 + (1 - bar).sqrt() * noise, t.to(x0.device).float() + 1, told, kind)
        return ((noise - found) ** 2).flatten(1).mean(1)
