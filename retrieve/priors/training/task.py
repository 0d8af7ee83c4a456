"""The interface of a training task, and pictures of its objects."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn


class Task(ABC):
    """A network to train, and the objects to train it on.

    Attributes
    ----------
    module : torch.nn.Module
        Its forward takes a batch and a generator for its noise, and gives the loss of each object.
    validation : int
        How many objects to validate on; a short training lowers it.
    """

    module: Any
    validation: int

    @abstractmethod
    def batches(self, size: int, start: int, step: int) -> Iterator[tuple[Tensor, ...]]:
        """Endless batches, from number `start` on, every `step`-th: the arguments of the module's forward but the generator."""

    @abstractmethod
    def validate(self, module: nn.Module) -> dict[str, float]:
        """Losses of the given module by name, on objects that are not trained on."""

    @abstractmethod
    def picture(self, module: nn.Module, path: Path) -> None:
        """Write a PNG of what the module can do."""

    @abstractmethod
    def card(self) -> dict[str, Any]:
        """The card of the weights: `architecture`, `data` and more."""

    def pool_size(self, size: int) -> int:
        """How many batches of `size` objects `bucket_by_size` takes together."""
        return 1

    def bucket_by_size(self, pool: Sequence[tuple[Tensor, ...]], number: int) -> list[tuple[Tensor, ...]]:
        """A pool of batches, the first of them `number`, as equally many batches with the objects shared out otherwise."""
        return list(pool)


def image_grid(x: NDArray, path: str | Path, *, columns: int = 4, zoom: int = 4) -> None:
    """Write complex objects (count, *shape) as a PNG, in rows of `columns`: amplitude as brightness, phase as colour.

    3D objects: the middle slice of the first axis. Raises `InputError` if the file cannot be written.
    """
    from matplotlib.colors import hsv_to_rgb
    from PIL import Image

    from ...files import replacing

    x = x if x.ndim == 3 else x[:, x.shape[1] // 2]
    amplitude = np.abs(x) / (np.abs(x).max(axis=(1, 2), keepdims=True) + 1e-12)
    rgb = hsv_to_rgb(np.stack([np.angle(x) / (2 * np.pi) % 1, np.ones_like(amplitude), amplitude], axis=-1))
    rows = -(-len(x) // columns)
    tiles = np.ones((rows * columns, x.shape[1] + 1, x.shape[2] + 1, 3))
    tiles[: len(x), :-1, :-1] = rgb
    sheet = tiles.reshape(rows, columns, *tiles.shape[1:]).swapaxes(1, 2).reshape(rows * tiles.shape[1], -1, 3)
    image = Image.fromarray((255 * sheet).astype(np.uint8))
    with replacing(path) as file:
        image.resize((image.width * zoom, image.height * zoom), Image.Resampling.NEAREST).save(file, "png")
