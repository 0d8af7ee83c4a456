"""What passes between a file and a `Measurement`: stored arrays, one file's contents, a reader."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MIN_PIXELS = 16  # along each axis of a picture
INSTALL_DETECTORS = "pip install 'retrieve-phase[detectors]'"


class Stored(NamedTuple):
    """An array in a file that has not been read yet.

    shape and dtype come from the header; `read` brings the values into memory.  note: for the user, where the array is used.
    fault: the reason why `read` raises, if it does.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[], NDArray[Any]]
    note: str = ""
    fault: str = ""

    @property
    def complex(self) -> bool:
        """True for complex numbers, MATLAB's pair of real and imag included."""
        return self.dtype.kind == "c" or {"real", "imag"} <= set(self.dtype.names or ())

    @property
    def plausible(self) -> bool:
        """True for a real numeric array that is a picture, a volume or a stack of them."""
        long_axes = [n for n in self.shape if n != 1]
        return self.dtype.kind in "iuf" and 2 <= len(long_axes) <= 4 and min(self.shape[-2:]) >= MIN_PIXELS


@dataclass(frozen=True)
class RawFile:
    """The contents of a file, in the file's own orientation: what a reader returns.

    Parameters
    ----------
    data
        The measured array, any numeric dtype. `load` refuses complex, bool and object.
    name
        Its place in the file, or the file's stem. The guess of intensity or amplitude reads it.
    kind
        "intensity", "amplitude", or None if the file does not say.
    centred
        True if the peak is at N//2, False if it is at index 0, None if the file does not say.
    mask
        True = measured, of the shape of data or of its last two axes.
    support, truth
        Object arrays centred at N//2.
    meta
        What the file says of the experiment.
    notes
        Assumptions, for the user.
    detector
        True for raw detector frames, whose negative or largest integers are flags, not counts.
    mask_convention
        The meaning of 1 in the stored mask: "measured" or "masked"; empty where there is no doubt, as in our own files.
    """

    data: NDArray[Any]
    name: str
    kind: str | None = None
    centred: bool | None = None
    mask: NDArray[np.bool_] | None = None
    support: NDArray[Any] | None = None
    truth: NDArray[Any] | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    detector: bool = False
    mask_convention: str = "measured"


def _by_suffix_only(head: bytes, path: Path) -> bool:
    return False


@dataclass(frozen=True)
class Reader:
    """A file format: how it is recognised, and the function that reads it.

    Parameters
    ----------
    name
        Name in messages and listings.
    suffixes
        In lower case, with the dot. They decide where no reader recognises the content.
    target
        A function ``(path, key) -> RawFile`` or its lazy name ``"module:function"``.
    sniff
        ``(first 1024 bytes, path) -> bool``, True if the content is of this format.
    sample
        A function ``(path, intensity)`` that writes a file of this format. `retrieve.testing` tries the reader on it.
    """

    name: str
    suffixes: tuple[str, ...]
    target: str | Callable[[Path, str | None], RawFile]
    sniff: Callable[[bytes, Path], bool] = _by_suffix_only
    sample: Callable[[Path, NDArray[Any]], None] | None = None

    def read(self, path: Path, key: str | None = None) -> RawFile:
        """Read the measurement, or the array that `key` names."""
        if isinstance(self.target, str):
            module, _, function = self.target.partition(":")
            return getattr(importlib.import_module(module), function)(path, key)
        return self.target(path, key)
