"""The training of a network that inverts patterns in one pass: objects are measured, with noise and lost pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import InputError
from ..patterns import broadcast_over, measure_pattern
from ..retriever import Retriever, twin
from ..windows import window_of
from .diffusion_task import unit_rms
from .objects import Source

SIGMAS = (0.0, 0.05)
"""Noise levels at which a network is validated, as shares of the amplitude's maximum."""

STREAM = 1  # of a batch's random numbers: what is measured of its objects


class UNetTask:
    """Train `module` on a source of objects; see `Task`.

    sigma: largest noise, of the amplitude as a share of its maximum; drawn as sigma·u², more of it near 0.
    lost: largest share of unmeasured pixels, in islands of three a side; half of the patterns lose none.
    stop: largest radius of a beam stop (px); a quarter of the patterns have one.
    unknown: share of the objects whose support the network is not told.
    supervision: share of the loss that looks at the true object, the rest looks at its pattern alone.
    """

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
        return unit_rms(x[(slice(None), *window_of(x.shape[2:], self.module.window))]), support

    def batches(self, size: int, start: int, step: int) -> Iterator[tuple[Tensor, ...]]:
        """Objects, supports as they are told, amplitudes and valid pixels; the noise of a batch is its number's."""
        for count, (x, support) in enumerate(self.source.batches(size, start, step)):
            x, support = self.prepared(x, support)
            seed = np.random.SeedSequence([start + count * step, STREAM]).generate_state(1)  # not the one of the objects
            rng = torch.Generator().manual_seed(int(seed[0]))
            u = torch.rand(4, len(x), generator=rng)
            told = broadcast_over(u[0] >= self.unknown, support)
            lost = self.lost * (2 * u[2] - 1).clamp(min=0)
            stop = self.stop * (4 * u[3] - 3).clamp(min=0)
            yield x, support | ~told, *self.measure(x, self.sigma * u[1] ** 2, lost, stop, rng)

    def pool_size(self, size: int) -> int:
        """Batches stay as they are."""
        return 1

    def bucket_by_size(self, pool: Sequence[tuple[Tensor, ...]], number: int) -> list[tuple[Tensor, ...]]:
        """As they are."""
        return list(pool)

    def measure(self, x: Tensor, sigma: Tensor, lost: Tensor, stop: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Amplitudes, 0 where not valid, and valid pixels, (batch, *shape), zero frequency at index 0.

        x: (batch, 2, *window).  sigma, lost, stop: (batch,), see the class.
        """
        return measure_pattern(
            self.module.recentre_window(torch.view_as_complex(x.movedim(1, -1).contiguous())), sigma, lost, stop, rng
        )

    def validate(self, module: nn.Module) -> dict[str, float]:
        """Means over objects held back, supports known and all pixels measured, at each noise of `SIGMAS`.

        complex@σ: |⟨x,t⟩|/‖x‖‖t‖, of the better twin.  amplitude@σ: Pearson's correlation of its amplitude over
        the array.  r@σ: Σ(c|F x| − y)²/Σy² of the noisy amplitude y, with c fitted.
        """
        found = {}
        for sigma in SIGMAS:
            x, t, y = self.inverted(module, self.validation, sigma)
            axes = tuple(range(1, x.ndim))
            f = torch.fft.fftn(x, dim=axes, norm="ortho").abs()
            found[f"complex@{sigma:g}"] = cosine(x, t).abs()
            found[f"amplitude@{sigma:g}"] = cosine(*(a.abs() - a.abs().mean(axes, keepdim=True) for a in (x, t)))
            found[f"r@{sigma:g}"] = 1 - cosine(f, y) ** 2
        return {name: float(values.mean()) for name, values in found.items()}

    def inverted(self, module: nn.Module, count: int, sigma: float) -> tuple[Tensor, Tensor, Tensor]:
        """Of objects held back: estimates, brought to the truth by phase and twin, truths, amplitudes, all (count, *shape)."""
        t, support = self.prepared(*self.source.held(count))
        rng, zero = torch.Generator().manual_seed(0), torch.zeros(len(t))
        y, valid = self.measure(t, zero + sigma, zero, zero, rng)
        where = next(module.parameters()).device
        parts = [[a[part].to(where) for a in (y, valid, support)] for part in torch.arange(len(t)).split(32)]
        x = torch.cat([module.reconstruct(*part).cpu() for part in parts])  # type: ignore[operator]
        truth = self.module.recentre_window(torch.view_as_complex(t.movedim(1, -1).contiguous()))
        axes = tuple(range(1, x.ndim))
        both = [x, twin(x)]
        overlaps = [(a.conj() * truth).sum(axes) for a in both]
        x = torch.where(broadcast_over(overlaps[1].abs() > overlaps[0].abs(), x), both[1], both[0])
        return x * torch.sgn((x.conj() * truth).sum(axes, keepdim=True)), truth, y

    def picture(self, module: nn.Module, path: Path) -> None:
        """Eight objects held back, without noise: four truths above their four reconstructions, twice."""
        from .pictures import image_grid

        x, t, _ = self.inverted(module, 8, 0.0)
        image_grid(np.concatenate([a[part].numpy() for part in (slice(0, 4), slice(4, 8)) for a in (t, x)]), path)

    def card(self) -> dict[str, Any]:
        """Architecture, what was measured, loss and data."""
        return {
            "architecture": self.module.settings,
            "scale": "objects have an rms of 1 over the window",
            "measurement": {"sigma": self.sigma, "lost": self.lost, "stop": self.stop, "unknown": self.unknown},
            "loss": {"supervision": self.module.supervision, "symmetries": ["global phase", "twin"]},
            **self.source.card(),
        }


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """⟨a,b⟩/(‖a‖‖b‖) of arrays (batch, *shape), (batch,); 0 where one is empty."""
    axes = tuple(range(1, a.ndim))
    norms = (a.abs().square().sum(axes) * b.abs().square().sum(axes)).sqrt()
    return (a.conj() * b).sum(axes) / (norms + 1e-20)
