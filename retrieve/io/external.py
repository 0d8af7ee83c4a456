"""Reconstructions of other programs in our conventions: centred at N//2, forward transform exp(−2πi qr).

cohere propagates to the detector by the inverse transform, so that its objects are the conjugates of ours. PyNX transforms as we
do. Its objects have index 0 in the corner, in its CXI files they are centred. Scale and phase are free in all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, SolverError
from ..numerics.alignment import ComplexArray
from ..plugins.options import unknown
from ..problem import Problem

IMAGE_PLACE = "entry_1/image_1/data"
MIN_LIKENESS = 0.6  # correlation of speckles, below which a truth is doubted
MIN_MARGIN = 0.05  # over the correlation of the mirror images, below which a doubtful truth is of another object
OBJECT_NAMES = ("object", "obj", "image", "data", "reconstruction", "truth")
CONVENTIONS: dict[str, Callable[[NDArray, bool], NDArray]] = {
    "retrieve": lambda x, cxi: x,
    "plain": lambda x, cxi: x,
    "cohere": lambda x, cxi: np.conj(x),
    "pynx": lambda x, cxi: x if cxi else np.fft.fftshift(x),
}


@dataclass(frozen=True)
class ExternalResult:
    """A complex object in a file: CXI or other HDF5, npz, npy.

    convention: of the program that wrote it: retrieve, cohere, pynx, or plain (centred, exp(−2πi qr), as ours).
    """

    path: Path
    convention: str

    @classmethod
    def named(cls, text: str) -> ExternalResult:
        """From ``FILE`` or ``FILE:CONVENTION``. The default is our convention; an npy file has no default.

        Raises `InputError` for an unknown convention or a missing file.
        """
        head, colon, tail = text.rpartition(":")
        path, convention = (Path(head), tail) if colon and not Path(text).exists() else (Path(text), "")
        if not path.is_file():
            raise InputError(f"no file {path}; give the reconstruction as FILE or FILE:CONVENTION")
        if not convention and path.suffix.lower() == ".npy":
            raise InputError(f"{path} does not say whose convention it follows; write {path}:cohere, :pynx or :plain")
        if convention and convention not in CONVENTIONS:
            raise InputError(unknown("convention", convention, CONVENTIONS))
        return cls(path, convention or "retrieve")

    def read(self) -> ComplexArray:
        """The object, complex64 (*shape), in our conventions. Raises `SolverError` when the file holds none."""
        try:
            x, centred = _array(self.path)
        except SolverError:
            raise
        except Exception as error:  # parsers of damaged bytes raise anything
            reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
            raise SolverError(f"{self.path} cannot be read: {reason}; it may be damaged, write it again") from error
        if x.dtype.kind != "c":
            raise SolverError(f"{self.path} holds {x.dtype} numbers, not a complex object; give amplitude and phase in one array")
        if not np.isfinite(x).all() or not x.any():
            raise SolverError(f"{self.path} holds NaN, infinity or zeros alone: no reconstruction")
        return CONVENTIONS[self.convention](x, centred).astype(np.complex64)

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise `InputError` if the object has another shape. `read` raises for other faults."""
        try:
            found = self.read().shape
        except SolverError:
            return
        if found != tuple(shape):
            raise InputError(f"{self.path} has shape {found}, the problem's object {tuple(shape)}; crop or pad one of them")

    def scaled(self, problem: Problem) -> ComplexArray:
        """The object (*shape) times the factor that fits its far field's amplitude to the data best.

        Raises `SolverError` when it cannot be read, `InputError` for another shape than the problem's.
        """
        x = self.read()
        if x.shape != tuple(problem.shape):
            raise InputError(f"{self.path} has shape {x.shape}, the problem's object {tuple(problem.shape)}; crop or pad one")
        valid = np.asarray(problem.valid)
        a, y = np.sqrt(np.asarray(problem.intensity(x[None]))[0][valid]), np.asarray(problem.amplitude)[valid]
        return x * np.float32(a @ y / (a @ a))


def truth_for(problem: Problem, source: ExternalResult) -> tuple[Problem, str | None]:
    """The problem with its truth from a file, and a warning if the truth explains the pattern poorly.

    Raises `InputError` if the truth cannot be read, has another shape, or is another object.
    """
    try:
        x = source.scaled(problem)
    except SolverError as error:
        raise InputError(f"truth {error}") from error
    fit, margin = likeness(x, problem)
    if fit < MIN_LIKENESS and margin < MIN_MARGIN:
        raise InputError(
            f"truth {source.path} is of another object: its pattern correlates {fit:.2f} with the measured one, no better "
            "than mirrored; give the truth of this file, or name its convention as FILE:cohere"
        )
    warning = f"truth {source.path} explains the pattern poorly (correlation {fit:.2f}): noise, or another object?"
    return problem.replace(truth=x), warning if fit < MIN_LIKENESS else None


def likeness(x: ComplexArray, problem: Problem) -> tuple[float, float]:
    """The correlation of the speckles of x (*shape) with the measured ones, and its margin over that of x's mirror images.

    Speckles are √amplitude minus its local mean over a speckle. A mirror image has the same bright middle and the same fall-off,
    which all objects share.
    """
    from itertools import combinations

    from scipy.ndimage import gaussian_filter

    valid, size = np.asarray(problem.valid), problem.speckle_size

    def speckles(amplitude: NDArray) -> NDArray:
        root = np.sqrt(amplitude) * valid
        return root - gaussian_filter(root, size, mode="wrap")

    calculated = speckles(np.sqrt(np.asarray(problem.intensity(x[None]))[0]))
    measured = speckles(np.asarray(problem.amplitude))[valid]
    axes = [axis for n in range(1, x.ndim + 1) for axis in combinations(range(x.ndim), n)]
    mirrored = [np.roll(np.flip(calculated, axis), 1, axis) for axis in axes]  # zero frequency stays at index 0
    fit, *others = (float(np.corrcoef(image[valid], measured)[0, 1]) for image in (calculated, *mirrored))
    return fit, fit - max(others)


def _array(path: Path) -> tuple[NDArray[Any], bool]:
    """The complex array of a file, and whether the file is HDF5 (where PyNX centres)."""
    import h5py

    if h5py.is_hdf5(path):
        return _from_hdf5(path), True
    if is_zipfile(path):
        with np.load(path, allow_pickle=False) as archive:
            return _choose({name: archive[name] for name in archive.files}, path), False
    return np.load(path, allow_pickle=False), False


def _from_hdf5(path: Path) -> NDArray[Any]:
    from .hdf5 import arrays_of, open_hdf5

    with open_hdf5(path) as file:
        if IMAGE_PLACE in file:
            return np.asarray(file[IMAGE_PLACE][()])
        return _choose({name: array.read() for name, array in arrays_of(file).items() if array.complex}, path)


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
