"""What a training is asked for: how long and how fast, and the size of a denoiser. Needs no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import InputError, OptionError
from ...plugins.options import option, validate


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
    workers: int | None = option(None, "processes that make the objects; none: the cores of a card's host, on a CPU 0", ge=0)
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


SCALES = [0.7, 1.0, 1.5, 2.2, 3.5]
"""Widths (px) of the Gaussians whose means an EDM denoiser is shown unless others are asked for."""


@dataclass(frozen=True)
class DenoiserOptions:
    """A denoiser: its preconditioning, the size of its U-Net, and what it is told.

    The paper's is kind=epsilon, base=128, widths=1,2,3,4, attention=2, embedding=512, patch=1, not conditioned.
    """

    kind: str = option("edm", "preconditioning: edm for any noise level, epsilon for the paper's 500", choices=("edm", "epsilon"))
    window: str = option("auto", "pixels of each axis that the network sees, 48 or 32x48; auto: the least that hold the objects")
    conditioned: bool = option(True, "tell the network the support, in a channel of its own")
    unknown: float = option(0.15, "share of the objects whose support a conditioned network is not told", ge=0, le=1)
    pattern: bool = option(
        False,
        "tell the network the pattern's amplitude, too, in two equal channels as the paper's in 3D; its window is then whole",
    )
    sigma: float = option(0.1, "with pattern: its largest noise, of the amplitude as a share of its maximum", ge=0)
    kinds: bool = option(True, "tell the network of which kind four of five objects are, where the set has several kinds")
    base: int = option(56, "channels at full resolution, even; the paper's 128", ge=2)
    widths: str = option("1,2,3", "channels over base of levels, each of half the resolution of the last; 1,2,3,4 in the paper")
    blocks: int = option(2, "residual blocks a level", ge=1)
    attention: str = option("1", "levels with self-attention, from 0, or none; the paper's 2")
    embedding: int = option(256, "width of the embedding of the noise level; the paper's 512", ge=1)
    patch: int = option(2, "pixels of a side folded into channels; the paper's 1", ge=1)
    scales: str = option("auto", "widths of the Gaussians whose means edm is shown (px), or none; auto: 0.7,1,1.5,2.2,3.5")

    def __post_init__(self) -> None:
        validate(self)
        if self.lengths() and self.kind != "edm":
            raise OptionError(f"option scales={self.scales} is for kind=edm, not {self.kind}; leave it out")
        levels = len(numbers("widths", self.widths))
        if any(level >= levels for level in numbers("attention", self.attention, least=0)):
            raise OptionError(
                f"option attention={self.attention} names a level that widths={self.widths} does not have; from 0 on"
            )

    @classmethod
    def of(cls, card: Mapping[str, Any]) -> DenoiserOptions:
        """The options that gave a card, or of an older one its architecture alone. Raises `InputError` for another kind."""
        architecture = _of_kind(card["architecture"], ("edm", "epsilon"))
        told = {name: _text(value) for name, value in architecture["network"].items()}
        scales = architecture.get("scales", [])
        told["scales"] = "auto" if scales == SCALES else _text(scales)
        more = {"unknown": card["support_unknown"]} if architecture["conditioned"] and "support_unknown" in card else {}
        window = "x".join(map(str, architecture["window"]))
        if pattern := card.get("pattern"):
            more |= {"sigma": pattern["sigma"], "unknown": pattern["unknown"]}
        told |= {name: architecture.get(name, False) for name in ("kind", "conditioned", "pattern")}
        return cls(kinds=bool(architecture.get("kinds")), window=window, **told, **more)

    def architecture(self, shape: Sequence[int], reach: Sequence[int], kinds: Sequence[str] = ()) -> dict[str, Any]:
        """What `weights.build` takes, for objects (*shape) of these kinds that reach so many px from the middle along each axis.

        Raises `InputError` for a window of another number of axes, or one that does not hold them.
        """
        widths = numbers("widths", self.widths)
        network = {
            "base": self.base,
            "widths": widths,
            "blocks": self.blocks,
            "attention": numbers("attention", self.attention, least=0),
            "embedding": self.embedding,
            "patch": self.patch,
        }
        whole = "x".join(map(str, shape)) if self.pattern and self.window == "auto" else self.window
        window = window_for(whole, reach, self.patch * 2 ** (len(widths) - 1))
        if self.pattern and window != list(shape):
            raise InputError(
                f"window={self.window} with pattern=true: the network sees the pattern beside the object, so its window "
                f"is theirs, {'x'.join(map(str, shape))}; leave window out"
            )
        more: dict[str, Any] = {"pattern": True} if self.pattern else {}
        more |= {"scales": self.lengths()} if self.lengths() else {}
        more |= {"kinds": list(kinds)} if kinds and self.kinds else {}
        return {"kind": self.kind, "window": window, "conditioned": self.conditioned, "network": network, **more}

    def lengths(self) -> list[float]:
        """The numbers of `scales`. Raises `OptionError`."""
        if self.scales == "auto":
            return SCALES if self.kind == "edm" else []
        try:
            found = [] if self.scales == "none" else [float(part) for part in self.scales.split(",")]
        except ValueError:
            found = [0.0]
        if not all(0 < each < float("inf") for each in found):
            raise OptionError(f"option scales={self.scales!r} must be lengths above 0 with ',' between, auto or none")
        return found

    def task(self) -> dict[str, Any]:
        """What `DiffusionTask` takes."""
        return {"unknown": self.unknown, "sigma": self.sigma}


@dataclass(frozen=True)
class UNetOptions:
    """A network that inverts patterns in one pass: its arithmetic and size, and how the patterns it sees are measured."""

    kind: str = option("complex-unet", "its arithmetic", choices=("complex-unet", "real-unet"))
    window: str = option("auto", "pixels of each axis that hold the object, 48 or 32x48; auto: the least that hold the objects")
    conditioned: bool = option(True, "tell the network the support, in a channel of its own")
    unknown: float = option(0.15, "share of the objects whose support a conditioned network is not told", ge=0, le=1)
    autocorrelation: bool = option(True, "show the network the pattern's autocorrelation, too; the paper shows the pattern alone")
    widths: str = option(
        "auto", "channels of three stages and the bottom, each of half the resolution of the last; auto: the kind's"
    )
    blocks: int = option(1, "residual blocks a stage", ge=1)
    patch: int = option(2, "pixels of a side folded into channels", ge=1)
    sigma: float = option(0.1, "largest noise, of the amplitude as a share of its maximum", ge=0)
    lost: float = option(0.06, "largest share of unmeasured pixels, in islands of three a side", ge=0, lt=1)
    stop: float = option(3.0, "largest radius of a beam stop (px)", ge=0)
    supervision: float = option(1.0, "share of the loss that looks at the true object; the rest looks at its pattern", ge=0, le=1)

    def __post_init__(self) -> None:
        validate(self)
        if self.widths != "auto":
            numbers("widths", self.widths)

    @classmethod
    def of(cls, card: Mapping[str, Any]) -> UNetOptions:
        """The options that gave a card. Raises `InputError` for one of another kind of network."""
        told = dict(_of_kind(card["architecture"], ("complex-unet", "real-unet")))
        told.pop("shape")
        told.setdefault("autocorrelation", False)
        window, widths = "x".join(map(str, told.pop("window"))), _text(told.pop("widths") or "auto")
        more = {**card.get("measurement", {}), **({"supervision": card["loss"]["supervision"]} if "loss" in card else {})}
        return cls(window=window, widths=widths, **told, **more)

    def architecture(self, shape: Sequence[int], reach: Sequence[int], kinds: Sequence[str] = ()) -> dict[str, Any]:
        """What `weights.build` takes; see `DenoiserOptions`."""
        return {
            "kind": self.kind,
            "shape": list(shape),
            "window": window_for(self.window, reach, self.patch),
            "conditioned": self.conditioned,
            "autocorrelation": self.autocorrelation,
            "widths": None if self.widths == "auto" else numbers("widths", self.widths),
            "blocks": self.blocks,
            "patch": self.patch,
        }

    def task(self) -> dict[str, Any]:
        """What `UNetTask` takes."""
        names = ("sigma", "lost", "stop", "unknown", "supervision")
        return {name: getattr(self, name) for name in names}


def window_for(asked: str, reach: Sequence[int], multiple: int) -> list[int]:
    """Pixels of each axis: N//2 and on either side as many as the objects reach, so that it holds their twins, too.

    Raises `InputError` for an asked one that does not hold them.
    """
    least = [-(-(2 * r + 1) // multiple) * multiple for r in reach]
    if asked == "auto":
        return least
    window = numbers("window", asked, "x")
    window = window * len(reach) if len(window) == 1 else window
    if len(window) != len(reach) or any(w <= 2 * r for w, r in zip(window, reach, strict=False)):
        raise InputError(
            f"window={asked} does not hold the objects, which reach {'×'.join(map(str, reach))} px from the middle; "
            f"give {'x'.join(map(str, least))} or more, or auto"
        )
    return window


def numbers(name: str, text: str, between: str = ",", least: int = 1) -> list[int]:
    """The whole numbers in the text of an option; `none` is none. Raises `OptionError`."""
    parts = [] if text == "none" and least == 0 else text.split(between)
    if not all(part.strip().isdigit() and int(part) >= least for part in parts):
        raise OptionError(f"option {name}={text!r} must be whole numbers from {least} on with {between!r} between")
    return [int(part) for part in parts]


def _text(value: Any) -> Any:
    return (",".join(map(str, value)) or "none") if isinstance(value, (list, tuple)) else value


def _of_kind(architecture: Mapping[str, Any], kinds: Sequence[str]) -> Mapping[str, Any]:
    if architecture.get("kind") not in kinds:
        raise InputError(
            f"what is to be gone on with, in --out or by --init, is a network {architecture.get('kind')}, "
            f"not {' or '.join(kinds)}; take another folder, or other weights"
        )
    return architecture
