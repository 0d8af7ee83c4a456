"""The state of a training: all that a checkpoint keeps, and when to validate and to write."""

from __future__ import annotations

import copy
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ...errors import InputError, RetrieveError
from ...files import replacing
from ...plugins.options import values_of
from ..precision import autocast, training_precision
from ..weights import check_fits, complete
from ..windows import CHANNELS_LAST
from .checkpoint import CHECKPOINT, TRAINING, check_moments, read_checkpoint, sum_of_state
from .log import TrainingLog
from .objects import generator_for
from .parallel import World
from .settings import Training
from .task import Task

CHECK_TRIAL, CHECK_SHARE = 8, 0.1
"""Objects on which a validation is tried to learn what it takes, and the share of a training's time that one may take."""

LOSS_PERIOD = 0.2
"""Seconds between looks at the loss: each waits for a card."""


class Ask(IntEnum):
    """What `on_step` may ask for: to go on, to stop as an interrupt does, or to end now as at the training's own end."""

    NOTHING = 0
    STOP = 1
    KEEP = 2


class ProgressMessage(NamedTuple):
    """The argument of `on_step`.

    objects: trained on.  progress: share of the training.  loss: mean over the last steps.  rate: learning rate.
    seconds: trained for, with validations.  validation: the last losses on validation objects, by name.
    check_seconds: what a validation with its pictures takes, where the training has an end in time.
    """

    objects: int
    progress: float
    loss: float
    rate: float
    seconds: float
    validation: Mapping[str, float]
    check_seconds: float = 0.0


def differing(kept: Mapping[str, Any], mine: Mapping[str, Any]) -> str:
    """Where two nested mappings differ, in words: ``base 56, not 64``; empty if they do not."""
    words = []
    for key in {**kept, **mine}:
        a, b = kept.get(key, "none"), mine.get(key, "none")
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            words += [inner] if (inner := differing(a, b)) else []
        elif a != b:
            words.append(f"{key} {a}, not {b}")
    return "; ".join(words)


