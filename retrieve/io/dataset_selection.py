"""The choice of the measurement among a file's arrays, and of the arrays beside it: one rule for npz, MATLAB and HDF5."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..files import parse_json
from ..plugins.options import unknown
from .counts import shape_text
from .masks import join_masks
from .records import RawFile, Stored

COMPANIONS = ("mask", "pixel_mask", "support", "truth", "object", "meta")
CLEARLY_BIGGER = 4  # times the size of the next array: the measurement; the others belong to it


def assemble(
    path: Path,
    arrays: Mapping[str, Stored],
    key: str | None,
    *,
    preferred: str | None = None,
    why: str = "",
    notes: Sequence[str] = (),
    detector: bool = False,
) -> RawFile:
    """Read the chosen array with the mask, support, truth and meta that lie beside it.

    arrays: everything in the file by name ("/" separates groups).  preferred: the array that the file itself points to, and
    `why`.  detector: see `RawFile`.  Raises `InputError` when the choice is not clear.
    """
    if key is not None:
        name, note = resolve_dataset(path, arrays, key), ""
    elif preferred is not None:
        name, note = preferred, f"array {preferred!r} read because {why}"
    else:
        name, note = select_dataset(path, arrays)
    group = name.rpartition("/")[0]

    def beside(*leaves: str) -> str | None:
        places = [f"{group}/{leaf}".lstrip("/") for leaf in leaves] + list(leaves)
        return next((place for place in places if place in arrays and place != name), None)

    data = read_numbers(path, name, arrays[name])
    said = [text for text in (*notes, note, arrays[name].note) if text]
    places, left_out = mask_places(name, arrays)
    mask, convention, notes_of_masks = join_masks(arrays, places, (data.shape, data.shape[1:]))
    said += [*left_out, *notes_of_masks]
    support, truth, meta = (
        arrays[place].read() if (place := beside(*leaves)) else None for leaves in (("support",), ("truth", "object"), ("meta",))
    )
    return RawFile(
        data,
        name,
        mask=mask,
        support=support,
        truth=truth,
        meta=parse_meta(meta),
        notes=tuple(said),
        detector=detector,
        mask_convention=convention,
    )


def mask_places(name: str, arrays: Mapping[str, Stored]) -> tuple[list[str], list[str]]:
    """The masks of an array, and notes: beside it or at the top of the file, and the NeXus `pixel_mask` of its detector.

    Masks of several detectors are left out.
    """
    group, length = name.rpartition("/")[0], set(arrays[name].shape)
    beside = [f"{group}/{leaf}".lstrip("/") for leaf in ("pixel_mask", "mask")] + ["pixel_mask", "mask"]
    found = next((place for place in beside if place in arrays and place != name), None)
    nexus = [place for place in arrays if place.endswith("/pixel_mask") and place != name]
    if found is not None:
        own = [place for place in nexus if group and place.startswith(f"{group}/")]
        return list(dict.fromkeys([found, *own])), []
    fitting = sorted((p for p in nexus if len(arrays[p].shape) > 1 and set(arrays[p].shape) <= length), key=len)
    if any(not place.startswith(fitting[0].removesuffix("pixel_mask")) for place in fitting):
        return [], [f"several masks left out: {', '.join(fitting)}; give that of the data with --mask FILE:/DATASET"]
    return fitting, []


def read_numbers(path: Path, name: str, stored: Stored) -> NDArray[Any]:
    """Read a measured array. Raises `InputError` for complex and non-numeric ones, before their values are read."""
    if stored.complex:
        raise InputError(
            f"{path}: {name!r} holds complex values; a measurement is real: pass the intensity |F|², "
            f"or name another array with --key"
        )
    if stored.dtype.hasobject:
        raise InputError(f"{path}: {name!r} holds Python objects or text, which are not loaded; save or name an array of numbers")
    if stored.dtype.kind not in "iufb":
        raise InputError(f"{path}: {name!r} holds no numbers but {stored.dtype}; name a numeric array with --key")
    check_not_empty(path, name, stored.shape)
    return stored.read()


def check_not_empty(path: object, name: str, shape: Sequence[int]) -> None:
    """Raise `InputError` for an array without a value."""
    if 0 in shape:
        what = "holds no frames" if len(shape) > 2 and shape[0] == 0 else "holds no values"
        raise InputError(f"{path}: {name!r} {what} ({shape_text(shape)}); name another with --key, or another file")


def resolve_dataset(path: Path, arrays: Mapping[str, Stored], key: str) -> str:
    """The full name of an array, from its full name or its last part."""
    wanted = key.strip("/")
    if wanted in arrays:
        return wanted
    tails = [name for name in arrays if name.endswith("/" + wanted)]
    if len(tails) == 1:
        return tails[0]
    if tails:
        raise InputError(f"{path}: {key!r} names {listing(arrays, tails)}; give the full name with --key")
    # a NeXus file may hold hundreds of arrays: name those that come near, else some that could be meant
    known = difflib.get_close_matches(key, arrays) or [n for n in arrays if arrays[n].plausible][:8] or list(arrays)[:8]
    raise InputError(unknown("array", key, known, of=str(path), more="name one with --key"))


def select_dataset(path: Path, arrays: Mapping[str, Stored]) -> tuple[str, str]:
    """The name of the measured array, and a note with the reason; no note for arrays called intensity or amplitude."""
    for leaf in ("intensity", "amplitude"):
        named = [name for name in arrays if name.rpartition("/")[2] == leaf]
        if len(named) == 1:
            return named[0], ""
    open_names = [n for n in arrays if n.rpartition("/")[2] not in COMPANIONS]
    plausible = sorted((n for n in open_names if arrays[n].plausible), key=lambda n: -int(np.prod(arrays[n].shape)))
    if not plausible:
        raise InputError(_no_measurement(path, arrays, open_names))
    sizes = [int(np.prod(arrays[n].shape)) for n in plausible]
    for empty in plausible:  # frames that were never written: a picture beside them is no measurement
        if 0 in arrays[empty].shape and len(arrays[empty].shape) > len(arrays[plausible[0]].shape):
            check_not_empty(path, empty, arrays[empty].shape)
    if len(plausible) == 1:
        return plausible[0], f"array {plausible[0]!r} read because it is the only picture or volume in the file"
    if sizes[0] >= CLEARLY_BIGGER * sizes[1]:
        return plausible[0], f"array {plausible[0]!r} read because it is by far the biggest in the file"
    raise InputError(
        f"{path} holds several arrays that may be the measurement: {listing(arrays, plausible)}; choose one with --key"
    )


def listing(arrays: Mapping[str, Stored], names: Sequence[str], most: int = 8) -> str:
    """Names with shapes in one line, such as ``counts (11×128×128), dark (128×128)``."""
    shown = ", ".join(f"{n} ({'×'.join(map(str, arrays[n].shape)) or 'one value'})" for n in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def _no_measurement(path: Path, arrays: Mapping[str, Stored], open_names: Sequence[str]) -> str:
    if not arrays:
        return f"{path} holds no arrays; write the intensity into it as a 2D or 3D array"
    waves = [n for n in arrays if arrays[n].complex]
    if waves:
        return (
            f"{path} holds no measurement, only {listing(arrays, list(arrays))}, where {waves[0]!r} holds complex values; "
            f"a measurement is real: give the intensity |F|² or name another array with --key"
        )
    return (
        f"{path} holds no 2D or 3D array of numbers, only {listing(arrays, list(open_names) or list(arrays))}; "
        f"give the intensity as a 2D or 3D array of at least 16 pixels an axis"
    )


def parse_meta(stored: NDArray[Any] | str | bytes | None) -> dict[str, Any]:
    """Meta as a mapping. Text that is no JSON object is kept under "text"."""
    if stored is None:
        return {}
    text = stored.item() if isinstance(stored, np.ndarray) and stored.size == 1 else stored
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    try:
        meta = parse_json(text, "meta")
    except InputError:
        meta = text
    return meta if isinstance(meta, dict) else {"text": meta}
