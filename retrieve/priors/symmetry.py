"""What a diffraction pattern cannot tell: the global phase and the twin."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .denoiser import Prior
from .graphs import Replayed
from .training.state import precision_of
from .windows import box_for, reach_of, window_of


def twin_of(x: Tensor) -> Tensor:
    """The twin x*(−r) of objects or supports (batch, *shape) centred at N//2."""
    axes = tuple(range(1, x.ndim))
    return torch.roll(torch.flip(x, axes), tuple(1 - n % 2 for n in x.shape[1:]), axes).conj().resolve_conj()


def arithmetic(precision: str, device: torch.device) -> torch.autocast:
    """In this context networks compute in the precision asked for; see `precision_of`."""
    dtype = precision_of(precision, device)
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)


class Symmetric:
    """A denoiser that sees each object under a random global phase, and every other time as its twin.

    uniform: gives numbers in [0, 1), float32 (batch, 2), for each call. In the course of a run this averages
    the network over both symmetries at no cost. Where the support is known, a prior that can sees no more than
    the least box that holds it.
    """

    def __init__(self, prior: Prior, support: Tensor | None, uniform: Callable[[], Tensor], precision: str = "float32") -> None:
        self.prior, self.uniform, self.precision = prior, uniform, precision
        self.capturable = getattr(prior, "capturable", False)
        self.denoise: Callable[..., Tensor] = Replayed(prior.denoise) if self.capturable else prior.denoise
        self.support = self.inverse = self.box = None
        if support is not None:
            self.support = support[None]
            if multiple := getattr(prior, "multiple", None):
                self.box = box_for(reach_of(self.support)[0].tolist(), prior.window, multiple)
                self.support = self.support[window_of(support.shape, self.box)]
            self.inverse = twin_of(self.support)

    @torch.no_grad()
    def __call__(self, x: Tensor, sigma: float, kind: Tensor | None = None) -> Tensor:
        """E[x₀ | x] complex (batch, *shape) at noise level σ, for objects of a kind (batch, kinds) where one is given."""
        if self.box is not None:
            out, inside = torch.zeros_like(x), window_of(x.shape[1:], self.box)
            out[inside] = self._within(x[inside], sigma, kind)
            return out
        return self._within(x, sigma, kind)

    def _within(self, x: Tensor, sigma: float, kind: Tensor | None) -> Tensor:
        u = self.uniform().to(x.device)
        shape = (-1, *[1] * (x.ndim - 1))
        turn = torch.polar(torch.ones_like(u[:, 0]), 2 * torch.pi * u[:, 0]).reshape(shape)
        twin = (u[:, 1] < 0.5).reshape(shape)
        x = x * turn
        x = torch.where(twin, twin_of(x), x)
        support = self.support
        if support is not None and self.inverse is not None:
            support = torch.where(twin, self.inverse, support)
        with arithmetic(self.precision, x.device):
            level = torch.full_like(u[:, 0], sigma) if self.capturable else sigma
            d = self.denoise(x, level, support, *([] if kind is None else [kind]))
        return torch.where(twin, twin_of(d), d) * turn.conj()
