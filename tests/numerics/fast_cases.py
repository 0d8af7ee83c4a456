"""A problem, noise, and marks for tests of the accelerated path."""

import numpy as np
import pytest

import retrieve as rt
from retrieve.numerics import fast

SHAPES = [(64, 64), (97, 98), (98, 97), (513, 300), (512, 512), (12, 80, 7), (64, 64, 66), (101, 51, 37)]
"""Of one piece and of several, even and odd."""

needs = {
    name: pytest.mark.skipif(fast.part(name) is None, reason=f"no {name}: extra fast, RETRIEVE_FAST")
    for name in ("fftw", "passes")
}
needs_both = pytest.mark.skipif(None in (fast.part("fftw"), fast.part("passes")), reason="no extra fast, or RETRIEVE_FAST=0")


def problem(shape, support=True):
    rng = np.random.default_rng(0)
    inside = np.zeros(shape, bool)
    inside[tuple(slice(n // 4, n // 4 + n // 2) for n in shape)] = True
    x = np.where(inside, rng.standard_normal(shape) + 1j * rng.standard_normal(shape), 0).astype(np.complex64)
    mask = rng.random(shape) > 0.02
    amplitude = np.abs(np.fft.fftn(x, norm="ortho"))
    return rt.Problem.from_arrays(amplitude=amplitude, mask=mask, support=inside if support else None, centred=False)


def noise(*shape):
    rng = np.random.default_rng(1)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)
