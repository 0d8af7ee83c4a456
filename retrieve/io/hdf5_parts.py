"""HDF5 arrays that lie in other files: the data files of an Eiger master, external links, the sources of a virtual dataset."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from ..errors import InputError
from .counts import shape_text
from .records import Stored

MOST_COUNTED = 10_000
"""Sources of a virtual dataset that are looked at, where HDF5 itself counts them."""
Place = tuple[str, str]
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


def check_sources(item: h5py.Dataset) -> int | None:
    """Check the files that a dataset takes its values from: HDF5 reads zeros in place of a virtual dataset's missing ones.

    Returns
    -------
    int or None
        Bytes that these files hold of it; None for a dataset whose values are its own.

    Raises
    ------
    InputError
        If a file is missing or too short, or if a virtual dataset takes values from itself.
    """
    who = f"{item.file.filename}: {item.name!r}"
    for name, _, _ in item.external or ():
        place = os.fsdecode(name)
        if not any(path.is_file() for path in places(place, Path(item.file.filename))):
            raise InputError(f"{who} has its values in {place}, which is missing; copy it to the place it had")
    if not item.is_virtual:
        return None
    check_circle(item)
    return _check_sources(item, who, {})


def _check_sources(item: h5py.Dataset, who: str, known: dict[tuple[str, str], int]) -> int:
    """The bytes that the sources hold.  known: those of virtual sources that were checked before."""
    maps = [m for m in item.virtual_sources() if "%b" not in m.file_name + m.dset_name]  # %b: HDF5 itself counts these
    stored = 0
    for one in maps:
        if one.file_name == ".":
            if one.dset_name not in item.file:
                raise InputError(f"{who} takes values from {one.dset_name!r}, which is not in the file; write the file again")
            stored += item.file[one.dset_name].id.get_storage_size()
            continue
        place = next((p for p in places(one.file_name, Path(item.file.filename)) if p.is_file()), None)
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
                inner = (str(place), one.dset_name)
                if source.is_virtual and inner not in known:
                    known[inner] = 0
                    known[inner] = _check_sources(source, who, known)
                stored += known.get(inner) or source.id.get_storage_size()
        except (OSError, KeyError) as error:
            raise InputError(f"{who} takes values from {place}:{one.dset_name}, which cannot be read; copy it again") from error
    if len(maps) and item.ndim > 2 and None not in item.maxshape:
        _check_frames(who, item.shape[0], [m.vspace.get_select_bounds() for m in maps])
    counted = {s.file_name for s in sources_of(item)} - {m.file_name for m in maps} - {"."}
    there = (next((p for p in places(name, Path(item.file.filename)) if p.is_file()), None) for name in counted)
    return stored + sum(place.stat().st_size for place in there if place is not None)


class Source(NamedTuple):
    """The place of values of a virtual dataset.  file_name: "." for its own file."""

    file_name: str
    dset_name: str


def sources_of(item: h5py.Dataset) -> list[Source]:
    """The sources of a virtual dataset, each once; of a counted name (%b) those whose files are there."""
    found: dict[Source, None] = {}
    for one in item.virtual_sources():
        for count in range(MOST_COUNTED if "%b" in one.file_name + one.dset_name else 1):
            source = Source(*(name.replace("%b", str(count)) for name in (one.file_name, one.dset_name)))
            home = Path(item.file.filename)
            there = (
                source.dset_name in item.file if source.file_name == "." else any(p.is_file() for p in places(source[0], home))
            )
            if source in found or (count and not there):
                break
            found[source] = None
    return list(found)


def check_circle(item: h5py.Dataset, most: int = MOST_COUNTED) -> None:
    """Raise `InputError` for a virtual dataset that takes values from itself: the HDF5 library crashes on it.

    most: the sources that are looked at.
    """
    _follow(item, [], set(), most)


def _follow(item: h5py.Dataset, before: list[Place], done: set[Place], most: int) -> None:
    own = Path(item.file.filename)
    here = (str(own.resolve()), item.name)
    if here in before:
        raise InputError(f"{before[0][0]}: the virtual dataset {before[0][1]!r} takes values from itself; write the file again")
    if here in done:
        return
    done.add(here)
    for source in sources_of(item)[:most]:
        there = own if source.file_name == "." else next((p for p in places(source.file_name, own) if p.is_file()), None)
        if there is None or not h5py.is_hdf5(there) or len(done) > most:
            continue
        with h5py.File(there, "r", locking=False) as file:
            inner = file.get(source.dset_name)
            if isinstance(inner, h5py.Dataset) and inner.is_virtual:
                _follow(inner, [*before, here], done, most)


def _extent(one: Any) -> tuple[int, ...]:
    """The least shape of a source that a mapping needs."""
    if one.src_space.get_select_type() == h5py.h5s.SEL_ALL:  # whose extent the file does not keep
        first, last = one.vspace.get_select_bounds()
        return tuple(b - a + 1 for a, b in zip(first, last, strict=True))
    return tuple(b + 1 for b in one.src_space.get_select_bounds()[1])


def places(name: str, file: Path) -> Iterable[Path]:
    """Where HDF5 looks for another file, in its order. name: as the file has it, which may be an absolute path."""
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
