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
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from ...errors import InputError
from ...files import locked
from ...numerics.arrays import cores
from ...numerics.processors import end_with_parent
from ..precision import training_precision
from .parallel import World
from .settings import Training
from .state import Ask, ProgressMessage, State
from .task import Task

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
    """Train a task's network, or continue from the checkpoint in `folder`.

    Writes ``checkpoint.pt``, ``log.csv`` and pictures into the folder. Under ``torchrun`` all processes train together.

    Parameters
    ----------
    task : Task
        The network and its objects, such as ``DenoiserOptions().task(Simulated("films2d"))``.
    settings : Training
        How long and how fast.
    folder : str or Path
        Made if it does not exist; locked while the training runs.
    device : str
        "cpu" or "cuda".
    on_step : callable, optional
        Called with a `ProgressMessage` after each step and at the end. A true return value stops the training as an
        interrupt does; `Ask.KEEP` ends it as its own end does.

    Returns
    -------
    torch.nn.Module
        A copy of the network with averaged weights.

    Raises
    ------
    InputError
        If the checkpoint is of another network or other objects, or another process trains in the folder.
    RetrieveError
        If the loss is no longer finite.
    KeyboardInterrupt
        If the training was stopped; the checkpoint is written.
    """
    torch.manual_seed(settings.seed)
    if settings.compile and device == "cpu" and not shutil.which(os.environ.get("CXX", "c++")):
        raise InputError("compile=true needs a C++ compiler on a CPU, and there is none; install one or leave it out")
    world = World.join(device)
    with lock_directory(Path(folder)) if world.first else nullcontext():
        state = State(task, settings, Path(folder), world)
        if settings.compile:
            getattr(task.module, "network", task.module).compile()
        torch.backends.cudnn.benchmark = world.device.type == "cuda" and pool_size(task, settings) == 1  # else shapes differ
        module = world.data_parallel(task.module)
        batches = batches_after(task, settings, state.objects, world)
        try:
            while state.progress < 1 and not state.asked:
                take_step(state, module, next(batches))
                state.after(on_step)
        except KeyboardInterrupt:
            if state.whole:
                state.checkpoint()
            raise
        if state.asked is Ask.STOP:
            state.checkpoint()
        else:
            state.finish(on_step)
    world.leave()
    if state.asked is Ask.STOP:
        raise KeyboardInterrupt
    return state.average


@contextmanager
def lock_directory(folder: Path) -> Iterator[None]:
    """Make the folder, and keep other trainings out of it.

    Raises `InputError` if it cannot be written, or while another process trains in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write in {folder}: {error.strerror}; choose another folder") from error
    with locked(folder / "training", f"training in {folder}", "wait for its end, or choose another folder"):
        yield


def training_record(settings: Training, told: ProgressMessage, module: nn.Module, device: str) -> dict[str, Any]:
    """The card's record of a training of `module` that has come to `told`."""
    where = torch.device(device)
    name = torch.cuda.get_device_name(where) if where.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    return {
        "objects": told.objects,
        "hours": round(told.seconds / 3600, 3),
        "batch": settings.batch,
        "processes": int(os.environ.get("WORLD_SIZE", "1")),
        "rate": settings.rate,
        "ema": settings.ema,
        "precision": str(training_precision(settings.precision, module, where)).removeprefix("torch."),
        "seed": settings.seed,
        "device": name,
        "torch": torch.__version__,
        "loss": round(told.loss, 6) if math.isfinite(told.loss) else None,
        "validation": {name: round(value, 6) for name, value in told.validation.items()},
    }


def take_step(state: State, module: nn.Module, batch: Sequence[Tensor]) -> None:
    """One step of the optimiser on a batch."""
    for group in state.optimiser.param_groups:
        group["lr"] = state.settings.rate_at(state.progress)
    batch = [part.to(state.world.device, non_blocking=True) for part in batch]
    with state.autocast():
        losses = module(*batch, state.rng())
    state.optimiser.zero_grad(set_to_none=True)
    state.scaler.scale(losses.mean()).backward()
    state.scaler.unscale_(state.optimiser)
    nn.utils.clip_grad_norm_(module.parameters(), state.settings.clip)
    with state.changing(losses):
        state.scaler.step(state.optimiser)
        state.scaler.update()


class Pools(IterableDataset[list[tuple[Tensor, ...]]]):
    """A task's batches in pools, shared out among workers; their order does not depend on the number of workers."""

    def __init__(self, task: Task, size: int, pool: int, start: int, step: int) -> None:
        self.task, self.size, self.pool, self.start, self.step = task, size, pool, start, step

    def __iter__(self) -> Iterator[list[tuple[Tensor, ...]]]:
        """Pools without end, their objects bucketed by size."""
        worker = get_worker_info()
        first, of = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for number in itertools.count(self.start + first * self.pool * self.step, of * self.pool * self.step):
            made = self.task.batches(self.size, number, self.step)
            yield self.task.bucket_by_size(list(itertools.islice(made, self.pool)), number)


def batches_after(task: Task, settings: Training, done: int, world: World) -> Iterator[tuple[Tensor, ...]]:
    """The batches after so many objects, each process its own share."""
    card = world.device.type == "cuda"
    workers = settings.workers
    if workers is None:
        workers = min(WORKERS, max(1, cores() // world.size)) if card else 0
    pool = pool_size(task, settings)
    pools, skipped = divmod(-(-done // settings.batch) // world.size, pool)
    stream = Pools(task, settings.batch, pool, pools * pool * world.size + world.rank, world.size)
    made = DataLoader(
        stream, batch_size=None, num_workers=workers, pin_memory=card, worker_init_fn=partial(init_worker, os.getpid())
    )
    return itertools.islice(itertools.chain.from_iterable(made), skipped, None)


def pool_size(task: Task, settings: Training) -> int:
    """How many batches are bucketed together; a compiled network needs one shape."""
    return 1 if settings.compile else task.pool_size(settings.batch)


def init_worker(parent: int, worker: int) -> None:
    """Let a worker leave signals to the process that trains and end with it, and other cores to other workers."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    end_with_parent(parent)
    threadpool_limits(1)
