"""A denoiser that is told the measurement: it sees where the data lead from an estimate of the object."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from ..errors import InputError
from .denoiser import SIGMA_DATA, normal_like
from .edm import EDM
from .patterns import data_step
from .windows import broadcast_over, crop_or_pad, to_complex, to_pair

if TYPE_CHECKING:
    from ..problem import Problem

RELAXATION = 0.9
"""β of the RAAR that leads from an estimate to the data."""

PATTERN_NOISE = 0.05
"""Noise of the amplitudes, in the prior's units, that counts as one: the network sees 1 + log(1 + noise/this)."""


@dataclass(frozen=True)
class Measured:
    """What a told denoiser knows of a measurement, in the prior's units.

    step: from x complex (batch, *shape) and its uncertainty r (batch, 1, …) in the units of the amplitude to
    argmin_z nll(z) + ‖A(z − x)‖²/2r², as `Problem.proximal`.
    noise: of the amplitudes, (batch or 1,).  shape: of the objects that `step` takes.
    """

    step: Callable[[Tensor, Tensor], Tensor]
    noise: Tensor
    shape: tuple[int, ...]


def uncertainty(sigma: Tensor) -> Tensor:
    """The uncertainty r of an estimate from noise σ, in the units of the amplitude: 1.5 errors of `domains2d` on cells."""
    return 0.3125 * sigma / (1 + (sigma / 2.5) ** 2).sqrt()


def led_by_data(d: Tensor, sigma: Tensor, support: Tensor, measured: Measured, counts: Sequence[int]) -> list[Tensor]:
    """The estimate d, and where the data lead from it: P_S m after `counts` iterations of RAAR, m the data step.

    d, support: (batch, *window).  sigma: (batch,), the noise that d was estimated from.
    """
    box, x, inside = d.shape[1:], crop_or_pad(d, measured.shape), crop_or_pad(support, measured.shape)
    r = broadcast_over(uncertainty(sigma), x)
    found = [d]
    for n in range(1, max(counts, default=0) + 1):
        m = measured.step(x, r)
        if n in counts:
            found.append(crop_or_pad(inside * m, box))
        x = RELAXATION * (x + inside * (2 * m - x) - m) + (1 - RELAXATION) * m
    return found


