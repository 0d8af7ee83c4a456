"""Filled minima: told from noise, in any units, where another crystal's pattern lies over the object's."""

import math

import numpy as np
import pytest

from retrieve.evaluate.filled_minima import filled_minima
from retrieve.operators import PartialCoherence
from retrieve.simulate.crystals import crystal

SHAPE = (32, 32, 32)


def intensity_of(seed, counts=1e6):
    found = np.abs(np.fft.fftn(crystal(SHAPE, seed=seed, fill=0.4))) ** 2
    return counts * found / found.sum()


def judged(expected, measured, count=1.0, valid=None):
    everything = np.ones(SHAPE, bool) if valid is None else valid
    return filled_minima(np.sqrt(measured), expected, everything, count, (2.5, 2.5, 2.5))


@pytest.mark.parametrize("seed", range(5))
def test_another_crystal_fills_the_minima_and_noise_does_not(seed):
    rng = np.random.default_rng(seed)
    one, other = intensity_of(seed), np.roll(intensity_of(seed + 50), (4, -2, 3), axis=(0, 1, 2))
    both = one + other
    noise = judged(one, rng.poisson(one))
    assert abs(noise) < 0.1
    assert judged(one, rng.poisson(0.7 * one + 0.3 * other)) > noise + 0.2
    assert judged(one * both.sum() / one.sum(), rng.poisson(both)) > noise + 0.2


def test_a_blur_that_was_not_fitted_fills_them_too():
    one = intensity_of(3)
    blurred = PartialCoherence.gaussian(SHAPE, 0.5).forward(one[None].astype(np.float32))[0]
    rng = np.random.default_rng(3)
    assert judged(one, rng.poisson(blurred)) > judged(blurred, rng.poisson(blurred)) + 0.2


def test_the_unit_of_intensity_does_not_count():
    one = intensity_of(4)
    measured = np.random.default_rng(4).poisson(one)
    assert judged(one * 7.5, measured * 7.5, 7.5) == pytest.approx(judged(one, measured), abs=1e-3)


def test_pixels_that_were_not_measured_do_not_count():
    one, rng = intensity_of(5), np.random.default_rng(5)
    valid = rng.random(SHAPE) < 0.9
    measured = rng.poisson(one).astype(float)
    assert judged(one, np.where(valid, measured, 0), valid=valid) == judged(one, np.where(valid, measured, 1e6), valid=valid)


def test_a_pattern_of_few_counts_tells_nothing():
    one = intensity_of(6, 500.0)
    assert math.isnan(judged(one, np.random.default_rng(6).poisson(one)))
