"""Masks of files: what their numbers mean, several masks of one measurement, and the refusal of one given the wrong way round."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .counts import shape_text
from .records import RawFile, Stored

MASK_CONVENTIONS = ("auto", "measured", "masked")
"""The meaning of a mask's 1. auto: by its name."""

INFORMING = {
    0x20: "in the peak mask",
    0x100: "out of the resolution limits",
    0x800: "artifact corrected",
    0x2000: "peak of the hit finder",
    0x4000: "background corrected",
}
"""Bits of a CXI mask that tell of a good pixel. All other bits mark a bad one. Source: CXI file format, Maia 2012."""

HIDDEN_COUNTS = 0.9  # share of the counts, or of the pixels with counts, that a mask the wrong way round hides at least
MOST_MASKED = 0.5  # share of the pixels that it hides at least
FEW_MEASURED = 0.02  # share of measured pixels below which pixels with counts are looked at, not their counts


def measured_mask(name: str, mask: NDArray[Any], convention: str = "auto") -> tuple[NDArray[np.bool_], str, str]:
    """A stored mask as True = measured, its convention ("measured" or "masked"), and both in words.

    NeXus `pixel_mask` and the mask of a CXI detector or image have 0 for good pixels, and bits for faults. All other masks have
    1 for measured pixels.
    """
    if convention not in MASK_CONVENTIONS:
        raise InputError(f"mask_convention={convention!r} is unknown; give one of {', '.join(MASK_CONVENTIONS)}")
    check_mask_values(name, mask)
    of_cxi = re.search(r"(detector|image)_\d+/mask$", name) is not None
    if convention == "auto":
        convention = "masked" if of_cxi or re.search(r"(^|/)pixel_mask$", name) else "measured"
    informing = ""
    if convention == "masked" and of_cxi and mask.dtype.kind in "iu":
        mask, informing = _faults(mask)
    valid = np.asarray(mask == 0 if convention == "masked" else mask != 0)
    words = "0 = good" if convention == "masked" else "1 = measured"
    return valid, convention, f"mask {name!r}: {words}, {_percent(valid)} measured{informing}"


def check_mask_values(name: str, mask: NDArray[Any]) -> None:
    """Raise `InputError` for a mask of text, dates, complex numbers or NaN, and for one without a value."""
    if mask.dtype.kind not in "biuf":
        raise InputError(f"mask {name!r} holds {mask.dtype}; a mask holds numbers, 0 and 1: name another with --mask")
    if not mask.size:
        raise InputError(f"mask {name!r} holds no values ({shape_text(mask.shape)}); name another with --mask")
    if mask.dtype.kind == "f" and not np.isfinite(mask).all():
        count = int((~np.isfinite(mask)).sum())
        raise InputError(f"mask {name!r} is NaN or infinite on {count} pixels; write 0 or 1 there, or give another with --mask")


def _faults(mask: NDArray[Any]) -> tuple[NDArray[Any], str]:
    """The mask without the bits that only inform, and those that it has, in words."""
    found = int(np.bitwise_or.reduce(mask, axis=None))
    told = [f"{bit:#x} {meaning}" for bit, meaning in INFORMING.items() if found & bit]
    if not told:
        return mask, ""
    return mask & ~np.array(sum(INFORMING), np.int64).astype(mask.dtype), f"; bits that only inform: {', '.join(told)}"


def _percent(valid: NDArray[np.bool_]) -> str:
    share = 100 * float(valid.mean())
    return f"{share:.1f} %" if valid.all() or share < 99.95 else f"all but {int((~valid).sum())} pixels"


