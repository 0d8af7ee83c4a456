"""What a training has come to: all that a checkpoint keeps, and when to validate and to write."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ...errors import InputError, RetrieveError
from ...files import replacing
from ...plugins.options import values_of
from ..weights import complete
from .log import TrainingLog
from .objects import generator_for
from .parallel import World
from .settings import Training
from .task import Task

CHECKPOINT = "checkpoint.pt"
LOSS_PERIOD = 0.2  # seconds between looks at the loss: each waits for a card


class ProgressMessage(NamedTuple):
    """What `on_step` hears."""

    objects: int
    progress: float
    loss: float
    rate: float
    seconds: float
    validation: Mapping[str, float]


def read_checkpoint(folder: str | Path, *, look: bool = False) -> dict[str, Any] | None:
    """What the checkpoint in a folder holds; None where there is none. Raises `InputError` for a damaged one.

    look: leave the weights in the file until they are used.
    """
    file = Path(folder) / CHECKPOINT
    if not file.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True, mmap=look)
        missing = {"architecture", "settings", "module", "average", "optimiser", "step", "objects", "seconds"} - set(state)
        if missing:
            raise ValueError(f"{', '.join(sorted(missing))} missing")
    except Exception as error:  # whatever torch makes of a damaged file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{file} is no checkpoint that can be read ({reason:.150}); remove it to begin anew") from error
    return state


def precision_of(asked: str, device: torch.device) -> torch.dtype:
    """The type of the networks' arithmetic: bfloat16 where the machine computes in it, else float32."""
    if asked != "auto":
        found: torch.dtype = getattr(torch, asked)
        return found
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    has = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return torch.bfloat16 if has() else torch.float32


def trained_in(asked: str, module: nn.Module, device: torch.device) -> torch.dtype:
    """As `precision_of`, but float32 for a network of three axes on a processor unless another is asked for.

    There the gradient of a 3D convolution's weights in bfloat16 is wrong where its first axis is 2 px (torch 2.13).
    """
    volumes = any(p.ndim == 5 for p in module.parameters())
    return torch.float32 if volumes and (asked, device.type) == ("auto", "cpu") else precision_of(asked, device)


def differing(kept: Mapping[str, Any], mine: Mapping[str, Any]) -> str:
    """Where two nested mappings differ, in words: ``base 56, not 64``; nothing where they do not."""
    words = []
    for key in {**kept, **mine}:
        a, b = kept.get(key, "none"), mine.get(key, "none")
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            words += [inner] if (inner := differing(a, b)) else []
        elif a != b:
            words.append(f"{key} {a}, not {b}")
    return "; ".join(words)


