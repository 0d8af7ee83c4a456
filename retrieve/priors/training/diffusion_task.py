"""The training of a denoiser: objects in, denoising loss by noise level, samples as pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import InputError
from ..denoiser import SIGMA_DATA, Denoiser
from ..patterns import measure_pattern, network_input
from ..windows import box_for, broadcast_over, crop_or_pad, reach_of, to_complex, window_of
from .objects import Source, generator_for, unit_rms
from .task import Task, image_grid

SIGMA_BINS = tuple(float(s) for s in np.geomspace(0.03, 10, 11))
"""Noise levels at which a denoiser is validated, in units of σ_data."""

POOL_PIXELS = 1 << 24
"""Most pixels of the objects that are sorted into boxes together."""

KIND_UNTOLD = 0.2
"""Share of the objects whose kind a network is not told: without a kind it must work, too."""

PATTERN_SCALING = "log(1 + |F|/rms), twice; zero where it was not measured"
"""How the card describes the channels of the pattern."""


class DiffusionTask(Task):
    """Train a denoiser. Each batch is cut down to the box that holds its objects, unless the network is told patterns.

    unknown: share of the objects whose support the network is not told, and of those whose pattern it is not told.
    sigma: largest noise of the patterns that it is told, as a share of the largest amplitude; drawn as sigma·u².
    validation: objects to validate on, with noiseless patterns; their kind is never told.
    Raises `InputError` if the window does not hold the objects and their twins, or is not the pattern's.
    """

    module: Denoiser

    def __init__(
        self, module: Denoiser, source: Source, *, unknown: float = 0.15, sigma: float = 0.1, validation: int = 256
    ) -> None:
        self.module, self.source, self.validation = module, source, validation
        self.unknown, self.sigma = unknown, sigma
        reach, window = source.reach, module.window
        if module.pattern and tuple(source.shape) != window:
            raise InputError(
                f"the objects have shape {tuple(source.shape)}, and a network that is told their patterns sees {window}; "
                f"make one whose window is theirs"
            )
        if len(reach) != len(window) or any(w <= 2 * r for r, w in zip(reach, window, strict=True)):
            raise InputError(
                f"the objects reach {'×'.join(map(str, reach))} px from the middle, and the window of "
                f"{'×'.join(map(str, window))} px does not hold them; take one of {max(reach) * 2 + 1} px or more"
            )

    def prepared(self, x: Tensor, support: Tensor) -> tuple[Tensor, Tensor]:
        """Objects (batch, 2, *shape) and supports (batch, *shape) in the window: of unit rms, and float32 (batch, 1, *window)."""
        x, support = (crop_or_pad(a, self.module.window) for a in (x, support[:, None].float()))
        return unit_rms(x), support

    def batches(self, size: int, start: int, step: int) -> Iterator[tuple[Tensor, ...]]:
        """Objects, conditions and kinds; a share `unknown` of the supports is all ones, and of the patterns zeros."""
        for count, (x, support) in enumerate(self.source.batches(size, start, step)):
            x, support = self.prepared(x, support)
            j = start + count * step
            known = torch.rand(len(x), generator=generator_for(j, 1)) >= self.unknown
            told = torch.where(broadcast_over(known, support), support, torch.ones_like(support))
            if self.module.pattern:
                rng = generator_for(j, 4)
                u = torch.rand(2, len(x), generator=rng)
                told = with_pattern(x, told, self.sigma * u[0] ** 2, rng)
                told[:, 1:] *= broadcast_over(u[1] >= self.unknown, told)
            yield x, told, self.kinds_of(torch.arange(j * size, (j + 1) * size), generator_for(j, 3))

    def kinds_of(self, numbers: Tensor, rng: torch.Generator) -> Tensor:
        """The kinds of the objects of these numbers, as the network is told them, float32 (objects, kinds)."""
        kinds = len(self.module.kinds)
        told = torch.rand(len(numbers), generator=rng) >= KIND_UNTOLD
        return told[:, None] * (numbers[:, None] % max(kinds, 1) == torch.arange(kinds)).float()

    def pool_size(self, size: int) -> int:
        """At most 32, of up to `POOL_PIXELS` pixels in all; 1 if nothing is cut down."""
        return 1 if self.module.pattern else max(1, min(32, POOL_PIXELS // (size * math.prod(self.module.window))))

    def bucket_by_size(self, pool: Sequence[tuple[Tensor, ...]], number: int) -> list[tuple[Tensor, ...]]:
        """The objects of several batches in as many, each of objects of similar boxes, in an order drawn for `number`."""
        x, support, *more = (torch.cat(parts) for parts in zip(*pool, strict=True))
        parts = self.crop_to_support(support, len(pool[0][0]))
        order = torch.randperm(len(parts), generator=generator_for(number, 2)).tolist()
        cut = [(part, (slice(None), *box)) for part, box in (parts[k] for k in order)]
        return [(x[part][box].contiguous(), support[part][box].contiguous(), *(m[part] for m in more)) for part, box in cut]

    def crop_to_support(self, support: Tensor, size: int) -> list[tuple[Tensor, tuple[slice, ...]]]:
        """Which of the supports (objects, 1, *window) go together, `size` at a time, and the box (1, *axes) that holds them.

        Boxes have equal sides: a card's library plans for seconds at each new shape.
        """
        window, multiple = self.module.window, self.module.multiple
        reach = reach_of(support[:, 0]).amax(1, keepdim=True).expand(-1, len(window))
        boxes = torch.tensor([window if self.module.pattern else box_for(r, window, multiple) for r in reach.tolist()])
        order = sorted(range(len(boxes)), key=lambda k: (int(boxes[k].prod()), *boxes[k].tolist(), k))
        return [(part, window_of(window, boxes[part].amax(0).tolist())) for part in torch.tensor(order).split(size)]

    def held(self, count: int) -> tuple[Tensor, Tensor]:
        """Validation objects (count, 2, *window), and their conditions: supports and noiseless patterns."""
        x, support = self.prepared(*self.source.held(count))
        return x, with_pattern(x, support, torch.zeros(len(x)), torch.Generator()) if self.module.pattern else support

    @torch.no_grad()
    def validate(self, module: nn.Module) -> dict[str, float]:
        """Mean squared error per pixel, in units of the object's mean square, at each noise level of `SIGMA_BINS`."""
        x, told = self.held(self.validation)
        rng = torch.Generator().manual_seed(0)
        return {f"mse@{level:.3g}": self.error(module, x, told, level * SIGMA_DATA, rng) for level in SIGMA_BINS}

    def error(
        self, module: nn.Module, x: Tensor, told: Tensor, sigma: float, rng: torch.Generator, measured: Any = None
    ) -> float:
        """Mean squared error per pixel of objects x at noise σ; measured: part → what a told `module` is told of them."""
        noise, where, error = torch.randn(x.shape, generator=rng), next(module.parameters()).device, 0.0
        for part, place in self.crop_to_support(told[:, :1], 32):
            box = (slice(None), *place)
            clean = x[part][box].to(where)
            noisy, level = clean + sigma * noise[part][box].to(where), torch.full((len(part),), sigma, device=where)
            more = {} if measured is None else {"measured": measured(part)}
            d = module.estimate(noisy, level, told[part][box].to(where), **more)  # type: ignore[operator]
            error += float((d - clean).square().sum())
        return error / (len(x) * math.prod(self.module.window))

    def picture(self, module: nn.Module, path: Path) -> None:
        """Eight objects drawn from the prior under the supports of validation objects, amplitude and phase."""
        _, told = self.held(8)
        x = sample(module, told.to(next(module.parameters()).device), steps=18, seed=0)  # type: ignore[arg-type]
        image_grid(x.cpu().numpy(), path)

    def card(self) -> dict[str, Any]:
        """Architecture, scales, and the recipe and geometry of the objects."""
        module, sigmas = self.module, self.module.sigmas
        pattern = {"pattern": {"shown": PATTERN_SCALING, "unknown": self.unknown, "sigma": self.sigma}}
        return {
            "architecture": module.settings,
            "sigma_data": SIGMA_DATA,
            "sigma": [round(float(s), 5) for s in (sigmas[0], sigmas[-1])],
            "scale": "objects have an rms of 1 over the window; sigma is of the real and of the imaginary part",
            "symmetries": ["global phase", "twin"],
            "support_unknown": self.unknown if module.conditioned else 1.0,
            **(pattern if module.pattern else {}),
            **({"kind_untold": KIND_UNTOLD} if module.kinds else {}),
            **self.source.card(),
        }


