"""Detector frames to a `Problem`: pulse trains, and rocking scans of a Bragg peak."""

from __future__ import annotations

from .calibration import Calibration, read_calibration
from .counts import Counts, binned, fast_size, placed
from .frames import Frames, frames_of
from .pulses import Pulses, Selection, Train, prepare_pulses

__all__ = [
    "Calibration",
    "Counts",
    "Frames",
    "Pulses",
    "Selection",
    "Train",
    "binned",
    "fast_size",
    "frames_of",
    "placed",
    "prepare_pulses",
    "read_calibration",
]
