"""Training: one loop for every network, resumable, with mixed precision, averaged weights and validation.

Run under ``torchrun`` it trains data-parallel, each process on its own share of the objects.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..errors import InputError
from ..options import option, validate, values_of
from .journal import Journal


class Task(Protocol):
    """What is trained.

    module: its forward gives the loss of each object of a batch, and takes a generator for its noise.
    batches: endless, from batch number `start` on, every `step`-th.
    validate: losses by name of the given module on objects that are not trained on.
    picture: write a PNG of what it can do.  card: what to tell of the weights.
    """

    module: nn.Module

    def batches(self, size: int, start: int, step: int) -> Iterator[tuple[Tensor, ...]]: ...
    def validate(self, module: nn.Module) -> dict[str, float]: ...
    def picture(self, module: nn.Module, path: Path) -> None: ...
    def card(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Training:
    """How to train; it ends after `objects` or `minutes`, whichever comes first."""

    objects: int | None = option(None, "objects to train on, all in all", ge=1)
    minutes: float | None = option(20.0, "time to train for, all in all (min)", gt=0)
    batch: int = option(32, "objects a step and process; the paper's 100", ge=1)
    rate: float = option(4e-4, "largest learning rate; the paper's 1e-4", gt=0, le=1)
    warmup: float = option(0.02, "share of the training over which the rate rises, before it falls as a cosine", ge=0, lt=1)
    clip: float = option(1.0, "largest norm of the gradient", gt=0)
    ema: float = option(0.05, "width of the average over the weights' history, as a share of the training", gt=0, le=0.25)
    precision: str = option("auto", "of the networks' arithmetic", choices=("auto", "float32", "bfloat16", "float16"))
    compile: bool = option(False, "compile the network: slow to start, a third faster (needs a C++ compiler on a CPU)")
    validate_every: float = option(300.0, "seconds between validations and pictures", gt=0)
    checkpoint_every: float = option(60.0, "seconds between checkpoints", gt=0)
    seed: int = option(0, "seed of the initial weights and of the noise", ge=0)

    def __post_init__(self) -> None:
        validate(self)
        if self.objects is None and self.minutes is None:
            raise InputError("objects and minutes are both none; give one of them, or training never ends")

    def progress(self, objects: int, seconds: float) -> float:
        """The share of the training that is done."""
        by_objects = objects / self.objects if self.objects else 0.0
        return min(1.0, max(by_objects, seconds / (60 * self.minutes) if self.minutes else 0.0))

    def rate_at(self, progress: float) -> float:
        """Linear warm-up, then half a cosine down to a thousandth."""
        if progress < self.warmup:
            return self.rate * (progress / self.warmup + 1e-3)
        return self.rate * (0.001 + 0.999 * 0.5 * (1 + math.cos(math.pi * (progress - self.warmup) / (1 - self.warmup))))


class Told(NamedTuple):
    """What `on_step` hears."""

    objects: int
    progress: float
    loss: float
    rate: float
    seconds: float
    validation: Mapping[str, float]


def precision_of(asked: str, device: torch.device) -> torch.dtype:
    """The type of the networks' arithmetic: bfloat16 where the machine computes in it, else float32."""
    if asked != "auto":
        return getattr(torch, asked)
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    has = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return torch.bfloat16 if has() else torch.float32


def train(
    task: Task,
    settings: Training,
    folder: str | Path,
    *,
    device: str = "cpu",
    on_step: Callable[[Told], object] | None = None,
) -> nn.Module:
    """Train `task.module`, or go on where the checkpoint in `folder` was left; returns it with averaged weights.

    Writes ``checkpoint.pt``, ``log.csv`` and pictures into `folder`. Raises `InputError` where the checkpoint
    there is of another network. On an interrupt the checkpoint is written before it is passed on.
    """
    torch.manual_seed(settings.seed)
    rank, world = _distributed()
    where = torch.device(f"cuda:{rank % torch.cuda.device_count()}" if device == "cuda" and world > 1 else device)
    run = _Run(task, settings, Path(folder), where, rank)
    module: nn.Module = task.module
    if settings.compile:
        getattr(module, "network", module).compile()
    if world > 1:
        module = DistributedDataParallel(module)
    dtype = run.dtype
    scaler = torch.amp.GradScaler(where.type, enabled=dtype == torch.float16)
    optimiser, rng = run.optimiser, run.rng
    batches = task.batches(settings.batch, run.step * world + rank, world)
    try:
        while run.progress < 1:
            for group in optimiser.param_groups:
                group["lr"] = settings.rate_at(run.progress)
            batch = [part.to(where, non_blocking=True) for part in next(batches)]
            with torch.autocast(where.type, dtype, enabled=dtype != torch.float32):
                losses = module(*batch, rng)
            optimiser.zero_grad(set_to_none=True)
            scaler.scale(losses.mean()).backward()
            scaler.unscale_(optimiser)
            nn.utils.clip_grad_norm_(module.parameters(), settings.clip)
            scaler.step(optimiser)
            scaler.update()
            run.after(losses.detach(), world, on_step)
    except KeyboardInterrupt:
        run.checkpoint()
        raise
    run.finish(on_step)
    return run.averaged()


