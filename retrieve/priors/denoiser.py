"""Denoisers: a network made into an estimate of the object at any noise level, E[x₀ | x = x₀ + σn].

The noise is complex: σ in each of the real and the imaginary part. Objects have an rms of 1 over the
window, so that the scale of a measurement follows from its power.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from ..errors import InputError
from .packed import lowered
from .patterns import network_input
from .unet import UNetNetwork, arguments_of
from .windows import CHANNELS_LAST, crop_or_pad, to_complex, to_pair, window_of

if TYPE_CHECKING:
    from ..problem import Problem

SIGMA_DATA = 1 / math.sqrt(2)
"""Standard deviation of the real and of the imaginary part of objects whose rms is 1."""


class Prior(Protocol):
    """The interface of a prior. A sampler takes any object that has these attributes and `denoise`.

    Attributes
    ----------
    window : tuple of int
        The object's box in px, in the middle of any larger array. Objects have an rms of 1 over it.
    multiple : int, optional
        A prior that has it also takes arrays smaller than its window whose axes are multiples of it.
    kinds : sequence of str, optional
        Kinds of objects. A prior that has them takes a fourth argument, float (batch, kinds): 1 for the assumed kind, else 0.
    tell : callable, optional
        A prior that has it is told the measurement: `tell(problem)` of the problem in the prior's units gives the prior that
        solvers use in its place.
    passes : int, optional
        Network evaluations of a call; 1 unless it says so.
    capturable : bool, optional
        True if `denoise` reads no values on the host. It then runs on a card as a CUDA graph; see `graphs.Replayed`.
    """

    window: tuple[int, ...]

    def denoise(self, x: Tensor, sigma: Tensor | float, support: Tensor | None = None) -> Tensor:
        """Estimate objects from noisy ones.

        Parameters
        ----------
        x : Tensor
            Complex (batch, *shape), in units of the objects' rms.
        sigma : Tensor or float
            Noise level of the real and of the imaginary part, in the same units: (batch,) or one for all.
        support : Tensor, optional
            Boolean (batch or 1, *shape), if known.

        Returns
        -------
        Tensor
            E[x₀ | x], complex (batch, *shape), 0 outside the window.
        """
        ...


class Denoiser(nn.Module):
    """A U-Net with its preconditioning, which subclasses define.

    The argument `told` of its methods is the network's condition: the support (batch, 1, *window), or (batch, 3, *window) with
    the pattern in two equal channels, as in the 3D network of Lee et al. (2026), section 4.4.

    Parameters
    ----------
    window : sequence of int
        The box that the network sees, px.
    network : dict
        Options of `UNetNetwork`.
    conditioned : bool
        Whether the network is told the support.
    pattern : bool
        Whether it is told the amplitude of the diffraction pattern, of the window's shape; see `given`.
    kinds : sequence of str
        Names of the kinds of objects that it can be told.
    inputs, outputs : int
        Further channels of the network, for subclasses.
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
        self.network = UNetNetwork(len(self.window), channels, 2 + outputs, len(self.kinds), **network)
        self.multiple = self.network.multiple
        if any(n % self.multiple for n in self.window):
            raise InputError(f"window {self.window}: every axis must be a multiple of {self.multiple} for this network")

    @property
    def settings(self) -> dict[str, Any]:
        """The architecture, as `weights.build_module` takes it."""
        return {"kind": self.kind, **arguments_of(self), "network": self.network.settings}

    @property
    @abstractmethod
    def sigmas(self) -> Tensor:
        """The noise levels it was trained for, in ascending order."""

    @abstractmethod
    def estimate(self, x: Tensor, sigma: Tensor, told: Tensor, kind: Tensor | None = None) -> Tensor:
        """E[x₀] (batch, 2, *window) from x, sigma (batch,), the condition `told`, the kind (batch, kinds)."""

    @abstractmethod
    def forward(self, x0: Tensor, told: Tensor, kind: Tensor | None, rng: torch.Generator) -> Tensor:
        """The training loss of each object x₀ (batch, 2, *window)."""

    def tell(self, problem: Problem) -> Any:
        """A prior for the objects of one problem; this one, if it is told no pattern."""
        return self.given(problem.amplitude, problem.valid) if self.pattern else self

    def given(self, amplitude: Tensor, valid: Tensor) -> PatternConditioned:
        """Tell this prior one pattern.

        Parameters
        ----------
        amplitude : Tensor
            √I (*window) in any unit, zero frequency at index 0.
        valid : Tensor
            Boolean (*window), True where measured.

        Returns
        -------
        PatternConditioned
            A prior for the objects of this pattern.

        Raises
        ------
        InputError
            If this prior was not trained with patterns, or with patterns of another shape.
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
        **measured: Any,
    ) -> Tensor:
        """E[x₀] of complex x (batch, *shape), which is 0 outside the window; see `Prior.denoise`.

        pattern: (1, *window) from `network_input`, for a prior that is told it. An array smaller than the window is seen whole.
        measured: more that `estimate` takes.
        Raises `InputError` if an axis of x is neither as long as the window's nor a multiple of `multiple`.
        """
        shape = tuple(x.shape[1:])
        whole = len(shape) == len(self.window) and not any(n % self.multiple for n in shape)
        box = tuple(map(min, shape, self.window)) if whole else self.window
        inside = window_of(shape, box)
        sigma = torch.as_tensor(sigma, dtype=torch.float32, device=x.device).expand(x.shape[0])
        known = torch.ones((), device=x.device) if support is None else support[inside].float()
        told = known.expand(x.shape[0], *box)[:, None]
        if self.pattern:
            twice = torch.zeros((), device=x.device) if pattern is None else pattern[:, None]
            told = torch.cat([told, twice.expand(x.shape[0], 2, *box)], dim=1)
        estimate = self.estimate(to_pair(x[inside]).float(), sigma, told, kind, **measured)
        return crop_or_pad(to_complex(estimate.float()), shape).to(x.dtype)

    def run(self, x: Tensor, level: Tensor, told: Tensor, kind: Tensor | None, *more: Tensor) -> Tensor:
        """The network on x (batch, 2, *window) and more channels, told support, pattern and kind as it was built for."""
        parts = [x, *([told[:, :1]] if self.conditioned else []), *more, *([told[:, 1:]] if self.pattern else [])]
        x = torch.cat([part.to(x.dtype) for part in parts], dim=1)
        x = x.contiguous(memory_format=CHANNELS_LAST[len(self.window)])
        kind = kind if self.kinds else None
        if (network := lowered(self.network)) is None:
            return self.network(x, level, kind).float()
        with torch.autocast("cpu", enabled=False):
            return network(x.bfloat16(), level, kind).float()


@dataclass(frozen=True)
class PatternConditioned:
    """A prior that is told one pattern (1, *window), from `network_input`: an estimator of that pattern's objects alone."""

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
        """E[x₀ | x, pattern]; see `Prior.denoise`."""
        return self.prior.denoise(x, sigma, support, kind, self.pattern)


def normal_like(x: Tensor, rng: torch.Generator) -> Tensor:
    """Normal numbers of the shape of x, drawn where x is; on a card from a generator that `rng` seeds."""
    if x.device.type != rng.device.type:
        seed = int(torch.randint(2**62, (1,), generator=rng))
        rng = torch.Generator(x.device).manual_seed(seed)
    return torch.randn(x.shape, generator=rng, device=x.device)
