"""Friedel mates: whether the object may be real, and held-out sets that keep mates together."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from retrieve.numerics.arrays import to_numpy
from retrieve.problem import Gaussian, Poisson, Problem, autocorrelation
from retrieve.problem.autocorrelation import asymmetry, islands, mates, may_be_real
from retrieve.simulate import Noise, blobs, simulated_problem

NOISES = [Noise(photons=1e3), Noise(photons=1e5), Noise(photons=1e8), Noise(sigma=0.01), Noise(sigma=0.1), Noise()]


def measured(noise, seed, real, shape=(48, 40), **more):
    x, support = blobs(shape, seed=seed)
    return simulated_problem(np.abs(x) if real else x, support, noise, seed=seed, **more)


def says(problem):
    return may_be_real(problem.amplitude, problem.valid, problem.likelihood)


def test_a_mate_is_at_the_negative_frequency():
    k = np.fft.fftfreq(6, 1 / 6).astype(int)
    assert_array_equal(mates(k), [0, -1, -2, -3, 2, 1])  # −3 and 3 are one frequency of six
    assert_array_equal(mates(mates(np.arange(30).reshape(5, 6))), np.arange(30).reshape(5, 6))


@pytest.mark.parametrize("noise", NOISES, ids=repr)
def test_a_real_object_may_be_real_at_any_noise(noise):
    assert np.mean([says(measured(noise, seed, real=True)) for seed in range(40)]) >= 0.95


@pytest.mark.parametrize("noise", [Noise(photons=1e5), Noise(photons=1e8), Noise(sigma=0.01), Noise()], ids=repr)
def test_a_complex_object_is_seen(noise):
    assert not any(says(measured(noise, seed, real=False)) for seed in range(40))


def test_counts_and_scaled_counts_are_judged_alike():
    problem = measured(Noise(photons=1e5), 0, real=True)
    for likelihood, factor in ((Poisson(), 1.0), (Poisson(100.0), 0.1), (Gaussian(), 1.0)):
        assert may_be_real(problem.amplitude * np.float32(factor), problem.valid, likelihood)
    other = measured(Noise(photons=1e5), 0, real=False)
    assert not may_be_real(other.amplitude * np.float32(0.1), other.valid, Poisson(100.0))


def test_where_no_noise_is_known_the_asymmetry_decides():
    x, _ = blobs((48, 40), seed=1)
    for real in (True, False):
        y = np.abs(np.fft.fft2(np.abs(x) if real else x)).astype(np.float32)
        assert may_be_real(y, np.ones(y.shape, bool), Gaussian()) is real
        assert (asymmetry(y, np.ones(y.shape, bool)) < 1e-6) is real


@pytest.mark.parametrize("shape", [(48, 40), (33, 32), (9, 12, 10)])
def test_large_patterns_are_compared_in_blocks(shape, monkeypatch):
    y, valid = (np.random.default_rng(k).random(shape) for k in (0, 1))
    valid = valid > 0.3
    both = valid & mates(valid)
    expected = np.sum((y - mates(y))[both] ** 2) / 2 / np.sum(y[both] ** 2)
    for block in (1, 100, 10**6):
        monkeypatch.setattr(autocorrelation, "BLOCK_PIXELS", block)
        assert asymmetry(y, valid) == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(48, 40), (33, 32), (16, 17, 20)])
@pytest.mark.parametrize("noise", [Noise(photons=1e6, dead=0.1, beam_stop=2), Noise()], ids=repr)
def test_mates_of_a_real_object_are_held_out_together(noise, shape):
    for seed in range(5):
        problem = measured(noise, seed, real=True, shape=shape)
        left, held = problem.hold_out(0.03, np.random.default_rng(seed))
        held = to_numpy(held)
        assert_array_equal(mates(held) & problem.valid, held & mates(problem.valid))
        assert not (mates(held) & left.valid).any()
        assert 0.03 <= held.sum() / problem.valid.sum() < 0.05


@pytest.mark.parametrize("noise", [Noise(photons=1e6, dead=0.1), Noise()], ids=repr)
def test_the_held_out_pixels_of_a_complex_object_are_as_they_were(noise):
    for seed in range(5):
        problem = measured(noise, seed, real=False)
        _, held = problem.hold_out(0.03, np.random.default_rng(seed))
        before = islands(problem.valid, problem.speckle_size, 0.03, np.random.default_rng(seed))
        assert_array_equal(held, before)
        alone = before & mates(problem.valid) & ~mates(before)
        assert alone.sum() > 0.6 * before.sum()  # most mates are fitted


def test_a_pattern_without_pairs_says_nothing():
    half = np.zeros((16, 16), bool)
    half[1:8, 1:8] = True
    problem = Problem.from_arrays(amplitude=np.ones((16, 16)), mask=half, likelihood=Gaussian(0.1), centred=False)
    assert not says(problem)
