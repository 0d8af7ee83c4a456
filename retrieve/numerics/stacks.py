"""Stacks of estimates, complex64 (starts, *shape), centred at N//2: brought onto one start, and their spread.

`usable`, bool (starts,), leaves failed starts out; their rows come back as NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from .alignment import align_stack

Stack = NDArray[np.complexfloating]


def align_all(estimates: Stack, reference_index: int, usable: ArrayLike | None = None) -> Stack:
    """The stack (starts, *shape) with each usable start brought onto one of them by shift, twin and global phase.

    All starts fit one pattern, so no phase ramp is removed.  Raises InputError when the reference is not usable.
    """
    usable = usable_of(estimates, usable)
    if not usable[reference_index]:
        raise InputError(f"start {reference_index} failed and cannot be the reference; take one of {np.flatnonzero(usable)}")
    if usable.all():
        aligned = align_stack(estimates, estimates[reference_index]).objects
    else:
        aligned = np.full_like(estimates, np.nan)
        aligned[usable] = align_stack(estimates[usable], estimates[reference_index]).objects
    aligned[reference_index] = estimates[reference_index]
    return aligned


def amplitude_spread(estimates: Stack, chosen: int, usable: ArrayLike | None = None) -> NDArray[np.float32] | None:
    """Standard deviation (*shape), in units of amplitude, over the usable starts aligned to the chosen one.

    None with fewer than two usable starts: one sample has no spread.
    """
    usable = usable_of(estimates, usable)
    if usable.sum() < 2:
        return None
    return np.abs(align_all(estimates, chosen, usable)[usable]).std(axis=0, ddof=1).astype(np.float32)


def usable_of(estimates: Stack, usable: ArrayLike | None) -> NDArray[np.bool_]:
    """The flags as an array (starts,), all True unless given. Raises InputError for another length, and where none is set."""
    mask = np.ones(len(estimates), bool) if usable is None else np.asarray(usable, bool)
    if mask.shape != (len(estimates),):
        raise InputError(f"usable has shape {mask.shape}; give one flag for each of the {len(estimates)} starts")
    if not mask.any():
        raise InputError("no start is usable; look at the scores' failures")
    return mask
