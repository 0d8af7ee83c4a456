"""Small seeded problems for the checks: an odd shape, some pixels masked, the support known."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..problem import Problem
from ..simulate import blobs, measure

PROBLEM_SHAPES = ((32, 28), (64, 64), (16, 14, 12))
"""Two and three axes; the larger is for priors that need room."""


@lru_cache(maxsize=len(PROBLEM_SHAPES))
def small(shape: tuple[int, ...]) -> Problem:
    """Blobs in a known support of a tenth of the array, 5 % of the pixels masked, without noise."""
    x, support = blobs(shape, seed=1, fill=0.1)
    mask = np.random.default_rng(1).random(shape) > 0.05
    mask[tuple(n // 2 for n in shape)] = True
    return Problem.from_arrays(intensity=1e3 * measure(x), support=support, mask=mask, truth=x * np.sqrt(np.float32(1e3)))


def fresh(problem: Problem) -> Problem:
    """The problem with arrays of its own, so that whoever writes into them harms nobody else."""
    arrays = {name: getattr(problem, name) for name in ("amplitude", "valid", "support")}
    return problem.replace(truth=None, **{name: None if a is None else np.array(a) for name, a in arrays.items()})


def one_bright_pixel(problem: Problem) -> Problem:
    """The problem with every measured pixel dark but one."""
    amplitude = np.zeros_like(problem.amplitude)
    amplitude[tuple(np.argwhere(problem.valid)[7])] = 1
    return problem.replace(amplitude=amplitude)


def weak(problem: Problem) -> Problem:
    """The problem with its amplitudes scaled to a billionth."""
    return problem.replace(amplitude=(problem.amplitude * 1e-9).astype(np.float32))
