"""The manifest of a result: everything that replays the run, with the type of every field that is read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from annotated_types import Ge, Le, Predicate
from typing_extensions import TypedDict

from ..files import Schema
from ..problem.meta_record import Input

Count = Annotated[int, Ge(0), Le(1 << 53)]
Stops = dict[Annotated[str, Predicate(str.isdecimal)], Count | None]

FORMER_KEYS = {"combine": "averaging", "shared": "separate"}
"""Keys in the manifests of older files."""


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str))


class BudgetRecord(TypedDict, total=False):
    """What one start may spend."""

    steps: Count | None
    seconds: float | None
    ffts: Count | None
    evaluations: float | None


class Manifest(TypedDict, total=False):
    """A run with its conditions. A result that was made by hand may lack any field; `RunSpec.from_record` needs some."""

    __pydantic_config__ = {"extra": "allow"}  # type: ignore[misc]
    solver: str
    options: dict[str, Annotated[Any, Predicate(_is_plain)]]
    record: dict[str, Any]
    starts: Annotated[int, Ge(1), Le(1_000_000)]
    seed: Annotated[int, Ge(0)]
    hold_out: float
    budget: BudgetRecord
    agree: float | None
    samples: Annotated[int, Ge(0), Le(1_000_000)]
    device: str
    likelihood: dict[str, Any] | None
    averaging: str | None
    keep: int | None
    batch: int | None
    score_every: Annotated[int, Ge(1), Le(1 << 53)]
    strict: bool
    separate: bool
    input: Input
    x0: str | None
    stopped: Stops | None
    samples_stopped: Stops | None
    transform: str
    machine: str
    processor: str
    versions: dict[str, str]
    problem: dict[str, str]
    sources: dict[str, str]


def current_manifest(record: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest by its keys of today."""
    return {FORMER_KEYS.get(name, name): value for name, value in record.items()}


def _migrated(record: dict[str, Any], version: int) -> dict[str, Any]:
    return current_manifest(record)


RESULT = Schema("result", Manifest, "write it again with `retrieve run` or Result.save", migrate=_migrated)
"""The format of a result, an HDF5 file: its name, its version, and the type of its manifest."""
