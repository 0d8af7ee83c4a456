"""Options of a training and of its network. Importing this module needs no torch."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ...errors import InputError, OptionError
from ...plugins.options import option, validate

if TYPE_CHECKING:
    from .objects import Source
    from .task import Task

SCALES = [0.7, 1.0, 1.5, 2.2, 3.5]
"""Default widths (px) of the Gaussians whose means an EDM denoiser sees."""


@dataclass(frozen=True)
class Training:
    """How long and how fast to train. A training ends after `objects` or `minutes`, whichever comes first."""

    objects: int | None = option(None, "objects to train on, all in all", ge=1)
    minutes: float | None = option(20.0, "time to train for, all in all (min); validations and pictures count, too", gt=0)
    batch: int = option(32, "objects a step and process; the paper's 100", ge=1)
    rate: float = option(4e-4, "largest learning rate; the paper's 1e-4", gt=0, le=1)
    warmup: float = option(0.02, "share of the training over which the rate rises, before it falls as a cosine", ge=0, lt=1)
    clip: float = option(1.0, "largest norm of the gradient", gt=0)
    ema: float = option(0.05, "width of the average over the weights' history, as a share of the training", gt=0, le=0.25)
    precision: str = option("auto", "arithmetic of the network", choices=("auto", "float32", "bfloat16", "float16"))
    compile: bool = option(False, "compile the network: slow to start, a third faster (needs a C++ compiler on a CPU)")
    workers: int | None = option(None, "processes that make the objects; none: the cores of a card's host, on a CPU 0", ge=0)
    validate_every: float = option(300.0, "seconds between validations and pictures", gt=0)
    checkpoint_every: float = option(60.0, "seconds between checkpoints", gt=0)
    seed: int = option(0, "seed of the initial weights and of the noise", ge=0)

    def __post_init__(self) -> None:
        validate(self)
        if self.objects is None and self.minutes is None:
            raise InputError("objects and minutes are both none; give one of them, or training never ends")

    def progress(self, objects: int, seconds: float, kept: float = 0.0) -> float:
        """The share of the training that is done, if so many seconds of its time are kept for the last validation."""
        by_objects = objects / self.objects if self.objects else 0.0
        by_time = seconds / max(60 * self.minutes - kept, 1e-3) if self.minutes else 0.0
        return min(1.0, max(by_objects, by_time))

    def rate_at(self, progress: float) -> float:
        """Linear warm-up, then half a cosine down to a thousandth."""
        if progress < self.warmup:
            return self.rate * (progress / self.warmup + 1e-3)
        return self.rate * (0.001 + 0.999 * 0.5 * (1 + math.cos(math.pi * (progress - self.warmup) / (1 - self.warmup))))


@dataclass(frozen=True)
class NetworkOptions(ABC):
    """Options of all networks."""

    KINDS: ClassVar[tuple[str, ...]] = ()
    kind: str
    window: str = option("auto", "pixels of each axis that hold the object, 48 or 32x48; auto: the fewest that hold all objects")
    conditioned: bool = option(True, "tell the network the support, in a channel of its own")
    unknown: float = option(0.15, "share of the objects whose support a conditioned network is not told", ge=0, le=1)

    def __post_init__(self) -> None:
        validate(self)

    @classmethod
    def of(cls, card: Mapping[str, Any]) -> Self:
        """The options that gave a card, or an older card's architecture alone. Raises `InputError` for another kind."""
        kind = card["architecture"].get("kind")
        if kind not in cls.KINDS:
            raise InputError(
                f"--out or --init holds a network {kind}, not {' or '.join(cls.KINDS)}; take another folder, or other weights"
            )
        return cls._of(card, dict(card["architecture"]))

    @classmethod
    @abstractmethod
    def _of(cls, card: Mapping[str, Any], architecture: dict[str, Any]) -> Self:
        """`of` for a card of the right kind."""

    @abstractmethod
    def architecture(self, shape: Sequence[int], reach: Sequence[int], kinds: Sequence[str] = ()) -> dict[str, Any]:
        """The argument of `weights.build_module`, for objects (*shape) of these kinds that reach so far (px) along each axis.

        Raises `InputError` if the window has another number of axes, or does not hold the objects.
        """

    @abstractmethod
    def task_for(self, module: Any, source: Source) -> Task:
        """The task that trains such a network."""

    def task(self, source: Source, seed: int = 0) -> Task:
        """A network for a source of objects, its weights drawn from the seed, and the task that trains it."""
        import torch

        from ..weights import build_module

        torch.manual_seed(seed)
        return self.task_for(build_module(self.architecture(source.shape, source.reach, source.kinds)), source)


