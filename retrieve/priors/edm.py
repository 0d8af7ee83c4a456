"""The EDM denoiser: preconditioned, with means of its input at several scales."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from .denoiser import SIGMA_DATA, Denoiser, normal_like
from .windows import broadcast_over


class EDM(Denoiser):
    """D = c_skip x + c_out (F + Σₖ gₖ uₖ): whatever σ is, the network F sees and gives unit variance.

    c_skip = σ_d²/(σ² + σ_d²), c_out = σ σ_d/√(σ² + σ_d²), c_in = 1/√(σ² + σ_d²), σ_d = `SIGMA_DATA`.
    The network sees c_in x, ¼ ln σ and uₖ = (wₖ Gₖx − c_skip x)/c_out, and gives F and the gates gₖ. Gₖx is the mean of x under a
    Gaussian of `scales[k]` (px) inside the support, wₖ is c_skip for its lesser noise. This presents details that noise hides at
    small σ, and the rest of x at large σ, at unit size, where bfloat16 would lose them. |uₖ| levels off at `steep`, which it
    exceeds at edges alone.

    The loss is λ(σ)‖D(x₀ + σn; σ) − x₀‖² with λ = 1/c_out². ln(σ/σ_d) ~ N(mean, width²); for every fifth object ln σ is uniform
    from `low` to `high`.

    Parameters
    ----------
    window, network, conditioned, pattern, kinds : see `Denoiser`
    scales : sequence of float
        Standard deviations (px) of the Gaussians; none for plain EDM.

    References
    ----------
    T. Karras et al., Elucidating the design space of diffusion-based generative models, NeurIPS (2022), table 1.
    """

    kind = "edm"
    mean, width = -0.6, 1.3
    low, high = 0.02, 60.0
    steep = 4.0

    def __init__(
        self,
        window: Sequence[int],
        network: dict[str, Any],
        *,
        conditioned: bool = True,
        pattern: bool = False,
        kinds: Sequence[str] = (),
        scales: Sequence[float] = (),
    ) -> None:
        self.scales = tuple(scales)
        inputs, outputs = self.further()
        super().__init__(window, network, conditioned=conditioned, pattern=pattern, kinds=kinds, inputs=inputs, outputs=outputs)

    def further(self) -> tuple[int, int]:
        """Channels of the network's input and output beside the object and its condition."""
        return 2 * len(self.scales), len(self.scales)

    @property
    def sigmas(self) -> Tensor:
        """The noise levels it was trained for: any between `low` and `high`."""
        return torch.tensor([self.low, self.high])

    def estimate(self, x: Tensor, sigma: Tensor, told: Tensor, kind: Tensor | None = None) -> Tensor:
        """E[x₀] (batch, 2, *window)."""
        return self.combined(x, sigma, told, kind)

    def combined(
        self,
        x: Tensor,
        sigma: Tensor,
        told: Tensor,
        kind: Tensor | None,
        gated: Sequence[Tensor] = (),
        shown: Sequence[Tensor] = (),
    ) -> Tensor:
        """c_skip x + c_out (F + Σ gₖ uₖ) with further uₖ `gated`, each (batch, 2, *window), and further channels `shown`."""
        s = broadcast_over(sigma, x)
        total = s**2 + SIGMA_DATA**2
        level = sigma.clamp(self.low, self.high).log()  # outside this range the network was not trained
        u = [
            self.in_units(mean * (SIGMA_DATA**2 / (SIGMA_DATA**2 + s**2 * share)), x, sigma)
            for mean, share in self.means(x, told[:, :1])
        ]
        f = self.run(x / total.sqrt(), 250 * level, told, kind, *u, *shown)
        u += gated
        gates = [gate * each for gate, each in zip(f[:, 2:].split(1, dim=1), u, strict=bool(u))]
        return x * (SIGMA_DATA**2 / total) + sum(gates, f[:, :2]) * (s * SIGMA_DATA / total.sqrt())

    def in_units(self, estimate: Tensor, x: Tensor, sigma: Tensor, skip: float = 1.0) -> Tensor:
        """(estimate − skip c_skip x)/c_out, levelled off at `steep`: an estimate as the network gives its own."""
        s = broadcast_over(sigma, x)
        total = s**2 + SIGMA_DATA**2
        out = (s * SIGMA_DATA / total.sqrt()).clamp(min=1e-6)
        each = (estimate - (skip * SIGMA_DATA**2) / total * x) / out
        return each / (1 + each.square().sum(1, keepdim=True) / self.steep**2).sqrt()

    def means(self, x: Tensor, support: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """For each of `scales`: the mean of x under a Gaussian inside the support, and the noise's share of variance in it.

        In the precision of x: rounded to bfloat16 a mean is no better than x itself at small σ.
        """
        inside = (support if self.conditioned else torch.ones_like(support)).to(x.dtype)
        for scale in self.scales:
            with torch.autocast(x.device.type, enabled=False):
                mass = gaussian_sum(inside, scale).clamp(min=1e-6)
                share = gaussian_sum(inside, scale / math.sqrt(2)) / mass**2
                mean = gaussian_sum(x * inside, scale) / mass
            yield mean * inside, share * inside

    def forward(self, x0: Tensor, told: Tensor, kind: Tensor | None, rng: torch.Generator) -> Tensor:
        """λ(σ)‖D − x₀‖² of each object, averaged over its pixels."""
        b = len(x0)
        normal = SIGMA_DATA * torch.exp(self.mean + self.width * torch.randn(b, generator=rng))
        even = self.low * (self.high / self.low) ** torch.rand(b, generator=rng)
        sigma = torch.where(torch.rand(b, generator=rng) < 0.2, even, normal).clamp(self.low, self.high).to(x0.device)
        s = broadcast_over(sigma, x0)
        noise = normal_like(x0, rng)
        weight = (s**2 + SIGMA_DATA**2) / (s * SIGMA_DATA) ** 2
        return (weight * (self.estimate(x0 + s * noise, sigma, told, kind) - x0) ** 2).flatten(1).mean(1)


def gaussian_sum(x: Tensor, scale: float) -> Tensor:
    """Sums of x (batch, channels, *window) under Gaussians exp(−r²/2 scale²), scale in px, with zeros around."""
    for axis in range(2, x.ndim):
        n = torch.arange(x.shape[axis], device=x.device, dtype=x.dtype)
        kernel = torch.exp(-((n[:, None] - n) ** 2) / (2 * scale**2))
        x = torch.tensordot(x, kernel, ([axis], [0])).movedim(-1, axis)
    return x
