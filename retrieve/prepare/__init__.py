"""Detector frames to a `Problem`: pulse trains, and rocking scans of a Bragg peak."""

from __future__ import annotations

from ..io.counts import Counts, bin_counts, fast_size, place_in
from .calibration import Calibration, read_calibration
from .frames import Frames, FrameStack, frames_of
from .loaders import Loader, Source, scans_of, source_of
from .preparation import Preparation
from .pulses import PreparedTrain, Pulses, Selection, prepare_pulses
from .scan import RockingScan, Scan, prepare_scan
from .spots import Spot

__all__ = [
    "Calibration",
    "Counts",
    "FrameStack",
    "Frames",
    "Loader",
    "Preparation",
    "Pulses",
    "RockingScan",
    "Scan",
    "Selection",
    "Source",
    "Spot",
    "PreparedTrain",
    "bin_counts",
    "fast_size",
    "frames_of",
    "place_in",
    "prepare_pulses",
    "prepare_scan",
    "read_calibration",
    "scans_of",
    "source_of",
]
