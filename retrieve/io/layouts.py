"""Where our results, PyNX, cdiutils and cohere keep an object and its support.

- retrieve, PyNX and cdiutils: CXI, ``entry_N/image_1/data``, with the support in ``image_1/support`` or ``image_1/mask``. PyNX
  adds an entry for each run to a file, and names the last one as the default. Its files of modes, which cdiutils makes too,
  hold (modes, *shape); the first mode is the object.
- cohere: a folder with ``image.npy`` and ``support.npy``.
- any other HDF5, npz or npy: the one complex array, or one under a usual name; in npz with the support beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple
from zipfile import is_zipfile

import h5py
from numpy.typing import NDArray

from ..errors import InputError, SolverError
from .cxi import IMAGE
from .cxi_reader import entry_of
from .handover import ESTIMATED
from .hdf5 import arrays_of, as_text, open_hdf5, read_values
from .numpy_files import load_npy, npz_arrays

OBJECT_NAMES = ("object", "obj", "image", "data", "reconstruction", "truth")
SUPPORT_NAMES = ("support", "sup")
COHERE_IMAGE, COHERE_SUPPORT = "image.npy", "support.npy"


class Stored(NamedTuple):
    """An object as another program left it.

    object: (*shape), or (modes, *shape).  support: (*shape) or None.  centred: index N//2 is the centre whatever the program.
    """

    object: NDArray[Any]
    support: NDArray[Any] | None
    centred: bool


def program_of(path: Path) -> str | None:
    """The program whose conventions a result follows, as far as it says: "cohere", "pynx" or "retrieve"; None if it does not."""
    if path.is_dir() or (path.name == COHERE_IMAGE and path.with_name(COHERE_SUPPORT).is_file()):
        return "cohere"
    if not h5py.is_hdf5(path):
        return None
    try:
        with open_hdf5(path) as file:
            entry = entry_of(file)
            name = "" if entry is None or "program_name" not in entry else entry["program_name"][()]
            said = f"{as_text(file.attrs.get('creator', ''))} {as_text(name)}"
    except (InputError, OSError, RuntimeError):  # damaged: reading tells of it
        said = ""
    return "pynx" if "pynx" in said.lower() else "retrieve"


def holds_object(path: Path) -> bool:
    """Whether a path is a result: a folder, or an HDF5 file with a complex image."""
    if path.is_dir():
        return True
    if not path.is_file() or not h5py.is_hdf5(path):
        return False
    try:
        with open_hdf5(path) as file:
            entry = entry_of(file)
            image = None if entry is None else entry.get(f"{IMAGE}/data")
            return isinstance(image, h5py.Dataset) and image.dtype.kind == "c"
    except InputError:
        return False


def image_in(folder: Path) -> Path:
    """The image of a folder that cohere wrote. Raises `InputError` if there is none."""
    if (folder / COHERE_IMAGE).is_file():
        return folder / COHERE_IMAGE
    below = sorted(path.parent for path in folder.rglob(COHERE_IMAGE))
    where = f"give one of its results, such as {below[0]}" if below else "give the folder of a result of cohere, or a file"
    raise InputError(f"the folder {folder} holds no {COHERE_IMAGE}; {where}")


NPY_MAGIC = b"\x93NUMPY"


def stored_in(path: Path) -> Stored:
    """The object in a file. Raises `SolverError` when there is none, and what parsers raise."""
    if h5py.is_hdf5(path):
        return _in_hdf5(path)
    if is_zipfile(path):
        arrays = npz_arrays(path)
        supports = [arrays[name] for name in SUPPORT_NAMES if name in arrays]
        return Stored(_choose(arrays, path), supports[0] if supports else None, False)
    with path.open("rb") as file:
        known = file.read(len(NPY_MAGIC)) == NPY_MAGIC
    if not known:
        raise SolverError(f"{path} is no reconstruction; give a CXI, HDF5, npz or npy file")
    beside = path.with_name(COHERE_SUPPORT) if path.name == COHERE_IMAGE else path
    support = load_npy(beside) if beside != path and beside.is_file() else None
    return Stored(load_npy(path), support, False)


def _in_hdf5(path: Path) -> Stored:
    with open_hdf5(path) as file:
        entry = entry_of(file)
        if entry is not None and isinstance(entry.get(f"{IMAGE}/data"), h5py.Dataset):
            image = read_values(entry[f"{IMAGE}/data"])
            supports = [entry[IMAGE][name] for name in ("support", "mask") if name in entry[IMAGE]]
            inside = next((read_values(one) for one in supports if ESTIMATED not in one.attrs), None)
            fits = inside is not None and inside.shape == image.shape[-inside.ndim :]
            return Stored(image, inside if fits else None, True)
        found = {name: array.read() for name, array in arrays_of(file).items() if array.complex}
        return Stored(_choose(found, path), None, True)


def _choose(arrays: dict[str, NDArray[Any]], path: Path) -> NDArray[Any]:
    """The one complex array, or the first under a usual name."""
    found = {name: array for name, array in arrays.items() if array.dtype.kind == "c"}
    for name in OBJECT_NAMES:
        if name in found:
            return found[name]
    if len(found) != 1:
        raise SolverError(
            f"{path} holds {len(found)} complex arrays ({', '.join(found) or 'none'}); name the object {OBJECT_NAMES[0]!r}"
        )
    return next(iter(found.values()))
