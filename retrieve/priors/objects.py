"""Where training objects come from: a simulated set, or a folder of a user's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..options import values_of
from ..simulate import TRAIN_SEED, ObjectSet, named
from ..simulate.dataset import torch_dataset


class Source(Protocol):
    """Objects float32 (batch, 2, *shape) with their supports, bool (batch, *shape).

    batches: endless, from number `start` on, every `step`-th.  held: `count` that are not trained on.
    """

    shape: tuple[int, ...]

    def batches(self, size: int, start: int, step: int) -> Iterator[tuple[Tensor, Tensor]]: ...
    def held(self, count: int) -> tuple[Tensor, Tensor]: ...
    def card(self) -> dict[str, Any]: ...


class Simulated:
    """A named set's objects, each seen once; those held back are of the next seed."""

    def __init__(self, objects: ObjectSet | str, seed: int = TRAIN_SEED) -> None:
        self.name = objects if isinstance(objects, str) else type(objects).__name__
        self.objects = named(objects) if isinstance(objects, str) else objects
        self.seed, self.shape = seed, self.objects.shape

    def batches(self, size: int, start: int, step: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Batch j is objects j·size to (j + 1)·size − 1."""
        stream = torch_dataset(self.objects, seed=self.seed, batch=size)
        j = start
        while True:
            made = stream.made(j)
            yield made.x, made.support
            j += step

    def held(self, count: int) -> tuple[Tensor, Tensor]:
        """The first objects of the next seed."""
        made = torch_dataset(self.objects, seed=self.seed + 1, batch=count).made(0)
        return made.x, made.support

    def card(self) -> dict[str, Any]:
        """The recipe."""
        return {"data": {"set": self.name, "options": values_of(self.objects), "seed": self.seed}}


class Folder:
    """Objects of a user's own, from every file of a folder that holds a truth or a result.

    Each draw turns the global phase and takes the twin of every other one, which no measurement tells apart.
    The last tenth of the files, at least one object, is held back.
    """

    def __init__(self, folder: str | Path, shape: tuple[int, ...] | None = None) -> None:
        from ..io import load

        self.folder = Path(folder)
        files = sorted(f for f in self.folder.iterdir() if f.suffix in {".npz", ".npy", ".cxi", ".h5"}) if self.folder.is_dir() else []
        if not files:
            raise InputError(f"{self.folder} holds no .npz, .npy, .cxi or .h5 file to train on")
        found = [self._objects(f, load) for f in files]
        shapes = {x.shape[1:] for x in found}
        if len(shapes) > 1:
            raise InputError(f"the objects in {self.folder} have shapes {sorted(shapes)}; they must be of one")
        x = np.concatenate(found)
        self.shape = x.shape[1:]
        if len(x) < 2:
            raise InputError(f"{self.folder} holds {len(x)} object; at least two are needed, one of them to validate")
        kept = max(1, len(x) // 10)
        self.x, self.kept = x[:-kept], x[-kept:]

    @staticmethod
    def _objects(path: Path, load: Any) -> np.ndarray:
        if path.suffix == ".npy":
            x = np.load(path, allow_pickle=False)
            x = x if x.ndim > 2 and np.iscomplexobj(x) else x[None]
        elif path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as data:
                key = next((k for k in ("truth", "object", "objects") if k in data), None)
                if key is None:
                    raise InputError(f"{path} has no array truth, object or objects; it has {', '.join(data)}")
                x = data[key]
                x = x if "objects" in data or "support" not in data or x.ndim == data["support"].ndim else x[None]
        else:
            x = np.asarray(load(path).truth)[None]
        if not np.iscomplexobj(x):
            raise InputError(f"the objects in {path} are {x.dtype}; complex ones are needed")
        return x.astype(np.complex64)

    def _pair(self, x: np.ndarray) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(np.stack([x.real, x.imag], axis=1)), torch.from_numpy(np.abs(x) > 0)

    def batches(self, size: int, start: int, step: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Random draws, the same for each batch number."""
        j = start
        while True:
            rng = np.random.default_rng([TRAIN_SEED, j])
            x = self.x[rng.integers(len(self.x), size=size)]
            axes = tuple(range(1, x.ndim))
            twin = np.roll(np.flip(x, axes), [1 - n % 2 for n in self.shape], axes).conj()
            x = np.where((rng.random(size) < 0.5).reshape(-1, *[1] * len(axes)), twin, x)
            turn = np.exp(2j * np.pi * rng.random(size)).reshape(-1, *[1] * len(axes))
            yield self._pair((x * turn).astype(np.complex64))
            j += step

    def held(self, count: int) -> tuple[Tensor, Tensor]:
        """The objects held back, at most `count`."""
        return self._pair(self.kept[:count])

    def card(self) -> dict[str, Any]:
        """What was read."""
        return {"data": {"folder": self.folder.name, "objects": len(self.x)}}
