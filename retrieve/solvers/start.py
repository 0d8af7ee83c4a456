"""First guesses."""

from __future__ import annotations

import numpy as np

from ..numerics.arrays import Array, like, namespace, to_numpy
from ..problem import Problem
from ..problem.autocorrelation import fill_unmeasured
from .base import Streams


def random_phases(problem: Problem, rng: Streams) -> Array:
    """The measured amplitudes under random phases, transformed back: complex64 (batch, *shape).

    Unmeasured pixels take their neighbours' amplitude. With a detector operator the amplitudes are
    spread over its finer samples.
    """
    xp = namespace(problem.amplitude)
    amplitude = fill_unmeasured(to_numpy(problem.amplitude), to_numpy(problem.valid))
    phases = like(rng.uniform(problem.operator.out_shape), problem.amplitude)
    phases *= 2 * np.pi
    y = like(amplitude, problem.amplitude)[None, ...]
    if problem.detector is not None and tuple(problem.detector.in_shape) != tuple(amplitude.shape):
        share = problem.detector.forward(xp.ones((1, *problem.detector.in_shape), dtype=y.dtype, device=y.device))
        y = xp.sqrt(problem.detector.adjoint(y**2 / share))
    field = xp.exp(1j * phases)
    field *= y
    return problem.operator.adjoint(field)
