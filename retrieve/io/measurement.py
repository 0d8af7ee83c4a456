"""`load` a measurement with everything that had to be assumed said in words; `read` it as a `Problem`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..problem import Problem
from ..problem.likelihood import Likelihood, stored_likelihood
from ..provenance import sha256
from .conventions import cut_at_edge, flagged, guess_centred, guess_kind, measured_mask
from .dataset_selection import COMPANIONS
from .records import RawFile, Reader
from .registry import read_file, readers, split

MEASUREMENT_PARTS = ("mask", "support", "truth")
CENTRED = {"auto": None, "yes": True, "no": False}


@dataclass(frozen=True, eq=False)
class Measurement:
    """A measurement as a file holds it.

    data: float32 (*shape), 2D or 3D, in the file's orientation; padded where the edge cuts the pattern.
    kind: "intensity" or "amplitude".  centred: True when the peak is at N//2, False when zero frequency is at index 0.
    mask: bool (*shape), True = measured, or None.  support, truth: centred object arrays or None.
    meta: what the file says of itself.  notes: what was assumed, and why, in plain words.
    options: what `load` was asked beyond the path.
    """

    data: NDArray[np.float32]
    kind: str
    centred: bool
    source: Path
    mask: NDArray[np.bool_] | None = None
    support: NDArray[Any] | None = None
    truth: NDArray[Any] | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def problem(self, bad_pixels: str = "error", likelihood: Likelihood | None = None) -> Problem:
        """The phase problem. Its meta gains `input` (path, SHA-256, options of `load`) and `notes`.

        likelihood: the noise; without it the one that the file names holds, else the default.

        Raises `InputError` for values or shapes that cannot be used (see `Problem.from_arrays`).
        """
        origin = {"path": str(self.source), "sha256": sha256(self.source), **self.options}
        about = {**self.meta, "input": origin, "notes": list(self.notes)}
        stored = about.pop("likelihood", None)
        try:
            return Problem.from_arrays(
                intensity=self.data if self.kind == "intensity" else None,
                amplitude=self.data if self.kind == "amplitude" else None,
                mask=self.mask,
                support=self.support,
                truth=self.truth,
                meta=about,
                likelihood=likelihood or stored_likelihood(stored),
                centred=self.centred,
                bad_pixels=bad_pixels,
            )
        except InputError as error:
            raise InputError(f"{self.source}: {error}") from error


def read(path: str | Path, *, bad_pixels: str = "error", likelihood: Likelihood | None = None, **options: Any) -> Problem:
    """Read a file of any known format as a `Problem`; the options are those of `load`."""
    return load(path, **options).problem(bad_pixels=bad_pixels, likelihood=likelihood)


def load(
    path: str | Path,
    *,
    key: str | None = None,
    mask: str | Path | None = None,
    support: str | Path | None = None,
    kind: str = "auto",
    centred: str = "auto",
    frame: int | None = None,
    extra: Iterable[Reader] = (),
) -> Measurement:
    """Read a measurement and say what was assumed.

    key: the array to read where the file holds several.  mask, support: another file
    (``file.h5:/dataset`` names one array in it) that replaces the file's own.  kind: "auto",
    "intensity" or "amplitude".  centred: "auto", "yes" (peak at N//2) or "no" (at index 0).
    frame: take one frame of a stack, along axis 0.  extra: readers beside the built-in ones.
    Raises `InputError` for a file that cannot be read or understood.
    """
    _one_of("kind", kind, ("auto", "intensity", "amplitude"))
    _one_of("centred", centred, CENTRED)
    table = readers(extra)
    source, key = split(path, key)
    options = {"key": key, "mask": mask, "support": support, "frame": frame, "kind": kind, "centred": centred}
    asked = {name: value if name == "frame" else str(value) for name, value in options.items() if value not in (None, "auto")}
    raw = _framed(_squeezed(read_file(source, key, table)), frame, source)
    _check(raw, source)
    notes = list(raw.notes)
    valid, own_support = raw.mask, raw.support
    if mask is not None:
        name, array = companion(mask, "mask", table)
        valid, said = measured_mask(name, _role_frame(array, raw.data, frame))
        notes.append(f"{said}, from {mask}")
    if support is not None:
        _, own_support = companion(support, "support", table)
        notes.append(f"support from {support}")
    valid, spread = _spread(valid, raw.data.shape, source)
    notes += spread
    flags, said_flags = flagged(raw.data, raw.detector)
    data = raw.data.astype(np.float32)
    if flags is not None:
        data, valid = np.where(flags, np.float32(0), data), ~flags if valid is None else valid & ~flags
        notes.append(said_flags)
    if kind == "auto":
        kind, said_kind = (raw.kind, "") if raw.kind else guess_kind(raw.name, raw.data if flags is None else data)
        notes += [said_kind] if said_kind else []
    at_centre = CENTRED[centred] if centred != "auto" else raw.centred
    if at_centre is None:
        peak = cut_at_edge(data, valid) if own_support is None and raw.truth is None else None
        if peak is None:
            at_centre, said_centre = guess_centred(data, valid)
        else:
            at_centre, (data, valid), said_centre = True, *_padded(data, valid, peak)
        notes.append(said_centre)
    return Measurement(data, kind, at_centre, source, valid, own_support, raw.truth, raw.meta, tuple(notes), asked)


def _padded(
    data: NDArray[np.float32], valid: NDArray[np.bool_] | None, peak: tuple[int, ...]
) -> tuple[tuple[NDArray[np.float32], NDArray[np.bool_]], str]:
    """A pattern that the detector's edge cuts, with its peak in the middle of what was measured and what was not; in words."""
    from .counts import Counts, fast_size, place_in

    counts = Counts(data, np.ones(data.shape, bool) if valid is None else valid)
    shape = tuple(fast_size(2 * max(p, n - p)) for p, n in zip(peak, data.shape, strict=True))
    said = (
        f"peak at {peak} of {_by(data.shape)}, near the edge, which cuts the pattern on one side: padded to {_by(shape)} with "
        "pixels that are not measured, the peak in the middle; --centred yes takes it as it is"
    )
    return place_in(counts, peak, shape), said


def _one_of(option: str, value: str, choices: Iterable[str]) -> None:
    if value not in choices:
        raise InputError(f"{option}={value!r} is unknown; give one of {', '.join(choices)}")


def _squeezed(raw: RawFile) -> RawFile:
    """Axes of length 1 dropped: a single frame in a stack, or MATLAB's and TIFF's spare axes."""
    shape = raw.data.shape
    if 1 not in shape or raw.data.ndim < 3:
        return raw
    parts: dict[str, Any] = {n: a.squeeze() for n in MEASUREMENT_PARTS if (a := getattr(raw, n)) is not None}
    note = f"axes of length 1 of {_by(shape)} dropped"
    return replace(raw, data=raw.data.squeeze(), meta=_meta_of(raw, 0), notes=(*raw.notes, note), **parts)


def _framed(raw: RawFile, frame: int | None, source: Path) -> RawFile:
    if frame is None:
        return raw
    stack = raw.data.shape
    if len(stack) < 3:
        raise InputError(f"{source}: {raw.name!r} is no stack but {_by(stack)}; leave out --frame {frame}")
    if not 0 <= frame < stack[0]:
        raise InputError(f"{source}: {raw.name!r} has {stack[0]} frames; --frame {frame} must be between 0 and {stack[0] - 1}")
    parts: dict[str, Any] = {n: a[frame] for n in MEASUREMENT_PARTS if (a := getattr(raw, n)) is not None and a.shape == stack}
    note = f"frame {frame} of {stack[0]} taken"
    return replace(raw, data=raw.data[frame], meta=_meta_of(raw, frame), notes=(*raw.notes, note), **parts)


def _meta_of(raw: RawFile, frame: int) -> Mapping[str, Any]:
    """What the file tells of a frame: its own noise, where the file has a list of one for each."""
    noises = raw.meta.get("likelihood")
    if not isinstance(noises, list) or len(noises) != len(raw.data):
        return raw.meta
    return {**raw.meta, "likelihood": noises[frame]}


def _check(raw: RawFile, source: Path) -> None:
    what, data = f"{source}: {raw.name!r}", raw.data
    if data.dtype.kind == "c":
        raise InputError(f"{what} holds complex values; a measurement is real: pass the intensity |F|², or --key")
    if data.dtype.kind == "b":
        mask = " (it looks like a mask)" if raw.name.rpartition("/")[2] in COMPANIONS else ""
        raise InputError(f"{what} holds True and False{mask}; name the intensity with --key")
    if data.dtype.kind not in "iuf":
        raise InputError(f"{what} holds no numbers but {data.dtype}; name a numeric array with --key")
    if data.ndim > 3:
        raise InputError(f"{what} has {data.ndim} axes, {_by(data.shape)}; take a part with --frame (along axis 0) or --key")
    if data.ndim < 2:
        raise InputError(f"{what} has shape {data.shape}; a measurement has 2 or 3 axes: name another array with --key")


def companion(spec: str | Path, role: str, table: Mapping[str, Reader] | None = None) -> tuple[str, NDArray[Any]]:
    """The mask, support, dark, … of another file: what its key names, else its array of that name, else its only array.

    Returns the array's name and the array without axes of length 1. Raises `InputError` for a file without one.
    """
    path, key = split(spec)
    table = readers() if table is None else table
    if key is not None:
        raw = read_file(path, key, table)
        return raw.name, raw.data
    try:
        raw = read_file(path, role, table)
    except InputError:
        raw = read_file(path, None, table)
    if raw.data.dtype.kind not in "biuf":
        raise InputError(f"{path}: {raw.name!r} holds {raw.data.dtype}, no {role}; name one as {path.name}:/dataset")
    return raw.name, raw.data.squeeze()


def _role_frame(array: NDArray[Any], data: NDArray[Any], frame: int | None) -> NDArray[Any]:
    return array[frame] if frame is not None and array.ndim == data.ndim + 1 and frame < len(array) else array


def _spread(mask: NDArray[np.bool_] | None, shape: tuple[int, ...], source: Path) -> tuple[NDArray[np.bool_] | None, list[str]]:
    """The mask on every pixel of the data; one frame's mask holds for all frames of a stack."""
    if mask is None or mask.shape == shape:
        return mask, []
    if mask.shape == shape[1:]:
        return np.broadcast_to(mask, shape), ["one mask used for all frames of axis 0"]
    raise InputError(f"{source}: the mask is {_by(mask.shape)}, the data {_by(shape)}; give one of that shape with --mask")


def _by(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "a single value"
