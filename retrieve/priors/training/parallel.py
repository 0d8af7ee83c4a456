"""Training data-parallel: this process's place among those that ``torchrun`` started."""

from __future__ import annotations

import datetime
import os
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed, nn

BROADCAST_TIMEOUT = datetime.timedelta(days=1)
"""How long the others wait while the first process validates."""


def rank() -> int:
    """This process's number under torchrun; 0 without it."""
    return int(os.environ.get("RANK", "0"))


@dataclass(frozen=True)
class World:
    """How many processes train together, and which of them this is. The first one decides and writes."""

    device: torch.device
    rank: int = 0
    size: int = 1
    numbers: Any = None  # a gloo group for plain numbers, which waits for no card
    ours: bool = False  # whether `leave` is to undo what `join` did

    @classmethod
    def join(cls, device: str) -> World:
        """Meet the other processes, if there are any; of several cards each takes its own."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            return cls(torch.device(device))
        where = torch.device(device)
        if where.type == "cuda":
            where = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
            torch.cuda.set_device(where)
        ours = not distributed.is_initialized()
        if ours:
            distributed.init_process_group("nccl" if where.type == "cuda" else "gloo", timeout=BROADCAST_TIMEOUT)
        numbers = distributed.new_group(backend="gloo", timeout=BROADCAST_TIMEOUT)
        return cls(where, distributed.get_rank(), size, numbers, ours)

    @property
    def first(self) -> bool:
        """Whether this process decides and writes."""
        return self.rank == 0

    def data_parallel(self, module: nn.Module) -> nn.Module:
        """The module with its gradients averaged over the processes, its weights those of the first."""
        return nn.parallel.DistributedDataParallel(module) if self.size > 1 else module

    def broadcast(self, *numbers: float) -> tuple[float, ...]:
        """The numbers of rank 0, so that clock-dependent values agree on all ranks."""
        if self.size == 1:
            return numbers
        values = torch.tensor(numbers, dtype=torch.float64)
        distributed.broadcast(values, 0, group=self.numbers)
        return tuple(values.tolist())

    def leave(self) -> None:
        """Wait for the others, and undo `join`."""
        if self.size > 1:
            distributed.barrier(group=self.numbers)
        if self.ours:
            distributed.destroy_process_group()
