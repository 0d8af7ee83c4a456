"""HDF5 and NeXus files: opening, listing of arrays, the default plot of NeXus, Eiger stacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..files import check_claim, regular_file
from ..files.limits import LARGEST_RATIO
from .dataset_selection import assemble, parse_meta
from .hdf5_parts import check_sources, gone_words, missing_target, stack_parts
from .hdf5_visit import visit
from .nexus_experiment import experiment_of_file, merged
from .records import INSTALL_DETECTORS, RawFile, Stored


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading. Raises `InputError` for a damaged or truncated file, and as `visit`."""
    visit(regular_file(path))
    try:
        file = h5py.File(path, "r", locking=False)  # a file that is still written is locked
    except OSError as error:
        cut = "is cut short" if "truncated" in str(error) else f"is not a readable HDF5 file ({str(error).splitlines()[0]})"
        raise InputError(f"{path} {cut}; copy it again from where it was written") from error
    with file:
        yield file


def read_hdf5(path: Path, key: str | None) -> RawFile:
    """Read what `key` names, else what NeXus marks as the default plot, else the only plausible array."""
    with open_hdf5(path) as file:
        if key is not None and isinstance(file.get(key), h5py.Group):
            key = _signal(file[key]) or key
        inside = contents(file)
        arrays, preferred = inside.arrays, default_signal(file)
        for name in (key, preferred):  # an array may be asked for by a link, and is listed only once
            if name is not None and isinstance(item := file.get(name), h5py.Dataset):
                arrays.setdefault(name.strip("/"), stored_dataset(item))
        if preferred not in arrays or arrays[preferred].complex:
            preferred = None
        gone = inside.check(path, key or preferred)
        raw = assemble(path, arrays, key, preferred=preferred, why="NeXus marks it as the signal to plot", detector=True)
        meta, notes = meta_of(file, raw.name, raw.data.shape, raw.meta)
        return replace(raw, meta=meta, notes=(*raw.notes, *gone, *notes))