class State:
    """A training: the task's module, its averaged weights, its optimiser, and its progress.

    Only the first process of `world` validates and writes.
    """

    def __init__(self, task: Task, settings: Training, folder: Path, world: World) -> None:
        self.task, self.settings, self.folder, self.world = task, settings, folder, world
        self.module: nn.Module = task.module.to(world.device)
        self.dtype = training_precision(settings.precision, self.module, world.device)
        dims = max(p.ndim for p in self.module.parameters()) - 2
        if dims == 2 or (dims == 3 and world.device.type == "cuda"):
            self.module = self.module.to(memory_format=CHANNELS_LAST[dims])
        self.average = copy.deepcopy(self.module).requires_grad_(False).eval()
        self.optimiser = torch.optim.Adam(self.module.parameters(), settings.rate, betas=(0.9, 0.99), fused=True)
        self.scaler = torch.amp.GradScaler(world.device.type, enabled=self.dtype == torch.float16)
        self.step = self.objects = 0
        self.seconds = self.check_seconds = 0.0
        self.validation: dict[str, float] = {}
        self.recent: deque[Tensor] = deque(maxlen=50)
        self.loss = math.nan
        self.whole, self.asked, self.finished = True, Ask.NOTHING, False
        self._resume()
        self.log = TrainingLog(folder / "log.csv", self.objects) if world.first else None
        self.begun = time.perf_counter() - self.seconds
        self.checked = self.saved = self.looked = self.seconds
        self.gamma = averaging_power(settings.ema)
        self.check_seconds = self.plan_checks()

    @property
    def progress(self) -> float:
        """The share of the training that is done; the same in all processes."""
        return self.settings.progress(self.objects, self.seconds, self.check_seconds)

    def plan_checks(self) -> float:
        """The seconds that a validation with its picture takes, of a training with an end in time; 0 for others.

        It is tried on a few objects. Their number is then such that it takes at most `CHECK_SHARE` of the time.
        """
        if self.settings.minutes is None or self.progress >= 1:
            return 0.0
        planned = 0.0
        if self.world.first:
            wanted, self.task.validation = self.task.validation, min(CHECK_TRIAL, self.task.validation)
            started = time.perf_counter()
            with torch.inference_mode(), self.autocast():
                self.task.validate(self.average)
                each = (time.perf_counter() - started) / self.task.validation
                self.task.picture(self.average, self.folder / f"picture-{self.objects:09d}.png")
            picture = time.perf_counter() - started - each * self.task.validation
            affordable = int((CHECK_SHARE * 60 * self.settings.minutes - picture) / each)
            self.task.validation = max(self.task.validation, min(wanted, affordable))
            planned = picture + each * self.task.validation
        return self.world.broadcast(planned)[0]

    def rng(self) -> torch.Generator:
        """The noise of the next step. It depends on seed, step and process alone: a resumed training has the same."""
        return generator_for(self.settings.seed, self.step, self.world.rank)

    def autocast(self) -> torch.autocast:
        """In this context networks compute in the precision asked for."""
        return autocast(self.dtype, self.world.device)

    def _resume(self) -> None:
        """Continue from the checkpoint, if there is one."""
        state = read_checkpoint(self.folder)
        if state is None:
            return
        file, card = self.folder / CHECKPOINT, self.task.card()
        other = differing(complete(state["architecture"]), complete(card["architecture"]))
        if other:
            raise InputError(f"{file} is of another network, with {other}; take another folder, or the same options")
        check_fits(state["architecture"], {name: t.shape for name, t in state["module"].items()}, str(file))
        other = differing(state["card"].get("data", {}), card["data"]) if "card" in state else ""
        if other:
            raise InputError(f"{file} was trained on other objects, with {other}; take another folder, or the same objects")
        try:
            self.module.load_state_dict(state["module"])
            self.optimiser.load_state_dict({**state["optimiser"], "param_groups": self.optimiser.state_dict()["param_groups"]})
            check_moments(self.optimiser)
            with torch.no_grad():
                for mean, kept in zip(self.average.parameters(), state["average"], strict=True):
                    mean.copy_(kept)
        except Exception as error:  # torch raises many kinds for a state that is no optimiser's
            raise InputError(f"{file} does not fit the network ({error!r:.200}); remove it to begin anew") from error
        self.step, self.objects, self.seconds = state["step"], state["objects"], state["seconds"]
        self.validation, self.loss = state.get("validation", {}), state.get("loss", math.nan)
        if self.scaler.is_enabled() and state.get("scaler"):
            self.scaler.load_state_dict(state["scaler"])
        self.finished = bool(state.get("finished", False)) and self.progress >= 1

    @contextmanager
    def changing(self, losses: Tensor) -> Iterator[None]:
        """Around the change of the weights by a batch of these losses; in between no checkpoint may be written.

        The average of the weights follows: its share of the new ones is 1 − (1 − 1/t)^(γ + 1) at step t.
        """
        self.whole = False
        yield
        self.step += 1
        self.objects += len(losses) * self.world.size
        with torch.no_grad():
            mean, now = (list[Tensor](module.parameters()) for module in (self.average, self.module))
            torch._foreach_lerp_(mean, now, 1 - (1 - 1 / self.step) ** (self.gamma + 1))
        self.recent.append(losses.detach().mean())
        self.whole = True

    def after(self, on_step: Callable[[ProgressMessage], object] | None) -> None:
        """After a step: validation, checkpoint and `on_step` in the first process, then its decision in all."""
        if self.world.first:
            self.seconds = time.perf_counter() - self.begun
            if self.seconds - self.checked > max(self.settings.validate_every, self.check_seconds / CHECK_SHARE):
                self.check()
                self.checked = time.perf_counter() - self.begun
            if self.seconds - self.saved > self.settings.checkpoint_every:
                self.checkpoint()
                self.saved = time.perf_counter() - self.begun
            if on_step is not None:
                answer = on_step(self.message())
                self.asked = answer if isinstance(answer, Ask) else Ask(bool(answer))
            self.seconds = time.perf_counter() - self.begun
        self.seconds, asked = self.world.broadcast(self.seconds, float(self.asked))
        self.asked = Ask(round(asked))

    def message(self, now: bool = False) -> ProgressMessage:
        """The progress; its loss is a moment old unless `now`. Raises `RetrieveError` if the loss is not finite."""
        if self.recent and (now or math.isnan(self.loss) or self.seconds - self.looked > LOSS_PERIOD):
            self.loss, self.looked = float(torch.stack(list(self.recent)).mean()), self.seconds
            if not math.isfinite(self.loss):
                raise RetrieveError(
                    f"the loss is {self.loss} after {self.objects} objects; give a lower rate, or precision float32; "
                    f"the last checkpoint is kept"
                )
        rate = self.settings.rate_at(self.progress)
        shown = self.loss, rate, self.seconds, dict(self.validation), self.check_seconds
        return ProgressMessage(self.objects, self.progress, *shown)

    def check(self) -> None:
        """Validate and picture the averaged weights, and log the losses."""
        assert self.log is not None
        message = self.message(now=True)
        with torch.inference_mode(), self.autocast():
            self.validation = self.task.validate(self.average)
            self.task.picture(self.average, self.folder / f"picture-{self.objects:09d}.png")
        row = {"objects": message.objects, "seconds": round(message.seconds, 1), "rate": message.rate, "loss": message.loss}
        self.log.write({**row, **self.validation})

    def checkpoint(self) -> None:
        """Write everything that is needed to continue, beside the old checkpoint, then replace it."""
        if not self.world.first:
            return
        self.message(now=True)
        card = self.task.card()
        state = {
            "format": TRAINING.format,
            "architecture": card["architecture"],
            "card": card,
            "settings": values_of(self.settings),
            "module": self.module.state_dict(),
            "average": [mean.detach() for mean in self.average.parameters()],
            "optimiser": {"state": self.optimiser.state_dict()["state"]},  # each step sets the rest, the rate above all
            "scaler": self.scaler.state_dict(),
            "step": self.step,
            "objects": self.objects,
            "seconds": self.seconds,
            "loss": self.loss,
            "validation": dict(self.validation),
            "finished": self.finished,
        }
        state["sha256"] = sum_of_state(state)
        with replacing(self.folder / CHECKPOINT) as file:
            torch.save(state, file)

    def finish(self, on_step: Callable[[ProgressMessage], object] | None) -> None:
        """The last validation and checkpoint, unless they are already done."""
        if not self.world.first:
            return
        if not self.finished:
            self.check()
            self.seconds = time.perf_counter() - self.begun
            if self.check_seconds and self.settings.progress(0, self.seconds, self.check_seconds) >= 1:
                self.seconds = max(self.seconds, 60 * (self.settings.minutes or 0))  # what was kept for the check is spent
            self.finished = True
            self.checkpoint()
        if on_step is not None:
            on_step(self.message())


def averaging_power(width: float) -> float:
    """γ for which β = (1 − 1/t)^(γ + 1) averages over the last `width` of the history (Karras et al. 2024, eq. 123)."""
    tried = (g / 100 for g in range(10_000))
    return next(g for g in tried if (g + 1) ** 0.5 / (g + 2) / (g + 3) ** 0.5 < width)
