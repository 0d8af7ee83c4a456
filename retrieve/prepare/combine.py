"""Several scans of one reflection as one: exposure of each frame, alignment, scans that differ left out, sum.

Raw counts of scans with exposures e_s add up to counts: Σ n_s ~ Poisson(I Σ e_s). They stay whole numbers with the noise of
counts, as long as nothing divides or interpolates them. A step says where this happens.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..errors import InputError
from ..geometry.experiment import Experiment
from ..io.conventions import find_peak
from ..io.counts import MIN_MEASURED_SHARE, shape_text
from ..plugins.options import option, validate
from .exposure import Exposure, exposures_of
from .frames import Frames
from .scan_shifts import Alignment, Window, align_windows

WINDOW = 64
"""Length of the window around the peak, along each axis, by which scans are aligned."""
WHOLE = 0.1
"""Pixels from whole ones up to which shifts count as whole: counts then stay whole numbers."""
POOR = 0.95
"""Correlation of two scans below which a warning says so."""
ALIKE = {"energy_kev": 1e-3, "distance_m": 1e-2}
"""Relative differences up to which scans are of one experiment."""
SAME_ANGLE = 0.1
"""Degrees by which the angle of a circle may differ between scans of one reflection."""

Volume = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Combination:
    """The steps that make one scan of several."""

    monitor: str = option(
        "auto",
        "division of frames by the beam monitor; auto: where it varies by more than the noise of the brightest voxel",
        choices=("auto", "always", "never"),
    )
    align: str = option(
        "auto",
        "shift of scans onto each other; whole: by whole pixels, counts stay counts; fraction: by splines; auto: fraction where "
        "whole pixels leave more than 0.1 px; none: no shift",
        choices=("auto", "whole", "fraction", "none"),
    )
    outliers: str = option("auto", "scans that are left out: auto, never, or a number, the least correlation with the best scan")

    def __post_init__(self) -> None:
        validate(self)
        if self.outliers not in ("auto", "never"):
            try:
                least = float(self.outliers)
            except ValueError:
                least = -1.0
            if not 0 <= least < 1:
                raise InputError(f"outliers={self.outliers!r} is not understood; give auto, never, or a correlation from 0 to 1")


class Combined(NamedTuple):
    """One scan.

    volume: counts (frames, rows, columns), NaN where not measured.  frames: the best scan's, with the notes and the experiment of
    the sum; its meta has under `scans` the shift (pixels) and the correlation of each scan.
    """

    volume: Volume
    frames: Frames


def combine_scans(scans: Sequence[Frames], read: Callable[[Frames], Volume], options: Combination) -> Combined:
    """Make one scan of one or several.

    Parameters
    ----------
    scans
        Scans of one reflection, with equal frames.
    read
        Returns the counts of a scan (frames, rows, columns), NaN where not measured. It is called twice for each of several.
    options
        The steps.

    Raises
    ------
    InputError
        For scans of different frames, energies or angles, and for options that leave no scan.

    Warns
    -----
    UserWarning
        If scans hardly resemble each other.
    """
    experiments = [Experiment.from_meta(scan.meta) for scan in scans]
    if len(scans) > 1:
        _check_alike(scans, experiments)
    exposures = exposures_of(scans, experiments, options.monitor)

    def volume_of(number: int) -> Volume:
        volume = read(scans[number])
        volume[exposures.dark[number]] = np.nan
        return volume

    if len(scans) == 1:
        return _one(scans[0], experiments[0], volume_of(0), exposures, options)
    frames = max(scan.shape[0] for scan in scans)
    windows = _windows(_longer(volume_of(number), frames) for number in range(len(scans)))
    found = align_windows(windows, options.outliers, [scan.source for scan in scans])
    shifts, said = _applied_shifts(found, options.align)
    total, exposure, of_frame, readings = _sum(volume_of, frames, exposures, found.kept, shifts)
    counts, divided, readings = _by_exposure(total, exposure, of_frame, readings, exposures, options)
    kept = np.flatnonzero(found.kept)
    if found.correlations[kept].min() < POOR:
        worst = kept[found.correlations[kept].argmin()]
        warnings.warn(
            f"{scans[worst].source} correlates with {scans[found.best].source} by {found.correlations[worst]:.2f} only; check "
            f"that both are scans of one reflection, or give --outliers {POOR}",
            stacklevel=3,
        )
    best = scans[found.best]
    whole = experiments[found.best].crop((0, 0, 0), total.shape)
    monitor = None if readings is None else tuple(map(float, readings))
    of_sum = replace(whole, monitor=monitor, exposure_s=_together(experiments, found.kept))
    about = [
        {"source": scan.source, "shift": [round(float(x), 3) for x in shift], "correlation": round(float(c), 4), "kept": bool(k)}
        for scan, shift, c, k in zip(scans, shifts, found.correlations, found.kept, strict=True)
    ]
    steps = [*exposures.steps, *found.steps, *said, f"{len(kept)} of {len(scans)} scans summed", *divided]
    notes = dict.fromkeys([*(note for scan in scans for note in scan.notes), *steps])
    return Combined(counts, replace(best, notes=tuple(notes), meta={**best.meta, "experiment": of_sum.as_meta(), "scans": about}))


def _one(scan: Frames, experiment: Experiment, volume: Volume, exposures: Exposure, options: Combination) -> Combined:
    """A single scan, divided by its monitor where that matters."""
    if exposures.readings is None:
        return Combined(volume, scan)
    valid, of_frame = np.isfinite(volume), exposures.each[0]
    exposure = valid * of_frame.astype(np.float32)[:, None, None]
    counts, divided, readings = _by_exposure(
        np.where(valid, volume, 0), exposure, of_frame, exposures.readings[0], exposures, options
    )
    known = replace(experiment, monitor=None if readings is None else tuple(map(float, readings)))
    notes = (*scan.notes, *exposures.steps, *divided)
    return Combined(counts, replace(scan, notes=notes, meta={**scan.meta, "experiment": known.as_meta()}))


def _check_alike(scans: Sequence[Frames], experiments: Sequence[Experiment]) -> None:
    """Raise `InputError` where scans have other frames, energies, distances, circles or steps than the first."""
    first, reference = scans[0], experiments[0]
    for scan, own in zip(scans[1:], experiments[1:], strict=True):
        who = f"{scan.source} and {first.source} are not scans of one reflection"
        if scan.shape[1:] != first.shape[1:]:
            raise InputError(
                f"{who}: their frames are {shape_text(scan.shape[1:])} and {shape_text(first.shape[1:])}; leave one out"
            )
        for name, tolerance in ALIKE.items():
            a, b = getattr(own, name), getattr(reference, name)
            if a is not None and b is not None and abs(a - b) > tolerance * b:
                raise InputError(f"{who}: {name} is {a:g} and {b:g}; leave one out")
        if own.scanned != reference.scanned:
            raise InputError(
                f"{who}: scanned are {own.scanned or 'no circle'} and {reference.scanned or 'no circle'}; leave one out"
            )
        for circle in {*own.angles_deg} & {*reference.angles_deg} - {own.scanned}:
            a, b = own.angle(circle), reference.angle(circle)
            if abs(a - b) > SAME_ANGLE:
                raise InputError(f"{who}: {circle} is {a:.3f}° and {b:.3f}°; leave one out")
        if own.scanned and abs(own.step_deg - reference.step_deg) > 0.01 * abs(reference.step_deg):
            raise InputError(f"{who}: {own.scanned} steps by {own.step_deg:g}° and {reference.step_deg:g}°; leave one out")


def _filled(volume: Volume) -> tuple[Volume, NDArray[np.bool_]]:
    """The counts with the mean of measured neighbours where nothing was measured, and what was measured."""
    valid = np.isfinite(volume)
    if valid.all():
        return volume, valid
    values = np.where(valid, volume, 0).astype(np.float32)
    near = ndimage.uniform_filter(values, 5, mode="constant")
    share = ndimage.uniform_filter(valid.astype(np.float32), 5, mode="constant")
    return np.where(valid, values, near / np.maximum(share, 1e-3)), valid


def _windows(volumes: Iterable[Volume]) -> list[Window]:
    """The part of each scan around the peak of the first."""
    box: tuple[slice, ...] = ()
    found = []
    for each in volumes:
        volume, valid = _filled(each)
        if not box:
            peak = find_peak(np.where(valid, volume, 0), valid)
            starts = [max(0, min(p - WINDOW // 2, n - WINDOW)) for p, n in zip(peak, volume.shape, strict=True)]
            box = tuple(slice(s, s + WINDOW) for s in starts)
        found.append(Window(volume[box].copy(), valid[box].copy()))
    return found


def _longer(volume: Volume, frames: int) -> Volume:
    """The scan with frames that were not measured at its end."""
    missing = frames - len(volume)
    return np.pad(volume, ((0, missing), (0, 0), (0, 0)), constant_values=np.nan) if missing else volume


def _applied_shifts(found: Alignment, align: str) -> tuple[NDArray[np.float64], list[str]]:
    """The shifts (scans, 3) that are applied, and what they do to counts."""
    measured = found.shifts
    if align == "none":
        return np.zeros_like(measured), ["scans summed without a shift"]
    whole = np.rint(measured)
    left = float(np.abs(measured - whole)[found.kept].max())
    if align == "whole" or (align == "auto" and left <= WHOLE):
        return whole, [f"shifted by whole pixels, up to {left:.2f} px from the measured shifts: counts stay whole numbers"]
    return measured, [
        "shifted by fractions of a pixel through cubic splines: the sums are no whole counts; --align whole keeps whole counts, "
        f"up to {left:.2f} px from the measured shifts"
    ]


def _sum(
    volume_of: Callable[[int], Volume],
    frames: int,
    exposures: Exposure,
    kept: NDArray[np.bool_],
    shifts: NDArray[np.float64],
) -> tuple[Volume, Volume, Floats, Floats | None]:
    """The sums over scans: of the shifted counts, of the exposures of each voxel and of each frame, and of the readings."""
    total: Volume = np.zeros((1, 1, 1), np.float32)
    exposure: Volume = total
    of_frame = np.zeros(frames)
    readings = None if exposures.readings is None else np.zeros(frames)
    for number in map(int, np.flatnonzero(kept)):
        shift = shifts[number]
        volume, valid = _shifted(_longer(volume_of(number), frames), shift)
        own = _moved(exposures.each[number], frames, shift[0])
        total = total + np.where(valid, volume, 0)
        exposure = exposure + valid * own.astype(np.float32)[:, None, None]
        of_frame += own
        if readings is not None and exposures.readings is not None:
            readings += _moved(exposures.readings[number], frames, shift[0])
    return total, exposure, of_frame, readings


def _shifted(volume: Volume, shift: NDArray[np.float64]) -> tuple[Volume, NDArray[np.bool_]]:
    """The counts moved back by `shift` pixels, and where they are known."""
    values, valid = _filled(volume)
    if not shift.any():
        return values, valid
    order = 3 if (shift != np.rint(shift)).any() else 0
    moved = ndimage.shift(values, -shift, order=order, mode="nearest")
    known = ndimage.shift(valid.astype(np.float32), -shift, order=min(order, 1), mode="constant", cval=0) > 0.999
    return moved, known


def _moved(values: NDArray[np.float64], frames: int, shift: float) -> NDArray[np.float64]:
    """A value for each frame, moved back by `shift` frames."""
    return np.interp(np.arange(frames) + shift, np.arange(len(values)), values)


def _by_exposure(
    total: Volume, exposure: Volume, of_frame: Floats, readings: Floats | None, exposures: Exposure, options: Combination
) -> tuple[Volume, list[str], Floats | None]:
    """The counts at the full exposure, NaN where not measured, the steps in words, and the monitor's readings of these counts.

    A voxel is measured if it had `MIN_MEASURED_SHARE` of the exposure of all scans in its frame, and scaled up to the whole.
    """
    if not exposure.any():
        raise InputError("no frame has an exposure; give --monitor never, or other scans")
    share = exposure / of_frame.astype(np.float32)[:, None, None]
    known = share >= MIN_MEASURED_SHARE
    part = known & (share < 0.999)
    share[~part] = 1
    steps = [f"{int(part.sum())} voxels measured in some scans only, scaled to the exposure of all"] * bool(part.any())
    divide, said = exposures.division(of_frame, total, options.monitor)
    if divide is None:
        return np.where(known, total / share, np.float32(np.nan)), [*steps, *said], readings
    counts = np.where(known, total / (share * divide.astype(np.float32)[:, None, None]), np.float32(np.nan))
    equal = None if readings is None else np.full(len(readings), readings.mean())  # a second preparation must not divide again
    return counts, [*steps, *said], equal


def _together(experiments: Sequence[Experiment], kept: NDArray[np.bool_]) -> float | None:
    """The exposure of a frame of the sum, s; None if that of a scan is unknown."""
    times = [experiment.exposure_s for experiment, own in zip(experiments, kept, strict=True) if own]
    return None if None in times else float(sum(time for time in times if time is not None))
