"""HDF5 arrays that lie in other files: the data files of an Eiger master, external links, the sources of a virtual dataset."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..errors import InputError
from .counts import shape_text
from .records import Stored

EIGER_PART = re.compile(r"^(.*?)/?data_(\d{6})$")


def missing_target(group: h5py.Group, name: str) -> str:
    """The file that an external link leads to, with the place in it where only that is missing; empty for other links."""
    link = group.get(name, getlink=True)
    if not isinstance(link, h5py.ExternalLink):
        return ""
    there = (Path(group.file.filename).parent / link.filename).is_file()
    return f"{link.filename}:{link.path}" if there else str(link.filename)


def gone_words(path: Path, gone: Mapping[str, str], most: int = 3) -> str:
    """The links of a file that lead nowhere, in words, with the remedy."""
    shown = ", ".join(f"{name!r} is a link to {target}" for name, target in list(gone.items())[:most])
    more = f" and {len(gone) - most} more" if len(gone) > most else ""
    return f"{shown}{more}: missing or unreadable; copy the missing files beside {path}, or name another array with --key"


def stack_parts(found: dict[str, Stored], gone: Mapping[str, str], file: Path) -> dict[str, tuple[str, ...]]:
    """Join data_000001, data_000002, … of a group to one array, named after their group, in place.

    Returns the names of the parts of each stack. A stack with a hole among its parts raises `InputError` when it is read. A stack
    whose last parts are missing, as after a scan that was stopped, has a note.
    """
    stacks: dict[str, dict[int, str]] = {}
    for name in found:
        if match := EIGER_PART.match(name):
            stacks.setdefault(match.group(1), {})[int(match.group(2))] = name
    parts = {}
    for group, names in stacks.items():
        lost = {int(m.group(2)): target for name, target in gone.items() if (m := EIGER_PART.match(name)) and m.group(1) == group}
        arrays = [found.pop(names[k]) for k in sorted(names)]
        whole = f"{group}/data".lstrip("/")
        found[whole] = _joined(file, whole, dict(zip(sorted(names), arrays, strict=True)), lost)
        parts[whole] = tuple(names[k] for k in sorted(names))
    return parts


def _joined(file: Path, name: str, arrays: Mapping[int, Stored], lost: Mapping[int, str]) -> Stored:
    first, last = min((*arrays, *lost)), max(arrays)
    holes = [k for k in range(first, last) if k not in arrays]
    shapes = sorted({array.shape[1:] for array in arrays.values()})
    frames, total = sum(array.shape[0] for array in arrays.values()), len(arrays)
    shape, dtype = (frames, *arrays[last].shape[1:]), arrays[last].dtype
    fault = ""
    if holes:
        some = ", ".join(lost.get(k, f"data_{k:06d}") for k in holes[:3]) + f" and {len(holes) - 3} more" * (len(holes) > 3)
        fault = f"{some} of {name!r} is missing or unreadable, {total} data files are there; copy it beside the master file"
    elif len(shapes) > 1:
        fault = f"the data files of {name!r} hold frames of {' and '.join(map(shape_text, shapes))}; copy them again"
    if fault:
        return Stored(shape, dtype, lambda: _refuse(f"{file}: {fault}"), fault=f"{file}: {fault}")
    whole = Stored(shape, dtype, lambda: np.concatenate([array.read() for array in arrays.values()]))
    if not lost:
        return whole
    note = (
        f"{name!r}: {total} of {total + len(lost)} data files are there, with {frames} frames; missing at the end: "
        f"{', '.join(list(lost.values())[:3])}{' …' if len(lost) > 3 else ''}, taken for a scan that was stopped"
    )
    return whole._replace(note=note)


def _refuse(reason: str) -> np.ndarray:
    raise InputError(reason)


def check_sources(item: h5py.Dataset) -> None:
    """Raise `InputError` if a file with values is missing or too short: HDF5 reads zeros in place of a virtual dataset's."""
    who = f"{item.file.filename}: {item.name!r}"
    for name, _, _ in item.external or ():
        place = os.fsdecode(name)
        if not any(path.is_file() for path in _places(place, Path(item.file.filename))):
            raise InputError(f"{who} has its values in {place}, which is missing; copy it to the place it had")
    if item.is_virtual:
        _check_sources(item, who, set())


def _check_sources(item: h5py.Dataset, who: str, seen: Set[tuple[str, str]]) -> None:
    maps = [m for m in item.virtual_sources() if "%b" not in m.file_name + m.dset_name]  # %b: HDF5 itself counts these
    for one in maps:
        if one.file_name == ".":
            if one.dset_name not in item.file:
                raise InputError(f"{who} takes values from {one.dset_name!r}, which is not in the file; write the file again")
            continue
        place = next((p for p in _places(one.file_name, Path(item.file.filename)) if p.is_file()), None)
        if place is None:
            names = sorted({m.file_name for m in maps})
            raise InputError(
                f"{who} takes values from {one.file_name}, which is missing (one of {len(names)} files); copy it to the place "
                f"it had beside {item.file.filename}"
            )
        wanted = _extent(one)
        try:
            with h5py.File(place, "r") as file:
                source = file[one.dset_name]
                if any(w > n for w, n in zip(wanted[::-1], source.shape[::-1], strict=False)):  # from the last axis
                    raise InputError(
                        f"{who} takes {shape_text(wanted)} values from {place}, which holds {shape_text(source.shape)}; wait "
                        "until it is written, or copy it again"
                    )
                if source.is_virtual and (inner := (str(place), one.dset_name)) not in seen:
                    _check_sources(source, who, seen | {inner})
        except (OSError, KeyError) as error:
            raise InputError(f"{who} takes values from {place}:{one.dset_name}, which cannot be read; copy it again") from error
    if len(maps) and item.ndim > 2 and None not in item.maxshape:
        _check_frames(who, item.shape[0], [m.vspace.get_select_bounds() for m in maps])


def _extent(one: Any) -> tuple[int, ...]:
    """The least shape of a source that a mapping needs."""
    if one.src_space.get_select_type() == h5py.h5s.SEL_ALL:  # whose extent the file does not keep
        first, last = one.vspace.get_select_bounds()
        return tuple(b - a + 1 for a, b in zip(first, last, strict=True))
    return tuple(b + 1 for b in one.src_space.get_select_bounds()[1])


def _places(name: str, file: Path) -> Iterable[Path]:
    """Where HDF5 looks for a source, in its order."""
    path, folder = Path(name), file.absolute().parent
    if path.is_absolute():
        yield path
        path = Path(path.name)
    if prefix := os.environ.get("HDF5_VDS_PREFIX"):
        yield Path(prefix.replace("${ORIGIN}", str(folder))) / path
    yield folder / path
    yield path
    yield file.resolve().parent / path


def _check_frames(who: str, frames: int, bounds: Iterable[tuple[tuple[int, ...], tuple[int, ...]]]) -> None:
    """Raise `InputError` if frames along the first axis come from no source."""
    known = np.zeros(frames, bool)
    for first, last in bounds:
        known[first[0] : last[0] + 1] = True
    lost = np.flatnonzero(~known)
    if lost.size:
        raise InputError(f"{who} has {lost.size} of {frames} frames without a source (from {lost[0]} on); write the file again")
