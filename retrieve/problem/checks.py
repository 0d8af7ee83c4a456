"""Checks of the arrays that accompany a measurement."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..errors import InputError

MAX_SUPPORT_SHARE = 0.5  # of the array; beyond it the pattern is not oversampled
LEAST_MEASURED = 32  # pixels, or an eighth of a smaller array
POWER_RANGE = (1e-20, 1e30)  # of the summed intensity; beyond it squares of float32 amplitudes and their sums over- or underflow


def checked_array(array: ArrayLike, shape: tuple[int, ...], name: str, dtype: DTypeLike) -> NDArray:
    """The array as `dtype`. Raises `InputError` if its shape is not the data's."""
    array = np.asarray(array)
    if array.shape != shape:
        raise InputError(f"{name} has shape {array.shape}, the data {shape}; they must agree")
    return array.astype(dtype)


def check_measurement(name: str, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    """Raise `InputError` unless a measurement is real and has two or three axes."""
    if dtype.kind not in "fiub":
        raise InputError(f"{name} is {dtype}; a measurement is real and non-negative: pass the intensity |F|²")
    if len(shape) not in (2, 3) or min(shape) < 4:
        raise InputError(f"{name} has shape {shape}; two or three axes of at least 4 pixels are needed")


def usable_pixels(
    valid: NDArray[np.bool_], finite: NDArray[np.bool_], negative: NDArray[np.bool_], name: str, mask_bad: bool
) -> NDArray[np.bool_]:
    """The valid pixels that are finite and not negative. Raises `InputError` if others are left out, unless `mask_bad`."""
    bad = valid & (~finite | negative)
    if bad.any() and not mask_bad:
        numbers = {"NaN or infinite": int((bad & ~finite).sum()), "negative": int((bad & negative).sum())}
        said = " and ".join(f"{number} {what}" for what, number in numbers.items() if number)
        raise InputError(
            f"{name} has {said} values on "
            'measured pixels; mask them in the file, or treat them as unmeasured with bad_pixels="mask" (--bad-pixels mask)'
        )
    return valid & ~bad


def check_content(name: str, measured: int, size: int, power: float) -> None:
    """Raise `InputError` for a measurement in which no object can be found.

    It has too few measured pixels, zeros alone, or numbers so large or small that their squares and sums are no float32.
    power: the summed intensity of the measured pixels.
    """
    least = min(LEAST_MEASURED, size // 8)
    if power == 0:
        raise InputError(f"{name} is zero on all {measured} measured pixels; check the file, key and mask")
    if measured < least:
        raise InputError(
            f"{name} has {measured} measured pixels of {size}, at least {least} are needed to find an object; check the "
            "mask and its convention (--mask-convention)"
        )
    least_power, most_power = POWER_RANGE
    if not least_power <= power <= most_power:
        raise InputError(
            f"{name} adds up to an intensity of {power:.3g} over all pixels, beyond the range of single precision, "
            f"{least_power:g} to {most_power:g}; {'divide' if power > 1 else 'multiply'} it by a constant, the units are free"
        )


def checked_support(support: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The support, bool (*shape). Raises `InputError` if it is empty, or larger than an oversampled pattern allows."""
    inside = checked_array(support, shape, "support", bool)
    if not 0 < inside.mean() <= MAX_SUPPORT_SHARE:
        raise InputError(
            f"support fills {inside.mean():.1%} of the array; it must be above 0 and at most {100 * MAX_SUPPORT_SHARE:.0f} %, "
            "beyond which the pattern is not oversampled: check the support or pad the data"
        )
    return inside
