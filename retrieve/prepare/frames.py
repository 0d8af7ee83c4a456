"""Frames of a detector, read block by block, so that a file may be larger than the memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..files import NotEnoughMemory, check_memory, parsing
from ..files.limits import LARGEST_RATIO, RATIO_IN_PARTS
from ..io.counts import shape_text
from ..io.dataset_selection import check_not_empty, mask_places, resolve_dataset, select_dataset
from ..io.hdf5 import contents, default_signal, meta_of, open_hdf5, readable
from ..io.hdf5_visit import visit
from ..io.masks import join_masks, with_convention
from ..io.registry import read_file, reader_for, readers, split_key
from ..problem.meta import joined, settled
from .flags import flags_to_nan
from .order import in_natural_order

FRAMES_AT_ONCE = 32 * 2**20  # bytes of float32 that are read at once


class FrameStack(NamedTuple):
    """Frames of one array, read slice by slice.

    Parameters
    ----------
    source
        Name in messages.
    shape
        Frames, rows, columns.
    dtype
        Type of the stored values.
    read
        Returns a slice of the frames (frames, rows, columns) as they are stored.
    chunk
        Frames that are stored together.
    mask : bool (rows, columns) or (frames, rows, columns)
        True = measured, if the file holds a mask.
    meta
        What the file says of itself.
    mask_convention
        That by which the mask was read; empty if the user gave it.
    notes
        What was found in the file.
    """

    source: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[slice], NDArray[Any]]
    chunk: int = 1
    mask: NDArray[np.bool_] | None = None
    meta: Mapping[str, Any] = {}
    mask_convention: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Frames:
    """Frames of one shape (rows, columns) from one or several arrays, numbered through.

    Parameters
    ----------
    stacks
        The arrays.
    mask : bool (rows, columns) or (frames, rows, columns)
        True = measured, if a file holds one.
    meta
        What the first file says of itself.
    notes
        What was found on opening the files, in words.
    gap
        Frames that seem to be missing among the files, in words; empty if none are.
    flags
        NaN and the values that were taken as flags, in words; `blocks` adds those that it meets.
    """

    stacks: tuple[FrameStack, ...]
    mask: NDArray[np.bool_] | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    gap: str = ""
    flags: set[str] = field(default_factory=set)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows, columns."""
        return (sum(s.shape[0] for s in self.stacks), *self.stacks[0].shape[1:])  # type: ignore[return-value]

    @property
    def always(self) -> NDArray[np.bool_] | None:
        """True for pixels that are measured in all frames, (rows, columns)."""
        return np.asarray(self.mask.all(axis=0)) if self.mask is not None and self.mask.ndim == 3 else self.mask

    @property
    def ever(self) -> NDArray[np.bool_] | None:
        """True for pixels that are measured in any frame, (rows, columns)."""
        return np.asarray(self.mask.any(axis=0)) if self.mask is not None and self.mask.ndim == 3 else self.mask

    @property
    def source(self) -> str:
        """The name of the first array, and the number of the others."""
        return self.stacks[0].source + (f" and {len(self.stacks) - 1} more" if len(self.stacks) > 1 else "")

    def blocks(self, mask: NDArray[np.bool_] | None = None) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """The frames block by block: their numbers, and their values, float32 (block, rows, columns), NaN where flagged.

        mask: True = measured, (rows, columns); that of the files by default. Other pixels are no flags, and decide nothing.
        """
        first = 0
        for stack in self.stacks:
            size = 4 * stack.shape[1] * stack.shape[2]
            step = max(1, FRAMES_AT_ONCE // size)
            step = step // stack.chunk * stack.chunk if step > stack.chunk else step
            for start in range(0, stack.shape[0], step):
                stop = min(start + step, stack.shape[0])
                where = slice(first + start, first + stop)
                own = self.mask[where] if self.mask is not None and self.mask.ndim == 3 else self.mask
                both = own if mask is None else mask if own is None else mask & own
                yield where, flags_to_nan(stack.read(slice(start, stop)), self.flags, both)
            first += stack.shape[0]


@contextmanager
def frames_of(
    paths: Sequence[str | Path],
    key: str | None = None,
    axis: int = 0,
    mask_convention: str = "auto",
    experiment: Mapping[str, Any] | None = None,
    whole: bool = False,
) -> Iterator[Frames]:
    """Open the frames of files, each a stack or a single frame. HDF5 and npy files may be larger than the memory.

    Parameters
    ----------
    paths
        The files. Those whose names differ in numbers alone are put in the order of these numbers.
    key
        Name of the array in each file.
    axis
        The axis of a stack that counts the frames.
    mask_convention
        The meaning of 1 in the files' masks: "measured", "masked", or "auto", by their names.
    experiment
        Fields of an `Experiment` that replace those of the files.
    whole
        True: the frames will be held in memory together, so that all of them must fit.

    Raises
    ------
    InputError
        For files that cannot be read or are given twice, or frames of different shapes.
    NotEnoughMemory
        For frames that claim more memory than there is, or far more than their file holds.
    """
    ordered = in_natural_order(paths)
    with ExitStack() as files:
        visit(*(path for path in (split_key(file, key)[0] for file in ordered.files) if path.is_file() and h5py.is_hdf5(path)))
        stacks: list[FrameStack] = []
        for path in ordered.files:
            with parsing(path, "frames"):
                stacks += _stacks(path, key, axis, files, mask_convention, LARGEST_RATIO if whole else RATIO_IN_PARTS)
        first = stacks[0]
        for stack in stacks[1:]:
            if stack.shape[1:] != first.shape[1:]:
                this, other = shape_text(stack.shape[1:]), shape_text(first.shape[1:])
                raise InputError(
                    f"{stack.source} has frames of {this}, {first.source} of {other}; "
                    "frames of one shape are needed: leave some files out, or crop them"
                )
        shape = (sum(stack.shape[0] for stack in stacks), *first.shape[1:])
        together = joined([(stack.meta, stack.shape[0]) for stack in stacks])
        meta, told = settled(together, shape, experiment, first.source, frames=True)
        notes = [note for note in (ordered.note, *(note for stack in stacks for note in stack.notes), *told) if note]
        yield Frames(tuple(stacks), _mask_of(stacks), meta, tuple(dict.fromkeys(notes)), ordered.gap)


def _mask_of(stacks: Sequence[FrameStack]) -> NDArray[np.bool_] | None:
    """One mask for all frames if no file has more than one, else one mask a frame."""
    masks = [stack.mask for stack in stacks if stack.mask is not None]
    for stack in stacks:
        if stack.mask is not None and stack.mask.shape not in (stack.shape, stack.shape[1:]):
            raise InputError(_mask_mismatch(stack))
    if not masks or all(mask.ndim == 2 for mask in masks):
        return np.logical_and.reduce(masks) if masks else None
    return np.concatenate([np.broadcast_to(True if s.mask is None else s.mask, s.shape) for s in stacks])


def _mask_mismatch(stack: FrameStack) -> str:
    mask = () if stack.mask is None else stack.mask.shape
    found = f"{stack.source}: its mask is {shape_text(mask)}"
    for axis in (1, 2):
        if mask == tuple(n for a, n in enumerate(stack.shape) if a != axis):
            return f"{found}: frames seem to lie along axis {axis} of the array; give --axis {axis}"
    return f"{found}, the frames {shape_text(stack.shape[1:])}; they must agree: name the frames with --key"


def _stacks(
    path: str | Path, key: str | None, axis: int, files: ExitStack, convention: str, ratio: float
) -> Iterator[FrameStack]:
    source, key = split_key(path, key)
    table = readers()
    if source.is_file() and h5py.is_hdf5(source):
        yield from _of_hdf5(source, key, axis, files, convention, ratio)
        return
    if key is None and source.is_file() and reader_for(source, table).name == "npy":
        yield _stack(str(source), _mapped(source), axis, 1, None, {})
        return
    raw = with_convention(read_file(source, key, table), convention)
    stack = _stack(str(source), raw.data, axis, 1, raw.mask, raw.meta)
    yield stack._replace(mask_convention=raw.mask_convention if convention == "auto" else "")


def _mapped(path: Path) -> NDArray[Any]:
    with parsing(path, "npy"):
        return np.load(path, mmap_mode="r", allow_pickle=False)


def _of_hdf5(source: Path, key: str | None, axis: int, files: ExitStack, convention: str, ratio: float) -> Iterator[FrameStack]:
    file = files.enter_context(open_hdf5(source))
    inside, marked = contents(file), default_signal(file)
    arrays = inside.arrays
    gone = inside.check(source, key or (marked if marked in arrays else None))
    name = resolve_dataset(source, arrays, key) if key else marked if marked in arrays else select_dataset(source, arrays)[0]
    if arrays[name].fault:
        raise InputError(arrays[name].fault)
    shape = arrays[name].shape
    check_not_empty(source, name, shape)
    shapes = [shape, *(tuple(n for a, n in enumerate(shape) if a != other) for other in (axis, 0, 1, 2))]
    places, left_out = mask_places(name, arrays)
    mask, said, notes = join_masks(arrays, places, shapes, convention)
    notes = [text for text in (arrays[name].note, *left_out, *notes) if text]
    said = said if convention == "auto" else ""
    meta, told = meta_of(file, name, (shape[axis] if len(shape) == 3 else 1, *shape[1:]), {})
    notes = [*notes, *gone, *told]
    for part in inside.parts.get(name, (name,)):
        item = readable(file[part], ratio)
        if item.shape[0] or not item.ndim:
            chunk = item.chunks[axis] if item.chunks and axis < item.ndim else 1
            stack = _stack(f"{source}:/{part}", item, axis, chunk, mask, meta)
            yield stack._replace(mask_convention=said, notes=tuple(notes))


def _stack(source: str, data: Any, axis: int, chunk: int, mask: NDArray[np.bool_] | None, meta: Mapping[str, Any]) -> FrameStack:
    """An array, or a dataset, as frames along its first axis."""
    if data.dtype.kind not in "iuf":
        raise InputError(f"{source} holds {data.dtype}; frames are real numbers: name another array with --key")
    check_not_empty(source, "array", data.shape)
    if data.ndim in (2, 3):
        frame = math.prod(n for a, n in enumerate(data.shape) if a != axis or data.ndim == 2)
        check_memory(2 * max(4, data.dtype.itemsize) * frame, f"{source}: a frame")
    if data.ndim == 2:
        return FrameStack(source, (1, *data.shape), data.dtype, partial(_read, source, data, None), 1, mask, meta)
    if data.ndim != 3:
        raise InputError(
            f"{source} has {data.ndim} axes, {shape_text(data.shape)}; frames are a stack of three: reshape it, or name another"
        )
    if not 0 <= axis < 3:
        raise InputError(f"axis={axis} counts no frames of {shape_text(data.shape)}; give 0, 1 or 2 with --axis")
    if mask is not None and mask.ndim == 3:
        mask = np.moveaxis(mask, axis, 0) if mask.shape == data.shape else mask
    shape = (data.shape[axis], *(n for a, n in enumerate(data.shape) if a != axis))
    return FrameStack(source, shape, data.dtype, partial(_read, source, data, axis), chunk, mask, meta)


def _read(source: str, data: Any, axis: int | None, part: slice) -> NDArray[Any]:
    """Frames of an array, or of a dataset, along an axis; None for a single frame."""
    try:
        if axis is None:
            return np.asarray(data[()])[None][part]
        where = tuple(part if a == axis else slice(None) for a in range(3))
        return np.moveaxis(np.asarray(data[where]), axis, 0)
    except MemoryError as error:
        many = f"{source}: frames {part.start} to {part.stop - 1}"
        raise NotEnoughMemory(f"{many} do not fit into memory; store fewer in a chunk, or take a larger machine") from error
    except Exception as error:  # a damaged chunk, by whatever filter
        raise InputError(f"{source}: frames from {part.start} on cannot be read ({error}); copy the file again") from error
