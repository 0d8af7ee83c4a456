"""Stacks of estimates, complex64 (starts, *shape), centred at N//2, all finite: alignment to one start, and spread."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .alignment import align, align_stack

Stack = NDArray[np.complexfloating]
STACKED_POINTS = 1 << 21
"""Points of a stack that is aligned as a whole for its spread; starts of a larger one follow each other."""


def align_all(estimates: Stack, reference_index: int) -> Stack:
    """The stack (starts, *shape) with each start brought onto one of them by shift, twin and global phase.

    All starts fit one pattern, so no phase ramp is removed.
    """
    aligned = align_stack(estimates, estimates[reference_index]).objects
    aligned[reference_index] = estimates[reference_index]
    return aligned


def amplitude_spread(estimates: Stack, chosen: int, usable: Sequence[int] | None = None) -> NDArray[np.float32] | None:
    """Standard deviation (*shape) of the amplitude over the starts aligned to the chosen one; None with one start.

    usable: numbers of the starts that count, all of them unless given.
    """
    numbers = list(range(len(estimates)) if usable is None else usable)
    if len(numbers) < 2:
        return None
    if estimates.size <= STACKED_POINTS:
        return np.abs(align_all(estimates[numbers], numbers.index(chosen))).std(axis=0, ddof=1).astype(np.float32)
    mean, squares = (np.zeros(estimates.shape[1:], np.float32) for _ in range(2))
    for count, k in enumerate(numbers, start=1):  # Welford 1962, so that no stack is aligned
        amplitude = np.abs(estimates[k] if k == chosen else align(estimates[k], estimates[chosen]).object)
        away = amplitude - mean
        mean += away / count
        squares += away * (amplitude - mean)
    return np.sqrt(squares / (len(numbers) - 1))
