"""The frames of a scan in memory, calibrated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .calibration import Calibration
from .frames import Frames
from .survey import nan_message, nan_words


def check_frame_axis(frames: Frames) -> None:
    """Raise InputError where frames are not square and those along another axis would be."""
    n, rows, columns = frames.shape
    if rows != columns and n in (rows, columns):
        axis = 2 if n == rows else 1
        raise InputError(
            f"{frames.source}: its {n} frames along axis 0 are {rows}×{columns}, those along axis {axis} would be {n}×{n}, as "
            f"detectors are; give --axis {axis}, or --axis 0 if it is right"
        )


def check_several(frames: Frames) -> None:
    """Raise InputError for a single frame."""
    n, rows, columns = frames.shape
    if n == 1:
        raise InputError(
            f"{frames.source} holds one frame of {rows}×{columns}, and a rocking scan has several; name all its files, give "
            "--axis, or phase the one pattern with `retrieve run`"
        )


def read_volume(
    frames: Frames, calibration: Calibration, bad_pixels: str, on_block: Callable[[str, int, int], Any]
) -> NDArray[np.float32]:
    """All frames of a scan, calibrated, NaN where not measured.

    Raises `InputError` for pixels that are NaN in some frames only, unless ``bad_pixels="mask"``.
    """
    volume, total = np.empty(frames.shape, np.float32), np.zeros(frames.shape[1:])
    for where, raw in frames.blocks(calibration.mask):
        volume[where] = raw
        total += np.nan_to_num(raw, posinf=0, neginf=0).sum(axis=0, dtype=float)
        on_block("frames", where.stop, frames.shape[0])
    calibration.check_mask(total / frames.shape[0], frames)
    masked = calibration.hidden(frames.shape) if frames.mask is None else ~frames.mask | calibration.hidden(frames.shape)
    bad = ~np.isfinite(volume) & ~masked
    bad &= ~np.isnan(volume).all(axis=0)  # a pixel without any value is a gap
    empty = np.flatnonzero((~np.isfinite(volume) | masked).all(axis=(1, 2)))
    if empty.size == frames.shape[0]:
        why = nan_words(frames)
        raise InputError(
            f"all {empty.size} frames of {frames.source} are {why} on every pixel; check the file, --key and the mask"
        )
    if bad.any() and bad_pixels != "mask":
        whole = np.zeros(frames.shape[0], bool)
        whole[empty] = True
        torn = bad[~whole]
        numbers = np.flatnonzero(~whole)[torn.any(axis=(1, 2))]
        raise InputError(nan_message(frames, empty[bad[empty].any(axis=(1, 2))], numbers, int(torn.any(axis=0).sum())))
    volume[np.broadcast_to(masked, volume.shape)] = np.nan
    return np.where(np.isfinite(volume), calibration.apply(volume), np.float32(np.nan))