def join_masks(
    arrays: Mapping[str, Stored], places: Sequence[str], shapes: Sequence[tuple[int, ...]], convention: str = "auto"
) -> tuple[NDArray[np.bool_] | None, str, list[str]]:
    """The masks at these places as one: measured where all are, the convention of the first, and notes.

    Equal masks are one. A mask of none of the `shapes` is left out, with a note, unless it is the only one.
    """
    notes: list[str] = []
    fitting = [place for place in places if arrays[place].shape in shapes] or list(places[:1])
    for place in places:
        if place not in fitting:
            shape = shape_text(arrays[place].shape)
            notes.append(f"mask {place!r} left out: its shape {shape} does not fit {shape_text(shapes[0])}")
    joined: NDArray[np.bool_] | None = None
    first, before = "", ""
    for place in sorted(fitting, key=lambda place: -len(arrays[place].shape)):
        valid, said, note = measured_mask(place, arrays[place].read(), convention)
        if joined is None:
            joined, first, before = valid, said, place
            notes.append(note)
        elif valid.shape == joined.shape and np.array_equal(valid, joined):
            notes.append(f"mask {place!r} is the same as {before!r}")
        else:
            joined = joined & valid
            notes += [note, f"masks joined: {_percent(joined)} measured"]
    return joined, first, notes


def with_convention(raw: RawFile, convention: str) -> RawFile:
    """The file with its own mask read by a convention that the user gives."""
    if raw.mask is None or convention in ("auto", raw.mask_convention or "measured"):
        return raw
    valid = ~raw.mask
    note = f"mask taken the other way round, --mask-convention {convention}: {_percent(valid)} measured"
    return replace(raw, mask=valid, mask_convention=convention, notes=(*raw.notes, note))


def spread_mask(raw: RawFile, source: object) -> RawFile:
    """The file with its mask on all frames of a stack. Raises `InputError` for a mask of another shape."""
    if raw.mask is None or raw.mask.shape == raw.data.shape:
        return raw
    if raw.mask.shape == raw.data.shape[1:]:
        notes = (*raw.notes, "one mask used for all frames of axis 0")
        return replace(raw, mask=np.broadcast_to(raw.mask, raw.data.shape), notes=notes)
    shapes = f"the mask is {shape_text(raw.mask.shape)}, the data {shape_text(raw.data.shape)}"
    raise InputError(f"{source}: {shapes}; give one of that shape with --mask")


def check_mask(valid: NDArray[np.bool_] | None, data: NDArray[Any], source: object, convention: str) -> None:
    """Raise `InputError` for a mask that seems to be given the wrong way round.

    Parameters
    ----------
    valid
        True = measured, of the shape of data or of its last two axes.
    data
        Counts (…, rows, columns) with zeros for flags; NaN counts as zero.
    source
        The file, for the message.
    convention
        That by which the mask was read.
    """
    if valid is None or valid.mean() > 1 - MOST_MASKED:
        return
    hidden = np.broadcast_to(~valid, data.shape)
    level = _without_hot_pixels(data)
    lit, total = level > 0, float(level.sum(dtype=float))
    if not total:
        return
    counts = float(level[hidden].sum(dtype=float)) / total
    pixels = float(lit[hidden].sum()) / float(lit.sum())
    peak_hidden = bool(level[hidden].max() >= level.max())
    if not (counts >= HIDDEN_COUNTS and peak_hidden or valid.mean() < FEW_MEASURED and pixels >= HIDDEN_COUNTS):
        return
    one, other = ("masked", "measured") if convention == "measured" else ("measured", "masked")
    raise InputError(
        f"{source}: the mask hides {max(counts, pixels):.0%} of the counts and leaves {valid.mean():.1%} of the pixels, "
        f"as one the wrong way round does; if its 1 means {one}{' (PyNX, bcdi)' * (one == 'masked')}, give "
        f"--mask-convention {one}, if not, --mask-convention {other}"
    )


def _without_hot_pixels(data: NDArray[Any]) -> NDArray[np.float32]:
    """Each pixel limited to its brightest neighbour in its frame: single hot pixels hold most counts, but no pattern."""
    level = np.clip(np.nan_to_num(data.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0), 0, None)
    neighbours = np.zeros_like(level)
    for axis in (-2, -1):
        for step in (-1, 1):
            np.maximum(neighbours, np.roll(level, step, axis), out=neighbours)
    return np.minimum(level, neighbours)
