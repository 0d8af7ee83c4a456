"""A third-party format: a result as plain arrays, for programs that know NumPy alone."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from retrieve import Result, Writer


def write(result: Result, file: IO[bytes]) -> None:
    """Write object, support, starts, and the measured intensity, all centred at N//2."""
    arrays = {
        "object": result.object,
        "support": result.support,
        "starts": result.estimates,
        "r": np.array([score.r for score in result.scores]),
        "intensity": np.fft.fftshift(np.asarray(result.problem.amplitude)) ** 2,
        "mask": np.fft.fftshift(np.asarray(result.problem.valid)),
    }
    held: dict[str, Any] = {name: array for name, array in arrays.items() if array is not None}
    np.savez_compressed(file, **held)


def read(path: Path) -> NDArray[np.complex64]:
    """Read the object back, by which `retrieve plugin check` tries the writer."""
    with np.load(path) as file:
        found: NDArray[np.complex64] = file["object"]
    return found


WRITER = Writer("npz", (".npz",), write, read=read)
