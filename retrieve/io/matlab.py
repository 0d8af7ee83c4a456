"""MATLAB files: version 5 through SciPy, version 7.3 (HDF5 inside, axes reversed) through h5py."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .dataset_selection import assemble
from .hdf5 import arrays_of, open_hdf5
from .records import RawFile, Stored


def read_mat5(path: Path, key: str | None) -> RawFile:
    """Read a version 4 or 5 file; structs, cells and objects are passed over."""
    from scipy.io import loadmat

    variables = loadmat(path)
    arrays = {
        name: Stored(value.shape, value.dtype, lambda value=value: value)  # type: ignore[misc]
        for name, value in variables.items()
        if isinstance(value, np.ndarray) and value.dtype.kind not in "OV"
    }
    return assemble(path, arrays, key)


def read_mat73(path: Path, key: str | None) -> RawFile:
    """Read a version 7.3 file; MATLAB stores axes in reverse, so every array is transposed."""
    with open_hdf5(path) as file:
        arrays = {
            name: Stored(a.shape[::-1], a.dtype, lambda a=a: a.read().T)  # type: ignore[misc]
            for name, a in arrays_of(file).items()
            if not name.startswith("#")
        }
        return assemble(path, arrays, key, notes=("MATLAB 7.3: axis order reversed to MATLAB's own",))
