"""The order of files that hold frames: a shell sorts s_10.tif before s_2.tif."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..files import regular_file
from ..io.registry import split_key

NUMBER = re.compile(r"\d+")


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
    numbers = [tuple(map(int, NUMBER.findall(name))) for name in given]
    differ = [k for k in range(len(numbers[0])) if len({own[k] for own in numbers if k < len(own)}) > 1] if given else []
    if len(given) < 2 or len({NUMBER.sub("#", name) for name in given}) > 1 or _is_part(given, differ):
        return Ordered(given)
    order = sorted(range(len(given)), key=lambda i: numbers[i])
    files_in_order = tuple(given[i] for i in order)
    first, last = (Path(files_in_order[k]).name for k in (0, -1))
    note = f"{len(given)} files put in the order of the numbers in their names, from {first} to {last}"
    return Ordered(files_in_order, note * (files_in_order != given), _gap(files_in_order, [numbers[i] for i in order], differ))


def _is_part(files: Sequence[str], differ: Sequence[int]) -> bool:
    """Whether a number that differs is part of a decimal or negative one, such as an angle: its order is another."""
    for name in files:
        found = list(NUMBER.finditer(name))
        for k in differ:
            first, last = found[k].span()
            if re.search(r"(\d[.]|(^|[^0-9A-Za-z])-)$", name[:first]) or re.match(r"[.]\d", name[last:]):
                return True
    return False


def _check_twice(files: Sequence[str]) -> None:
    seen: dict[tuple[Path, str | None], str] = {}
    for file in files:
        path, key = split_key(file)
        before = seen.setdefault((regular_file(path).resolve(), key), file)
        if before is not file:
            raise InputError(f"{file} is given twice; leave one out: a frame counts once")


def _gap(files: Sequence[str], numbers: Sequence[tuple[int, ...]], differ: Sequence[int]) -> str:
    """The numbers that are missing where the names differ in one number, in words."""
    names = [Path(file).name for file in files]
    names = list(files) if len(set(names)) < len(names) else names
    pairs = list(zip(names, names[1:], numbers, numbers[1:], strict=False))
    if twin := next(((one, other) for one, other, a, b in pairs if a == b), None):
        return f"{twin[0]} and {twin[1]} have the same number; leave one out"
    if len(differ) != 1:
        return ""
    steps = [b[differ[0]] - a[differ[0]] for *_, a, b in pairs]
    if min(steps) == max(steps):
        return ""
    usual = max(set(steps), key=lambda step: (steps.count(step), -step))
    lost = [k for k, step in enumerate(steps) if step != usual]
    more = f" (and {len(lost) - 1} other places)" * (len(lost) > 1)
    return (
        f"between {names[lost[0]]} and {names[lost[0] + 1]} files are missing{more}; give every frame of the scan, in equal steps"
    )