@dataclass(frozen=True)
class DenoiserOptions(NetworkOptions):
    """A denoiser: its preconditioning, the size of its U-Net, and what it is told.

    The paper's is kind=epsilon, base=128, widths=1,2,3,4, attention=2, embedding=512, patch=1, not conditioned.
    """

    KINDS: ClassVar[tuple[str, ...]] = ("edm", "epsilon", "told")
    kind: str = option(
        "edm",
        "edm for any noise level, told for an edm that is told the measurement, epsilon for the paper's 500 levels",
        choices=KINDS,
    )
    pattern: bool = option(False, "tell the network the pattern's amplitude, too; its window is then the whole array")
    sigma: float = option(0.1, "with pattern or told: the largest noise, as a share of the largest amplitude", ge=0)
    lost: float = option(0.06, "with told: largest share of unmeasured pixels, in islands of three a side", ge=0, lt=1)
    stop: float = option(3.0, "with told: largest radius of a beam stop (px)", ge=0)
    iterations: str = option("1,5,20", "with told: iterations after which the network sees where the data lead")
    kinds: bool = option(True, "tell the network the kind of four of five objects, if the set has several kinds")
    base: int = option(56, "channels at full resolution, even; the paper's 128", ge=2)
    widths: str = option("1,2,3", "channels over base of levels, each of half the resolution of the last; 1,2,3,4 in the paper")
    blocks: int = option(2, "residual blocks a level", ge=1)
    attention: str = option("1", "levels with self-attention, from 0, or none; the paper's 2")
    embedding: int = option(256, "width of the embedding of the noise level; the paper's 512", ge=1)
    patch: int = option(2, "pixels of a side folded into channels; the paper's 1", ge=1)
    scales: str = option("auto", "widths of the Gaussians whose means edm sees (px), or none; auto: 0.7,1,1.5,2.2,3.5")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lengths() and self.kind == "epsilon":
            raise OptionError(f"option scales={self.scales} is for kind=edm and told, not {self.kind}; leave it out")
        if self.kind == "told" and (self.pattern or not self.conditioned):
            raise OptionError(
                "kind=told is told the support and the measurement in ways of its own; leave out pattern and conditioned"
            )
        steps = numbers("iterations", self.iterations)
        if steps != sorted(set(steps)):
            raise OptionError(f"option iterations={self.iterations} must rise")
        levels = len(numbers("widths", self.widths))
        if any(level >= levels for level in numbers("attention", self.attention, above=-1)):
            raise OptionError(
                f"option attention={self.attention} names a level that widths={self.widths} does not have; from 0 on"
            )

    @classmethod
    def _of(cls, card: Mapping[str, Any], architecture: dict[str, Any]) -> Self:
        given = {name: _text(value) for name, value in architecture["network"].items()}
        given |= {name: architecture.get(name, False) for name in ("kind", "conditioned", "pattern")}
        given |= {"window": _text(architecture["window"], "x"), "kinds": bool(architecture.get("kinds"))}
        scales = architecture.get("scales", [])
        given["scales"] = "auto" if scales == SCALES else _text(scales)
        if architecture.get("conditioned") and "support_unknown" in card:
            given["unknown"] = card["support_unknown"]
        if pattern := card.get("pattern"):
            given |= {"sigma": pattern["sigma"], "unknown": pattern["unknown"]}
        if architecture["kind"] == "told":
            measured = card.get("measurement", {})
            given |= {name: measured[name] for name in ("sigma", "lost", "stop") if name in measured}
            given["iterations"] = _text(architecture["iterations"])
        return cls(**given)

    def architecture(self, shape: Sequence[int], reach: Sequence[int], kinds: Sequence[str] = ()) -> dict[str, Any]:
        """The argument of `weights.build_module`; see `NetworkOptions`."""
        widths = numbers("widths", self.widths)
        network = {"widths": widths, "attention": numbers("attention", self.attention, above=-1)}
        network |= {name: getattr(self, name) for name in ("base", "blocks", "embedding", "patch")}
        whole = _text(shape, "x") if self.pattern and self.window == "auto" else self.window
        window = window_for(whole, reach, self.patch * 2 ** (len(widths) - 1))
        if self.pattern and window != list(shape):
            raise InputError(
                f"window={self.window} with pattern=true: the network sees the pattern beside the object, so its window "
                f"is theirs, {_text(shape, 'x')}; leave window out"
            )
        more: dict[str, Any] = {"scales": self.lengths()} if self.lengths() else {}
        more |= {"iterations": numbers("iterations", self.iterations)} if self.kind == "told" else {"pattern": self.pattern}
        told = {"conditioned": self.conditioned, "kinds": list(kinds) if self.kinds else []}
        return {"kind": self.kind, "window": window, "network": network, **told, **more}

    def lengths(self) -> list[float]:
        """The numbers of `scales`. Raises `OptionError`."""
        if self.scales == "auto":
            return [] if self.kind == "epsilon" else SCALES
        return numbers("scales", self.scales, of=float, above=0)

    def task_for(self, module: Any, source: Source) -> Task:
        """A `DiffusionTask`, or a `ToldTask`."""
        from .diffusion_task import DiffusionTask
        from .told_task import ToldTask

        if self.kind == "told":
            return ToldTask(module, source, **{name: getattr(self, name) for name in ("unknown", "sigma", "lost", "stop")})
        return DiffusionTask(module, source, unknown=self.unknown, sigma=self.sigma)


