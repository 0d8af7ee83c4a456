"""Training: one loop for every network, resumable, with mixed precision, averaged weights and validation.

Run under ``torchrun`` it trains data-parallel, each process on its own share of the objects.
"""

from __future__ import annotations

import itertools
import math
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from ...errors import InputError
from ...numerics.arrays import cores
from .files import lock_directory
from .parallel import World
from .settings import Training
from .state import ProgressMessage, State, precision_of, trained_in
from .task import Task

__all__ = ["Task", "ProgressMessage", "Training", "precision_of", "training_record", "train"]

WORKERS = 16
"""The most processes that make objects for a card."""


def train(
    task: Task,
    settings: Training,
    folder: str | Path,
    *,
    device: str = "cpu",
    on_step: Callable[[ProgressMessage], object] | None = None,
) -> nn.Module:
    """Train `task.module`, or go on where the checkpoint in `folder` was left; returns it with averaged weights.

    on_step: hears of every step, and of the end; what it returns, if true, stops the training as an
    interrupt does: the checkpoint is written, then KeyboardInterrupt raised. Writes ``checkpoint.pt``,
    ``log.csv`` and pictures into `folder`. Raises `InputError` where the checkpoint there is of another
    network or of other objects, `RetrieveError` where the loss is no longer finite.
    """
    torch.manual_seed(settings.seed)
    if settings.compile and device == "cpu" and not shutil.which(os.environ.get("CXX", "c++")):
        raise InputError("compile=true needs a C++ compiler on a CPU, and there is none; install one or leave it out")
    world = World.join(device)
    with lock_directory(Path(folder)) if world.first else nullcontext():
        state = State(task, settings, Path(folder), world)
        if settings.compile:
            getattr(task.module, "network", task.module).compile()
        step = _stepping(state, world.wrapped(task.module))
        batches = _batches(task, settings, state.objects, world)
        try:
            while state.progress < 1 and not state.asked:
                step(next(batches))
                state.after(on_step)
        except KeyboardInterrupt:
            if state.whole:
                state.checkpoint()
            raise
        if state.asked:
            state.checkpoint()
        else:
            state.finish(on_step)
    world.leave()
    if state.asked:
        raise KeyboardInterrupt
    return state.averaged()


def training_record(settings: Training, told: ProgressMessage, module: nn.Module, device: str) -> dict[str, Any]:
    """What a card tells of a training of `module` that has come to `told`."""
    where = torch.device(device)
    name = torch.cuda.get_device_name(where) if where.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    return {
        "objects": told.objects,
        "hours": round(told.seconds / 3600, 3),
        "batch": settings.batch,
        "processes": int(os.environ.get("WORLD_SIZE", "1")),
        "rate": settings.rate,
        "ema": settings.ema,
        "precision": str(trained_in(settings.precision, module, where)).removeprefix("torch."),
        "seed": settings.seed,
        "device": name,
        "torch": torch.__version__,
        "loss": round(told.loss, 6) if math.isfinite(told.loss) else None,
        "validation": {name: round(value, 6) for name, value in told.validation.items()},
    }


def _stepping(state: State, module: nn.Module) -> Callable[[Sequence[Tensor]], None]:
    """A function that takes one step of the optimiser on a batch."""
    settings, where, optimiser, scaler = state.settings, state.world.device, state.optimiser, state.scaler
    torch.backends.cudnn.benchmark = where.type == "cuda" and _pool(state.task, settings) == 1  # else shapes differ

    def step(batch: Sequence[Tensor]) -> None:
        for group in optimiser.param_groups:
            group["lr"] = settings.rate_at(state.progress)
        batch = [part.to(where, non_blocking=True) for part in batch]
        with state.autocast():
            losses = module(*batch, state.rng())
        optimiser.zero_grad(set_to_none=True)
        scaler.scale(losses.mean()).backward()
        scaler.unscale_(optimiser)
        nn.utils.clip_grad_norm_(module.parameters(), settings.clip)
        with state.changing(losses):
            scaler.step(optimiser)
            scaler.update()

    return step


class _Stream(IterableDataset[list[tuple[Tensor, ...]]]):
    """A task's batches in pools, shared out among the workers so that they come in the same order whatever their number."""

    def __init__(self, task: Task, size: int, pool: int, start: int, step: int) -> None:
        self.task, self.size, self.pool, self.start, self.step = task, size, pool, start, step

    def __iter__(self) -> Iterator[list[tuple[Tensor, ...]]]:
        """Arranged pools without end."""
        worker = get_worker_info()
        first, of = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for number in itertools.count(self.start + first * self.pool * self.step, of * self.pool * self.step):
            made = self.task.batches(self.size, number, self.step)
            yield self.task.bucket_by_size(list(itertools.islice(made, self.pool)), number)


def _batches(task: Task, settings: Training, done: int, world: World) -> Iterator[tuple[Tensor, ...]]:
    """The batches after so many objects, each process its own share."""
    card = world.device.type == "cuda"
    workers = settings.workers
    if workers is None:
        workers = min(WORKERS, max(1, cores() // world.size)) if card else 0
    pool = _pool(task, settings)
    pools, skipped = divmod(-(-done // settings.batch) // world.size, pool)
    stream = _Stream(task, settings.batch, pool, pools * pool * world.size + world.rank, world.size)
    made = DataLoader(stream, batch_size=None, num_workers=workers, pin_memory=card, worker_init_fn=_undisturbed)
    return itertools.islice(itertools.chain.from_iterable(made), skipped, None)


def _pool(task: Task, settings: Training) -> int:
    """How many batches are arranged together; compiled, a network wants one shape."""
    return 1 if settings.compile else task.pool_size(settings.batch)


def _undisturbed(worker: int) -> None:
    """A worker leaves Ctrl-C to the process that trains, and other cores to other workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpool_limits(1)
