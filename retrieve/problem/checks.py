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


def given_measurement(intensity: ArrayLike | None, amplitude: ArrayLike | None) -> tuple[NDArray, str]:
    """The one that is given, and its name. Raises `InputError` unless it is one of them, real, and of two or three axes."""
    if (intensity is None) == (amplitude is None):
        raise InputError("give either intensity= or amplitude=, one of them")
    name = "amplitude" if intensity is None else "intensity"
    data = np.asarray(amplitude if intensity is None else intensity)
    if data.dtype.kind not in "fiub":
        raise InputError(f"{name} is {data.dtype}; a measurement is real and non-negative: pass the intensity |F|²")
    if data.ndim not in (2, 3) or min(data.shape) < 4:
        raise InputError(f"{name} has shape {data.shape}; two or three axes of at least 4 pixels are needed")
    return data, name


def usable_pixels(data: NDArray, valid: NDArray[np.bool_], name: str, mask_bad: bool) -> NDArray[np.bool_]:
    """The valid pixels whose values are a measurement. Raises `InputError` if others are left out, unless `mask_bad`."""
    bad = valid & ~(np.isfinite(data) & (data >= 0))
    if bad.any() and not mask_bad:
        nan, negative = int((bad & ~np.isfinite(data)).sum()), int((bad & (data < 0)).sum())
        raise InputError(
            f"{name} has {nan} NaN or infinite and {negative} negative values on measured pixels; "
            'mask them in the file, or treat them as unmeasured with bad_pixels="mask" (--bad-pixels mask)'
        )
    return valid & ~bad


def checked_support(support: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The support, bool (*shape). Raises `InputError` if it is empty, or larger than an oversampled pattern allows."""
    inside = checked_array(support, shape, "support", bool)
    if not 0 < inside.mean() <= MAX_SUPPORT_SHARE:
        raise InputError(
            f"support fills {inside.mean():.1%} of the array; it must be above 0 and at most {100 * MAX_SUPPORT_SHARE:.0f} %, "
            "beyond which the pattern is not oversampled: check the support or pad the data"
        )
    return inside
