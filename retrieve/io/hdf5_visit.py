"""The first look at an HDF5 file, in a child process: damaged structure, links that leave the file's folder, circles.

The HDF5 library can loop or crash on a damaged file. A child process visits every object first; in a small file it also
unpacks every chunk that a foreign filter packed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from ..errors import InputError
from ..files import allowed
from ..files.children import within_time
from .hdf5_parts import check_circle, places, sources_of

SMALL = 8_000_000
"""Bytes of a file whose attributes are read and chunks unpacked on a visit."""
SAFE_FILTERS = {1, 2, 3}
"""gzip, shuffle and fletcher32, which come with HDF5: damaged chunks are an error there. All others are foreign code."""
MOST_FILES = 64
"""Files that a visit opens, when a file links to others."""
SECONDS = 2.0
SECONDS_A_BYTE = 1e-9
"""Processor time of a visit: a limit for each file, and more for a large one. A visit takes milliseconds."""

_visited: dict[tuple[Path, tuple[Any, ...]], InputError | None] = {}


def visit(*paths: Path) -> None:
    """Look at files once, and again when they have changed.

    Raises
    ------
    InputError
        For a file whose structure is damaged; one with virtual datasets in a circle; and, without `Limits.follow_links`, one
        with values in files that are no HDF5 files, or with a link to an existing file outside its folder.
    """
    states = {path: state for path in paths if (state := _state(path)) is not None}
    known = {path: _visited[place] for path in states if (place := (path.absolute(), states[path])) in _visited}
    for error in filter(None, known.values()):
        raise error
    new = {path: state for path, state in states.items() if path not in known}
    if not new:
        return
    seconds = SECONDS + SECONDS_A_BYTE * sum(state[2] for state in new.values())
    try:
        needs_plugin = within_time(seconds, str(next(iter(new))), "HDF5", _look, tuple(new))
    except InputError as error:
        if len(new) == 1:
            _visited.update({(path.absolute(), state): error for path, state in new.items()})
            raise
        for path in new:  # each alone, so that the message names the right one
            visit(path)
        return
    if needs_plugin:
        import hdf5plugin  # noqa: F401  (children then have it)
    _visited.update({(path.absolute(), state): None for path, state in new.items()})


def _state(path: Path) -> tuple[Any, ...] | None:
    """What tells that a file has changed; None for one that is not there, of which its opening tells."""
    try:
        seen = os.stat(path)
    except OSError:
        return None
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, allowed().follow_links


def _look(paths: tuple[Path, ...]) -> bool:
    """Visit files and those that they link to. Return whether a compression needed hdf5plugin."""
    needs_plugin = False
    for path in paths:
        visitor = _Visitor(path)
        while visitor.files and len(visitor.opened) < MOST_FILES:
            visitor.look_at(visitor.files.pop(0))
        needs_plugin |= visitor.needs_plugin
    return needs_plugin


class _Visitor:
    """What is left to visit, and where links may lead: below the folder of the file that the user named."""

    def __init__(self, path: Path) -> None:
        self.path, self.files, self.opened = path, [path], set[Path]()
        prefixes = [os.environ.get(name, "") for name in ("HDF5_VDS_PREFIX", "HDF5_EXT_PREFIX")]
        own = [path.absolute().parent, path.resolve().parent]
        given = [Path(prefix.replace("${ORIGIN}", str(own[0]))) for prefix in prefixes if prefix]
        self.folders = [folder.resolve() for folder in (*own, *given)]
        self.needs_plugin = False

    def look_at(self, path: Path) -> None:
        real = path.resolve()
        if real in self.opened:
            return
        self.opened.add(real)
        try:
            file = h5py.File(path, "r", locking=False)
        except OSError:  # of the named file, opening tells; of others, the use of the link
            return
        with file:
            small = real.stat().st_size <= SMALL
            for item in self._objects(file):
                if isinstance(item, h5py.Dataset):
                    self._dataset(item, small)
                if small:
                    self._attributes(item)

    def _objects(self, file: h5py.File) -> Iterator[Any]:
        """Every group and dataset once; files behind external links are put down for later."""
        groups, seen = [file["/"]], {_identity(file["/"])}
        yield groups[0]
        while groups:
            group = groups.pop()
            for name in group:
                try:
                    link = group.get(name, getlink=True)
                    if isinstance(link, h5py.ExternalLink):
                        self._other(link.filename, Path(file.filename), f"{group.name.rstrip('/')}/{name}")
                        continue
                    item = group[name]
                    identity = _identity(item)
                except InputError:
                    raise
                except Exception:  # a link that leads nowhere, or a damaged object: its use tells
                    continue
                if identity in seen:
                    continue
                seen.add(identity)
                if isinstance(item, h5py.Group):
                    groups.append(item)
                yield item

    def _other(self, name: str, home: Path, place: str) -> None:
        """Put a file down for a visit. Raises `InputError` if it lies outside of the folder."""
        there = next((p for p in places(name, home) if p.is_file()), None)
        if there is None:
            return
        if not allowed().follow_links and not any(there.resolve().is_relative_to(folder) for folder in self.folders):
            raise InputError(
                f"{self.path}: {place!r} is a link to {there}, outside the folder of the file; move it there, or give "
                "--follow-links if you trust the file"
            )
        self.files.append(there)

    def _dataset(self, item: h5py.Dataset, small: bool) -> None:
        if item.external and not allowed().follow_links:
            raise InputError(
                f"{self.path}: {item.name!r} has its values in {os.fsdecode(item.external[0][0])}, which may be any file; give "
                "--follow-links if you trust the file"
            )
        if item.is_virtual:
            check_circle(item, MOST_FILES)
            for source in sources_of(item):
                if source.file_name != ".":
                    self._other(source.file_name, Path(item.file.filename), item.name)
        elif item.chunks is not None:
            self._chunks(item, small)

    def _chunks(self, item: h5py.Dataset, unpack: bool) -> None:
        """Look for the place of each chunk. unpack: read those that a foreign filter unpacks."""
        plist = item.id.get_create_plist()
        filters = {plist.get_filter(i)[0] for i in range(plist.get_nfilters())}
        try:
            count = item.id.get_num_chunks()
        except Exception:  # its use tells
            return
        if not filters - SAFE_FILTERS or not unpack:
            return
        if not all(map(h5py.h5z.filter_avail, filters)):
            self.needs_plugin = True
            try:
                import hdf5plugin  # noqa: F401
            except ImportError:
                self.needs_plugin = False
                return
        try:
            for i in range(count):
                start = item.id.get_chunk_info(i).chunk_offset
                item[tuple(slice(a, a + n) for a, n in zip(start, item.chunks, strict=True))]
        except Exception:  # its use tells
            return

    def _attributes(self, item: Any) -> None:
        try:
            for name in item.attrs:
                item.attrs.get(name)
        except Exception:
            return


def _identity(item: Any) -> tuple[int, Any]:
    about = h5py.h5o.get_info(item.id)
    return about.fileno, about.addr