class State:
    """A training as it stands: the task's module, its averaged weights, its optimiser, how far it has come.

    Only the first process of `world` validates, writes and tells.
    """

    def __init__(self, task: Task, settings: Training, folder: Path, world: World) -> None:
        self.task, self.settings, self.folder, self.world = task, settings, folder, world
        self.module = task.module.to(world.device)
        self.dtype = trained_in(settings.precision, self.module, world.device)
        if any(p.ndim == 4 for p in self.module.parameters()):
            self.module = self.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if world.device.type == "cuda" and any(p.ndim == 5 for p in self.module.parameters()):
            self.module = self.module.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.parameters = list(self.module.parameters())
        self.optimiser = torch.optim.Adam(self.parameters, settings.rate, betas=(0.9, 0.99), fused=True)
        self.scaler = torch.amp.GradScaler(world.device.type, enabled=self.dtype == torch.float16)
        self.average = [p.detach().clone() for p in self.parameters]
        self.step = self.objects = 0
        self.seconds = 0.0
        self.validation: dict[str, float] = {}
        self.recent: deque[Tensor] = deque(maxlen=50)
        self.loss = math.nan
        self.whole, self.asked, self.finished = True, False, False
        self._resume()
        self.journal = TrainingLog(folder / "log.csv", self.objects) if world.first else None
        self.begun = time.perf_counter() - self.seconds
        self.checked = self.saved = self.looked = self.seconds
        # β = (1 − 1/t)^(γ + 1) averages over the last `ema` of the history (Karras et al. 2024, eq. 123)
        widths = ((g / 100, (g / 100 + 1) ** 0.5 / (g / 100 + 2) / (g / 100 + 3) ** 0.5) for g in range(10_000))
        self.gamma = next(gamma for gamma, width in widths if width < settings.ema)

    @property
    def progress(self) -> float:
        """The share of the training that is done; the same in all processes."""
        return self.settings.progress(self.objects, self.seconds)

    def rng(self) -> torch.Generator:
        """The noise of the coming step, which depends on seed, step and process alone: a resumed training has the same."""
        return generator_for(self.settings.seed, self.step, self.world.rank)

    def _resume(self) -> None:
        """Take over what the checkpoint holds, if there is one."""
        state = read_checkpoint(self.folder)
        if state is None:
            return
        file, card = self.folder / CHECKPOINT, self.task.card()
        other = differing(complete(state["architecture"]), complete(card["architecture"]))
        if other:
            raise InputError(f"{file} is of another network, with {other}; take another folder, or the same options")
        other = differing(state["card"]["data"], card["data"]) if "card" in state else ""
        if other:
            raise InputError(f"{file} was trained on other objects, with {other}; take another folder, or the same objects")
        try:
            self.module.load_state_dict(state["module"])
            self.optimiser.load_state_dict(state["optimiser"])
            with torch.no_grad():
                for mean, kept in zip(self.average, state["average"], strict=True):
                    mean.copy_(kept)
        except (KeyError, RuntimeError, ValueError) as error:
            raise InputError(f"{file} does not fit the network ({error!r:.200}); remove it to begin anew") from error
        self.step, self.objects, self.seconds = state["step"], state["objects"], state["seconds"]
        self.validation, self.loss = state.get("validation", {}), state.get("loss", math.nan)
        if self.scaler.is_enabled() and state.get("scaler"):
            self.scaler.load_state_dict(state["scaler"])
        self.finished = bool(state.get("finished", False)) and self.progress >= 1

    @contextmanager
    def changing(self, losses: Tensor) -> Iterator[None]:
        """Around what changes the weights by a batch of these losses; between, no checkpoint may be written."""
        self.whole = False
        yield
        self.step += 1
        self.objects += len(losses) * self.world.size
        with torch.no_grad():
            torch._foreach_lerp_(self.average, list[Tensor](self.parameters), 1 - (1 - 1 / self.step) ** (self.gamma + 1))
        self.recent.append(losses.detach().mean())
        self.whole = True

    def after(self, on_step: Callable[[ProgressMessage], object] | None) -> None:
        """What follows a step: in the first process validation, checkpoint and news, and then what it decides, to all."""
        if self.world.first:
            self.seconds = time.perf_counter() - self.begun
            if self.seconds - self.checked > self.settings.validate_every:
                self.check()
                self.checked = time.perf_counter() - self.begun
            if self.seconds - self.saved > self.settings.checkpoint_every:
                self.checkpoint()
                self.saved = time.perf_counter() - self.begun
            if on_step is not None:
                self.asked = bool(on_step(self.told()))
            self.seconds = time.perf_counter() - self.begun
        self.seconds, asked = self.world.shared(self.seconds, float(self.asked))
        self.asked = bool(asked)

    def autocast(self) -> torch.autocast:
        """Networks compute in the precision asked for."""
        return torch.autocast(self.world.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def told(self, now: bool = False) -> ProgressMessage:
        """How it stands; the loss is the mean over the last steps, as of a moment ago unless `now`.

        Raises `RetrieveError` where it is not finite.
        """
        if self.recent and (now or math.isnan(self.loss) or self.seconds - self.looked > LOSS_PERIOD):
            self.loss, self.looked = float(torch.stack(list(self.recent)).mean()), self.seconds
            if not math.isfinite(self.loss):
                raise RetrieveError(
                    f"the loss is {self.loss} after {self.objects} objects; give a lower rate, or precision float32; "
                    f"the last checkpoint is kept"
                )
        return ProgressMessage(
            self.objects, self.progress, self.loss, self.settings.rate_at(self.progress), self.seconds, dict(self.validation)
        )

    def averaged(self) -> nn.Module:
        """The module with the averaged weights in place of its own."""
        with torch.no_grad():
            for p, mean in zip(self.parameters, self.average, strict=True):
                p.copy_(mean)
        return self.module.eval()

    def check(self) -> None:
        """Validate and picture the averaged weights, note the losses, and put the weights back."""
        told = self.told(now=True)
        kept = [p.detach().clone() for p in self.parameters]
        try:
            module = self.averaged()
            # to compile it for inference, too, would take longer than it saves
            with torch.inference_mode(), self.autocast(), torch.compiler.set_stance("force_eager"):
                self.validation = self.task.validate(module)
                self.task.picture(module, self.folder / f"picture-{self.objects:09d}.png")
        finally:
            with torch.no_grad():
                for p, own in zip(self.parameters, kept, strict=True):
                    p.copy_(own)
            self.module.train()
        assert self.journal is not None
        row = {"objects": told.objects, "seconds": round(told.seconds, 1), "rate": told.rate, "loss": told.loss}
        self.journal.write({**row, **self.validation})

    def checkpoint(self) -> None:
        """Write everything that is needed to go on, beside the old one, and put it in its place."""
        if not self.world.first:
            return
        self.told(now=True)
        card = self.task.card()
        state = {
            "architecture": card["architecture"],
            "card": card,
            "settings": values_of(self.settings),
            "module": self.module.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
            "step": self.step,
            "objects": self.objects,
            "seconds": self.seconds,
            "loss": self.loss,
            "validation": dict(self.validation),
            "finished": self.finished,
        }
        with replacing(self.folder / CHECKPOINT) as partial:
            _save(state, partial)

    def finish(self, on_step: Callable[[ProgressMessage], object] | None) -> None:
        """The last validation and checkpoint, unless they are already done."""
        if not self.world.first:
            return
        if not self.finished:
            self.check()
            self.finished = True
            self.checkpoint()
        if on_step is not None:
            on_step(self.told())


def _save(state: Mapping[str, Any], path: Path) -> None:
    """Save with torch, which reports a full disk as a RuntimeError. Raises OSError instead."""
    try:
        torch.save(state, path)
    except RuntimeError as error:
        raise OSError(str(error).splitlines()[0]) from error
