"""The EDM denoiser: preconditioned, with means of its input at several scales."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from .denoiser import SIGMA_DATA, Denoiser, normal_like


class EDM(Denoiser):
    """D = c_skip x + c_out (F + Σₖ gₖ uₖ), by which F always sees and gives unit variance (Karras et al. 2022).

    F and the gates gₖ are the network's, of c_in x, ¼ ln σ and uₖ = (wₖ Gₖx − c_skip x)/c_out. Gₖx are means of x under
    Gaussians of `scales` (px) inside the support, wₖ is c_skip for their lesser noise. So what noise hides in x at small σ,
    and what is left of x at large σ, come to the network at unit size, where bfloat16 would have lost them. |uₖ| levels
    off at `steep`, which it passes at edges alone.

    Trained on ln(σ/σ_data) ~ N(mean, width²), and for every fifth object ln σ even over `low` to `high`,
    with the loss weighted to unit size at every σ.
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
        more = {"inputs": 2 * len(scales), "outputs": len(scales)}
        super().__init__(window, network, conditioned=conditioned, pattern=pattern, kinds=kinds, **more)
        self.scales = tuple(scales)
        if scales:
            self.settings["scales"] = list(scales)

    @property
    def sigmas(self) -> Tensor:
        """The noise levels it was trained for: any between `low` and `high`."""
        return torch.tensor([self.low, self.high])

    def estimate(self, x: Tensor, sigma: Tensor, told: Tensor, kind: Tensor | None = None) -> Tensor:
        """E[x₀] (batch, 2, *window)."""
        s = sigma.reshape(-1, *[1] * (x.ndim - 1))
        total = s**2 + SIGMA_DATA**2
        level = sigma.clamp(self.low, self.high).log()  # beyond them the network was never asked
        skip, out = SIGMA_DATA**2 / total, s * SIGMA_DATA / total.sqrt()
        u = []
        for mean, share in self.means(x, told[:, :1]):
            each = (mean * (SIGMA_DATA**2 / (SIGMA_DATA**2 + s**2 * share)) - skip * x) / out.clamp(min=1e-6)
            u.append(each / (1 + each.square().sum(1, keepdim=True) / self.steep**2).sqrt())
        f = self.run(x / total.sqrt(), 250 * level, told, kind, *u)
        gated = [gate * each for gate, each in zip(f[:, 2:].split(1, dim=1), u, strict=bool(u))]
        return x * skip + sum(gated, f[:, :2]) * out

    def means(self, x: Tensor, support: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """For each of `scales`: the mean of x under a Gaussian inside the support, and the noise's share of variance in it.

        In the precision of x: rounded to bfloat16 a mean is no better than x itself at small σ.
        """
        inside = (support if self.conditioned else torch.ones_like(support)).to(x.dtype)
        for scale in self.scales:
            with torch.autocast(x.device.type, enabled=False):
                mass = blurred(inside, scale).clamp(min=1e-6)
                share = blurred(inside, scale / math.sqrt(2)) / mass**2
                mean = blurred(x * inside, scale) / mass
            yield mean * inside, share * inside

    def forward(self, x0: Tensor, told: Tensor, kind: Tensor | None, rng: torch.Generator) -> Tensor:
        """λ(σ)‖D − x₀‖² of each object, averaged over its pixels, with λ = 1/c_out²."""
        b = len(x0)
        normal = SIGMA_DATA * torch.exp(self.mean + self.width * torch.randn(b, generator=rng))
        even = self.low * (self.high / self.low) ** torch.rand(b, generator=rng)
        sigma = torch.where(torch.rand(b, generator=rng) < 0.2, even, normal).clamp(self.low, self.high).to(x0.device)
        s = sigma.reshape(-1, *[1] * (x0.ndim - 1))
        noise = normal_like(x0, rng)
        weight = (s**2 + SIGMA_DATA**2) / (s * SIGMA_DATA) ** 2
        return (weight * (self.estimate(x0 + s * noise, sigma, told, kind) - x0) ** 2).flatten(1).mean(1)


def blurred(x: Tensor, scale: float) -> Tensor:
    """Sums of x (batch, channels, *window) under Gaussians exp(−r²/2 scale²), scale in px, with zeros around."""
    for axis in range(2, x.ndim):
        n = torch.arange(x.shape[axis], device=x.device, dtype=x.dtype)
        kernel = torch.exp(-((n[:, None] - n) ** 2) / (2 * scale**2))
        x = torch.tensordot(x, kernel, ([axis], [0])).movedim(-1, axis)
    return x
