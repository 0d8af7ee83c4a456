"""The axes of a file's arrays: one frame of a stack, axes of length 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..errors import InputError
from ..problem.meta import of_frames, without_axes, without_foreign_facts
from .counts import shape_text
from .records import RawFile


def without_short_axes(raw: RawFile) -> RawFile:
    """The file without axes of length 1: a single frame in a stack, or MATLAB's and TIFF's spare axes."""
    shape = raw.data.shape
    if 1 not in shape or raw.data.ndim < 3:
        return raw
    parts: dict[str, Any] = {name: array.squeeze() for name, array in _companions(raw).items()}
    meta = without_axes(_with_own_noise(raw, 0), shape)
    return replace(raw, data=raw.data.squeeze(), meta=meta, notes=(*raw.notes, _dropped(shape)), **parts)


def _dropped(shape: tuple[int, ...]) -> str:
    return f"axes of length 1 of {shape_text(shape)} dropped"


def one_frame(raw: RawFile, frame: int | None, source: Path) -> RawFile:
    """One frame of a stack; the file itself without a number. Raises `InputError` for a number that the stack lacks."""
    if frame is None:
        return raw
    stack = raw.data.shape
    if len(stack) < 3:
        raise InputError(f"{source}: {raw.name!r} is no stack but {shape_text(stack)}; leave out --frame {frame}")
    if not 0 <= frame < stack[0]:
        raise InputError(f"{source}: {raw.name!r} has {stack[0]} frames; --frame {frame} must be between 0 and {stack[0] - 1}")
    parts: dict[str, Any] = {name: array[frame] for name, array in _companions(raw).items() if array.shape == stack}
    told: tuple[str, ...] = ()
    meta = _with_own_noise(raw, frame)
    if len(stack) == 3:
        meta, told = without_foreign_facts(meta, stack)
        meta = of_frames(meta, stack, [frame])
    notes = (*raw.notes, f"frame {frame} of {stack[0]} taken", *told)
    return replace(raw, data=raw.data[frame], meta=meta, notes=notes, **parts)


def _companions(raw: RawFile) -> dict[str, NDArray[Any]]:
    parts = {"mask": raw.mask, "support": raw.support, "truth": raw.truth}
    return {name: array for name, array in parts.items() if array is not None}


def _with_own_noise(raw: RawFile, frame: int) -> Mapping[str, Any]:
    """The meta of a frame, with its own noise where the file lists one for each."""
    noises = raw.meta.get("likelihood")
    if not isinstance(noises, list) or len(noises) != len(raw.data):
        return raw.meta
    return {**raw.meta, "likelihood": noises[frame]}
