"""Objects in a known support that differ by little: found a pixel aside, or the same object or its twin found twice.

A support holds the amplitude of an object in place; its phases may stand displaced in it.
"""

from __future__ import annotations

import itertools

from ...numerics.arrays import Array, namespace
from ...problem import Problem
from ..base import Streams
from ..projections import ER

SAME = 0.95
"""Correlation of two that are the same object."""
SHIFT_ITERATIONS = 5
"""Of error reduction, which fill the side that a roll has freed."""


def try_pixel_shifts(problem: Problem, x: Array) -> tuple[Array, Array]:
    """Each object of x (batch, *shape) rolled to that neighbour, a pixel away along some axes, that explains the data best.

    Each is judged after some error reduction in the support. Returns the rolled objects, and whether they explain the data
    better than x does where it is, bool (batch,).
    """
    xp, axes = namespace(x), tuple(range(1, x.ndim))

    def r(x: Array) -> Array:
        *_, last = ER(iterations=SHIFT_ITERATIONS).steps(problem, x, Streams([]))
        return problem.r_factor(last.estimate)

    here = r(x)
    best, lowest = x, xp.full_like(here, xp.inf)
    for shift in itertools.product((-1, 0, 1), repeat=len(axes)):
        if any(shift):
            moved = xp.roll(x, shift, axis=axes)
            found = r(moved)
            best = xp.where((found < lowest).reshape(-1, *[1] * len(axes)), moved, best)
            lowest = xp.minimum(found, lowest)
    return best, lowest < here


def same_object(a: Array, b: Array) -> Array:
    """Whether objects or their twins, both (batch, *shape), correlate above `SAME` after a shift by pixels, bool (batch,)."""
    from ...priors.symmetry import twin_of

    fft, axes = namespace(a).fft, tuple(range(1, a.ndim))
    norm = a.flatten(1).norm(dim=1) * b.flatten(1).norm(dim=1)

    def correlation(one: Array) -> Array:
        crossed = fft.ifftn(fft.fftn(a, axes=axes).conj() * fft.fftn(one, axes=axes), axes=axes)
        return crossed.abs().flatten(1).amax(1)

    return (correlation(b) > SAME * norm) | (correlation(twin_of(b)) > SAME * norm)