class ToldEDM(EDM):
    """An `EDM` denoiser D(x; σ | y) that is told the measurement y: E[x₀ | x, y] of objects with this far field.

    Before it answers, it estimates x₀ untold. RAAR leads from there to the data, and the network sees the estimate and its
    steps of `iterations[k]` iterations, in further channels and with further gates; two passes of the network in all.
    A convolution cannot see a far field; it can see what the far field asks to change in the object.
    All of that is zero where no measurement is told, and the network is then a prior like any other.

    The loss is that of `EDM`, mostly at σ from `first` to `last`, on patterns with noise and lost pixels.

    Parameters
    ----------
    window, network, conditioned, kinds, scales : see `EDM`
    iterations : sequence of int
        Numbers of iterations, rising.
    """

    kind = "told"
    first, last = 0.15, 8.0
    untold = 0.15
    """Share of the training steps without a measurement."""
    gain = 4.0
    """Factor of the data's steps, which are small beside the noise."""

    def __init__(
        self,
        window: Sequence[int],
        network: dict[str, Any],
        *,
        conditioned: bool = True,
        kinds: Sequence[str] = (),
        scales: Sequence[float] = (),
        iterations: Sequence[int] = (1, 5, 20),
    ) -> None:
        if list(iterations) != sorted(set(iterations)) or min(iterations, default=0) < 1:
            raise InputError(f"iterations={list(iterations)} must be rising whole numbers from 1 on")
        self.iterations = tuple(iterations)
        super().__init__(window, network, conditioned=conditioned, kinds=kinds, scales=scales)

    def further(self) -> tuple[int, int]:
        """Channels of the network's input and output beside the object and its condition."""
        inputs, outputs = super().further()
        steps = len(self.iterations)
        return inputs + 2 + 2 * steps + 1, outputs + steps

    @property
    def settings(self) -> dict[str, Any]:
        """The architecture, as `weights.build_module` takes it."""
        return {name: value for name, value in super().settings.items() if name != "pattern"}

    def tell(self, problem: Problem) -> Told:
        """A prior of the objects of one problem, in the prior's units."""
        noise = problem.likelihood.amplitude_noise
        if noise is None:
            raise InputError(f"{type(problem.likelihood).__name__} states no noise, and this prior needs it: give its sigma")
        return Told(self, Measured(problem.proximal, torch.tensor([noise], dtype=torch.float32), tuple(problem.shape)))

    def estimate(
        self,
        x: Tensor,
        sigma: Tensor,
        told: Tensor,
        kind: Tensor | None = None,
        measured: Measured | None = None,
    ) -> Tensor:
        """E[x₀] (batch, 2, *window), told what was measured, or untold. No gradient passes through the untold estimate."""
        if measured is None:
            nothing = [torch.zeros_like(x)] * len(self.iterations)
            return self.combined(x, sigma, told, kind, nothing, [torch.zeros_like(x), *nothing, torch.zeros_like(x[:, :1])])
        with torch.no_grad():
            untold = self.estimate(x.detach(), sigma, told, kind)
            with torch.autocast(x.device.type, enabled=False):
                led = led_by_data(to_complex(untold.float()), sigma, told[:, 0], measured, self.iterations)
            led = [to_pair(each) for each in led]
        steps = [self.gain * self.in_units(b - a, x, sigma, skip=0.0) for a, b in zip(led, led[1:], strict=False)]
        noise = 1 + torch.log1p(measured.noise.to(x.device).expand(len(x)) / PATTERN_NOISE)
        shown = [self.in_units(led[0], x, sigma), *steps, broadcast_over(noise, x).expand_as(x[:, :1])]
        return self.combined(x, sigma, told, kind, steps, shown)

    def forward(self, x0: Tensor, told: Tensor, kind: Tensor | None, *rest: Any) -> Tensor:
        """λ(σ)‖D − x₀‖² of each object; rest: amplitude, valid and noise of its pattern, (batch, …), and the generator."""
        amplitude, valid, noise, rng = rest
        measured = Measured(data_step(amplitude, valid, noise), noise, tuple(amplitude.shape[1:]))
        size = len(x0)
        even = self.first * (self.last / self.first) ** torch.rand(size, generator=rng)
        normal = SIGMA_DATA * torch.exp(self.mean + self.width * torch.randn(size, generator=rng))
        sigma = torch.where(torch.rand(size, generator=rng) < 0.7, even, normal).clamp(self.low, self.high).to(x0.device)
        s = broadcast_over(sigma, x0)
        untold = bool(torch.rand((), generator=rng) < self.untold)
        d = self.estimate(x0 + s * normal_like(x0, rng), sigma, told, kind, None if untold else measured)
        return ((s**2 + SIGMA_DATA**2) / (s * SIGMA_DATA) ** 2 * (d - x0) ** 2).flatten(1).mean(1)


@dataclass(frozen=True)
class Told:
    """A prior that is told one measurement: an estimator of that measurement's objects alone."""

    capturable: ClassVar[bool] = False
    passes: ClassVar[int] = 2
    prior: ToldEDM
    measured: Measured

    @property
    def window(self) -> tuple[int, ...]:
        """The prior's."""
        return self.prior.window

    @property
    def multiple(self) -> int:
        """The prior's."""
        return self.prior.multiple

    @property
    def kinds(self) -> tuple[str, ...]:
        """The prior's."""
        return self.prior.kinds

    def denoise(self, x: Tensor, sigma: Tensor | float, support: Tensor | None = None, kind: Tensor | None = None) -> Tensor:
        """E[x₀ | x, y]; see `Prior.denoise`."""
        return self.prior.denoise(x, sigma, support, kind, measured=self.measured)
