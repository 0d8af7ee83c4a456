"""The exposure of each frame, by the beam monitor: frames without beam, and the division where it matters."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..geometry.experiment import Experiment
from .frames import Frames

DARK = 0.1
"""Share of the median reading below which a frame had no beam."""


EQUAL = 1e-4
"""Relative spread of exposures up to which they are equal."""
FOLLOWS = 0.9
"""Correlation of exposures with the counts of frames above which the monitor is a region of the detector."""


class Exposure(NamedTuple):
    """Exposures of the frames of scans.

    each: of every scan, (frames,), relative to the mean of all.  dark: bool (frames,), without beam; there each has the median.
    readings: of the monitor, None if there is none.  steps: in words.
    """

    each: tuple[NDArray[np.float64], ...]
    dark: tuple[NDArray[np.bool_], ...]
    readings: tuple[NDArray[np.float64], ...] | None
    steps: tuple[str, ...]

    def division(
        self, of_frame: NDArray[np.float64], counts: NDArray[np.float32], monitor: str
    ) -> tuple[NDArray[np.float64] | None, list[str]]:
        """What the counts of each frame are divided by, (frames,), or None, and the step in words.

        of_frame: exposures of the frames of the sum.  counts: of the sum (frames, rows, columns).  monitor: the option.
        """
        relative = of_frame / of_frame.mean()
        spread = float(relative.std())
        if self.readings is None or monitor == "never" or spread < EQUAL:
            return None, []
        noise = 1 / np.sqrt(max(float(counts.max()), 1.0))
        if monitor == "auto":
            if spread <= noise:
                return None, [
                    f"the monitor varies by {spread:.2%} between frames, less than the noise of the brightest voxel, {noise:.2%}:"
                    " not used"
                ]
            if _follows(relative, counts.sum(axis=(1, 2), dtype=float)):
                warnings.warn(
                    "the monitor follows the counts of the frames, as a region of the detector does; it was not used: give "
                    "--monitor always if it is a monitor of the beam",
                    stacklevel=5,
                )
                return None, ["the monitor follows the counts of the frames: not used"]
        return relative, [
            f"frames divided by the monitor, {relative.min():.3f} to {relative.max():.3f} of its mean: the values are no whole"
            " counts; --monitor never keeps whole counts"
        ]


def _follows(exposure: NDArray[np.float64], counts: NDArray[np.float64]) -> bool:
    """Whether the exposures of frames rise and fall with their counts."""
    if len(counts) < 8 or counts.std() == 0:
        return False
    return float(np.corrcoef(exposure, counts)[0, 1]) > FOLLOWS


def exposures_of(scans: Sequence[Frames], experiments: Sequence[Experiment], monitor: str) -> Exposure:
    """The exposures of the frames, from the monitors' readings; all equal without a monitor or with ``monitor="never"``.

    Raises `InputError` if ``monitor="always"`` and a scan has no monitor. Warns of a monitor that follows the frames' counts.
    """
    equal = tuple(np.ones(scan.shape[0]) for scan in scans)
    never = tuple(np.zeros(scan.shape[0], bool) for scan in scans)
    known = [experiment.monitor for experiment in experiments]
    lost = [scan.source for scan, own in zip(scans, known, strict=True) if own is None or max(own) <= 0]
    if lost and monitor == "always":
        raise InputError(f"{lost[0]} holds no reading of a beam monitor; give --monitor never")
    if monitor == "never" or len(lost) == len(scans):
        return Exposure(equal, never, None, ())
    if lost:
        return Exposure(
            equal, never, None, (f"{lost[0]} holds no reading of a beam monitor: the exposures of scans count as equal",)
        )
    for scan, own in zip(scans, known, strict=True):
        if own is not None and len(own) != scan.shape[0]:
            raise InputError(f"{scan.source} has {scan.shape[0]} frames and {len(own)} monitor readings; give --monitor never")
    readings = tuple(np.asarray(own, dtype=float) for own in known)
    medians = [float(np.median(own[own > 0])) for own in readings]
    dark = tuple(own < DARK * median for own, median in zip(readings, medians, strict=True))
    mean = float(np.mean(medians))
    each = tuple(np.where(d, median, own) / mean for own, d, median in zip(readings, dark, medians, strict=True))
    steps = [
        f"{scan.source}: {int(d.sum())} frames without beam by the monitor (first: {int(np.flatnonzero(d)[0])}), not measured"
        for scan, d in zip(scans, dark, strict=True)
        if d.any()
    ]
    return Exposure(each, dark, readings, tuple(steps))
