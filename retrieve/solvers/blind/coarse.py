"""A coarse problem from the middle of a large pattern, and the way back to the full one.

The middle of a pattern is that of the same object on fewer and larger pixels: a search there costs a share of the time.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from ...numerics.arrays import Array, like, to_numpy
from ...problem import Problem


def factor_for(problem: Problem, most: int) -> int:
    """The power of two by which a pattern is to be cropped to leave `most` pixels at most; 1 where it cannot be."""
    plain = problem.detector is None and problem.operator.middle(problem.shape) is not None
    factor = 1
    while plain and math.prod(problem.shape) / factor ** len(problem.shape) > most:
        if any(n % (4 * factor) for n in problem.shape):
            break
        factor *= 2
    return factor


def crop_pattern(problem: Problem, factor: int) -> Problem:
    """The problem of the middle 1/factor of the pattern along each axis, the support with it."""
    shape = tuple(n // factor for n in problem.shape)
    middle = tuple(slice(n // 2 - m // 2, n // 2 - m // 2 + m) for n, m in zip(problem.shape, shape, strict=True))

    def crop(a: Array) -> Array:
        return like(np.ascontiguousarray(np.fft.ifftshift(np.fft.fftshift(to_numpy(a))[middle])), a)

    support = problem.support
    if support is not None:
        blocks = to_numpy(support).reshape([k for m in shape for k in (m, factor)])
        support = like(blocks.any(axis=tuple(range(1, 2 * len(shape), 2))), support)
    return problem.replace(
        amplitude=crop(problem.amplitude),
        valid=crop(problem.valid),
        operator=problem.operator.middle(shape),
        support=support,
        truth=None,
    )


def on_all(middle: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """An array of the middle of a pattern, (..., *coarse shape), zero frequency first, on all of it, 0 elsewhere."""
    axes, small = tuple(range(-len(shape), 0)), middle.shape[-len(shape) :]
    pad = [(n // 2 - m // 2, n - m - (n // 2 - m // 2)) for n, m in zip(shape, small, strict=True)]
    whole = np.pad(np.fft.fftshift(middle, axes=axes), [(0, 0)] * (middle.ndim - len(shape)) + pad)
    return np.asarray(np.fft.ifftshift(whole, axes=axes))


def interpolate(x: Array, support: Array, coarse: Problem, fine: Problem) -> tuple[Array, Array]:
    """x and support (batch, *coarse shape) on the fine problem's pixels, the support a coarse pixel wider on all sides."""
    factor = fine.shape[0] // coarse.shape[0]
    axes = tuple(range(1, len(fine.shape) + 1))
    field = on_all(to_numpy(coarse.operator.forward(x)), fine.shape).astype(np.complex64)
    inside = to_numpy(support)
    for axis in axes:
        inside = np.roll(inside.repeat(factor, axis), -(factor // 2), axis)
    wider = np.stack([ndimage.binary_dilation(one, iterations=factor) for one in inside])
    return fine.operator.adjoint(like(field, fine.amplitude)), like(wider, fine.valid)