@dataclass(frozen=True)
class UNetOptions(NetworkOptions):
    """A network that inverts patterns in one pass: its arithmetic and size, and how the patterns it sees are measured."""

    KINDS: ClassVar[tuple[str, ...]] = ("complex-unet", "real-unet")
    MEASURED: ClassVar[tuple[str, ...]] = ("sigma", "lost", "stop", "unknown", "supervision")
    kind: str = option("complex-unet", "its arithmetic", choices=KINDS)
    autocorrelation: bool = option(True, "show the network the pattern's autocorrelation, too; the paper shows the pattern alone")
    widths: str = option("auto", "channels of stages and bottom, each of half the resolution of the last; auto: the kind's")
    blocks: int = option(1, "residual blocks a stage", ge=1)
    patch: int = option(2, "pixels of a side folded into channels", ge=1)
    sigma: float = option(0.1, "largest noise, as a share of the largest amplitude", ge=0)
    lost: float = option(0.06, "largest share of unmeasured pixels, in islands of three a side", ge=0, lt=1)
    stop: float = option(3.0, "largest radius of a beam stop (px)", ge=0)
    supervision: float = option(1.0, "share of the loss that looks at the true object; the rest looks at its pattern", ge=0, le=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.widths != "auto":
            numbers("widths", self.widths)

    @classmethod
    def _of(cls, card: Mapping[str, Any], architecture: dict[str, Any]) -> Self:
        given = {"autocorrelation": False} | architecture | card.get("measurement", {})
        if "loss" in card:
            given["supervision"] = card["loss"]["supervision"]
        given |= {"window": _text(given["window"], "x"), "widths": _text(given["widths"] or "auto")}
        return cls(**{name: value for name, value in given.items() if name != "shape"})

    def architecture(self, shape: Sequence[int], reach: Sequence[int], kinds: Sequence[str] = ()) -> dict[str, Any]:
        """The argument of `weights.build_module`; see `NetworkOptions`."""
        widths = None if self.widths == "auto" else numbers("widths", self.widths)
        size = {"shape": list(shape), "window": window_for(self.window, reach, self.patch), "widths": widths}
        return size | {name: getattr(self, name) for name in ("kind", "conditioned", "autocorrelation", "blocks", "patch")}

    def task_for(self, module: Any, source: Source) -> Task:
        """A `UNetTask`."""
        from .unet_task import UNetTask

        return UNetTask(module, source, **{name: getattr(self, name) for name in self.MEASURED})


def window_for(asked: str, reach: Sequence[int], multiple: int) -> list[int]:
    """Pixels of each axis that hold objects of this reach from N//2, and their twins. `auto`: the fewest.

    Raises `InputError` for an asked window that does not hold them.
    """
    fewest = [-(-(2 * r + 1) // multiple) * multiple for r in reach]
    if asked == "auto":
        return fewest
    window = numbers("window", asked, between="x")
    window = window * len(reach) if len(window) == 1 else window
    if len(window) != len(reach) or any(w <= 2 * r for w, r in zip(window, reach, strict=False)):
        raise InputError(
            f"window={asked} does not hold the objects, which reach {'×'.join(map(str, reach))} px from the middle; "
            f"give {_text(fewest, 'x')} or more, or auto"
        )
    return window


def numbers(name: str, text: str, *, of: type = int, above: int = 0, between: str = ",") -> list[Any]:
    """The numbers in the text of an option; none for `none`. Raises `OptionError` unless all are above `above`."""
    try:
        found = [] if text == "none" else [of(part) for part in text.split(between)]
    except ValueError:
        found = [above]
    if not all(above < number < math.inf for number in found):
        what = "whole numbers" if of is int else "numbers"
        raise OptionError(f"option {name}={text!r} must be {what} above {above} with {between!r} between")
    return found


def _text(value: Any, between: str = ",") -> Any:
    return (between.join(map(str, value)) or "none") if isinstance(value, (list, tuple)) else value
