"""Stacks of estimates, complex64 (starts, *shape), centred at N//2, all finite: alignment to one start, and spread."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .alignment import align_stack

Stack = NDArray[np.complexfloating]


def align_all(estimates: Stack, reference_index: int) -> Stack:
    """The stack (starts, *shape) with each start brought onto one of them by shift, twin and global phase.

    All starts fit one pattern, so no phase ramp is removed.
    """
    aligned = align_stack(estimates, estimates[reference_index]).objects
    aligned[reference_index] = estimates[reference_index]
    return aligned


def amplitude_spread(estimates: Stack, chosen: int) -> NDArray[np.float32] | None:
    """Standard deviation (*shape) of the amplitude over the starts aligned to the chosen one; None with one start."""
    if len(estimates) < 2:
        return None
    return np.abs(align_all(estimates, chosen)).std(axis=0, ddof=1).astype(np.float32)
