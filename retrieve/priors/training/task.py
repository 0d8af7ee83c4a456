"""What the training loop asks of a task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn


class Task(Protocol):
    """What is trained.

    module: its forward gives the loss of each object of a batch, and takes a generator for its noise.
    batches: endless, from batch number `start` on, every `step`-th.
    pooled: how many batches of so many objects are arranged together; 1 where they stay as they are.
    arranged: batches that follow each other, a pool of them, as many again in which the objects are shared out otherwise.
    validate: losses by name of the given module on objects that are not trained on.
    picture: write a PNG of what it can do.  card: what to tell of the weights: `architecture` and more.
    """

    @property
    def module(self) -> nn.Module:
        """The network with its loss."""
        ...

    def pool_size(self, size: int) -> int:
        """How many batches of `size` objects are arranged together."""
        ...

    def batches(self, size: int, start: int, step: int) -> Iterator[tuple[Tensor, ...]]:
        """What the module's forward takes, but for the generator."""
        ...

    def bucket_by_size(self, pool: Sequence[tuple[Tensor, ...]], number: int) -> list[tuple[Tensor, ...]]:
        """The objects of a pool of batches, arranged; `number` is of its first batch."""
        ...

    def validate(self, module: nn.Module) -> dict[str, float]:
        """Losses by name."""
        ...

    def picture(self, module: nn.Module, path: Path) -> None:
        """Write a PNG."""
        ...

    def card(self) -> dict[str, Any]:
        """What to tell."""
        ...
