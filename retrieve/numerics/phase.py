"""The phase of an object as people look at it: without ramp and offset, and only where there is an object."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .alignment import remove_ramp
from .grids import SHOWN


def without_ramp(x: NDArray) -> NDArray:
    """An object (*shape) without its own phase ramp and offset."""
    x = remove_ramp(x)
    return x * np.exp(-1j * np.angle(np.sum(x * np.abs(x))))


def phase_of(x: NDArray, share: float = SHOWN) -> NDArray:
    """The phase (*shape) where the amplitude is above a share of its maximum, else NaN."""
    amplitude = np.abs(x)
    return np.where(amplitude > share * amplitude.max(), np.angle(x), np.nan)
