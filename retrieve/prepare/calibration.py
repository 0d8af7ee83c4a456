"""Calibration of a detector: dark, gain, flat field, background and mask turn raw units into counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..io.counts import shape_text
from ..io.masks import check_mask, measured_mask
from ..io.registry import companion
from .frames import Frames

ROLES = ("dark", "gain", "flat", "background")
WEAK_DEVIATIONS = 3  # standard deviations below its mean at which a flat field's pixel counts as dead
Image = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Calibration:
    """counts = (raw − dark)/(gain · flat) − background, on the pixels of the mask.

    Parameters
    ----------
    dark : float32 (rows, columns)
        Raw units without light.
    gain : float32 (rows, columns)
        Raw units a count.
    flat : float32 (rows, columns)
        Relative response, divided by its mean over good pixels.
    background : float32 (rows, columns)
        Counts of a frame without object.
    mask : bool (rows, columns)
        True = measured.
    notes
        What was found in the calibration's files.
    mask_convention
        That by which the mask's file was read; empty if there is none, or if the user gave it.
    """

    dark: Image | None = None
    gain: Image | None = None
    flat: Image | None = None
    background: Image | None = None
    mask: NDArray[np.bool_] | None = None
    notes: tuple[str, ...] = ()
    mask_convention: str = ""

    @property
    def steps(self) -> tuple[str, ...]:
        """The notes and the steps of `apply`, in words."""
        texts = {"dark": "dark subtracted", "gain": "divided by the gain", "flat": "divided by the flat field"}
        texts["background"] = "background subtracted"
        return (*self.notes, *(text for name, text in texts.items() if getattr(self, name) is not None))

    def apply(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """The counts (…, rows, columns) of raw frames, NaN where the mask is False."""
        counts = raw if self.dark is None else raw - self.dark
        for factor in (self.gain, self.flat):
            counts = counts if factor is None else counts / factor
        counts = counts if self.background is None else counts - self.background
        return counts if self.mask is None else np.where(self.mask, counts, np.float32(np.nan))

    def hidden(self, shape: tuple[int, int, int]) -> NDArray[np.bool_]:
        """The pixels (rows, columns) that the mask hides."""
        return np.zeros(shape[1:], bool) if self.mask is None else ~self.mask

    def check_mask(self, raw: NDArray[np.float64], frames: Frames) -> None:
        """Raise `InputError` if the mask, or else the frames' own, hides nearly all counts of the mean raw frame."""
        taken = [name for name in (self.mask_convention, *(stack.mask_convention for stack in frames.stacks)) if name]
        mask = frames.ever if self.mask is None else self.mask
        if taken and mask is not None:
            counts = replace(self, mask=None).apply(raw.astype(np.float32))
            check_mask(mask, counts, frames.source, taken[0])


def read_calibration(
    shape: tuple[int, int, int],
    own: NDArray[np.bool_] | None = None,
    *,
    mask_convention: str = "auto",
    **files: str | Path | None,
) -> Calibration:
    """Read a calibration from files.

    Pixels without gain become unmeasured. So do pixels whose flat field is not above 0, or is `WEAK_DEVIATIONS` standard
    deviations below its mean.

    Parameters
    ----------
    shape
        Frames, rows, columns.
    own
        The mask in the frames' file, bool (rows, columns).
    mask_convention
        The meaning of 1 in the mask: "measured", "masked", or "auto", by its name.
    **files
        ``dark``, ``gain``, ``flat``, ``background`` and ``mask``, as FILE or ``file.h5:/dataset``. Stacks are averaged.

    Raises
    ------
    InputError
        For a file that is missing, or that has another shape than the frames.
    """
    parts: dict[str, Any] = {}
    notes = []
    convention = ""
    for role in ROLES:
        if (spec := files.get(role)) is not None:
            values = companion(spec, role)[1].astype(np.float32)
            image = values.mean(axis=0) if values.ndim == 3 else values
            notes += [f"{role} from {spec}" + (f", mean of {len(values)} frames" if values.ndim == 3 else "")]
            parts[role] = _checked_shape(image, role, spec, shape)
    good = np.ones(shape[1:], bool) if own is None else _checked_shape(own, "mask", "the file", shape)
    if (spec := files.get("mask")) is not None:
        valid, convention, note = measured_mask(*companion(spec, "mask"), mask_convention)
        good = good & _checked_shape(valid, "mask", spec, shape)
        notes += [f"{note}, from {spec}"]
    made = Calibration(**parts)
    if made.flat is not None:
        seen = made.flat[good]
        mean = seen.mean(dtype=float)
        below = max(WEAK_DEVIATIONS * seen.std(dtype=float), 1e-3 * mean)  # a uniform field has no deviation
        weak = ~(made.flat > max(0.0, mean - below))
        good &= ~weak
        made = replace(made, flat=np.where(weak, 1, made.flat / made.flat[good].mean(dtype=float)).astype(np.float32))
        notes += [f"{int(weak.sum())} pixels of the flat field are dead or weak: not measured"] * bool(weak.any())
    if made.gain is not None:
        none = ~(np.isfinite(made.gain) & (made.gain != 0))
        good &= ~none
        made = replace(made, gain=np.where(none, 1, made.gain).astype(np.float32))
    for name in ("dark", "background"):
        if (image := getattr(made, name)) is not None:
            good &= np.isfinite(image)
    if not good.any():
        raise InputError("the calibration leaves no measured pixel; check mask, gain and flat field")
    taken = convention if mask_convention == "auto" else ""
    return replace(made, mask=None if good.all() else good, notes=tuple(notes), mask_convention=taken)


def _checked_shape(image: NDArray, role: str, spec: str | Path, shape: tuple[int, int, int]) -> NDArray:
    """The image, if it fits frames of `shape` (frames, rows, columns). Raises `InputError` that names a likely --axis."""
    if image.shape == shape[1:]:
        return image
    shapes = f"{role} of {spec} is {shape_text(image.shape)}, the frames are {shape_text(shape[1:])}"
    if len(image.shape) == 2 and sorted(image.shape) == sorted(shape[1:]):
        raise InputError(f"{shapes}: rows and columns are exchanged; transpose one of them")
    for axis in (1, 2):
        if image.shape == tuple(n for a, n in enumerate(shape) if a != axis):
            raise InputError(f"{shapes}: the frames seem to lie along axis {axis} of their array; give --axis {axis}")
    raise InputError(f"{shapes}; give one of the frames' shape")
