"""What passes between a file and a `Measurement`: stored arrays, one file's contents, a reader."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Stored(NamedTuple):
    """An array in a file that has not been read yet.

    shape and dtype come from the header; `read` brings the values into memory.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[], NDArray[Any]]

    @property
    def complex(self) -> bool:
        """True for complex numbers, MATLAB's pair of real and imag included."""
        return self.dtype.kind == "c" or {"real", "imag"} <= set(self.dtype.names or ())

    @property
    def plausible(self) -> bool:
        """True for a real numeric array that is a picture, a volume or a stack of them."""
        long_axes = [n for n in self.shape if n != 1]
        return self.dtype.kind in "iuf" and 2 <= len(long_axes) <= 4 and min(self.shape[-2:]) >= 16


@dataclass(frozen=True)
class RawFile:
    """What a reader found in a file, in the file's own orientation.

    data: the measured array, any numeric dtype (`load` refuses complex, bool and object).
    name: where it lies in the file, or the file's stem; the guess of intensity or amplitude reads it.
    kind: "intensity", "amplitude", or None when the file does not say.
    centred: True when the peak is at N//2, False when at index 0, None when the file does not say.
    mask: True = measured, shape of data or of its last two axes.
    support, truth: object arrays centred at N//2.
    detector: True for raw detector frames, whose negative or largest integers are flags, not counts.
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


def _by_suffix_only(head: bytes, path: Path) -> bool:
    return False


@dataclass(frozen=True)
class Reader:
    """A file format: how it is recognised and what reads it.

    name: what messages and listings call it.  suffixes: lower case, with the dot; used when no
        reader recognises the content.
    target: a function ``(path, key) -> RawFile`` or its lazy name ``"module:function"``.
    sniff: ``(first 1024 bytes, path) -> bool``, True when the content is of this format.
    sample: a function ``(path, intensity)`` that writes a file of this format, by which `retrieve.testing` tries the reader.
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
