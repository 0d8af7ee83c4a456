"""Preparations of plugins: further steps of `retrieve prepare scan`, which ``--apply NAME`` names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, PluginError
from ..geometry.experiment import Experiment
from ..io.counts import Counts, shape_text
from ..plugins.guard import aside, in_words
from ..plugins.options import validate, values_of


@dataclass(frozen=True)
class Preparation(ABC):
    """A step between the calibrated counts of a scan and its pattern. Its fields are its options.

    `retrieve prepare scan` runs it after hot and dead pixels are masked, and before the peak is found.

    Attributes
    ----------
    name : str
        The registered name.
    """

    name: ClassVar[str] = ""

    def __post_init__(self) -> None:
        validate(self)

    @abstractmethod
    def apply(self, counts: Counts, experiment: Experiment) -> Counts:
        """Change counts, mask voxels, or both.

        Parameters
        ----------
        counts : Counts
            values : float32 (frames, rows, columns), counts, 0 where not measured.  valid : bool of the same shape.
            They are the step's own copies.
        experiment : Experiment
            Energy, distance and angles, as far as they are known.

        Returns
        -------
        Counts
            Of the same shape. Voxels may become not measured, none may become measured.

        Raises
        ------
        InputError
            If the scan lacks something that the step needs.
        """


def apply_one(step: Preparation, counts: Counts, experiment: Experiment) -> tuple[Counts, str]:
    """Run a preparation. Return the counts, and the step in words.

    Raises
    ------
    InputError
        As the step raises it, and if it leaves no counts.
    PluginError
        If the step raises anything else, or returns what cannot be the counts of this scan.
    """
    who = f"preparation {step.name!r}"
    try:
        with aside():
            found = step.apply(Counts(counts.values.copy(), counts.valid.copy()), experiment)
            made = _checked(found, counts)
    except (KeyboardInterrupt, MemoryError):
        raise
    except InputError as error:
        raise InputError(f"{who}: {error}") from error
    except BaseException as error:
        raise PluginError(f"{who} failed: {in_words(error)}") from error
    if not made.values.any():
        raise InputError(f"{who} leaves no counts; change its options, or leave it out")
    options = ", ".join(f"{name} {value}" for name, value in values_of(step).items())
    masked = int((counts.valid & ~made.valid).sum())
    before, after = (float(one.values.sum(dtype=float)) for one in (counts, made))
    of = f" ({options})" * bool(options)
    return made, f"{step.name}{of} applied: {masked} voxels masked, {before:.4g} counts before, {after:.4g} after"


def _checked(found: Any, counts: Counts) -> Counts:
    """What a step returned, as counts of this scan. Raises `PluginError` if it cannot be."""
    if not isinstance(found, tuple) or len(found) != 2:
        raise PluginError(f"it returned a {type(found).__name__}; return Counts(values, valid)")
    values, valid = (np.asarray(part) for part in found)
    shape = counts.values.shape
    if values.shape != shape or valid.shape != shape:
        raise PluginError(f"it made {shape_text(values.shape)} counts of {shape_text(shape)}; keep the shape")
    if values.dtype.kind not in "iuf" or valid.dtype != bool:
        raise PluginError(f"its counts are {values.dtype} and its mask is {valid.dtype}; return real numbers and bool")
    if (valid & ~counts.valid).any():
        raise PluginError("it calls voxels measured that are not; return a mask within the mask it was given")
    values = np.where(valid, values, 0).astype(np.float32)
    if not np.isfinite(values).all() or values.min() < 0:
        raise PluginError("its counts hold NaN, infinity or negative numbers; clip them, or mask these voxels")
    return Counts(values, valid)


def apply_all(
    steps: Sequence[Preparation],
    values: NDArray[np.float32],
    valid: NDArray[np.bool_],
    removed: NDArray[np.bool_],
    meta: Mapping[str, Any],
) -> tuple[NDArray[np.float32], list[str]]:
    """Run preparations one after the other on what is valid and not removed.

    Return the counts, and the steps in words. What they mask is added to `removed`.
    """
    if not steps:
        return values, []
    experiment = Experiment.from_meta(meta)
    counts, said = Counts(np.where(removed, 0, values).astype(np.float32), valid & ~removed), []
    for step in steps:
        counts, words = apply_one(step, counts, experiment)
        said.append(words)
    removed |= valid & ~counts.valid
    return counts.values, said
