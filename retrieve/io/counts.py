"""Crop, pad and bin counts with their mask. Pixels outside the detector are not measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from ..errors import InputError

MIN_MEASURED_SHARE = 0.5  # of a bin; with less the bin is not measured


class Counts(NamedTuple):
    """Counts with their mask.

    Attributes
    ----------
    values : ndarray
        float32 (*shape), counts, 0 where not measured.
    valid : ndarray
        bool (*shape), True where measured.
    """

    values: NDArray[np.float32]
    valid: NDArray[np.bool_]


def place_in(counts: Counts, centre: Sequence[int], shape: Sequence[int]) -> Counts:
    """The window of `shape` with pixel `centre` at its N//2: cropped, or padded with pixels that are not measured."""
    cut, into = [], []
    for n, c, m in zip(counts.values.shape, centre, shape, strict=True):
        start = c - m // 2
        first, last = max(0, start), min(n, start + m)
        cut.append(slice(first, last))
        into.append(slice(first - start, last - start))

    def window(array: NDArray[Any]) -> NDArray[Any]:
        made = np.zeros(tuple(shape), array.dtype)
        made[tuple(into)] = array[tuple(cut)]
        return made

    return Counts(window(counts.values), window(counts.valid))


def bin_counts(counts: Counts, factors: Sequence[int]) -> Counts:
    """Sum over blocks of `factors`.

    The sum of a block is divided by its measured share, and stands for the whole block. Blocks with less than
    `MIN_MEASURED_SHARE` are not measured. Raises `InputError` if a factor does not divide the shape.
    """
    shape = counts.values.shape
    if any(f < 1 or n % f for n, f in zip(shape, factors, strict=True)):
        raise InputError(f"binning by {tuple(factors)} does not divide the shape {shape}; crop or pad to a multiple")
    if all(f == 1 for f in factors):
        return counts
    blocks = [k for n, f in zip(shape, factors, strict=True) for k in (n // f, f)]
    inner = tuple(range(1, 2 * len(shape), 2))
    total = np.where(counts.valid, counts.values, 0).reshape(blocks).sum(axis=inner, dtype=np.float64)
    share = counts.valid.reshape(blocks).mean(axis=inner)
    valid = share >= MIN_MEASURED_SHARE
    return Counts(np.where(valid, total / np.where(valid, share, 1), 0).astype(np.float32), valid)


def fast_size(n: int, factor: int = 1) -> int:
    """The least N ≥ n that is a multiple of `factor` with N/factor even and quick to transform."""
    m = -(-n // factor)
    while m % 2 or scipy.fft.next_fast_len(m) != m:
        m += 1
    return m * factor


def shape_text(shape: Sequence[int]) -> str:
    """A shape as text, such as 128×102."""
    return "×".join(map(str, shape)) or "a single value"
