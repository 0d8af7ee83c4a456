"""A rocking scan of a Bragg peak: cleaned, centred, cut to a quick size, binned."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from ..errors import InputError
from ..io.conventions import find_peak
from ..io.counts import Counts, bin_counts, fast_size, place_in, shape_text
from ..plugins.options import option, values_of
from ..problem import Problem
from ..problem.meta import binned, in_window
from .calibration import Calibration
from .combine import Combination, combine_scans
from .frames import Frames
from .preparation import Preparation, apply_all
from .spots import Spot, find_aliens, hot_and_dead, spikes
from .survey import gap_steps
from .volume import check_frame_axis, check_several, read_volume

EDGE_DISTANCE = 0.05  # share of an axis, from its end, within which a peak touches the edge
SIZES = ("crop", "pad")


@dataclass(frozen=True)
class Scan(Combination):
    """The steps from the calibrated frames of a rocking scan to its pattern, in this order."""

    hot: float | None = option(5.0, "a pixel so many times as bright as its neighbours, over the scan or once, is hot", gt=1)
    dead: bool = option(True, "pixels without a count among neighbours of 20 or more are dead")
    aliens: float | None = option(
        6.0, "a cluster apart from the peak with so many times the counts of the inverted place is alien", gt=1
    )
    alien_level: float = option(0.5, "mean counts over 3 px that join voxels to a cluster", gt=0)
    alien_counts: float = option(100.0, "counts that a cluster must have to be alien", gt=0)
    alien_grow: int = option(3, "voxels by which an alien is grown before it is masked", ge=0, le=50)
    centre: str = option("peak", "where the middle goes: the peak, or ROW,… of a voxel, one number an axis")
    size: str = option("crop", "crop or pad to a quick size, or N,N,N in voxels before binning, one number an axis")
    bin: str = option("1,1,1", "downsample by sums over so many voxels, one number an axis")
    threshold: float = option(0.0, "counts up to which a bin counts as zero", ge=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.factors) < 1:
            raise InputError(f"bin={self.bin!r} is out of range; give three numbers of at least 1")
        if self.size not in SIZES:
            _numbers("size", self.size)
        if self.centre != "peak":
            _numbers("centre", self.centre)

    @property
    def factors(self) -> tuple[int, ...]:
        """The factors of the binning, one an axis."""
        return _numbers("bin", self.bin)


def _numbers(name: str, text: str) -> tuple[int, ...]:
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != 3:
        raise InputError(f"{name}={text!r} is not understood; give three whole numbers, frames,rows,columns, such as 1,2,2")
    return numbers


class RockingScan(NamedTuple):
    """A prepared scan.

    problem: the centred pattern.  before: the calibrated counts, NaN where not measured.  peak: the voxel in the middle.
    spots: the masked alien spots.  removed: bool, voxels that were masked as hot, dead or alien.  steps: in words.
    """

    problem: Problem
    before: NDArray[np.float32]
    peak: tuple[int, ...]
    spots: tuple[Spot, ...]
    removed: NDArray[np.bool_]
    steps: tuple[str, ...]


def prepare_scan(
    frames: Frames | Sequence[Frames],
    options: Scan | None = None,
    calibration: Calibration | None = None,
    *,
    bad_pixels: str = "error",
    check_axes: bool = True,
    applied: Sequence[Preparation] = (),
    on_block: Callable[[str, int, int], Any] = lambda stage, done, total: None,
) -> RockingScan:
    """Clean, centre, cut and bin a rocking scan, or the sum of several of one reflection. It is held in memory.

    Parameters
    ----------
    frames
        The frames, from `frames_of`; of several scans, from `scans_of`.
    options
        The steps.
    calibration
        From `read_calibration`.
    bad_pixels
        For a pixel that is NaN in some frames only: "error" raises, "mask" makes it unmeasured there.
    check_axes
        Refuse a stack that would have square frames along another axis.
    applied
        Preparations of plugins, in this order.
    on_block
        Called with the stage, the number of frames read, and their total.

    Raises
    ------
    InputError
        For NaN that may not be masked, a scan without counts, or scans of different reflections.

    Warns
    -----
    UserWarning
        If the peak touches the edge, and if several scans hardly resemble each other.
    """
    options, calibration = options or Scan(), calibration or Calibration()
    scans = [frames] if isinstance(frames, Frames) else list(frames)
    for scan in scans:
        if scan.gap:
            raise InputError(f"{scan.source}: {scan.gap}")
        check_several(scan)
        if check_axes:
            check_frame_axis(scan)

    masked: dict[int, int] = {}

    def read(scan: Frames) -> NDArray[np.float32]:
        if len(scans) == 1:
            return read_volume(scan, calibration, bad_pixels, on_block)
        number = scans.index(scan) + 1
        volume = read_volume(scan, calibration, bad_pixels, lambda stage, *done: on_block(f"{stage} of scan {number}", *done))
        valid = np.isfinite(volume)  # hot pixels stay where they are, whatever the shift of a scan
        removed = _hot_and_dead(np.where(valid, volume, 0), valid, options, [])
        volume[removed] = np.nan
        masked[number] = int(removed.sum())
        return volume

    before, frames = combine_scans(scans, read, options)
    valid = np.isfinite(before)
    values = np.where(valid, before, 0)
    unseen = ~valid.any(axis=0) & ~calibration.hidden(frames.shape)
    steps = [*calibration.steps, *(f"{n} voxels of scan {k}, hot or dead, masked" for k, n in masked.items() if n)]
    steps = [*steps, *frames.notes, *gap_steps(frames, unseen), *_clip_negative(values)]
    if not values.any():
        raise InputError(f"{frames.source} has no counts on its measured pixels; check the file, --key and the calibration")
    removed = _hot_and_dead(values, valid, options, steps)
    values, said = apply_all(applied, values, valid, removed, frames.meta)
    steps += said
    peak = _peak(frames, values, valid, removed, steps) if options.centre == "peak" else _numbers("centre", options.centre)
    _check_edge(peak, before.shape, steps)
    spots = _mask_aliens(values, valid, removed, peak, options, steps)
    steps.append(f"voxel {peak} put in the middle" + ", the peak" * (options.centre == "peak"))
    counts = Counts(np.where(removed, 0, values).astype(np.float32), valid & ~removed)
    counts, meta = _cut_and_bin(counts, frames.meta, peak, options, steps)
    prepared: dict[str, Any] = {"kind": "scan", **values_of(options)}
    if applied:
        prepared["applied"] = [{"name": step.name, **values_of(step)} for step in applied]
    about = {"prepare": prepared, "peak": list(peak), "source_file": frames.source}
    meta = {**meta, **about, "steps": [*frames.meta.get("steps", ()), *steps]}
    problem = Problem.from_arrays(intensity=counts.values, mask=counts.valid, meta=meta)
    return RockingScan(problem, before, peak, tuple(spots), removed, tuple(steps))


def _clip_negative(values: NDArray[np.float32]) -> list[str]:
    """Set negative counts to zero, in place. Dark and background leave them on pixels without light."""
    negative = values < 0
    total = -float(values[negative].sum(dtype=float))
    values[negative] = 0
    return [f"{int(negative.sum())} negative values set to zero, {total:.3g} counts in all"] if negative.any() else []


def _peak(
    frames: Frames, values: NDArray[np.float32], valid: NDArray[np.bool_], removed: NDArray[np.bool_], steps: list[str]
) -> tuple[int, ...]:
    """The brightest voxel. Saturated voxels are not measured, but brighter than all others."""
    saturated = ~valid & valid.any(axis=0)
    if not saturated.any() or not any(flag.startswith("saturated") for flag in frames.flags):
        return find_peak(values, valid & ~removed)
    peak = find_peak(np.where(saturated, 2 * values.max(), values), (valid & ~removed) | saturated)
    if saturated[peak]:
        steps.append("the peak is saturated and not measured; its place is the middle of the saturated voxels")
    return peak


def _hot_and_dead(values: NDArray[np.float32], valid: NDArray[np.bool_], options: Scan, steps: list[str]) -> NDArray[np.bool_]:
    """The voxels of hot and dead pixels, and single hot voxels."""
    once = np.zeros(values.shape, bool) if options.hot is None else spikes(values, valid, 2 * options.hot)
    hot, dead = hot_and_dead(values, valid & ~once, options.hot or 1e30)
    removed = once.copy()
    if options.hot is not None:
        removed |= hot
        steps.append(f"{int(hot.sum())} hot pixels and {int(once.sum())} single hot voxels masked")
    if options.dead:
        removed |= dead
        steps.append(f"{int(dead.sum())} dead pixels masked")
    return removed & valid


def _mask_aliens(
    values: NDArray[np.float32],
    valid: NDArray[np.bool_],
    removed: NDArray[np.bool_],
    peak: Sequence[int],
    options: Scan,
    steps: list[str],
) -> list[Spot]:
    """Find alien spots, and add their voxels to `removed`."""
    if options.aliens is None:
        return []
    where, spots = find_aliens(
        values,
        valid & ~removed,
        peak,
        ratio=options.aliens,
        level=options.alien_level,
        least=options.alien_counts,
        grow=options.alien_grow,
    )
    removed |= where & valid
    lines = [f"{s.counts:.0f} counts at {_box(s)} with {s.opposite:.0f} opposite" for s in spots]
    steps.append(f"{len(spots)} alien spots masked" + f": {'; '.join(lines)}" * bool(lines))
    return spots


def _box(spot: Spot) -> str:
    return ",".join(f"{part.start}:{part.stop}" for part in spot.box)


def _check_edge(peak: Sequence[int], shape: Sequence[int], steps: list[str]) -> None:
    if any(not 0 <= p < n for p, n in zip(peak, shape, strict=True)):
        raise InputError(f"centre {tuple(peak)} lies outside the scan of {shape_text(shape)}; give a voxel of it")
    for axis, (p, n) in enumerate(zip(peak, shape, strict=True)):
        distance = min(p, n - 1 - p)
        if distance < max(2, EDGE_DISTANCE * n):
            warning = (
                f"the peak at {tuple(peak)} touches the edge, {distance} px from the end of axis {axis} (0 to {n - 1}): "
                "half of the pattern is missing and is taken as not measured; measure again with the peak in the middle"
            )
            warnings.warn(warning, stacklevel=3)
            steps.append(warning)


def _cut_and_bin(
    counts: Counts, meta: Mapping[str, Any], peak: Sequence[int], options: Scan, steps: list[str]
) -> tuple[Counts, dict[str, Any]]:
    """Cut or padded around the peak, binned, and without what is at or below the threshold; the meta follows."""
    whole = counts.values.shape
    shape = _window_shape(whole, peak, options)
    meta = binned(in_window(meta, whole, [p - n // 2 for p, n in zip(peak, shape, strict=True)], shape), options.factors)
    lost = float(counts.values.sum(dtype=float))
    counts = place_in(counts, peak, shape)
    lost -= float(counts.values.sum(dtype=float))
    steps.append(f"cut or padded to {shape_text(shape)} voxels, {lost:.4g} counts outside, what was added is not measured")
    if max(options.factors) > 1:
        counts = bin_counts(counts, options.factors)
        steps.append(f"summed over {shape_text(options.factors)} voxels, bins of which half is missing are not measured")
    if options.threshold:
        low = counts.valid & (counts.values > 0) & (counts.values <= options.threshold)
        steps.append(
            f"{int(low.sum())} values up to {options.threshold:g} set to zero, {counts.values[low].sum():.4g} counts in all"
        )
        counts = counts._replace(values=np.where(low, 0, counts.values))
    return counts, meta


def _window_shape(shape: Sequence[int], peak: Sequence[int], options: Scan) -> tuple[int, ...]:
    """The shape of the window: given, or a quick size, either within the scan or around all of it."""
    if options.size not in SIZES:
        size = _numbers("size", options.size)
        if any(n < 4 * f or n % f for n, f in zip(size, options.factors, strict=True)):
            raise InputError(
                f"size={options.size!r} does not go with bin={options.bin!r}; give multiples, and at least 4 bins an axis"
            )
        return size
    if options.size == "pad":
        needed = [2 * max(p, n - p) for p, n in zip(peak, shape, strict=True)]
        return tuple(fast_size(n, f) for n, f in zip(needed, options.factors, strict=True))
    return tuple(fast_size_below(n, f) for n, f in zip(shape, options.factors, strict=True))


def fast_size_below(n: int, factor: int) -> int:
    """The largest N ≤ n (or the least above 4 bins) that is a multiple of `factor` with N/factor even and quick to transform."""
    m = max(4, n // factor)
    while m > 4 and (m % 2 or scipy.fft.next_fast_len(m) != m):
        m -= 1
    return m * factor
