"""`load` a measurement with a note for every assumption; `read` it as a `Problem`."""

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
from ..problem.meta import in_window, settled
from ..provenance import sha256
from .axes import one_frame, without_short_axes
from .conventions import cut_at_edge, flagged, guess_centred, guess_kind
from .counts import Counts, fast_size, place_in, shape_text
from .dataset_selection import COMPANIONS, check_not_empty
from .masks import MASK_CONVENTIONS, check_mask, measured_mask, spread_mask, with_convention
from .records import RawFile, Reader
from .registry import companion, read_file, readers, split_key

KINDS = ("auto", "intensity", "amplitude")
CENTRED = {"auto": None, "yes": True, "no": False}


@dataclass(frozen=True, eq=False)
class Measurement:
    """A measurement as a file holds it.

    Attributes
    ----------
    data
        float32 (*shape), 2D or 3D, in the file's orientation; padded where the detector's edge cuts the pattern.
    kind
        "intensity" or "amplitude".
    centred
        True if the peak is at N//2, False if zero frequency is at index 0.
    source
        The file.
    mask
        bool (*shape), True = measured, or None.
    support, truth
        Object arrays (*shape), centred at N//2, or None.
    meta
        What the file says of itself.
    notes
        Every assumption, with its reason.
    options
        The options given to `load`.
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
        """Make the phase problem. Its meta gains `input` (path, SHA-256, options of `load`, SHA-256 of their files) and `notes`.

        Parameters
        ----------
        bad_pixels
            "error" or "mask"; see `Problem.from_arrays`.
        likelihood
            The noise. By default the file's own, or else a Gaussian.

        Raises
        ------
        InputError
            For values or shapes that cannot be used.
        """
        beside = {role: split_key(self.options[role])[0] for role in ("mask", "support") if role in self.options}
        hashes = {f"{role}_sha256": sha256(file) for role, file in beside.items()}
        origin = {"path": str(self.source), "sha256": sha256(self.source), **self.options, **hashes}
        meta = {**self.meta, "input": origin, "notes": list(self.notes)}
        record = meta.pop("likelihood", None)
        stored = None if likelihood is not None else stored_likelihood(record)
        if likelihood is None and stored is None and isinstance(record, Mapping) and "name" in record:
            raise InputError(
                f"{self.source}: its likelihood {record['name']!r} is unknown here; install the plugin that defines it, "
                "or name another one with --likelihood"
            )
        try:
            return Problem.from_arrays(
                intensity=self.data if self.kind == "intensity" else None,
                amplitude=self.data if self.kind == "amplitude" else None,
                mask=self.mask,
                support=self.support,
                truth=self.truth,
                meta=meta,
                likelihood=likelihood or stored,
                centred=self.centred,
                bad_pixels=bad_pixels,
            )
        except InputError as error:
            raise InputError(f"{self.source}: {error}") from error


def read(path: str | Path, *, bad_pixels: str = "error", likelihood: Likelihood | None = None, **options: Any) -> Problem:
    """Read a file of any known format as a phase problem.

    Parameters
    ----------
    path
        The file, or ``file.h5:/dataset``.
    bad_pixels
        What NaN, infinite and negative values on measured pixels do: "error" raises, "mask" makes them unmeasured.
    likelihood
        The noise. By default the file's own, or else a Gaussian.
    **options
        As in `load`.

    Returns
    -------
    Problem
        With `input` and `notes` in its meta: where it comes from, and every assumption about the file.

    Raises
    ------
    InputError
        For a file that cannot be read or understood.
    """
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
    mask_convention: str = "auto",
    experiment: Mapping[str, Any] | None = None,
    extra: Iterable[Reader] = (),
) -> Measurement:
    """Read a measurement, and note every assumption about the file.

    Parameters
    ----------
    path
        The file, or ``file.h5:/dataset``.
    key
        Name of the array, where the file holds several.
    mask, support
        Other files (``file.h5:/dataset`` names one array) that replace the file's own mask and support.
    kind
        "intensity", "amplitude" or "auto".
    centred
        "yes" (peak at N//2), "no" (zero frequency at index 0) or "auto".
    frame
        Number of the frame to take from a stack, along axis 0.
    mask_convention
        The meaning of 1 in the mask: "measured", "masked" (PyNX, bcdi), or "auto", by its name. A mask that hides nearly all
        counts is refused with "auto".
    experiment
        Fields of an `Experiment` that replace those of the file.
    extra
        Readers beside the registered ones.

    Returns
    -------
    Measurement
        The arrays with the notes on all assumptions.

    Raises
    ------
    InputError
        For a file that cannot be read or understood.
    """
    _check_choice("kind", kind, KINDS)
    _check_choice("centred", centred, CENTRED)
    _check_choice("mask_convention", mask_convention, MASK_CONVENTIONS)
    table = readers(extra)
    source, key = split_key(path, key)
    options = {"key": key, "mask": mask, "support": support, "frame": frame, "kind": kind, "centred": centred}
    options["mask_convention"] = mask_convention
    asked: dict[str, Any] = {k: v if k == "frame" else str(v) for k, v in options.items() if v not in (None, "auto")}
    if experiment:
        asked["experiment"] = dict(experiment)
    raw = read_file(source, key, table)
    if frame is not None or (raw.data.ndim > 2 and 1 in raw.data.shape):
        raw = one_frame(without_short_axes(raw), frame, source)
    _check_numbers(raw, source)
    meta, told = settled(raw.meta, raw.data.shape, experiment, source)
    raw = replace(raw, meta=meta, notes=(*raw.notes, *told))
    if mask is not None:
        name, array = companion(mask, "mask", table)
        valid, convention, note = measured_mask(name, _frame_of(array, raw.data, frame), mask_convention)
        raw = _changed(raw, f"{note}, from {mask}", mask=valid, mask_convention=convention)
    elif raw.mask is not None:
        raw = with_convention(raw, mask_convention)
    if support is not None:
        raw = _changed(raw, f"support from {support}", support=companion(support, "support", table)[1])
    raw = _mask_flags(raw if raw.mask is None else spread_mask(raw, source))
    if raw.mask is not None and raw.mask_convention and mask_convention == "auto":
        check_mask(raw.mask, raw.data, source if mask is None else mask, raw.mask_convention)
    if kind == "auto" and raw.kind is None:
        kind, note = guess_kind(raw.name, raw.data, raw.mask)
        raw = _changed(raw, note)
    elif kind == "auto":
        kind = str(raw.kind)
    at_centre = raw.centred if centred == "auto" else CENTRED[centred]
    if at_centre is None:
        raw, at_centre = _find_centre(raw)
    data = raw.data.astype(np.float32, copy=False)
    return Measurement(data, kind, at_centre, source, raw.mask, raw.support, raw.truth, raw.meta, raw.notes, asked)


def _check_choice(option: str, value: str, choices: Iterable[str]) -> None:
    if value not in choices:
        raise InputError(f"{option}={value!r} is unknown; give one of {', '.join(choices)}")


def _changed(raw: RawFile, note: str, **changes: Any) -> RawFile:
    return replace(raw, notes=(*raw.notes, note), **changes)


def _check_numbers(raw: RawFile, source: Path) -> None:
    """Raise `InputError` unless the data are real numbers on two or three axes."""
    what, data = f"{source}: {raw.name!r}", raw.data
    if data.dtype.kind == "c":
        raise InputError(f"{what} holds complex values; a measurement is real: pass the intensity |F|², or --key")
    if data.dtype.kind == "b":
        mask = " (it looks like a mask)" if raw.name.rpartition("/")[2] in COMPANIONS else ""
        raise InputError(f"{what} holds True and False{mask}; name the intensity with --key")
    if data.dtype.kind not in "iuf":
        raise InputError(f"{what} holds no numbers but {data.dtype}; name a numeric array with --key")
    check_not_empty(source, raw.name, data.shape)
    for role in ("support", "truth"):
        array = getattr(raw, role)
        if array is not None and np.asarray(array).dtype.kind not in "biufc":
            raise InputError(
                f"{source}: its {role} holds no numbers but {np.asarray(array).dtype}; write numbers, or take it out"
            )
    if data.ndim > 3:
        raise InputError(
            f"{what} has {data.ndim} axes, {shape_text(data.shape)}; take a part with --frame (along axis 0) or --key"
        )
    if data.ndim < 2:
        raise InputError(f"{what} has shape {data.shape}; a measurement has 2 or 3 axes: name another array with --key")


def _frame_of(array: NDArray[Any], data: NDArray[Any], frame: int | None) -> NDArray[Any]:
    return array[frame] if frame is not None and array.ndim == data.ndim + 1 and frame < len(array) else array


def _mask_flags(raw: RawFile) -> RawFile:
    """Pixels whose value is a flag become unmeasured zeros."""
    flags, note = flagged(raw.data, raw.detector, raw.mask)
    hidden = None if raw.mask is None or raw.mask.all() else flagged(raw.data, raw.detector)[0]
    if hidden is not None and raw.mask is not None:
        raw = replace(raw, data=np.where(hidden & ~raw.mask, raw.data.dtype.type(0), raw.data))
    if flags is None:
        return raw
    data = np.where(flags, raw.data.dtype.type(0), raw.data)
    return _changed(raw, note, data=data, mask=~flags if raw.mask is None else raw.mask & ~flags)


def _find_centre(raw: RawFile) -> tuple[RawFile, bool]:
    """Whether the peak is at N//2. A pattern that the detector's edge cuts is padded with unmeasured pixels around its peak."""
    data = raw.data.astype(np.float32, copy=False)
    peak = cut_at_edge(data, raw.mask) if raw.support is None and raw.truth is None else None
    if peak is None:
        centred, note = guess_centred(data, raw.mask)
        return _changed(raw, note), centred
    shape = tuple(fast_size(2 * max(p, n - p)) for p, n in zip(peak, data.shape, strict=True))
    counts = place_in(Counts(data, np.ones(data.shape, bool) if raw.mask is None else raw.mask), peak, shape)
    meta = in_window(raw.meta, data.shape, [p - n // 2 for p, n in zip(peak, shape, strict=True)], shape)
    note = (
        f"peak at {peak} of {shape_text(data.shape)}, near the edge, which cuts the pattern on one side: padded to "
        f"{shape_text(shape)} with pixels that are not measured, the peak in the middle; --centred yes takes it as it is"
    )
    return _changed(raw, note, data=counts.values, mask=counts.valid, meta=meta), True
