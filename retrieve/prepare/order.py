"""The order of files that hold frames: a shell sorts s_10.tif before s_2.tif."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..io.registry import split_key

NUMBER = re.compile(r"\d+")
DECIMAL = re.compile(r"\d[.]\d|(?:^|[^0-9A-Za-z])-\d")  # angles in names: their order is not that of whole numbers


class Ordered(NamedTuple):
    """Files in the order of the numbers in their names.

    note: where the order was changed.  gap: the numbers that are missing, in words; empty if there are none.
    """

    files: tuple[str, ...]
    note: str = ""
    gap: str = ""


def in_natural_order(files: Sequence[str | Path]) -> Ordered:
    """Files whose names differ in numbers alone, ordered by them. Other files keep the order they were given in.

    Raises `InputError` for a file that is given twice.
    """
    given = tuple(map(str, files))
    _check_twice(given)
    names = [Path(file).name for file in given]
    stems = [Path(name).stem for name in names]
    same = {(Path(file).parent, NUMBER.sub("#", name)) for file, name in zip(given, names, strict=True)}
    if len(given) < 2 or len(same) > 1 or any(DECIMAL.search(stem) for stem in stems):
        return Ordered(given)
    numbers = [tuple(map(int, NUMBER.findall(name))) for name in names]
    order = sorted(range(len(given)), key=lambda i: numbers[i])
    files_in_order = tuple(given[i] for i in order)
    changed = files_in_order != given
    first, last = names[order[0]], names[order[-1]]
    note = f"{len(given)} files put in the order of the numbers in their names, from {first} to {last}" * changed
    return Ordered(files_in_order, note, _gap([names[i] for i in order], [numbers[i] for i in order]))


def _check_twice(files: Sequence[str]) -> None:
    seen: dict[tuple[Path, str | None], str] = {}
    for file in files:
        path, key = split_key(file)
        before = seen.setdefault((path.resolve(), key), file)
        if before is not file:
            raise InputError(f"{file} is given twice; leave one out: a frame counts once")


def _gap(names: Sequence[str], numbers: Sequence[tuple[int, ...]]) -> str:
    """The numbers that are missing where the names differ in one number, in words."""
    differ = [k for k in range(len(numbers[0])) if len({own[k] for own in numbers}) > 1]
    if len(differ) != 1:
        return ""
    values = [own[differ[0]] for own in numbers]
    steps = [b - a for a, b in zip(values, values[1:], strict=False)]
    if min(steps) == 0:
        k = steps.index(0)
        return f"{names[k]} and {names[k + 1]} have the same number; leave one out"
    if min(steps) == max(steps):
        return ""
    usual = max(set(steps), key=lambda step: (steps.count(step), -step))
    k = next(k for k, step in enumerate(steps) if step != usual)
    lost = len([step for step in steps if step != usual])
    more = f" (and {lost - 1} other places)" * (lost > 1)
    return f"between {names[k]} and {names[k + 1]} files are missing{more}; give every frame of the scan, in equal steps"
