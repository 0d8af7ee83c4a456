"""NumPy's npz and npy files. Pickled objects are never loaded."""

from __future__ import annotations

import math
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..files import check_claim, replacing, to_json
from ..problem import Problem
from .counts import shape_text
from .dataset_selection import assemble
from .records import RawFile, Stored


def read_npz(path: Path, key: str | None) -> RawFile:
    """Read an npz holding any of intensity, amplitude, mask (1 = measured), support, truth or object, meta (JSON text)."""
    with np.load(path, allow_pickle=False) as archive:
        names = [member.removesuffix(".npy") for member in archive.zip.namelist() if member.endswith(".npy")]
        return assemble(path, {name: _stored(archive, name) for name in names}, key)


def _stored(archive: Any, name: str) -> Stored:
    """One array of an npz; its header is read now, its values when they are asked for."""
    member = archive.zip.getinfo(f"{name}.npy")
    with archive.zip.open(member) as file:
        shape, dtype = _header(file)
    what = f"{archive.zip.filename}: {name!r}"

    def read() -> NDArray[Any]:
        check_held(repr(name), shape, dtype, member.file_size)
        check_claim(what, shape, dtype.itemsize, member.compress_size)
        return np.asarray(archive[name])

    return Stored(shape, dtype, read)


def check_held(what: str, shape: tuple[int, ...], dtype: np.dtype[Any], held: int) -> None:
    """Raise `ValueError` if the header of an array tells of more bytes than are held."""
    if not dtype.hasobject and math.prod(shape) * dtype.itemsize > held:
        raise ValueError(f"{what} is {shape_text(shape)} of {dtype} by its header, but holds {held} bytes")


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def read_npy(path: Path, key: str | None) -> RawFile:
    """Read the one array of an npy file; its name is the file's stem."""
    if key is not None:
        raise InputError(f"{path} is an npy file and holds one array without a name; leave out --key {key}")
    with path.open("rb") as file:
        shape, dtype = _header(file)
    return assemble(path, {path.stem: Stored(shape, dtype, lambda: load_npy(path))}, path.stem)


def load_npy(path: Path) -> NDArray[Any]:
    """The array of an npy file. Raises `ValueError` if it is cut short, `InputError` if it does not fit into memory."""
    with path.open("rb") as file:
        shape, dtype = _header(file)
    held = path.stat().st_size
    check_held("it", shape, dtype, held)
    check_claim(str(path), shape, dtype.itemsize, held)
    return np.asarray(np.load(path, allow_pickle=False))


def npz_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Every array of an npz. Raises as `load_npy`."""
    with np.load(path, allow_pickle=False) as archive:
        return {name: _stored(archive, name).read() for name in archive.files}


def write_npz(problem: Problem, path: str | Path) -> Path:
    """Write a measurement with what is known of it as an npz; `load` reads it back. Returns the path.

    Raises `InputError` when the place cannot be written.
    """
    known = {"support": problem.support, "truth": problem.truth}
    return save_arrays(
        path,
        intensity=np.fft.fftshift(np.asarray(problem.amplitude, np.float32)) ** 2,
        mask=np.fft.fftshift(np.asarray(problem.valid)).astype(np.uint8),
        meta=np.array(to_json({**problem.meta, "likelihood": problem.likelihood.record()})),
        **{name: np.asarray(array) for name, array in known.items() if array is not None},
    )


def save_arrays(path: str | Path, **arrays: NDArray[Any]) -> Path:
    """Write an npz that takes its place only when it is complete. Raises `InputError` when it cannot be written."""
    with replacing(path) as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    return Path(path)
