"""The known formats, and the choice of a reader for a file: by content first, then by suffix."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..errors import InputError, PluginError
from ..files import parsing, regular_file
from ..plugins.registry import OWN, available, loaded, registered
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
    head = _head(path)
    for reader in table.values():
        try:
            fits = reader.sniff(head, path)
        except Exception as error:  # a third party's mistake must not keep other formats from being read
            warnings.warn(f"reader {reader.name!r} left out: {type(error).__name__}: {error}", stacklevel=3)
            continue
        if fits:
            return reader
    for reader in table.values():
        if path.suffix.lower() in reader.suffixes:
            return reader
    formats = ", ".join(f"{r.name} ({' '.join(r.suffixes)})" if r.suffixes else r.name for r in table.values())
    raise InputError(f"{path}: unknown format; convert it to one of {formats}")


def read_file(path: Path, key: str | None, table: Mapping[str, Reader]) -> RawFile:
    """Read a file with the reader that fits; whatever is wrong with it is an `InputError`."""
    reader = reader_for(path, table)
    with parsing(path, reader.name):
        return reader.read(path, key)


def companion(spec: str | Path, role: str, table: Mapping[str, Reader] | None = None) -> tuple[str, NDArray[Any]]:
    """The name and values of an array of another file: what its key names, else its array called `role`, else its only one.

    role: mask, support, dark, …  Axes of length 1 are dropped. Raises `InputError` for a file without such an array.
    """
    path, key = split_key(spec)
    table = readers() if table is None else table
    try:
        raw = read_file(path, role if key is None else key, table)
    except InputError:
        if key is not None:
            raise
        raw = read_file(path, None, table)
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
