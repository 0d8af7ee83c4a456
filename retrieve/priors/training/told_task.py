"""The training of a denoiser that is told the measurement."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ...simulate.noise import NOISELESS_SIGMA
from ..patterns import data_step, measure_pattern
from ..told import Measured, ToldEDM
from ..windows import broadcast_over, crop_or_pad, object_axes, to_complex
from .diffusion_task import DiffusionTask
from .objects import Source, generator_for

NOISELESS, LEAST_NOISE = 0.25, 0.003
"""Share of the measurements without noise. That of the others is even in its logarithm from the second number, a share of the
largest amplitude, to the task's `sigma`."""

IMPERFECT = 0.3
"""Share of the measurements that have lost pixels and a beam stop."""

TOLD_NOISE, TOLD_SIGMAS = (0.0, 0.01, 0.05), (0.3, 1.0, 2.5, 6.0)
"""Noise of the measurement and of the object, in units of its rms, at which a told denoiser is validated."""

ABOUT = "where the measurement leads from an estimate"


class ToldTask(DiffusionTask):
    """Train a denoiser that is told measurements of the source's arrays.

    unknown: share of the objects whose support the network is not told.  sigma: largest noise of the amplitude, as a share of its
    maximum.  lost: largest share of lost pixels.  stop: largest radius of a beam stop (px).  validation: objects to validate on.
    Raises `InputError` as `DiffusionTask`.
    """

    module: ToldEDM

    def __init__(
        self,
        module: ToldEDM,
        source: Source,
        *,
        unknown: float = 0.15,
        sigma: float = 0.2,
        lost: float = 0.06,
        stop: float = 3.0,
        validation: int = 64,
    ) -> None:
        super().__init__(module, source, unknown=unknown, sigma=sigma, validation=validation)
        self.lost, self.stop = lost, stop

    def batches(self, size: int, start: int, step: int) -> Iterator[tuple[Tensor, ...]]:
        """Objects, conditions and kinds, and of each object's measurement amplitude, valid pixels and noise."""
        for count, (x, told, kind) in enumerate(super().batches(size, start, step)):
            rng = generator_for(start + count * step, 5)
            u = torch.rand(5, size, generator=rng)
            sigma = torch.where(u[0] < NOISELESS, 0.0, LEAST_NOISE * (max(self.sigma, LEAST_NOISE) / LEAST_NOISE) ** u[1])
            some = u[2] < IMPERFECT
            scale, *measured = self.measured(x, sigma, some * self.lost * u[3], some * self.stop * u[4], rng)
            yield x / broadcast_over(scale, x), told, kind, *measured

    def measured(
        self, x: Tensor, sigma: Tensor, lost: Tensor, stop: Tensor, rng: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """A scale (batch,) of x (batch, 2, *window), and over it amplitude and valid pixels (batch, *shape) and noise (batch,).

        As a solver does it, the scale makes the measured power that of an rms of 1, with its noise and without the lost pixels.
        """
        whole = crop_or_pad(to_complex(x), self.source.shape)
        axes = object_axes(whole)
        y, valid = measure_pattern(whole, sigma, lost, stop, rng)
        top = torch.fft.fftn(whole, dim=axes, norm="ortho").abs().amax(axes)
        noise = sigma.clamp(min=NOISELESS_SIGMA) * top
        seen = valid & (y > 0)
        power, most = (seen * (y.square() - broadcast_over(noise.square(), y))).sum(axes), (seen * y.square()).sum(axes)
        scale = (torch.maximum(power, 0.05 * most) / x[0, 0].numel()).sqrt()
        return scale, y / broadcast_over(scale, y), valid, noise / scale

    def validate(self, module: nn.Module) -> dict[str, float]:
        """As `DiffusionTask`, untold; and told, with each noise of `TOLD_NOISE`, at each σ of `TOLD_SIGMAS`."""
        found, (x, support) = super().validate(module), self.held(self.validation)
        where, none = next(module.parameters()).device, torch.zeros(len(x))
        for share in TOLD_NOISE:
            rng = torch.Generator().manual_seed(0)
            scale, *measured = self.measured(x, none + share, none, none, rng)
            scaled = x / broadcast_over(scale, x)

            def told(part: Tensor, measured: list[Tensor] = measured) -> Measured:
                y, valid, noise = (each[part].to(where) for each in measured)
                return Measured(data_step(y, valid, noise), noise, tuple(y.shape[1:]))

            for sigma in TOLD_SIGMAS:
                found[f"told{share:g}@{sigma:g}"] = self.error(module, scaled, support, sigma, rng, told)
        return found

    def card(self) -> dict[str, Any]:
        """As `DiffusionTask`, and what the network is told, and how that is measured."""
        measurement = {"sigma": self.sigma, "noiseless": NOISELESS, "lost": self.lost, "stop": self.stop, "imperfect": IMPERFECT}
        return {**super().card(), "told": ABOUT, "measurement": measurement}
