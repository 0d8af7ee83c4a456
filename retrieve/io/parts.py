"""The datasets of one of our own HDF5 files, each checked for presence, type, shape, size and meaning as it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..errors import InputError
from ..files import check_array, check_claim, checked, digest, parse_json
from .cxi import SMALL_SUM, SUM, sum_of_small
from .hdf5 import as_text, readable


class Parts:
    """The members of an HDF5 group by their places. Every method raises `InputError` that names file, place and remedy.

    Parameters
    ----------
    path : Path
        The file, for messages.
    group : h5py.Group
        Where places begin.
    remedy : str
        What the user does with a wrong file.
    """

    def __init__(self, path: Path, group: h5py.Group, remedy: str) -> None:
        self.path, self.group, self.remedy = path, group, remedy

    def __contains__(self, place: str) -> bool:
        return isinstance(self.group.get(place), (h5py.Dataset, h5py.Group))

    def names(self, place: str) -> list[str]:
        """The members of a group, sorted; none without the group."""
        item = self.group.get(place)
        return sorted(item) if isinstance(item, h5py.Group) else []

    def dataset(self, place: str) -> h5py.Dataset:
        """A dataset, before its values are read."""
        item = self.group.get(place)
        if not isinstance(item, h5py.Dataset) or item.shape is None:
            raise InputError(f"{self.path} lacks the values {place}; {self.remedy}")
        return item

    def array(
        self, place: str, kinds: str, shape: tuple[int | None, ...], finite: bool = True, empty: bool = False
    ) -> np.ndarray:
        """An array of a type (`numpy.dtype.kind`) and a shape; see `check_array`. empty: whether it may have no element."""
        item, what = self.dataset(place), f"{self.path}: {place}"
        shape = item.shape if empty and item.shape == (0,) and shape == (None,) else shape
        check_array(item, what, kinds, shape, self.remedy, finite=False)
        check_claim(what, item.shape, item.dtype.itemsize, item.id.get_storage_size())
        return check_array(np.asarray(readable(item)[()]), what, kinds, shape, self.remedy, finite)

    def number(self, place: str, kind: Any = float) -> Any:
        """One number or truth value, of a type with its bounds."""
        value = self.array(place, "biuf", (), finite=False).item()
        return checked(value, kind, f"{self.path}: {place}", self.remedy)

    def texts(self, place: str) -> list[str]:
        """A list of texts."""
        return [as_text(text) for text in self.array(place, "OSU", (None,)).tolist()]

    def text(self, place: str) -> str:
        """One text, which must agree with its checksum if it has one."""
        item = self.dataset(place)
        text = as_text(self.array(place, "OSU", ()).item())
        if SUM in item.attrs and as_text(item.attrs[SUM]) != digest(text):
            raise InputError(f"{self.path}: {place} differs from its checksum: it was damaged or edited; {self.remedy}")
        return text

    def check_small(self) -> None:
        """Compare numbers, columns and texts without a checksum of their own with that of the group, if it has one."""
        if SMALL_SUM in self.group.attrs and as_text(self.group.attrs[SMALL_SUM]) != sum_of_small(
            self.group, lambda item: readable(item)[()]
        ):
            what = "numbers, histories or failures differ from their checksum: they were damaged or edited"
            raise InputError(f"{self.path}: {what}; {self.remedy}")

    def record(self, place: str, kind: Any, current: Callable[[Mapping[str, Any]], Any] | None = None) -> Any:
        """JSON of a type; `current` brings the mapping of an older file up to date first."""
        what = f"{self.path}: {place}"
        value = parse_json(self.text(place), what, remedy=self.remedy)
        if current is not None and isinstance(value, dict):
            value = current(value)
        return checked(value, kind, what, self.remedy)
