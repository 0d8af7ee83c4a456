"""HDF5 files of beamlines: open files that are still written, find datasets by patterns, read numbers with their units."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from retrieve.errors import InputError
from retrieve.geometry.experiment import HC_KEV_NM
from retrieve.io.hdf5 import as_text, open_hdf5
from retrieve.io.hdf5_parts import missing_target
from retrieve.io.nexus_experiment import MOST_NUMBERS

Floats = NDArray[np.float64]

QUANTITY = re.compile(r"(.*?)\s*\[(.*)\]")
KEV = {"kev": 1.0, "ev": 1e-3, "j": 1 / 1.602176634e-16}
METRES = {
    "m": 1.0,
    "cm": 1e-2,
    "mm": 1e-3,
    "um": 1e-6,
    "µm": 1e-6,
    "micron": 1e-6,
    "nm": 1e-9,
    "a": 1e-10,
    "angstrom": 1e-10,
    "å": 1e-10,
}
"""Units of energy in keV, and of length in m, in lower case."""


class Found(NamedTuple):
    """A dataset.  name: its path below the group that was searched.  parts: what the path's {name} stands for."""

    name: str
    item: h5py.Dataset
    parts: Mapping[str, str]


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file without a lock, as one that is still written needs it. Raises `InputError` if it is none."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; name the HDF5 file in it")
    if not path.is_file():
        raise InputError(f"there is no file {path}; check the name and the folder")
    with open_hdf5(path) as file:
        yield file


def matches(group: h5py.Group, pattern: str, gone: dict[str, str] | None = None) -> Iterator[Found]:
    """Every dataset that fits a path below a group.

    In the path, * stands for any text and {name} for a whole member, which is told. Upper and lower case are equal.

    gone: gets links to missing files on the way, with these files.
    """
    yield from _matches(group, pattern.strip("/").split("/"), "", {}, {} if gone is None else gone)


def _matches(group: h5py.Group, parts: list[str], before: str, told: Mapping[str, str], gone: dict[str, str]) -> Iterator[Found]:
    head, rest = parts[0], parts[1:]
    placeholder = head[1:-1] if head.startswith("{") else ""
    for name in sorted(group):
        if not fnmatchcase(name.lower(), "*" if placeholder else head.lower()):
            continue
        path = f"{before}{name}"
        try:
            item = group[name]
        except (KeyError, OSError):
            gone[path] = missing_target(group, name) or "a place in the file that is not there"
            continue
        known = {**told, placeholder: name} if placeholder else told
        if not rest and isinstance(item, h5py.Dataset):
            yield Found(path, item, known)
        elif rest and isinstance(item, h5py.Group):
            yield from _matches(item, rest, f"{path}/", known, gone)


def first(group: h5py.Group, patterns: tuple[str, ...]) -> Found | None:
    """The first dataset with a value that fits one of the paths, in their order; None if there is none."""
    for pattern in patterns:
        for found in matches(group, pattern):
            if found.item.shape is not None and 0 not in found.item.shape:
                return found
    return None


def values(item: h5py.Dataset) -> Floats:
    """The finite numbers of a dataset (n,); empty if it holds none."""
    if item.shape is None or item.size > MOST_NUMBERS or item.dtype.kind not in "biuf":
        return np.empty(0)
    found = np.atleast_1d(np.asarray(item[()], dtype=float)).ravel()
    return found[np.isfinite(found)]


def text(item: h5py.Dataset | None) -> str:
    """The text of a dataset; empty if there is none."""
    if item is None:
        return ""
    value = item[()]
    return as_text(value[0] if isinstance(value, np.ndarray) and value.size else value).strip()


def quantity(group: h5py.Group, patterns: tuple[str, ...], kind: Mapping[str, float]) -> float | None:
    """A number in keV or m; None if no path leads to one.

    patterns: paths with a unit, such as "positioners/mononrj [keV]". The dataset's own `units`, if known, count more.
    kind: `KEV` or `METRES`. An energy may be stored as a wavelength.
    """
    for pattern in patterns:
        match = QUANTITY.fullmatch(pattern)
        path, unit = (match[1], match[2]) if match else (pattern, "")
        found = first(group, (path,))
        numbers = values(found.item) if found else np.empty(0)
        if found is None or not numbers.size or numbers[0] == 0:
            continue
        own = as_text(found.item.attrs.get("units", "")).strip().lower()
        unit = own if own in (*KEV, *METRES) else unit.lower()
        if kind is KEV and unit in METRES:
            return HC_KEV_NM / (float(numbers[0]) * METRES[unit] * 1e9)
        if unit in kind:
            return float(numbers[0]) * kind[unit]
    return None


def attribute(item: h5py.Dataset, name: str) -> str:
    """An attribute as text, empty if there is none."""
    value: Any = item.attrs.get(name, "")
    return as_text(value)
