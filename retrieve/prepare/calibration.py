"""What turns a detector's raw units into counts: dark, gain, flat field, background, and the mask of its pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..io.conventions import measured_mask
from ..io.registry import companion

ROLES = ("dark", "gain", "flat", "background")
WEAK = 3  # standard deviations below its mean at which a flat field's pixel counts as dead
Image = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Calibration:
    """counts = (raw − dark)/(gain · flat) − background, on the pixels of the mask.

    All (rows, columns) or None.  dark: raw units.  gain: raw units a count.  flat: relative response; divided by
    its mean over good pixels.  background: counts of a frame without object.  mask: bool, True = measured.
    """

    dark: Image | None = None
    gain: Image | None = None
    flat: Image | None = None
    background: Image | None = None
    mask: NDArray[np.bool_] | None = None

    @property
    def steps(self) -> tuple[str, ...]:
        """What it does, in words."""
        told = {"dark": "dark subtracted", "gain": "divided by the gain", "flat": "divided by the flat field"}
        told["background"] = "background subtracted"
        return tuple(text for name, text in told.items() if getattr(self, name) is not None)

    def apply(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Counts (…, rows, columns) of raw frames, NaN where the mask is False."""
        counts = raw if self.dark is None else raw - self.dark
        for factor in (self.gain, self.flat):
            counts = counts if factor is None else counts / factor
        counts = counts if self.background is None else counts - self.background
        return counts if self.mask is None else np.where(self.mask, counts, np.float32(np.nan))


def read_calibration(
    shape: tuple[int, int, int], own: NDArray[np.bool_] | None = None, **files: str | Path | None
) -> tuple[Calibration, tuple[str, ...]]:
    """The calibration in files, for frames (frames, rows, columns), and what was found of it in words.

    own: the mask in the frames' file.  files: dark, gain, flat, background and mask; a stack of one of the first four
    is averaged.  A pixel without gain, or of a flat field that is not above 0 or `WEAK` deviations below its mean,
    is not measured.  Raises InputError for a file that is missing or of another shape than the frames.
    """
    parts, said = {}, []
    for role in ROLES:
        if (spec := files.get(role)) is not None:
            values = companion(spec, role)[1].astype(np.float32)
            image = values.mean(axis=0) if values.ndim == 3 else values
            said += [f"{role} from {spec}" + (f", mean of {len(values)} frames" if values.ndim == 3 else "")]
            parts[role] = _fitting(image, role, spec, shape)
    good = np.ones(shape[1:], bool) if own is None else _fitting(own, "mask", "the file", shape)
    if (spec := files.get("mask")) is not None:
        valid, told = measured_mask(*companion(spec, "mask"))
        good = good & _fitting(valid, "mask", spec, shape)
        said += [f"{told}, from {spec}"]
    made = Calibration(**parts)
    if made.flat is not None:
        seen = made.flat[good]
        mean = seen.mean(dtype=float)
        below = max(WEAK * seen.std(dtype=float), 1e-3 * mean)  # a uniform field has no deviation
        weak = ~(made.flat > max(0.0, mean - below))
        good &= ~weak
        made = replace(made, flat=np.where(weak, 1, made.flat / made.flat[good].mean(dtype=float)).astype(np.float32))
        said += [f"{int(weak.sum())} pixels of the flat field are dead or weak: not measured"] * bool(weak.any())
    if made.gain is not None:
        none = ~(np.isfinite(made.gain) & (made.gain != 0))
        good &= ~none
        made = replace(made, gain=np.where(none, 1, made.gain).astype(np.float32))
    for name in ("dark", "background"):
        if (image := getattr(made, name)) is not None:
            good &= np.isfinite(image)
    if not good.any():
        raise InputError("the calibration leaves no measured pixel; check mask, gain and flat field")
    return replace(made, mask=None if good.all() else good), tuple(said)


def _fitting(image: NDArray, role: str, spec: str | Path, shape: tuple[int, int, int]) -> NDArray:
    """The image, if it has the frames' shape (frames, rows, columns); else an error that looks for the axis."""
    if image.shape == shape[1:]:
        return image
    wanted, has = "×".join(map(str, shape[1:])), "×".join(map(str, image.shape))
    said = f"{role} of {spec} is {has}, the frames are {wanted}"
    if len(image.shape) == 2 and sorted(image.shape) == sorted(shape[1:]):
        raise InputError(f"{said}: rows and columns are exchanged; transpose one of them")
    for axis in (1, 2):
        if image.shape == tuple(n for a, n in enumerate(shape) if a != axis):
            raise InputError(f"{said}: the frames seem to lie along axis {axis} of their array; give --axis {axis}")
    raise InputError(f"{said}; give one of the frames' shape")
