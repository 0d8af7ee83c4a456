"""What a measurement says of itself: checked when it is read, and changed with the array by crop, binning and choice of a frame.

meta["experiment"] holds an `Experiment`. meta["voxel_size_nm"] and meta["pixel_size_m"] are older keys, which follow too.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import InputError
from ..files import short
from ..geometry.experiment import Experiment
from ..geometry.facts import facts_of
from ..geometry.values import are_several
from .meta_record import typed

VOXEL, PIXEL = "voxel_size_nm", "pixel_size_m"
Meta = Mapping[str, Any]


def check_meta(meta: Any, shape: Sequence[int], frames: bool = False) -> dict[str, Any]:
    """A copy of the meta of an array of `shape` (frames, rows, columns), or (rows, columns).

    frames: whether the lengths may be those of one frame.

    Raises `InputError` for a meta that is no mapping, and for values that cannot belong to the array.
    """
    meta = typed(meta)
    for name, allowed in ((VOXEL, (1, len(shape), len(shape) - frames)), (PIXEL, (1, 2))):
        lengths = lengths_of(meta, name)
        if lengths and len(lengths) not in allowed:
            raise InputError(
                f"meta holds {len(lengths)} lengths, {name}={list(lengths)}, for a pattern of {len(shape)} axes; give one "
                f"number, or {allowed[1]}"
            )
    _check_frames(experiment_of(meta), shape)
    return meta


def experiment_of(meta: Meta) -> Experiment:
    """The experiment in a meta. Raises `InputError` for impossible values."""
    return Experiment.from_meta(meta)


def with_experiment(meta: Meta, experiment: Experiment) -> dict[str, Any]:
    """The meta with another experiment."""
    return {**meta, "experiment": experiment.as_meta()}


def lengths_of(meta: Meta, name: str) -> tuple[float, ...]:
    """The lengths under an older key, none if it has no such key. Raises `InputError` unless they are positive numbers."""
    value = meta.get(name)
    if value is None:
        return ()
    try:
        lengths = tuple(float(part) for part in (value if are_several(value) else [value]))
    except (TypeError, ValueError, OverflowError):
        lengths = ()
    if not lengths or not all(math.isfinite(length) and length > 0 for length in lengths):
        raise InputError(f"meta holds {name}={short(value)}; give positive lengths in {name.rpartition('_')[2]}, one an axis")
    return lengths


def settled(
    meta: Any, shape: Sequence[int], given: Meta | None = None, source: object = "", frames: bool = False
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The meta of an array of `shape` with the fields of the experiment that the user gives, and notes.

    Facts that a text tells of a scan with another number of frames are left out. Raises `InputError` with the source in front.
    """
    try:
        meta, notes = without_foreign_facts(_frame_of_old(typed(_given_first(meta, given or {})), shape), shape)
        if given:
            changes = given_angles(given, shape[0] if len(shape) == 3 else 1)
            meta = with_experiment(meta, experiment_of(meta).with_options(**changes))
        return check_meta(meta, shape, frames), notes
    except InputError as error:
        raise InputError(f"{source}: {error}" if source else str(error)) from error


def _frame_of_old(meta: Any, shape: Sequence[int]) -> Any:
    """The meta of a result of a frame: older versions wrote the three lengths of its scan."""
    source = meta.get("input") if isinstance(meta, Mapping) else None
    if len(shape) == 2 and isinstance(source, Mapping) and "frame" in source and len(lengths_of(meta, VOXEL)) == 3:
        return {**meta, VOXEL: list(lengths_of(meta, VOXEL)[1:])}
    return meta


def _given_first(meta: Any, given: Meta) -> Any:
    """The meta without the fields of its experiment that are given, so that a wrong one can be put right."""
    own = meta.get("experiment") if isinstance(meta, Mapping) else None
    if not isinstance(own, Mapping) or not given:
        return meta
    left = {name: value for name, value in own.items() if name.removesuffix("_px") not in given or name == "angles_deg"}
    angles = left.get("angles_deg")
    if isinstance(angles, Mapping):
        left["angles_deg"] = {name: value for name, value in angles.items() if name not in (given.get("angles_deg") or {})}
    return {**meta, "experiment": left}


def without_foreign_facts(meta: Any, shape: Sequence[int]) -> tuple[Any, tuple[str, ...]]:
    """The meta, without angles and pixel sizes of a text that tells of another number of frames than there are."""
    if not isinstance(meta, Mapping) or "experiment" in meta:
        return meta, ()
    facts = facts_of(meta)
    told = {name: value for name, value in facts["angles_deg"].items() if isinstance(value, tuple)}
    told = {name: value for name, value in told.items() if f"{name}_deg" not in meta}
    frames = shape[0] if len(shape) == 3 else 1
    wrong = {name: len(value) for name, value in told.items() if len(value) != frames}
    if not wrong:
        return meta, ()
    facts["angles_deg"] = {name: value for name, value in facts["angles_deg"].items() if name not in wrong}
    if PIXEL not in meta:
        facts.pop("pixel_size_um", None)
    name, count = next(iter(wrong.items()))
    note = (
        f"meta tells of {count} angles of {name}, the array has {frames} frame(s): it was cut or binned since; these angles and "
        "the pixel size are not taken, give them as options"
    )
    return with_experiment(meta, Experiment(**facts)), (note,)


def given_angles(fields: Meta, frames: int) -> dict[str, Any]:
    """Fields of an `Experiment` with angles as numbers, of so many frames where they are given as FIRST:LAST."""
    angles = {name: spread_angle(name, value, frames) for name, value in (fields.get("angles_deg") or {}).items()}
    return {**fields, **({"angles_deg": angles} if angles else {})}


