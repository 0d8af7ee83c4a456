"""Denoisers: a network made into an estimate of the object at any noise level, E[x₀ | x = x₀ + σn].

The noise is complex: σ in each of the real and the imaginary part. Objects have an rms of 1 over the
window, so that the scale of a measurement follows from its power.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from ..errors import InputError
from .patterns import network_input
from .unet import UNet
from .windows import window_of

_FORMAT = {4: torch.channels_last, 5: torch.channels_last_3d}
SIGMA_DATA = 1 / math.sqrt(2)
"""Standard deviation of the real and of the imaginary part of objects whose rms is 1."""


_FORMAT = {4: torch.channels_last, 5: torch.channels_last_3d}


class Prior(Protocol):
    """What a sampler asks of a prior; any object that has this will do.

    window: the object's box, in the middle of any larger array; the objects have an rms of 1 over it.
    denoise: x complex (batch, *shape), sigma (batch,) or a number, in units of that rms, and the
    support, bool (batch or 1, *shape), where known → E[x₀] complex (batch, *shape), 0 outside the window.
    A prior that has a number `multiple` takes arrays smaller than its window, too, of multiples of it. One that
    has names `kinds` of objects is given a fourth argument where a kind is assumed: float (batch, kinds), 1 for it, else 0.
    One that is `capturable` looks at no values on the host, and runs on a card as a CUDA graph; see `graphs.Replayed`.
    """

    window: tuple[int, ...]

    def denoise(self, x: Tensor, sigma: Tensor | float, support: Tensor | None = None) -> Tensor:
        """E[x₀]."""
        ...


class Denoiser(nn.Module):
    """A U-Net with its preconditioning, which subclasses give.

    window: px, the box that the network sees.  conditioned: whether it is told the support.
    pattern: whether it is told the amplitude of the diffraction pattern, whose shape is then the window's, in two equal
    channels as the 3D network of Lee et al. (2026), section 4.4: `given` tells it.
    network: options of `UNet`.  kinds: names of those of objects that it can be told.
    inputs, outputs: further channels of the network, which a subclass may need.
    What it is `told` is (batch, 1, *window), the support, or (batch, 3, *window) with the pattern.
    """

    kind: str
    capturable = True

    def __init__(
        self,
        window: Sequence[int],
        network: dict[str, Any],
        *,
        conditioned: bool = True,
        pattern: bool = False,
        kinds: Sequence[str] = (),
        inputs: int = 0,
        outputs: int = 0,
    ) -> None:
        super().__init__()
        self.window, self.conditioned, self.pattern, self.kinds = tuple(window), conditioned, pattern, tuple(kinds)
        channels = 2 + conditioned + inputs + 2 * pattern
        self.network = UNet(len(self.window), channels, 2 + outputs, kinds=len(self.kinds), **network)
        self.multiple = self.network.multiple
        if any(n % self.multiple for n in self.window):
            raise InputError(f"window {self.window}: every axis must be a multiple of {self.multiple} for this network")
        self.settings = {
            "kind": self.kind,
            "window": list(self.window),
            "conditioned": conditioned,
            **({"pattern": True} if pattern else {}),
            "network": self.network.settings,
        }
        if kinds:
            self.settings["kinds"] = list(kinds)

    @property
    @abstractmethod
    def sigmas(self) -> Tensor:
        """The noise levels it was trained for, from the least to the largest."""

    @abstractmethod
    def estimate(self, x: Tensor, sigma: Tensor, told: Tensor, kind: Tensor | None = None) -> Tensor:
        """E[x₀] (batch, 2, *window) from x, sigma (batch,), what it is told (batch, 1 or 3, *window), the kind (batch, kinds)."""

    @abstractmethod
    def forward(self, x0: Tensor, told: Tensor, kind: Tensor | None, rng: torch.Generator) -> Tensor:
        """The training loss of each object x₀ (batch, 2, *window)."""

    def given(self, amplitude: Tensor, valid: Tensor) -> PatternConditioned:
        """This prior, told the amplitude (*window) of one pattern, zero frequency at index 0, where it is valid.

        Raises InputError for a prior that was not trained with patterns, or a pattern of another shape.
        """
        if not self.pattern or tuple(amplitude.shape) != self.window:
            here = f"patterns of {self.window}" if self.pattern else "no patterns"
            raise InputError(f"a pattern of {tuple(amplitude.shape)} is given to a prior that was trained with {here}")
        return PatternConditioned(self, network_input(amplitude[None].float(), valid[None]))

    def denoise(
        self,
        x: Tensor,
        sigma: Tensor | float,
        support: Tensor | None = None,
        kind: Tensor | None = None,
        pattern: Tensor | None = None,
    ) -> Tensor:
        """E[x₀] of complex x (batch, *shape), which is 0 outside the window; see `Prior`.

        pattern: as `patterns.shown` brings it, (1, *window), for a prior that is told of it; None where unknown.
        The network computes in float32 whatever the precision of x. An array smaller than the window it sees whole.
        Raises `InputError` for one whose axis is neither as long as the window's nor a multiple of `multiple`.
        """
        shape = tuple(x.shape[1:])
        whole = len(shape) == len(self.window) and not any(n % self.multiple for n in shape)
        box = tuple(map(min, shape, self.window)) if whole else self.window
        inside = window_of(shape, box)
        sigma = torch.as_tensor(sigma, dtype=torch.float32, device=x.device).expand(x.shape[0])
        pair = torch.view_as_real(x[inside].resolve_conj()).movedim(-1, 1).float()
        known = torch.ones((), device=x.device) if support is None else support[inside].float()
        told = known.expand(x.shape[0], *box)[:, None]
        if self.pattern:
            twice = torch.zeros((), device=x.device) if pattern is None else pattern[:, None]
            told = torch.cat([told, twice.expand(x.shape[0], 2, *box)], dim=1)
        estimate = self.estimate(pair, sigma, told, kind)
        out = torch.zeros_like(x)
        out[inside] = torch.view_as_complex(estimate.float().movedim(1, -1).contiguous())
        return out

    def run(self, x: Tensor, level: Tensor, told: Tensor, kind: Tensor | None, *more: Tensor) -> Tensor:
        """The network on x (batch, 2, *window) and more channels, told support, pattern and kind where it was built for them."""
        parts = [x, *([told[:, :1]] if self.conditioned else []), *more, *([told[:, 1:]] if self.pattern else [])]
        x = torch.cat([part.to(x.dtype) for part in parts], dim=1)
        return self.network(x.contiguous(memory_format=_FORMAT[x.ndim]), level, kind if self.kinds else None).float()


@dataclass(frozen=True)
class PatternConditioned:
    """A prior that is told one pattern (1, *window), as `shown` brings it: an estimator of its objects alone."""

    capturable: ClassVar[bool] = True
    prior: Denoiser
    pattern: Tensor

    @property
    def window(self) -> tuple[int, ...]:
        """The prior's."""
        return self.prior.window

    @property
    def kinds(self) -> tuple[str, ...]:
        """The prior's."""
        return self.prior.kinds

    def denoise(self, x: Tensor, sigma: Tensor | float, support: Tensor | None = None, kind: Tensor | None = None) -> Tensor:
        """E[x₀ | x, pattern]; see `denoiser.Prior`."""
        return self.prior.denoise(x, sigma, support, kind, self.pattern)


def normal_like(x: Tensor, rng: torch.Generator) -> Tensor:
    """Normal numbers of the shape of x, drawn where x is; on a card from a generator that `rng` seeds."""
    if x.device.type != rng.device.type:
        seed = int(torch.randint(2**62, (1,), generator=rng))
        rng = torch.Generator(x.device).manual_seed(seed)
    return torch.randn(x.shape, generator=rng, device=x.device)
