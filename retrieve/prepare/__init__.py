"""Detector frames to a `Problem`: pulse trains, and rocking scans of a Bragg peak."""

from __future__ import annotations

from ..io.counts import Counts, binned, fast_size, placed
from .calibration import Calibration, read_calibration
from .frames import Frames, frames_of
from .pulses import Pulses, Selection, Train, prepare_pulses
from .scan import Rocking, Scan, prepare_scan
from .spots import Spot

__all__ = [
    "Calibration",
    "Counts",
    "Frames",
    "Pulses",
    "Rocking",
    "Scan",
    "Selection",
    "Spot",
    "Train",
    "binned",
    "fast_size",
    "frames_of",
    "placed",
    "prepare_pulses",
    "prepare_scan",
    "read_calibration",
]
