"""Where training objects come from: a simulated set, or a folder of a user's own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import InputError
from ...plugins.options import values_of
from ...simulate import TRAIN_SEED, ObjectSet, object_set
from ...simulate.dataset import torch_dataset
from .object_files import SUFFIXES, read_objects

SURVEYED = 256
"""Held-back objects of a simulated set whose supports tell the geometry of all."""


class Source(Protocol):
    """Objects float32 (batch, 2, *shape) with their supports, bool (batch, *shape).

    batches: endless, from number `start` on, every `step`-th; each object at a random global phase and every
    other one as its twin, which no measurement tells apart.  held: at most `count` that are not trained on.
    kinds: of the objects where there are several, in turn: object n is of ``kinds[n % len(kinds)]``.
    reach: px that the objects' supports reach from N//2 along each axis.  card: `data`, the recipe, and `geometry`.
    """

    shape: tuple[int, ...]
    kinds: tuple[str, ...]

    @property
    def reach(self) -> tuple[int, ...]:
        """Px along each axis."""
        ...

    def batches(self, size: int, start: int, step: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Objects to train on."""
        ...

    def held(self, count: int) -> tuple[Tensor, Tensor]:
        """Objects to validate on."""
        ...

    def card(self) -> dict[str, Any]:
        """What to tell of the objects."""
        ...


class Simulated:
    """A set's objects, each seen once; those held back are of the seed `held_seed`, by default the next one.

    objects: a set, or its name.  name: what the card calls it.
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

    @cached_property
    def _extent(self) -> tuple[NDArray, NDArray]:
        return measured_objects(self.objects.objects(SURVEYED, self.held_seed)[1])

    @property
    def reach(self) -> tuple[int, ...]:
        """Px from N//2 along each axis, of the first objects held back."""
        return tuple(int(r) for r in self._extent[0].max(axis=0))

    def card(self) -> dict[str, Any]:
        """The recipe, and the geometry of the supports."""
        options = values_of(self.objects)
        told = geometry(self.shape, *self._extent)
        if "domains" in options or "most" in options:
            told["domains"] = [options.get("fewest", options.get("domains")), options.get("most", options.get("domains"))]
        return {"data": {"set": self.name, "options": options, "seed": self.seed, "held_seed": self.held_seed}, "geometry": told}


class Folder:
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
            told = ", ".join("×".join(map(str, shape)) for shape in sorted(shapes))
            raise InputError(f"the objects in {self.folder} are of shapes {told}; they must be of one, crop or pad them")
        x, support = (np.concatenate(parts) for parts in zip(*found, strict=True))
        if len(x) < 2:
            raise InputError(f"{self.folder} holds {len(x)} object; at least two are needed, one of them to validate")
        kept = max(1, len(x) // 10)
        self.shape: tuple[int, ...] = x.shape[1:]
        self.kinds: tuple[str, ...] = ()
        self._extent = measured_objects(support)
        self.x, self.support = (torch.from_numpy(a[:-kept]) for a in (x, support))
        self.kept = pair(torch.from_numpy(x[-kept:])), torch.from_numpy(support[-kept:])

    def batches(self, size: int, start: int, step: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Random draws, the same for each batch number."""
        j = start
        while True:
            rng = generator_for(j)
            drawn = torch.randint(len(self.x), (size,), generator=rng)
            yield augment(pair(self.x[drawn]), self.support[drawn], rng)
            j += step

    def held(self, count: int) -> tuple[Tensor, Tensor]:
        """The objects held back, at most `count`."""
        return self.kept[0][:count], self.kept[1][:count]

    @property
    def reach(self) -> tuple[int, ...]:
        """Px from N//2 along each axis, of all objects."""
        return tuple(int(r) for r in self._extent[0].max(axis=0))

    def card(self) -> dict[str, Any]:
        """What was read, and the geometry of the supports."""
        data = {"folder": self.folder.resolve().name, "objects": len(self.x), "held": len(self.kept[0])}
        return {"data": data, "geometry": geometry(self.shape, *self._extent)}


def generator_for(*numbers: int) -> torch.Generator:
    """A generator for these numbers, whose draws have nothing to do with those for others."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence(numbers).generate_state(1)[0]))


def pair(x: Tensor) -> Tensor:
    """Complex x (batch, *shape) as real and imaginary part (batch, 2, *shape)."""
    return torch.view_as_real(x).movedim(-1, 1).contiguous()


def augment(x: Tensor, support: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Each object x (batch, 2, *shape) and its support at a random global phase, every other one as its twin x*(−r)."""
    shape = x.shape[2:]
    each = (-1, *[1] * len(shape))
    angle = (2 * math.pi * torch.rand(len(x), generator=rng)).reshape(each)
    twin = (torch.rand(len(x), generator=rng) < 0.5).reshape(each)
    shift, axes = [1 - n % 2 for n in shape], list(range(1, len(shape) + 1))

    def flipped(a: Tensor) -> Tensor:
        return torch.where(twin, a.flip(axes).roll(shift, axes), a)

    re, im = flipped(x[:, 0]), flipped(x[:, 1])
    im = torch.where(twin, -im, im)
    return torch.stack([angle.cos() * re - angle.sin() * im, angle.sin() * re + angle.cos() * im], dim=1), flipped(support)


def measured_objects(support: NDArray) -> tuple[NDArray, NDArray]:
    """Of supports (objects, *shape): px from N//2 along each axis (objects, axes), and share of the array (objects,)."""
    axes = range(1, support.ndim)
    reach = [
        (support.any(axis=tuple(a for a in axes if a != k)) * np.abs(np.arange(n) - n // 2)).max(axis=1)
        for k, n in zip(axes, support.shape[1:], strict=True)
    ]
    return np.stack(reach, axis=1), support.mean(axis=tuple(axes))


def geometry(shape: tuple[int, ...], reach: NDArray, fill: NDArray) -> dict[str, Any]:
    """Arrays, least and largest reach of a support along an axis (px from N//2), least and largest share of the array."""
    longest = reach.max(axis=1)
    return {
        "shape": list(shape),
        "reach": [int(longest.min()), int(longest.max())],
        "fill": [round(float(fill.min()), 4), round(float(fill.max()), 4)],
    }
