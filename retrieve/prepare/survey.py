"""A first pass over the frames: their mean, their common pixels, and whether they lie along the axis given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .calibration import Calibration
from .frames import Frames

MAX_SMOOTH_ROUGHNESS = 0.3  # roughness of a profile, below which it is no row of pulses
MIN_PULSE_ROUGHNESS = 0.7  # roughness of a profile, above which it may be a row of pulses


@dataclass(frozen=True, eq=False)
class FrameSurvey:
    """The facts of a first pass over the frames.

    mean: (rows, columns) over usable frames.  valid: bool, measured in all of them.  usable: bool (frames,).  steps: in words.
    """

    mean: NDArray[np.float64]
    valid: NDArray[np.bool_]
    usable: NDArray[np.bool_]
    steps: tuple[str, ...]


def calibrated_blocks(frames: Frames, calibration: Calibration, border: int) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """The calibrated frames block by block, each less its mean over a `border` (px), NaN where not measured."""
    rows, columns = frames.shape[1:]
    if 2 * border >= min(rows, columns):
        raise InputError(f"border={border} covers the whole frame of {rows}×{columns}; give less than {min(rows, columns) // 2}")
    rim = np.ones((rows, columns), bool)
    rim[border : rows - border, border : columns - border] = False
    for where, raw in frames.blocks(calibration.mask):
        if where.start == 0:
            calibration.check_mask(np.nan_to_num(raw, posinf=0, neginf=0).mean(axis=0, dtype=float), frames)
        block = calibration.apply(raw)
        if border:
            edge = block[:, rim]
            known = np.isfinite(edge)
            level = np.where(known, edge, 0).sum(axis=1, dtype=float) / np.maximum(known.sum(axis=1), 1)
            block = block - level[:, None, None].astype(np.float32)
        yield where, block


def survey_frames(
    frames: Frames,
    calibration: Calibration,
    border: int = 0,
    bad_pixels: str = "error",
    check_axes: bool = True,
    on_block: Callable[[str, int, int], Any] = lambda stage, done, total: None,
) -> FrameSurvey:
    """Read all frames once; with `check_axes` refuse a stack whose frames seem to lie along another axis.

    A pixel that is NaN in every frame is a gap. Raises `InputError` for NaN in some frames only, unless
    ``bad_pixels="mask"`` (see `prepare_pulses`), and where no pixel is left.
    """
    n, *shape = frames.shape
    total, count = np.zeros(shape), np.zeros(shape, np.int64)
    known, brightness = np.zeros(n, np.int64), np.zeros(n)
    for where, block in calibrated_blocks(frames, calibration, border):
        finite = np.isfinite(block)
        block[~finite] = 0
        total += block.sum(axis=0, dtype=float)
        count += finite.sum(axis=0)
        known[where], brightness[where] = finite.sum(axis=(1, 2)), block.sum(axis=(1, 2), dtype=float)
        on_block("mean", where.stop, n)
    usable, seen = known > 0, count > 0
    if not usable.any():
        raise InputError(f"all {n} frames of {frames.source} are NaN on every pixel; check the file, --key and the calibration")
    valid = count == usable.sum()
    empty, torn = np.flatnonzero(~usable), int((seen & ~valid).sum())
    steps = gap_steps(frames, ~seen & ~calibration.hidden(frames.shape))
    if empty.size or torn:
        if bad_pixels != "mask":
            raise InputError(nan_message(frames, empty, np.flatnonzero(usable & (known < known.max())), torn))
        steps += [f"{empty.size} frames of nothing but NaN left out, {torn} pixels that are NaN in some frames not measured"]
    if not valid.any():
        raise InputError(f"no pixel of {frames.source} is measured in all frames; leave bad frames out")
    mean = np.where(valid, total / usable.sum(), 0)
    if check_axes:
        _check_axes(frames, mean, valid, brightness[usable])
    return FrameSurvey(mean, valid, usable, tuple(steps))


def _check_axes(frames: Frames, mean: NDArray[np.float64], valid: NDArray[np.bool_], brightness: NDArray[np.float64]) -> None:
    """Raise InputError where the brightness is smooth from frame to frame but rough along an axis of the detector.

    Pulses fluctuate independently of each other, neighbouring rows of a pattern do not.
    """
    if _roughness(brightness) >= MAX_SMOOTH_ROUGHNESS:
        return
    for axis in (1, 2):
        along = valid.sum(axis=2 - axis)
        profile = np.where(valid, mean, 0).sum(axis=2 - axis)[along > 0] / along[along > 0]
        if _roughness(profile) > MIN_PULSE_ROUGHNESS:
            raise InputError(
                f"{frames.source}: along axis 0 the {frames.shape[0]} frames of {frames.shape[1]}×{frames.shape[2]} follow each "
                f"other smoothly, along axis {axis} they fluctuate like pulses; give --axis {axis}, or --axis 0 if it is right"
            )


def _roughness(values: NDArray[np.float64]) -> float:
    """Mean squared difference of neighbours over twice the variance: 1 for independent values, 0 for smooth ones.

    Source: von Neumann 1941, Ann. Math. Stat. 12, 367.
    """
    variance = float(np.var(values)) if values.size >= 8 else 0.0
    return float(np.mean(np.diff(values) ** 2)) / (2 * variance) if variance else 0.5


def nan_message(frames: Frames, empty: NDArray, torn_in: NDArray, torn: int) -> str:
    """The message for NaN. empty: numbers of frames of nothing else.  torn: pixels that are NaN in other frames only."""
    why = nan_words(frames)
    parts = [f"{len(empty)} of {frames.shape[0]} frames are {why} on every pixel ({_some(empty)})"] if len(empty) else []
    parts += [f"{torn} pixels are {why} in some frames only ({_some(torn_in)})"] if torn else []
    return f"{frames.source}: {', '.join(parts)}; leave them out with --bad-pixels mask, or mask them in the file"


def nan_words(frames: Frames) -> str:
    """The reason why pixels of frames that were read have no value: NaN, or flags."""
    return " or ".join(sorted(frames.flags)) or "not measured"


def gap_steps(frames: Frames, unseen: NDArray[np.bool_]) -> list[str]:
    """The pixels that hold flags or NaN in every frame that was read. unseen: bool (rows, columns), without a value in any."""
    number = int((unseen if frames.ever is None else unseen & frames.ever).sum())
    return [f"{number} pixels are {nan_words(frames)} in every frame: not measured"] if number and frames.flags else []


def _some(numbers: NDArray, most: int = 6) -> str:
    shown = ", ".join(str(int(k)) for k in numbers[:most])
    return f"frames {shown}" + (f" and {len(numbers) - most} more" if len(numbers) > most else "")
