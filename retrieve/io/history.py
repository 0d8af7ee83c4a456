"""R and R_free by step, and the stages of each start, in the file of a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge

from ..errors import InputError
from .cxi import add_group

if TYPE_CHECKING:
    import h5py

    from .parts import Parts

Stages = tuple[tuple[Annotated[int, Ge(0)], str], ...]
"""Of one start the steps at which stages begin, counted from 1, each with the stage's name."""

FORMER_COLUMNS = {"chi2": "r", "free": "r_free"}
"""The names of columns in files of the first version, with those of today."""


def number_of(value: float | None) -> float:
    """A number for a file, NaN for None."""
    return float("nan") if value is None else float(value)


def write_history(starts: h5py.Group, history: Sequence[Mapping[str, list[float]]]) -> None:
    """Write the columns of each start, a group a start."""
    group = add_group(starts, "history", "NXcollection")
    for i, columns in enumerate(history):
        one = add_group(group, f"{i:05d}", "NXcollection")
        for name, values in columns.items():
            one[name] = np.array([number_of(v) for v in values])


def read_history(parts: Parts) -> tuple[dict[str, list[float]], ...]:
    """Read the columns of each start. Raises `InputError` for columns of unequal length, and without step or r."""
    return tuple(_columns(parts, f"starts/history/{name}") for name in parts.names("starts/history"))


def read_stages(parts: Parts) -> tuple[Stages, ...]:
    """Read the stages of each start; none of a file that is older."""
    stages: tuple[Stages, ...] = parts.record("stages", tuple[Stages, ...]) if "stages" in parts else ()
    return stages


def _columns(parts: Parts, place: str) -> dict[str, list[float]]:
    columns: dict[str, list[float]] = {}
    length: int | None = None
    for name in parts.names(place):
        now = FORMER_COLUMNS.get(name, name)
        columns[now] = parts.array(f"{place}/{name}", "fiu", (length,), finite=False, empty=True).tolist()
        length = len(columns[now])
    if columns and not {"step", "r"} <= set(columns):
        raise InputError(f"{parts.path} lacks step or r in {place}; {parts.remedy}")
    return columns
