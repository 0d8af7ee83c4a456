"""MATLAB files: version 5 through SciPy, version 7.3 (HDF5 inside, axes reversed) through h5py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..files import allowed, check_claim
from ..files.children import CHILD_MEMORY, within_time
from .dataset_selection import assemble
from .hdf5 import arrays_of, open_hdf5
from .hdf5_visit import SMALL
from .records import RawFile, Stored

NOT_NUMBERS = ("cell", "struct", "object", "function", "opaque", "sparse", "unknown")
"""Classes of MATLAB's variables that are passed over."""
SECONDS = 2.0
"""Processor time of SciPy for a small file, in a child: damaged ones can take all memory."""


def read_mat5(path: Path, key: str | None) -> RawFile:
    """Read a version 4 or 5 file; structs, cells and objects are passed over."""
    import scipy.io  # noqa: F401  (a child then has it)

    if path.stat().st_size <= SMALL:
        memory = allowed().max_memory or CHILD_MEMORY
        variables = within_time(SECONDS, str(path), "MATLAB 5", _numbers_of, path, memory=memory)
    else:
        variables = _numbers_of(path)
    arrays = {
        name: Stored(value.shape, value.dtype, lambda value=value: value)  # type: ignore[misc]
        for name, value in variables.items()
        if isinstance(value, np.ndarray) and value.dtype.kind not in "OV"
    }
    return assemble(path, arrays, key)


def _numbers_of(path: Path) -> dict[str, Any]:
    """The numeric variables, whose headers are checked first."""
    from scipy.io import loadmat, whosmat

    wanted = [(name, shape) for name, shape, kind in whosmat(path) if kind not in NOT_NUMBERS]
    for name, shape in wanted:
        check_claim(f"{path}: {name!r}", shape, 8, path.stat().st_size)
    found: dict[str, Any] = loadmat(path, variable_names=[name for name, _ in wanted])
    return found


def read_mat73(path: Path, key: str | None) -> RawFile:
    """Read a version 7.3 file; MATLAB stores axes in reverse, so every array is transposed."""
    with open_hdf5(path) as file:
        arrays = {
            name: Stored(a.shape[::-1], a.dtype, lambda a=a: a.read().T)  # type: ignore[misc]
            for name, a in arrays_of(file).items()
            if not name.startswith("#")
        }
        return assemble(path, arrays, key, notes=("MATLAB 7.3: axis order reversed to MATLAB's own",))
