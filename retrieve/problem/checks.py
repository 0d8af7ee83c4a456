"""Checks of the arrays that accompany a measurement."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..errors import InputError

MAX_SUPPORT_SHARE = 0.5  # of the array; beyond it the pattern is not oversampled


def checked_array(array: ArrayLike, shape: tuple[int, ...], name: str, dtype: DTypeLike) -> NDArray:
    """The array as `dtype`. Raises `InputError` if its shape is not the data's."""
    array = np.asarray(array)
    if array.shape != shape:
        raise InputError(f"{name} has shape {array.shape}, the data {shape}; they must agree")
    return array.astype(dtype)


def checked_support(support: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The support, bool (*shape). Raises `InputError` if it is empty, or larger than an oversampled pattern allows."""
    inside = checked_array(support, shape, "support", bool)
    if not 0 < inside.mean() <= MAX_SUPPORT_SHARE:
        raise InputError(
            f"support fills {inside.mean():.1%} of the array; it must be above 0 and at most {100 * MAX_SUPPORT_SHARE:.0f} %, "
            "beyond which the pattern is not oversampled: check the support or pad the data"
        )
    return inside