def _distributed() -> tuple[int, int]:
    """This process's rank and how many there are, as torchrun tells."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world > 1 and not torch.distributed.is_initialized():
        torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return (torch.distributed.get_rank(), world) if world > 1 else (0, 1)


class _Run:
    """The state of a training that a checkpoint keeps, and when to validate and to write."""

    def __init__(self, task: Task, settings: Training, folder: Path, device: torch.device, rank: int) -> None:
        self.task, self.settings, self.folder, self.rank = task, settings, folder, rank
        self.module = task.module.to(device)
        if any(p.ndim == 4 for p in self.module.parameters()):
            self.module = self.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.device, self.dtype = device, precision_of(settings.precision, device)
        self.parameters = list(self.module.parameters())
        self.optimiser = torch.optim.Adam(self.parameters, settings.rate, betas=(0.9, 0.99), fused=True)
        self.average = [p.detach().clone() for p in self.parameters]
        self.rng = torch.Generator().manual_seed(settings.seed * 1000 + rank)
        self.step = self.objects = 0
        self.seconds = 0.0
        self.validation: dict[str, float] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "checkpoint.pt"
        if self.file.exists():
            self._resume()
        self.journal = Journal(folder / "log.csv", self.objects) if rank == 0 else None
        self.begun, self.losses = time.perf_counter() - self.seconds, []
        self.checked = self.saved = self.seconds
        # β = (1 − 1/t)^(γ + 1) averages over the last `ema` of the history (Karras et al. 2024, eq. 123)
        self.gamma = next(g / 100 for g in range(10_000) if (g / 100 + 1) ** 0.5 / (g / 100 + 2) / (g / 100 + 3) ** 0.5 < settings.ema)

    @property
    def progress(self) -> float:
        return self.settings.progress(self.objects, self.seconds)

    def _resume(self) -> None:
        state = torch.load(self.file, map_location="cpu", weights_only=True)
        mine = self.task.card()["architecture"]
        if state["architecture"] != mine:
            raise InputError(
                f"{self.file} holds another network, {state['architecture']}, not {mine}; take another folder, or its options"
            )
        self.module.load_state_dict(state["module"])
        self.optimiser.load_state_dict(state["optimiser"])
        for mean, kept in zip(self.average, state["average"], strict=True):
            mean.copy_(kept)
        self.step, self.objects, self.seconds = state["step"], state["objects"], state["seconds"]
        if self.rank == 0:
            self.rng.set_state(state["rng"])
        else:
            self.rng.manual_seed(hash((self.settings.seed, self.rank, self.step)) % 2**31)

    def after(self, losses: Tensor, world: int, on_step: Callable[[Told], object] | None) -> None:
        """What follows a step of the optimiser."""
        self.step += 1
        self.objects += len(losses) * world
        torch._foreach_lerp_(self.average, self.parameters, 1 - (1 - 1 / self.step) ** (self.gamma + 1))
        self.seconds = time.perf_counter() - self.begun
        if self.rank > 0:
            return
        self.losses.append(float(losses.mean()))
        if self.seconds - self.checked > self.settings.validate_every:
            self.check()
            self.checked = time.perf_counter() - self.begun
        if self.seconds - self.saved > self.settings.checkpoint_every:
            self.checkpoint()
            self.saved = time.perf_counter() - self.begun
        if on_step is not None:
            on_step(self.told())

    def told(self) -> Told:
        """How it stands."""
        recent = self.losses[-50:]
        loss = sum(recent) / max(1, len(recent))
        return Told(self.objects, self.progress, loss, self.settings.rate_at(self.progress), self.seconds, self.validation)

    def averaged(self) -> nn.Module:
        """The module with the averaged weights in place of its own."""
        with torch.no_grad():
            for p, mean in zip(self.parameters, self.average, strict=True):
                p.copy_(mean)
        return self.module.eval()

    def check(self) -> None:
        """Validate and picture the averaged weights, note the losses, and put the weights back."""
        kept = [p.detach().clone() for p in self.parameters]
        module = self.averaged()
        with torch.inference_mode(), torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            self.validation = self.task.validate(module)
            self.task.picture(module, self.folder / f"picture-{self.objects:09d}.png")
        with torch.no_grad():
            for p, own in zip(self.parameters, kept, strict=True):
                p.copy_(own)
        self.module.train()
        told = self.told()
        assert self.journal is not None
        row = {"objects": told.objects, "seconds": round(told.seconds, 1), "rate": told.rate, "loss": told.loss}
        self.journal.write({**row, **self.validation})

    def checkpoint(self) -> None:
        """Write everything that is needed to go on, beside the old one, and put it in its place."""
        if self.rank > 0:
            return
        partial = self.file.with_suffix(f".partial-{os.getpid()}")
        state = {
            "architecture": self.task.card()["architecture"],
            "settings": values_of(self.settings),
            "module": self.module.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "rng": self.rng.get_state(),
            "step": self.step,
            "objects": self.objects,
            "seconds": self.seconds,
        }
        try:
            torch.save(state, partial)
            os.replace(partial, self.file)
        finally:
            partial.unlink(missing_ok=True)

    def finish(self, on_step: Callable[[Told], object] | None) -> None:
        """The last validation and checkpoint."""
        if self.rank > 0:
            return
        self.check()
        self.checkpoint()
        if on_step is not None:
            on_step(self.told())