def with_pattern(x: Tensor, support: Tensor, sigma: Tensor, rng: torch.Generator) -> Tensor:
    """The support (batch, 1, *window), and twice the pattern of x (batch, 2, *window) with noise sigma (batch,)."""
    zero = torch.zeros_like(sigma)
    pattern = network_input(*measure_pattern(to_complex(x), sigma, zero, zero, rng))[:, None]
    return torch.cat([support, pattern, pattern], dim=1)


@torch.no_grad()
def sample(module: Denoiser, told: Tensor, *, steps: int = 18, seed: int = 0, high: float = 40.0, low: float = 0.02) -> Tensor:
    """Objects drawn from the prior by Heun's method, complex (batch, *window) (Karras et al. 2022, algorithm 1)."""
    rho, n = 7.0, torch.arange(steps, dtype=torch.float64)
    sigmas = (high ** (1 / rho) + n / (steps - 1) * (low ** (1 / rho) - high ** (1 / rho))) ** rho
    levels = [*sigmas.tolist(), 0.0]
    shape = (len(told), 2, *module.window)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(told.device) * levels[0]

    def slope(x: Tensor, sigma: float) -> Tensor:
        return (x - module.estimate(x, torch.full((len(x),), sigma, device=x.device), told)) / sigma

    for now, then in zip(levels, levels[1:], strict=False):
        d = slope(x, now)
        ahead = x + (then - now) * d
        x = ahead if then == 0 else x + (then - now) * (d + slope(ahead, then)) / 2
    return to_complex(x)
