"""A pulse train: frames are selected by their correlation with the mean, summed in groups and made square.

Source: Lee, Yu, Lin, Yoo & Robinson 2026, section 4.3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ..errors import InputError
from ..io.counts import Counts, bin_counts, place_in, shape_text
from ..plugins.options import option, validate, values_of
from ..problem import Problem
from ..problem.meta import binned, in_window, of_frames
from .calibration import Calibration
from .frames import Frames
from .survey import FrameSurvey, calibrated_blocks, survey_frames

OnBlock = Callable[[str, int, int], Any]
PULSE_SOURCE = "Lee et al. 2026, section 4.3"


@dataclass(frozen=True)
class Pulses:
    """The steps from the calibrated frames of a pulse train to its patterns, in this order."""

    border: int = option(0, "subtract from each frame its mean over a border so wide (px); 0 for none", ge=0)
    threshold: float = option(
        0.25, "drop frames whose Pearson correlation with the mean is below", ge=-1, le=1, source=PULSE_SOURCE
    )
    detail: float = option(
        0.0,
        "correlate what is finer than so many pixels only: tells films of one outline apart; 4 is good, 0 for all",
        ge=0,
        le=100,
    )
    rounds: int = option(1, "times that the mean is taken, after the first over the frames kept before", ge=1, le=10)
    ranges: str = option(
        ":", "kept frames that are summed, START:STOP,... as Python counts them; :24,-55: in the paper", source=PULSE_SOURCE
    )
    clip: str = option(
        "first",
        "when sums below zero are set to zero: before padding and downsampling, or last, when the noise has averaged out",
        choices=("first", "last"),
        source=PULSE_SOURCE,
    )
    square: bool = option(True, "pad symmetrically to a square; what is added is not measured", source=PULSE_SOURCE)
    bin: int = option(2, "downsample by sums over so many pixels along each axis", ge=1, le=64, source=PULSE_SOURCE)

    def __post_init__(self) -> None:
        validate(self)
        self.slices()

    def slices(self) -> list[slice]:
        """The ranges as slices. Raises `InputError` for text that is no range."""
        made = []
        for text in self.ranges.split(","):
            ends = text.strip().split(":")
            try:
                start, stop = (int(end) if end else None for end in ends)
            except ValueError:
                raise InputError(f"ranges={self.ranges!r}: {text!r} is no range; write START:STOP, such as :24,-55:") from None
            made.append(slice(start, stop))
        return made


class Selection(NamedTuple):
    """The frames of a train that are kept.

    correlation: (frames,), of each with the mean, NaN for frames without values.  kept: bool (frames,).
    """

    correlation: NDArray[np.float64]
    kept: NDArray[np.bool_]


class PreparedTrain(NamedTuple):
    """A prepared train.

    problems: one for each range.  members: the numbers of the frames of each.  selection: of all frames.
    mean: (rows, columns), of all frames with values, NaN where not measured.  steps: what was done, in words.
    """

    problems: tuple[Problem, ...]
    members: tuple[NDArray[np.intp], ...]
    selection: Selection
    mean: NDArray[np.float32]
    steps: tuple[str, ...]


def prepare_pulses(
    frames: Frames,
    options: Pulses | None = None,
    calibration: Calibration | None = None,
    *,
    bad_pixels: str = "error",
    check_axes: bool = True,
    on_block: OnBlock = lambda stage, done, total: None,
) -> PreparedTrain:
    """Select and sum the frames of a train. They are read in blocks, 2 + `rounds` times, and never held all at once.

    Parameters
    ----------
    frames
        The frames, from `frames_of`.
    options
        The steps; by default those of the paper's data.
    calibration
        From `read_calibration`.
    bad_pixels
        For NaN in some frames only: "error" raises. "mask" leaves out frames of nothing but NaN, and makes other such
        pixels unmeasured in all frames.
    check_axes
        Refuse a stack whose frames seem to lie along another axis.
    on_block
        Called with the stage, the number of frames done, and their total.

    Raises
    ------
    InputError
        For NaN that may not be masked, a train without a frame that is kept, or an empty range.
    """
    options, calibration = options or Pulses(), calibration or Calibration(mask=frames.always)
    found = survey_frames(frames, calibration, options.border, bad_pixels, check_axes, on_block)
    selection = _select(frames, calibration, options, found, on_block)
    chosen = np.flatnonzero(selection.kept)
    members = [chosen[part] for part in options.slices()]
    for part, own in zip(options.ranges.split(","), members, strict=True):
        if not own.size:
            raise InputError(f"range {part!r} of the {chosen.size} kept frames is empty; give other --ranges")
    sums = _sums(frames, calibration, options.border, members, found, on_block)
    common = (*frames.notes, *calibration.steps, *found.steps, *_selection_steps(options, selection))
    patterns = [_pattern(total, own, found.valid, options) for total, own in zip(sums, members, strict=True)]
    problems = []
    for (counts, shape, own_steps), own in zip(patterns, members, strict=True):
        about = {"prepare": {"kind": "pulses", **values_of(options)}, "frames": own.tolist(), "source_file": frames.source}
        steps = [*frames.meta.get("steps", ()), *common, *own_steps]
        start = [n // 2 - m // 2 for n, m in zip(frames.shape[1:], shape, strict=True)]
        meta = in_window(of_frames(frames.meta, frames.shape, own.tolist()), frames.shape[1:], start, shape)
        meta = {**binned(meta, (options.bin,) * 2), **about, "steps": steps}
        problems.append(Problem.from_arrays(intensity=counts.values, mask=counts.valid, meta=meta))
    mean = np.where(found.valid, found.mean, np.nan).astype(np.float32)
    steps = [*common, *(step for *_, own_steps in patterns for step in own_steps)]
    return PreparedTrain(tuple(problems), tuple(members), selection, mean, tuple(steps))


def _select(frames: Frames, calibration: Calibration, options: Pulses, found: FrameSurvey, on_block: OnBlock) -> Selection:
    """The Pearson correlation of each frame with the mean on the valid pixels, and whether it reaches the threshold."""
    mean = found.mean
    for k in range(options.rounds):
        correlation = np.full(frames.shape[0], np.nan)
        total, kept = np.zeros(frames.shape[1:]), np.zeros(frames.shape[0], bool)
        m = _normalised(mean[None].astype(np.float32), found.valid, options.detail)[0]
        for where, block in calibrated_blocks(frames, calibration, options.border):
            alike = _normalised(block, found.valid, options.detail) @ m
            correlation[where] = np.where(found.usable[where], alike, np.nan)
            kept[where] = correlation[where] >= options.threshold
            if k + 1 < options.rounds:
                total += np.nan_to_num(block[kept[where]]).sum(axis=0, dtype=float)
            on_block(f"likeness {k + 1}" if options.rounds > 1 else "likeness", where.stop, frames.shape[0])
        if not kept.any():
            raise InputError(_none_kept(correlation, options.threshold, found))
        mean = total / kept.sum()
    return Selection(correlation, kept)


def _normalised(block: NDArray[np.float32], valid: NDArray[np.bool_], detail: float) -> NDArray[np.float32]:
    """The valid pixels (frames, pixels) of each frame with mean 0 and norm 1, those of a flat frame 0.

    detail: px, of the Gaussian whose mean over the valid pixels around is taken off first; 0 for none.
    """
    if detail:
        around = [np.where(valid, values, 0).astype(np.float32) for values in (block, np.ones_like(block[:1]))]
        total, weight = (gaussian_filter(values, (0, detail, detail)) for values in around)
        block = block - total / np.maximum(weight, 1e-6)
    x = block.reshape(len(block), -1) if valid.all() else block[:, valid]
    x = x - x.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(x / np.where(norms > 0, norms, 1))


def _none_kept(correlation: NDArray[np.float64], threshold: float, found: FrameSurvey) -> str:
    known = correlation[~np.isnan(correlation)]
    left_out = f"{correlation.size - known.size} hold nothing but NaN, " if known.size < correlation.size else ""
    return (
        f"all {correlation.size} frames are rejected: {left_out}{known.size} correlate with their mean by less than "
        f"threshold={threshold:g}, the best by {known.max():.3f}; lower --threshold, or check dark, mask and --axis"
    )


def _sums(
    frames: Frames,
    calibration: Calibration,
    border: int,
    members: Sequence[NDArray[np.intp]],
    found: FrameSurvey,
    on_block: OnBlock,
) -> list[NDArray[np.float64]]:
    """The sum of each group of frames, (rows, columns), 0 where not measured."""
    sums = [np.zeros(frames.shape[1:]) for _ in members]
    for where, block in calibrated_blocks(frames, calibration, border):
        for total, own in zip(sums, members, strict=True):
            inside = own[(own >= where.start) & (own < where.stop)] - where.start
            if inside.size:
                total += np.where(found.valid, block[inside].sum(axis=0, dtype=float), 0)
        on_block("sums", where.stop, frames.shape[0])
    return sums


def _pattern(
    total: NDArray[np.float64], own: NDArray[np.intp], valid: NDArray[np.bool_], options: Pulses
) -> tuple[Counts, list[int], list[str]]:
    """The pattern of one sum, clipped, padded and downsampled; its shape before downsampling; and the steps in words."""
    steps = [f"{own.size} frames summed, numbers {own[0]} to {own[-1]}"]
    counts = Counts(total.astype(np.float32), valid)
    if options.clip == "first":
        counts = _clipped(counts, steps)
    side = max(total.shape)
    shape = [-(-(side if options.square else n) // options.bin) * options.bin for n in total.shape]
    if tuple(shape) != total.shape:
        steps.append(f"padded from {shape_text(total.shape)} to {shape_text(shape)}, what was added is not measured")
        counts = place_in(counts, [n // 2 for n in total.shape], shape)
    if options.bin > 1:
        counts = bin_counts(counts, (options.bin,) * 2)
        steps.append(f"summed over {options.bin}×{options.bin} pixels, bins of which half is missing are not measured")
    counts = _clipped(counts, steps) if options.clip == "last" else counts
    return counts, shape, steps


def _clipped(counts: Counts, steps: list[str]) -> Counts:
    """The counts without negative values; a step tells their number."""
    negative = counts.valid & (counts.values < 0)
    steps.append(f"{int(negative.sum())} negative sums set to zero, {-counts.values[negative].sum():.3g} counts in all")
    return Counts(np.maximum(counts.values, 0), counts.valid)


def _selection_steps(options: Pulses, selection: Selection) -> list[str]:
    kept, total = int(selection.kept.sum()), selection.kept.size
    border = [f"from each frame its mean over a border of {options.border} px subtracted"] * bool(options.border)
    how = f" in what is finer than {options.detail:g} px" * bool(options.detail)
    again = f", the mean taken {options.rounds} times" * (options.rounds > 1)
    return [*border, f"{kept} of {total} frames kept, which correlate with the mean{how} by {options.threshold:g} or more{again}"]
