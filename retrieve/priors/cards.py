"""The types of a card of weights and of the architecture in it, with bounds on every size. This module needs no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired

from annotated_types import Ge, Gt, Le, MaxLen, MinLen, Predicate
from typing_extensions import TypedDict

from ..errors import InputError
from ..files import Schema, checked
from ..plugins.options import unknown

Size = Annotated[int, Ge(1), Le(1 << 16)]
Blocks = Annotated[int, Ge(1), Le(1000)]
Patch = Annotated[int, Ge(1), Le(64)]
Widths = Annotated[list[Size], MinLen(1), MaxLen(16)]
Share = Annotated[float, Ge(0), Le(1)]


def _is_small(axes: list[int]) -> bool:
    return math.prod(axes) <= 1 << 28


Axes = Annotated[list[Size], MinLen(2), MaxLen(3), Predicate(_is_small)]


class UNetSize(TypedDict, total=False):
    """The size of a `UNetNetwork`."""

    __pydantic_config__ = {"extra": "forbid"}  # type: ignore[misc]
    base: Size
    widths: Widths
    blocks: Blocks
    attention: Annotated[list[int], MaxLen(16)]
    embedding: Size
    patch: Patch


class DenoiserArchitecture(TypedDict):
    """The arguments of a `Denoiser`."""

    __pydantic_config__ = {"extra": "forbid"}  # type: ignore[misc]
    kind: Literal["edm", "epsilon", "told"]
    window: Axes
    network: UNetSize
    conditioned: NotRequired[bool]
    pattern: NotRequired[bool]
    kinds: NotRequired[Annotated[list[str], MaxLen(1000)]]
    scales: NotRequired[Annotated[list[Annotated[float, Gt(0), Le(1e6)]], MaxLen(100)]]
    steps: NotRequired[Annotated[int, Ge(2), Le(1_000_000)]]
    iterations: NotRequired[Annotated[list[Annotated[int, Ge(1), Le(1000)]], MinLen(1), MaxLen(8)]]


class RetrieverArchitecture(TypedDict):
    """The arguments of a `Retriever`."""

    __pydantic_config__ = {"extra": "forbid"}  # type: ignore[misc]
    kind: Literal["complex-unet", "real-unet"]
    shape: Axes
    window: Axes
    conditioned: NotRequired[bool]
    autocorrelation: NotRequired[bool]
    widths: NotRequired[Widths | None]
    blocks: NotRequired[Blocks]
    patch: NotRequired[Patch]


ARCHITECTURES: Mapping[str, Any] = {
    "edm": DenoiserArchitecture,
    "epsilon": DenoiserArchitecture,
    "told": DenoiserArchitecture,
    "complex-unet": RetrieverArchitecture,
    "real-unet": RetrieverArchitecture,
}
"""The type of the architecture of each kind."""


class CardData(TypedDict, total=False):
    """The objects of a training."""

    __pydantic_config__ = {"extra": "allow"}  # type: ignore[misc]
    set: str
    folder: str
    seed: Annotated[int, Ge(0)]


class PatternTold(TypedDict):
    """How a denoiser was told patterns."""

    __pydantic_config__ = {"extra": "allow"}  # type: ignore[misc]
    sigma: float
    unknown: Share


class Measured(TypedDict, total=False):
    """The faults of the patterns that a network was trained on."""

    sigma: float
    lost: float
    stop: float
    unknown: Share


class Loss(TypedDict):
    """The loss of a network that inverts patterns."""

    __pydantic_config__ = {"extra": "allow"}  # type: ignore[misc]
    supervision: Share


class TrainingRecord(TypedDict, total=False):
    """How long the weights were trained."""

    __pydantic_config__ = {"extra": "allow"}  # type: ignore[misc]
    objects: int


class Card(TypedDict):
    """The description of weights. Only the architecture is needed to use them."""

    __pydantic_config__ = {"extra": "allow"}  # type: ignore[misc]
    architecture: dict[str, Any]
    data: NotRequired[CardData]
    training: NotRequired[TrainingRecord]
    support_unknown: NotRequired[Share]
    pattern: NotRequired[PatternTold]
    measurement: NotRequired[Measured]
    loss: NotRequired[Loss]


CARD = Schema("weights", Card, "make the file with `retrieve train`")


def check_architecture(architecture: Mapping[str, Any], what: str, remedy: str = CARD.remedy) -> dict[str, Any]:
    """The architecture with every size in bounds. Raises `InputError`, which names `what`, for an unknown kind or value."""
    kind = str(architecture.get("kind"))
    if kind not in ARCHITECTURES:
        raise InputError(f"{what}: {unknown('architecture', kind, ARCHITECTURES)}")
    found: dict[str, Any] = checked(dict(architecture), ARCHITECTURES[kind], f"{what}: architecture", remedy)
    return found
