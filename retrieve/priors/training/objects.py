"""Where training objects come from: a simulated set, or a folder of a user's own."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from ...plugins.options import values_of
from ...simulate import TRAIN_SEED, ObjectSet, object_set
from ...simulate.dataset import torch_dataset
from ..symmetry import twin_of
from ..windows import broadcast_over, reach_of, to_complex, to_pair
from .object_files import SUFFIXES, read_objects

SURVEYED = 256
"""Held-back objects of a simulated set whose supports represent all."""


class Source(ABC):
    """Objects float32 (batch, 2, *shape) with their supports, bool (batch, *shape).

    shape: of the arrays (px).  kinds: of the objects if there are several: object n is of ``kinds[n % len(kinds)]``.
    """

    shape: tuple[int, ...]
    kinds: tuple[str, ...] = ()

    @abstractmethod
    def batches(self, size: int, start: int, step: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Endless objects to train on, from batch number `start` on, every `step`-th; see `augment`."""

    @abstractmethod
    def held(self, count: int) -> tuple[Tensor, Tensor]:
        """At most `count` objects that are not trained on."""

    @abstractmethod
    def surveyed(self) -> Tensor:
        """Supports (objects, *shape) that represent all."""

    @abstractmethod
    def card(self) -> dict[str, Any]:
        """`data`, the recipe, and `geometry`."""

    @cached_property
    def _extent(self) -> tuple[Tensor, Tensor]:
        support = self.surveyed()
        return reach_of(support), support.flatten(1).double().mean(1)

    @property
    def reach(self) -> tuple[int, ...]:
        """How far the objects reach from N//2 along each axis, px."""
        return tuple(self._extent[0].amax(0).tolist())

    def geometry(self) -> dict[str, Any]:
        """Array, smallest and largest reach of a support along any axis (px), smallest and largest share of the array."""
        reach, fill = self._extent
        return {
            "shape": list(self.shape),
            "reach": [int(n) for n in reach.amax(1).aminmax()],
            "fill": [round(float(share), 4) for share in fill.aminmax()],
        }


class Simulated(Source):
    """A simulated set, each object seen once; validation objects have the seed `held_seed`, by default the next one.

    objects: a set, or its name.  name: for the card.
    """

    def __init__(
        self, objects: ObjectSet | str, seed: int = TRAIN_SEED, *, held_seed: int | None = None, name: str | None = None
    ) -> None:
        self.objects = object_set(objects) if isinstance(objects, str) else objects
        self.name = name or (objects if isinstance(objects, str) else type(objects).__name__)
        self.seed, self.held_seed = seed, seed + 1 if held_seed is None else held_seed
        self.shape, self.kinds = self.objects.shape, self.objects.kinds

    def batches(self, size: int, start: int, step: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Batch j is objects j·size to (j + 1)·size − 1."""
        stream = torch_dataset(self.objects, seed=self.seed, batch=size)
        j = start
        while True:
            made = stream.made(j)
            yield augment(made.x, made.support, generator_for(j))
            j += step

    def held(self, count: int) -> tuple[Tensor, Tensor]:
        """The first objects of the seed `held_seed`."""
        made = torch_dataset(self.objects, seed=self.held_seed, batch=count).made(0)
        return made.x, made.support

    def surveyed(self) -> Tensor:
        """The first supports of the seed `held_seed`."""
        return torch.from_numpy(self.objects.objects(SURVEYED, self.held_seed)[1])

    def card(self) -> dict[str, Any]:
        """The recipe, and the geometry of the supports."""
        options, geometry = values_of(self.objects), self.geometry()
        if "domains" in options or "most" in options:
            geometry["domains"] = [options.get("fewest", options.get("domains")), options.get("most", options.get("domains"))]
        data = {"set": self.name, "options": options, "seed": self.seed, "held_seed": self.held_seed}
        return {"data": data, "geometry": geometry}


class Folder(Source):
    """Objects of a user's own, from every file of a folder; see `read_objects`. The last tenth, at least one, is held back.

    Raises `InputError` for a folder without objects, or with objects that cannot be used.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        files = sorted(f for f in self.folder.iterdir() if f.suffix.lower() in SUFFIXES) if self.folder.is_dir() else []
        if not files:
            raise InputError(f"{self.folder} holds no file to train on; put {', '.join(SUFFIXES)} files there")
        found = [read_objects(f) for f in files]
        shapes = {x.shape[1:] for x, _ in found}
        if len(shapes) > 1:
            words = ", ".join("×".join(map(str, shape)) for shape in sorted(shapes))
            raise InputError(f"the objects in {self.folder} are of shapes {words}; they must be of one, crop or pad them")
        x, support = (torch.from_numpy(np.concatenate(parts)) for parts in zip(*found, strict=True))
        if len(x) < 2:
            raise InputError(f"{self.folder} holds {len(x)} object; at least two are needed, one of them to validate")
        self.shape = tuple(x.shape[1:])
        self.x, self.support = x, support
        self.trained = len(x) - max(1, len(x) // 10)

    def batches(self, size: int, start: int, step: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Random draws, the same for each batch number."""
        j = start
        while True:
            rng = generator_for(j)
            drawn = torch.randint(self.trained, (size,), generator=rng)
            yield augment(to_pair(self.x[drawn]), self.support[drawn], rng)
            j += step

    def held(self, count: int) -> tuple[Tensor, Tensor]:
        """The objects held back, at most `count`."""
        part = slice(self.trained, self.trained + count)
        return to_pair(self.x[part]), self.support[part]

    def surveyed(self) -> Tensor:
        """All supports."""
        return self.support

    def card(self) -> dict[str, Any]:
        """The folder, and the geometry of the supports."""
        data = {"folder": self.folder.resolve().name, "objects": self.trained, "held": len(self.x) - self.trained}
        return {"data": data, "geometry": self.geometry()}


def generator_for(*numbers: int) -> torch.Generator:
    """A generator for these numbers, whose draws are independent of those for others."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence(numbers).generate_state(1)[0]))


def augment(x: Tensor, support: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Each object x (batch, 2, *shape) with its support at a random global phase, every second one as its twin."""
    angle = 2 * math.pi * torch.rand(len(x), generator=rng)
    twin = broadcast_over(torch.rand(len(x), generator=rng) < 0.5, support)
    z = to_complex(x)
    z = torch.where(twin, twin_of(z), z) * broadcast_over(torch.polar(torch.ones_like(angle), angle), z)
    return to_pair(z), torch.where(twin, twin_of(support), support)


def unit_rms(x: Tensor) -> Tensor:
    """Objects x (batch, 2, *window), each scaled to an rms of 1 over the window."""
    power = x.square().sum(1, keepdim=True).flatten(1).mean(1)
    return x / broadcast_over(power.clamp(min=1e-12).sqrt(), x)