def spread_angle(name: str, value: Any, frames: int) -> Any:
    """An angle, or one a frame: `value` is a number, numbers with commas between, or FIRST:LAST in even steps."""
    if not isinstance(value, str):
        return value
    try:
        if ":" in value:
            first, last = (float(part) for part in value.split(":"))
            return tuple(first + (last - first) * k / max(frames - 1, 1) for k in range(frames))
        numbers = tuple(float(part) for part in value.split(","))
    except ValueError:
        raise InputError(
            f"angle {name}={value!r} is not understood; give degrees: a number, FIRST:LAST, or one a frame"
        ) from None
    return numbers[0] if len(numbers) == 1 else numbers


def _check_frames(experiment: Experiment, shape: Sequence[int]) -> None:
    """Raise `InputError` if the experiment has values for another number of frames than the array."""
    count, frames = experiment.frame_count, shape[0] if len(shape) == 3 else 1
    if count is not None and count != frames:
        name = experiment.scanned or "monitor"
        raise InputError(
            f"{name} has {count} values, the array {frames} frame(s); give one a frame, of the frames that are there"
        )


def in_window(meta: Meta, whole: Sequence[int], start: Sequence[int], shape: Sequence[int]) -> dict[str, Any]:
    """The meta of a window of an array of shape `whole`; `start` is negative where the window is padded.

    A voxel of the object is the longer, the narrower the window of the pattern.
    """
    made = dict(meta)
    if voxel := lengths_of(meta, VOXEL):
        sizes = [n / m for n, m in zip(whole, shape, strict=True)]
        made[VOXEL] = _plain([v * s for v, s in zip(_one_an_axis(voxel, len(sizes)), sizes, strict=True)])
    return _changed(made, meta, lambda experiment: experiment.crop(start, shape))


def binned(meta: Meta, factors: Sequence[int]) -> dict[str, Any]:
    """The meta of an array summed over blocks of `factors` pixels. The object's voxels stay; the pixels grow."""
    made = dict(meta)
    if pixel := lengths_of(meta, PIXEL):
        made[PIXEL] = _plain([p * f for p, f in zip(_one_an_axis(pixel, 2), factors[-2:], strict=True)])
    return _changed(made, meta, lambda experiment: experiment.bin(factors))


def of_frames(meta: Meta, shape: Sequence[int], frames: Sequence[int]) -> dict[str, Any]:
    """The meta of one pattern (rows, columns): a frame, or the sum of several, of a stack of `shape`."""
    made = dict(meta)
    voxel = lengths_of(meta, VOXEL)
    if len(voxel) == 3 == len(shape):
        made[VOXEL] = list(voxel[1:])

    def one(experiment: Experiment) -> Experiment:
        if experiment.frame_count is None:
            return experiment
        _check_frames(experiment, shape)
        part = experiment.frames(frames)
        angles = {name: part.angle(name) for name in part.angles_deg}
        monitor = None if part.monitor is None else (sum(part.monitor),)
        return dataclasses.replace(part, angles_deg=angles, monitor=monitor)

    return _changed(made, meta, one)


def without_axes(meta: Meta, shape: Sequence[int]) -> dict[str, Any]:
    """The meta of an array that loses its axes of length 1."""
    voxel = lengths_of(meta, VOXEL)
    made = of_frames(meta, shape, [0]) if len(shape) == 3 and shape[0] == 1 else dict(meta)
    if len(voxel) == len(shape):
        made[VOXEL] = [v for v, n in zip(voxel, shape, strict=True) if n != 1]
    return made


def _changed(made: dict[str, Any], meta: Meta, change: Callable[[Experiment], Experiment]) -> dict[str, Any]:
    """`made` with the changed experiment of `meta`, if the change makes a difference."""
    before = experiment_of(meta)
    after = change(before)
    return made if after == before else with_experiment(made, after)


def joined(parts: Sequence[tuple[Meta, int]]) -> Meta:
    """The meta of stacks put together, each with its number of frames: that of the first, with the angles of all frames.

    Raises `InputError` for stacks of which only some tell an angle.
    """
    first = parts[0][0]
    if len(parts) == 1 or not isinstance(first.get("experiment"), Mapping):
        return first
    experiments = [experiment_of(meta) for meta, _ in parts]
    total, counts = sum(count for _, count in parts), [count for _, count in parts]
    if experiments[0].frame_count == total:
        return first
    angles = dict(experiments[0].angles_deg)
    for name, angle in angles.items():
        each = [e.angles_deg.get(name) for e in experiments]
        if isinstance(angle, tuple) or any(own != angle for own in each):
            lists = [own if isinstance(own, tuple) else (own,) * count for own, count in zip(each, counts, strict=True)]
            if None in each or [len(own) for own in lists] != counts:
                raise InputError(f"only some of the files tell {name} of every frame; give it with --angle {name}=FIRST:LAST")
            angles[name] = tuple(a for own in lists for a in own)  # type: ignore[misc]
    monitors = [e.monitor for e in experiments]
    monitor = None if None in monitors else tuple(m for own in monitors for m in own)  # type: ignore[union-attr]
    return with_experiment(first, dataclasses.replace(experiments[0], angles_deg=angles, monitor=monitor))


def _one_an_axis(lengths: Sequence[float], axes: int) -> tuple[float, ...]:
    if len(lengths) not in (1, axes):
        raise InputError(f"meta holds {len(lengths)} lengths for {axes} axes; give one number, or {axes}")
    return tuple(lengths) * axes if len(lengths) == 1 else tuple(lengths)


def _plain(lengths: list[float]) -> Any:
    return lengths[0] if len(set(lengths)) == 1 else lengths
