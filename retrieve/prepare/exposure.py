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


class Exposure(NamedTuple):
    """Exposures of the frames of scans.

    each: of every scan, (frames,), relative to the mean of all; 0 without beam.  readings: of the monitor, None if there is none.
    steps: in words.
    """

    each: tuple[NDArray[np.float64], ...]
    readings: tuple[NDArray[np.float64], ...] | None
    steps: tuple[str, ...]

    def division(self, of_frame: NDArray[np.float64], brightest: float, monitor: str) -> tuple[NDArray[np.float64], list[str]]:
        """What the counts of each frame are divided by, (frames,), and the step in words.

        of_frame: exposures of the frames of the sum.  brightest: counts of the brightest voxel.  monitor: the option.
        """
        nothing = np.ones(len(of_frame))
        lit = of_frame > 0
        relative = np.where(lit, of_frame / of_frame[lit].mean(), 1.0)
        spread = float(relative[lit].std())
        if self.readings is None or monitor == "never" or spread < 1e-6:
            return nothing, []
        noise = 1 / np.sqrt(max(brightest, 1.0))
        if monitor == "auto" and spread <= noise:
            return nothing, [f"the exposure of frames varies by {spread:.2%}, less than the noise of the brightest voxel, {noise:.2%}: not used"]
        low, high = relative[lit].min(), relative[lit].max()
        return relative, [
            f"frames divided by their exposure, {low:.3f} to {high:.3f} of its mean: the values are no whole counts; --monitor never "
            "keeps whole counts"
        ]


def exposures_of(scans: Sequence[Frames], experiments: Sequence[Experiment], monitor: str) -> Exposure:
    """The exposures of the frames, from the monitors' readings; all equal without a monitor or with ``monitor="never"``.

    Raises `InputError` if ``monitor="always"`` and a scan has no monitor. Warns of a monitor that follows the frames' counts.
    """
    equal = tuple(np.ones(scan.shape[0]) for scan in scans)
    known = [experiment.monitor for experiment in experiments]
    lost = [scan.source for scan, own in zip(scans, known, strict=True) if own is None or max(own) <= 0]
    if lost and monitor == "always":
        raise InputError(f"{lost[0]} holds no reading of a beam monitor; give --monitor never")
    if monitor == "never" or len(lost) == len(scans):
        return Exposure(equal, None, ())
    if lost:
        return Exposure(equal, None, (f"{lost[0]} holds no reading of a beam monitor: the exposures of scans count as equal",))
    for scan, own in zip(scans, known, strict=True):
        if own is not None and len(own) != scan.shape[0]:
            raise InputError(f"{scan.source} has {scan.shape[0]} frames and {len(own)} monitor readings; give --monitor never")
    readings = tuple(np.asarray(own, dtype=float) for own in known)
    dark = [own < DARK * np.median(own[own > 0]) for own in readings]
    mean = np.concatenate([own[~d] for own, d in zip(readings, dark, strict=True)]).mean()
    each = tuple(np.where(d, 0, own / mean) for own, d in zip(readings, dark, strict=True))
    steps = [
        f"{scan.source}: {int(d.sum())} frames without beam by the monitor (first: {int(np.flatnonzero(d)[0])}), not measured"
        for scan, d in zip(scans, dark, strict=True)
        if d.any()
    ]
    return Exposure(each, readings, tuple(steps))
