"""Reconstructions of other programs in our conventions: centred at N//2, forward transform exp(−2πi qr).

cohere propagates to the detector by the inverse transform, so that its objects are the conjugates of ours. PyNX transforms as we
do. Its objects have index 0 in the corner, in its CXI files they are centred. Scale and phase are free in all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, SolverError
from ..files import parsing, regular_file
from ..numerics.alignment import ComplexArray
from ..plugins.options import unknown
from ..problem import Problem
from .layouts import Stored, image_in, program_of, stored_in

MIN_LIKENESS = 0.6  # correlation of speckles, below which a truth is doubted
MIN_MARGIN = 0.05  # over the correlation of the mirror images, below which a doubtful truth is of another object
CONVENTIONS: dict[str, Callable[[NDArray, bool], NDArray]] = {
    "retrieve": lambda x, cxi: x,
    "plain": lambda x, cxi: x,
    "cohere": lambda x, cxi: np.conj(x),
    "pynx": lambda x, cxi: x if cxi else np.fft.fftshift(x),
}


@dataclass(frozen=True)
class ExternalResult:
    """A complex object in a file: CXI or other HDF5, npz, npy, or a folder of cohere.

    convention: of the program that wrote it: retrieve, cohere, pynx, or plain (centred, exp(−2πi qr), as ours).
    """

    path: Path
    convention: str

    @classmethod
    def named(cls, text: str) -> ExternalResult:
        """From ``FILE`` or ``FILE:CONVENTION``. The default is what the file says of its program, else ours.

        An npy file says nothing, unless it is an ``image.npy`` beside a ``support.npy``, as cohere writes them. Raises
        `InputError` for an unknown convention or a missing file.
        """
        head, colon, tail = text.rpartition(":")
        path, convention = (Path(head), tail) if colon and not Path(text).exists() else (Path(text), "")
        if path.is_dir():
            path = image_in(path)
        regular_file(path)
        if not path.is_file():
            raise InputError(f"no file {path}; give the reconstruction as FILE or FILE:CONVENTION")
        if convention and convention not in CONVENTIONS:
            raise InputError(unknown("convention", convention, CONVENTIONS))
        convention = convention or program_of(path) or ""
        if not convention and path.suffix.lower() == ".npy":
            raise InputError(f"{path} does not say whose convention it follows; write {path}:cohere, :pynx or :plain")
        return cls(path, convention or "retrieve")

    def read(self) -> ComplexArray:
        """The object, complex64 (*shape), in our conventions. Raises `SolverError` when the file holds none."""
        return self.read_with_support()[0]

    def read_with_support(self) -> tuple[ComplexArray, NDArray[np.bool_] | None]:
        """The object, and its support, bool (*shape), or None; of several modes the first. Raises as `read`."""
        try:
            with parsing(self.path, "a result"):
                found = stored_in(self.path)
        except InputError as error:
            raise SolverError(str(error)) from error
        x = found.object[0] if found.object.ndim > 3 else found.object
        if x.dtype.kind != "c":
            raise SolverError(f"{self.path} holds {x.dtype} numbers, not a complex object; give amplitude and phase in one array")
        if not np.isfinite(x).all() or not x.any():
            raise SolverError(f"{self.path} holds NaN, infinity or zeros alone: no reconstruction")
        return self._ours(x, found).astype(np.complex64), self._inside(x.shape, found)

    def _ours(self, x: NDArray[Any], found: Stored) -> NDArray[Any]:
        return CONVENTIONS[self.convention](x, found.centred)

    def _inside(self, shape: tuple[int, ...], found: Stored) -> NDArray[np.bool_] | None:
        """The support, if it is one of this shape and not empty."""
        if found.support is None or found.support.shape != shape or not found.support.any():
            return None
        return self._ours(found.support != 0, found)

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
        return scaled_to(x, problem)


def scaled_to(x: ComplexArray, problem: Problem) -> ComplexArray:
    """x (*shape) times the factor that fits its far field's amplitude to the data best."""
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