def meta_of(file: h5py.File, name: str, shape: Sequence[int], own: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The meta of the array called `name`: its own text or that of its entry, and what fields of the file tell.

    shape: frames, rows, columns.  The notes name assumptions.
    """
    place = f"{name.strip('/').partition('/')[0]}/meta"
    texts = [item for item in (file.get("meta"), file.get(place)) if isinstance(item, h5py.Dataset)]
    meta = dict(own) or parse_meta(read_values(texts[0]) if texts else None)
    fields, notes = experiment_of_file(file, name, shape[0] if len(shape) == 3 else 1)
    return merged(meta, fields), notes


class Contents(NamedTuple):
    """The arrays of an HDF5 file.

    arrays: every array once, by its full name.  parts: the names of the datasets of each Eiger stack.
    gone: links to missing or unreadable files, with these.
    """

    arrays: dict[str, Stored]
    parts: dict[str, tuple[str, ...]]
    gone: dict[str, str]

    def check(self, path: Path, name: str | None) -> list[str]:
        """A note on links to missing files, if there are any.

        Raises `InputError` if the array called `name` is in a missing file, or without a name if no other array could be meant.
        """
        tail = "" if name is None else f"/{name.strip('/')}"
        stacks = tuple(f"{whole.removesuffix('data')}data_" for whole in self.parts)
        wanted = {n: to for n, to in self.gone.items() if f"/{n}".endswith(tail) and not n.startswith(stacks)}
        if not wanted or (name is not None and any(f"/{n}".endswith(tail) for n in self.arrays)):
            return []
        if name is None and any(stored.plausible for stored in self.arrays.values()):
            return [f"left out: {gone_words(path, wanted)}"]
        raise InputError(f"{path}: {gone_words(path, wanted)}")


def arrays_of(file: h5py.Group) -> dict[str, Stored]:
    """Every array of the file once, by its full name; see `contents`."""
    return contents(file).arrays


def contents(file: h5py.Group) -> Contents:
    """The arrays of the file; soft and external links are followed.

    An Eiger master file's data_000001, data_000002, … become one stack named after their group.
    """
    found: dict[str, Stored] = {}
    gone: dict[str, str] = {}
    _walk(file, "", set(), found, gone)
    parts = stack_parts(found, gone, Path(file.file.filename))
    return Contents(found, parts, gone)


def _walk(group: h5py.Group, prefix: str, seen: set[Any], found: dict[str, Stored], gone: dict[str, str]) -> None:
    # real members first, so that an array keeps its own name when a link elsewhere leads to it too
    for name in sorted(group, key=lambda n: (not isinstance(group.get(n, getlink=True), h5py.HardLink), n)):
        try:
            item = group[name]
        except (KeyError, OSError):  # a link whose target is gone
            if target := missing_target(group, name):
                gone[prefix + name] = target
            continue
        identity = h5py.h5o.get_info(item.id)
        if (identity.fileno, identity.addr) in seen:
            continue
        seen.add((identity.fileno, identity.addr))
        if isinstance(item, h5py.Group):
            _walk(item, f"{prefix}{name}/", seen, found, gone)
        elif isinstance(item, h5py.Dataset) and item.shape is not None:
            found[prefix + name] = stored_dataset(item)


def stored_dataset(item: h5py.Dataset) -> Stored:
    """A dataset whose values are read later."""
    return Stored(item.shape, item.dtype, lambda: read_values(item))


def read_values(item: h5py.Dataset) -> NDArray[Any]:
    """A dataset's values; loads hdf5plugin when a compression filter needs it. Raises `InputError` as `readable`."""
    if item.shape is None:
        raise InputError(f"{item.file.filename}: {item.name!r} holds no values; name another array with --key")
    return np.asarray(readable(item)[()])


def readable(item: h5py.Dataset, ratio: float = LARGEST_RATIO) -> h5py.Dataset:
    """The dataset, after a check of its memory, and after loading hdf5plugin if its compression needs it.

    Raises `InputError` if nothing can decompress it, if a source of a virtual dataset is missing, or if it is too large.  ratio:
    see `check_claim`.
    """
    stored = check_sources(item)
    if stored is None:
        own = item.nbytes if item.external else item.id.get_storage_size()
        stored = own if item.external else min(own, Path(item.file.filename).stat().st_size)
    check_claim(f"{item.file.filename}: {item.name!r}", item.shape, item.dtype.itemsize, stored, ratio)
    if unavailable := _missing_filters(item):
        place = f"{item.file.filename}: {item.name!r}"
        try:
            import hdf5plugin  # noqa: F401  (importing it registers the filters)
        except ImportError:
            raise InputError(f"{place} is compressed with {unavailable}; {INSTALL_DETECTORS}") from None
        if _missing_filters(item):
            raise InputError(
                f"{place} is compressed with {unavailable}, which hdf5plugin does not know; write it again with gzip "
                "(h5repack -f GZIP=4)"
            )
    return item


def _missing_filters(item: h5py.Dataset) -> str:
    plist = item.id.get_create_plist()
    filters = [plist.get_filter(i) for i in range(plist.get_nfilters())]
    return ", ".join(f"filter {f[0]} {f[3].decode(errors='replace')}".strip() for f in filters if not h5py.h5z.filter_avail(f[0]))


def default_signal(file: h5py.Group) -> str | None:
    """The full name of the dataset that NeXus' `default` and `signal` attributes lead to, or None."""
    group: Any = file
    for _ in range(8):  # root, entry, data; more is a loop of defaults
        if (name := _signal(group)) is not None:
            return name
        target = group.get(as_text(group.attrs.get("default", ""))) if "default" in group.attrs else _only_child(group)
        if not isinstance(target, h5py.Group):
            return None
        group = target
    return None


def _signal(group: h5py.Group) -> str | None:
    """The plotted dataset of an NXdata group, also in the old way of an attribute signal=1 on the dataset."""
    named = group.get(as_text(group.attrs["signal"])) if "signal" in group.attrs else None
    if isinstance(named, h5py.Dataset):
        return named.name.strip("/")
    if as_text(group.attrs.get("NX_class", "")) == "NXdata":
        for name in group:
            item = group.get(name)
            if isinstance(item, h5py.Dataset) and as_text(item.attrs.get("signal", "")) == "1":
                return item.name.strip("/")
    return None


def _only_child(group: h5py.Group) -> h5py.Group | None:
    """The one entry of a file, or the one NXdata of an entry, when no `default` attribute says more."""
    wanted = "NXdata" if as_text(group.attrs.get("NX_class", "")) == "NXentry" else "NXentry"
    groups = [item for item in (group.get(n) for n in group) if isinstance(item, h5py.Group)]
    fitting = [g for g in groups if as_text(g.attrs.get("NX_class", "")) == wanted]
    return fitting[0] if len(fitting) == 1 else None


def as_text(value: Any) -> str:
    """An HDF5 string attribute or scalar as str."""
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size else ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
