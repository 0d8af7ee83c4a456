"""The symmetries of a diffraction pattern: the global phase and the twin."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .denoiser import Prior
from .graphs import Replayed
from .precision import arithmetic
from .windows import box_for, broadcast_over, crop_or_pad, object_axes, reach_of


def twin_of(x: Tensor) -> Tensor:
    """The twin x*(−r) of objects or supports (batch, *shape) about N//2: it has the same pattern."""
    axes = object_axes(x)
    return torch.roll(torch.flip(x, axes), tuple(1 - n % 2 for n in x.shape[1:]), axes).conj().resolve_conj()


class Symmetric:
    """A denoiser that sees each object at a random global phase, and every second time as its twin.

    Over many calls this averages the network over both symmetries at no cost.

    uniform: gives numbers in [0, 1), float32 (batch, 2), for each call.  support: bool (*shape), if known; a prior with a number
    `multiple` then sees no more than the smallest box that holds it.  precision: see `precision_of`.
    """

    def __init__(self, prior: Prior, support: Tensor | None, uniform: Callable[[], Tensor], precision: str = "float32") -> None:
        self.uniform, self.precision = uniform, precision
        self.capturable = getattr(prior, "capturable", False)
        self.denoise: Callable[..., Tensor] = Replayed(prior.denoise) if self.capturable else prior.denoise
        self.support = self.inverse = self.box = None
        if support is not None:
            self.support = support[None]
            if multiple := getattr(prior, "multiple", None):
                self.box = box_for(reach_of(self.support)[0].tolist(), prior.window, multiple)
                self.support = crop_or_pad(self.support, self.box)
            self.inverse = twin_of(self.support)

    @torch.no_grad()
    def __call__(self, x: Tensor, sigma: float, kind: Tensor | None = None) -> Tensor:
        """E[x₀ | x] complex (batch, *shape) at noise level σ; kind: (batch, kinds), if one is assumed."""
        shape = x.shape[1:]
        if self.box is not None:
            x = crop_or_pad(x, self.box)
        u = self.uniform().to(x.device)
        turn = broadcast_over(torch.polar(torch.ones_like(u[:, 0]), 2 * torch.pi * u[:, 0]), x)
        twin = broadcast_over(u[:, 1] < 0.5, x)
        x = x * turn
        x = torch.where(twin, twin_of(x), x)
        support = self.support
        if support is not None and self.inverse is not None:
            support = torch.where(twin, self.inverse, support)
        with arithmetic(self.precision, x.device):
            level = torch.full_like(u[:, 0], sigma) if self.capturable else sigma
            d = self.denoise(x, level, support, *([] if kind is None else [kind]))
        return crop_or_pad(torch.where(twin, twin_of(d), d) * turn.conj(), shape)
