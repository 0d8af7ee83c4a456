"""The training of a network that inverts patterns in one pass: objects are measured, with noise and lost pixels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import InputError
from ..patterns import measure_pattern
from ..retriever import Retriever
from ..symmetry import twin_of
from ..windows import broadcast_over, crop_or_pad, object_axes, to_complex
from .objects import Source, generator_for, unit_rms
from .task import Task, image_grid

VALIDATION_NOISE = (0.0, 0.05)
"""Noise levels at which a network is validated, as shares of the largest amplitude."""


class UNetTask(Task):
    """Train a network to invert patterns.

    sigma: largest noise, as a share of the largest amplitude; drawn as sigma·u², more of it near 0.
    lost: largest share of unmeasured pixels, in islands of three a side; half of the patterns lose none.
    stop: largest radius of a beam stop (px); a quarter of the patterns have one.
    unknown: share of the objects whose support the network is not told.
    supervision: share of the loss that looks at the true object; the rest looks at its pattern alone.
    Raises `InputError` if the objects have another shape, or `supervision` is not a share.
    """

    module: Retriever

    def __init__(
        self,
        module: Retriever,
        source: Source,
        *,
        sigma: float = 0.1,
        lost: float = 0.06,
        stop: float = 3.0,
        unknown: float = 0.15,
        supervision: float = 1.0,
        validation: int = 256,
    ) -> None:
        if tuple(source.shape) != module.shape:
            raise InputError(
                f"the objects have shape {tuple(source.shape)}, the network was made for {module.shape}; make one of theirs"
            )
        if not 0 <= supervision <= 1:
            raise InputError(f"supervision={supervision} must be from 0, the pattern alone, to 1, the object alone")
        self.module, self.source, self.validation = module, source, validation
        self.sigma, self.lost, self.stop, self.unknown = sigma, lost, stop, unknown
        module.supervision = supervision

    def prepared(self, x: Tensor, support: Tensor) -> tuple[Tensor, Tensor]:
        """Objects (batch, 2, *shape) cut to the window, of unit rms, and their supports, bool (batch, *shape)."""
        return unit_rms(crop_or_pad(x, self.module.window)), support

    def batches(self, size: int, start: int, step: int) -> Iterator[tuple[Tensor, ...]]:
        """Objects, supports as the network is told them, amplitudes and valid pixels."""
        for count, (x, support) in enumerate(self.source.batches(size, start, step)):
            x, support = self.prepared(x, support)
            rng = generator_for(start + count * step, 1)
            u = torch.rand(4, len(x), generator=rng)
            known = broadcast_over(u[0] >= self.unknown, support)
            lost = self.lost * (2 * u[2] - 1).clamp(min=0)
            stop = self.stop * (4 * u[3] - 3).clamp(min=0)
            yield x, support | ~known, *self.measure(x, self.sigma * u[1] ** 2, lost, stop, rng)

    def measure(self, x: Tensor, sigma: Tensor, lost: Tensor, stop: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """`measure_pattern` of x (batch, 2, *window) in the pattern's array."""
        return measure_pattern(crop_or_pad(to_complex(x), self.module.shape), sigma, lost, stop, rng)

    def validate(self, module: nn.Module) -> dict[str, float]:
        """Means over validation objects, supports known and all pixels measured, at each of `VALIDATION_NOISE`.

        complex@σ: |⟨x,t⟩|/‖x‖‖t‖, of the better twin.  amplitude@σ: Pearson's correlation of its amplitude over
        the array.  r@σ: Σ(c|F x| − y)²/Σy² of the noisy amplitude y, with c fitted.
        """
        found = {}
        for sigma in VALIDATION_NOISE:
            x, t, y = self.inverted(module, self.validation, sigma)
            axes = object_axes(x)
            f = torch.fft.fftn(x, dim=axes, norm="ortho").abs()
            found[f"complex@{sigma:g}"] = cosine(x, t).abs()
            found[f"amplitude@{sigma:g}"] = cosine(*(a.abs() - a.abs().mean(axes, keepdim=True) for a in (x, t)))
            found[f"r@{sigma:g}"] = 1 - cosine(f, y) ** 2
        return {name: float(values.mean()) for name, values in found.items()}

    def inverted(self, module: nn.Module, count: int, sigma: float) -> tuple[Tensor, Tensor, Tensor]:
        """Of validation objects: estimates, brought to the truth by phase and twin, truths, amplitudes, all (count, *shape)."""
        t, support = self.prepared(*self.source.held(count))
        zero = torch.zeros(len(t))
        y, valid = self.measure(t, zero + sigma, zero, zero, torch.Generator().manual_seed(0))
        where = next(module.parameters()).device
        parts = [[a[part].to(where) for a in (y, valid, support)] for part in torch.arange(len(t)).split(32)]
        x = torch.cat([module.reconstruct(*part).cpu() for part in parts])  # type: ignore[operator]
        truth = crop_or_pad(to_complex(t), self.module.shape)
        axes, both = object_axes(x), (x, twin_of(x))
        overlaps = [(a.conj() * truth).sum(axes) for a in both]
        x = torch.where(broadcast_over(overlaps[1].abs() > overlaps[0].abs(), x), both[1], both[0])
        return x * torch.sgn((x.conj() * truth).sum(axes, keepdim=True)), truth, y

    def picture(self, module: nn.Module, path: Path) -> None:
        """Eight validation objects, without noise: four truths above their four reconstructions, twice."""
        x, t, _ = self.inverted(module, 8, 0.0)
        image_grid(np.concatenate([a[part].numpy() for part in (slice(0, 4), slice(4, 8)) for a in (t, x)]), path)

    def card(self) -> dict[str, Any]:
        """Architecture, measurement, loss and data."""
        return {
            "architecture": self.module.settings,
            "scale": "objects have an rms of 1 over the window",
            "measurement": {"sigma": self.sigma, "lost": self.lost, "stop": self.stop, "unknown": self.unknown},
            "loss": {"supervision": self.module.supervision, "symmetries": ["global phase", "twin"]},
            **self.source.card(),
        }


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """⟨a,b⟩/(‖a‖‖b‖) of arrays (batch, *shape), (batch,); 0 for an empty one."""
    axes = object_axes(a)
    norms = (a.abs().square().sum(axes) * b.abs().square().sum(axes)).sqrt()
    return (a.conj() * b).sum(axes) / (norms + 1e-20)
