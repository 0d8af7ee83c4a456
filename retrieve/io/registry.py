"""The known formats, and the choice of a reader for a file: by content first, then by suffix."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..errors import InputError, PluginError
from ..files import parsing, regular_file
from ..plugins.guard import Call, aside, in_words
from ..plugins.loading import OWN, limit, loaded
from ..plugins.registry import available, registered
from .records import RawFile, Reader

HDF5 = b"\x89HDF\r\n\x1a\n"
PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\x00": "lzma"}
"""The first bytes of a compressed file, and the module that unpacks it."""
TIFF_HEADS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


def _hdf5(head: bytes, path: Path) -> bool:
    return head.startswith(HDF5) or head[512:520] == HDF5


def _matlab73(head: bytes, path: Path) -> bool:
    return _hdf5(head, path) and (head.startswith(b"MATLAB 7.3") or path.suffix.lower() == ".mat")


def _cxi(head: bytes, path: Path) -> bool:
    if not _hdf5(head, path):
        return False
    if path.suffix.lower() == ".cxi":
        return True
    from .hdf5 import open_hdf5

    try:
        with open_hdf5(path) as file:
            return "cxi_version" in file
    except InputError:  # the reader of HDF5 tells of it
        return False


def _edf(head: bytes, path: Path) -> bool:
    return head.lstrip().startswith(b"{") and (b"HeaderID" in head or b"ByteOrder" in head or b"EDF_" in head)


NPZ = Reader("npz", (".npz",), "retrieve.io.numpy_files:read_npz", lambda head, _: head.startswith(b"PK\x03\x04"))
NPY = Reader("npy", (".npy",), "retrieve.io.numpy_files:read_npy", lambda head, _: head.startswith(b"\x93NUMPY"))
MATLAB73 = Reader("MATLAB 7.3", (), "retrieve.io.matlab:read_mat73", _matlab73)
CXI = Reader("CXI", (".cxi",), "retrieve.io.cxi_reader:read_cxi", _cxi)
NEXUS = Reader("HDF5/NeXus", (".h5", ".hdf5", ".nxs", ".hdf"), "retrieve.io.hdf5:read_hdf5", _hdf5)
TIFF = Reader("TIFF", (".tif", ".tiff"), "retrieve.io.images:read_tiff", lambda head, _: head.startswith(TIFF_HEADS))
MATLAB5 = Reader("MATLAB 5", (".mat",), "retrieve.io.matlab:read_mat5", lambda head, _: head.startswith(b"MATLAB 5.0"))
CBF = Reader("CBF", (".cbf",), "retrieve.io.images:read_frames", lambda head, _: head.startswith(b"###CBF"))
EDF = Reader("EDF", (".edf",), "retrieve.io.images:read_frames", _edf)
COMPRESSED = Reader(
    "compressed", (".gz", ".bz2", ".xz"), "retrieve.io.compressed:read_compressed", lambda head, _: head.startswith(tuple(PACKED))
)


@dataclass(frozen=True)
class PluginReader(Reader):
    """A reader of a plugin: guarded, and named in a note of each file that it reads.

    Parameters
    ----------
    plugin
        Its plugin.
    key
        The name by which the plugin registered it.
    """

    plugin: str = ""
    key: str = ""

    @classmethod
    def of(cls, reader: Reader, plugin: str, key: str) -> PluginReader:
        """The reader of a plugin. Raises `PluginError` if its name or its suffixes are none."""
        if not isinstance(reader.name, str) or not reader.name.strip():
            raise PluginError(f"reader {key!r} has no name; give Reader(name=…) one")
        if not isinstance(reader.suffixes, tuple) or not all(isinstance(suffix, str) for suffix in reader.suffixes):
            raise PluginError(f"reader {key!r} has suffixes that are no tuple of text; write them as ('.abc',)")
        return cls(reader.name, reader.suffixes, reader.read, reader.sniff, reader.sample, plugin, key)

    def recognises(self, head: bytes, path: Path) -> bool:
        """Ask `sniff`. A reader that does not answer in time is asked no more."""
        call = Call(lambda: bool(self.sniff(head, path)))
        if call.wait(limit()):
            return bool(call.result())
        call.stop()
        loaded().items[self.plugin, "register_readers"].pop(self.key, None)
        loaded().reject(self.plugin, f"reader {self.name!r} does not answer within {limit():g} s if {path} is its own")
        return False

    def read(self, path: Path, key: str | None = None) -> RawFile:
        """Read, and note the reader. Raises `InputError` if the plugin exits, or returns anything but a `RawFile`."""
        who = f"reader {self.name!r} of plugin {self.plugin}"
        try:
            with aside():
                raw = super().read(path, key)
        except SystemExit as error:
            raise InputError(f"{who} tried to end the program ({error}); uninstall the plugin, or report it") from error
        if not isinstance(raw, RawFile):
            raise InputError(f"{who} returned a {type(raw).__name__}, no RawFile; uninstall the plugin, or report it")
        return replace(raw, notes=(f"read as {self.name} by plugin {self.plugin}", *raw.notes))


def builtin_readers() -> tuple[Reader, ...]:
    """The formats that come with `retrieve`, in the order in which they are tried."""
    return NPZ, NPY, MATLAB73, CXI, NEXUS, TIFF, MATLAB5, CBF, EDF, COMPRESSED


def readers(extra: Iterable[Reader] = ()) -> dict[str, Reader]:
    """All readers by name, in the order in which they are tried: `extra`, those of plugins, the built-in ones.

    A plugin's reader whose name is taken is left out with a warning. Raises `PluginError` if `extra` takes a name.
    """
    extra, builtin = tuple(extra), builtin_readers()
    names = [reader.name for reader in (*extra, *builtin)]
    for name in names:
        if names.count(name) > 1:
            raise PluginError(f"two readers are named {name!r}; rename one")
    origin = registered("readers")
    added: dict[str, Reader] = {}
    for key, reader in available("readers").items():
        plugin = origin[key][1]
        if plugin == OWN:
            continue
        try:
            reader = PluginReader.of(reader, plugin, key)
        except PluginError as error:
            loaded().reject(plugin, str(error))
            continue
        if reader.name in (*names, *added):
            loaded().reject(plugin, f"reader {reader.name!r} has the name of another one; rename it")
        else:
            added[reader.name] = reader
    return {reader.name: reader for reader in (*extra, *added.values(), *builtin)}


def split_key(path: str | Path, key: str | None = None) -> tuple[Path, str | None]:
    """Split ``file.h5:/dataset`` into file and key, unless a file of that very name exists."""
    whole = Path(path)
    head, colon, tail = str(path).rpartition(":")
    if key is None and colon and tail and Path(head).is_file() and not whole.exists():
        return Path(head), tail
    return whole, key


def reader_for(path: Path, table: Mapping[str, Reader]) -> Reader:
    """The reader for an existing, non-empty file; raises `InputError` when there is none."""
    found = _recognised(path, table)
    if found is not None:
        return found
    for reader in table.values():
        if path.suffix.lower() in reader.suffixes:
            return reader
    formats = ", ".join(f"{r.name} ({' '.join(r.suffixes)})" if r.suffixes else r.name for r in table.values())
    raise InputError(f"{path}: unknown format; convert it to one of {formats}")


def _recognised(path: Path, table: Mapping[str, Reader]) -> Reader | None:
    """The first reader that recognises the content of a file."""
    head = _head(path)
    for reader in table.values():
        try:
            fits = reader.recognises(head, path) if isinstance(reader, PluginReader) else reader.sniff(head, path)
        except Exception as error:  # a third party's mistake must not keep other formats from being read
            warnings.warn(f"reader {reader.name!r} left out: {in_words(error)}", stacklevel=3)
            continue
        if fits:
            return reader
    return None


def read_file(path: Path, key: str | None, table: Mapping[str, Reader]) -> RawFile:
    """Read a file with the reader that fits; whatever is wrong with it is an `InputError`.

    If a plugin's reader takes a file and cannot read it, the built-in format that recognises the content is read instead.
    """
    reader = reader_for(path, table)
    try:
        with parsing(path, reader.name):
            return reader.read(path, key)
    except InputError as error:
        own = {r.name: r for r in builtin_readers()}
        if not isinstance(reader, PluginReader) or (other := _recognised(path, own)) is None:
            raise
        who = f"reader {reader.name!r} of plugin {reader.plugin}"
        warnings.warn(f"{who} cannot read what it takes: {error}; {path} is read as {other.name}", stacklevel=2)
        return read_file(path, key, own)


def companion(spec: str | Path, role: str, table: Mapping[str, Reader] | None = None) -> tuple[str, NDArray[Any]]:
    """The name and values of an array of another file: what its key names, else its array called `role`, else its only one.

    role: mask, support, dark, …  Axes of length 1 are dropped. Raises `InputError`, which names the role, for a file without
    such an array.
    """
    path, key = split_key(spec)
    table = readers() if table is None else table
    try:
        try:
            raw = read_file(path, role if key is None else key, table)
        except InputError:
            if key is not None:
                raise
            raw = read_file(path, None, table)
    except InputError as error:
        raise InputError(f"{role}: {error}") from error
    if raw.data.dtype.kind not in "biuf":
        raise InputError(f"{path}: {raw.name!r} holds {raw.data.dtype}, no {role}; name one as {path.name}:/dataset")
    return raw.name, raw.data.squeeze() if key is None else raw.data


def _head(path: Path) -> bytes:
    regular_file(path)
    try:
        with path.open("rb") as file:
            head = file.read(1024)
    except FileNotFoundError:
        path = Path(str(path).partition(":/")[0])
        raise InputError(f"no file {path}; {_nearest(path)}") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a directory; name a file in it") from None
    except PermissionError:
        raise InputError(f"{path} may not be read by this user; change its permissions (chmod u+r) or copy it") from None
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {error.strerror or error}; check the name and the disk") from error
    if not head:
        raise InputError(f"{path} is empty (0 bytes); copy or write it again")
    return head


def _nearest(path: Path) -> str:
    if not path.parent.is_dir():
        return f"there is no directory {path.parent} either, check the path"
    near = difflib.get_close_matches(path.name, [p.name for p in path.parent.iterdir()], n=3)
    return f"did you mean {' or '.join(near)}?" if near else "check the name and the directory"
