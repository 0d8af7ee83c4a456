"""The deviance per pixel: 1 where noise explains the misfit, at any number of counts."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.testing import assert_allclose

from retrieve.numerics.arrays import find_device
from retrieve.operators import PartialCoherence
from retrieve.problem import Gaussian, Likelihood, Poisson, Problem
from retrieve.problem import problem as problem_module
from retrieve.problem.scoring import Score, Scorer, known_noise
from retrieve.simulate import Noise, blobs, measure, simulated_problem


def simulated(noise, seed=0, shape=(48, 48), **more):
    x, support = blobs(shape, seed=seed)
    return simulated_problem(x, support, noise, seed=seed, **more)


def score_of(problem, x=None, held=None, device="cpu"):
    scorer = Scorer.of(problem, held, find_device(device))
    return scorer.scores(find_device(device).put((problem.truth if x is None else x)[None]))[0]


@pytest.mark.parametrize("photons", [1e3, 1e4, 1e5, 1e6, 1e7, 1e8])
@pytest.mark.parametrize("likelihood", [None, Poisson()], ids=["default", "poisson"])
def test_the_truth_explains_its_counts(photons, likelihood):
    found = []
    for seed in range(200 if photons < 3e4 else 40):
        problem = simulated(Noise(photons=photons), seed)
        found.append(score_of(problem if likelihood is None else problem.replace(likelihood=likelihood)).deviance)
    assert abs(np.mean(found) - 1) < 0.02


@pytest.mark.parametrize("sigma", [0.001, 0.01, 0.1, 0.4])
def test_the_truth_explains_its_noisy_amplitudes(sigma):
    found = [score_of(simulated(Noise(sigma=sigma), seed)).deviance for seed in range(40)]
    assert abs(np.mean(found) - 1) < 0.02


def test_a_wrong_object_is_not_explained():
    for photons in (1e4, 1e6):
        problem = simulated(Noise(photons=photons))
        assert score_of(problem, 1.1 * problem.truth).deviance > 1.1 * score_of(problem).deviance
        assert score_of(problem, np.roll(np.abs(problem.truth), 3, 0)).deviance > 2


def test_held_out_pixels_have_a_deviance_of_their_own():
    problem = simulated(Noise(photons=1e6))
    _, held = problem.hold_out(0.1, np.random.default_rng(0))
    score = score_of(problem, held=held)
    assert score.deviance == pytest.approx(1, abs=0.15)
    assert score.deviance_free == pytest.approx(1, abs=0.3)
    wrong = problem.replace(amplitude=np.where(held, 1.5 * problem.amplitude, problem.amplitude))
    seen = score_of(wrong.replace(likelihood=Poisson()), held=held)
    assert seen.deviance == pytest.approx(score.deviance, rel=1e-5)
    assert seen.deviance_free > 2


def test_unmeasured_pixels_take_no_part():
    problem = simulated(Noise(photons=1e5, dead=0.2, beam_stop=2))
    other = problem.replace(amplitude=np.where(problem.valid, problem.amplitude, 1e6).astype(np.float32))
    assert score_of(other).deviance == score_of(problem).deviance == pytest.approx(1, abs=0.2)


def test_a_known_blur_is_part_of_the_model():
    problem = simulated(Noise(photons=1e7, coherence=1.0))
    blurred = problem.replace(detector=PartialCoherence.gaussian(problem.shape, 1.0))
    assert score_of(blurred).deviance == pytest.approx(1, abs=0.1)
    assert score_of(problem).deviance > 3


@pytest.mark.parametrize("noise", [Noise(photons=1e5), Noise(sigma=0.02)], ids=repr)
def test_it_is_the_same_in_every_library_and_in_parts(noise, monkeypatch):
    problem = simulated(noise)
    _, held = problem.hold_out(0.1, np.random.default_rng(0))
    whole = score_of(problem, held=held)
    monkeypatch.setattr(problem_module, "NLL_POINTS", 500)
    for device in ("cpu", "torch", "strict"):
        found = score_of(problem, held=held, device=device)
        numbers = [(s.nll, s.deviance, s.deviance_free) for s in (found, whole)]
        assert_allclose(*numbers, rtol=1e-4)


# the noise that is known -------------------------------------------------------------------------


def of_intensity(intensity, **more):
    return known_noise(Problem.from_arrays(intensity=intensity, **more))


def test_the_default_stands_for_counts_where_there_are_counts():
    x, _ = blobs((32, 32), seed=0)
    counts = measure(x, photons=1e5)
    assert of_intensity(counts) == Poisson()
    assert of_intensity(counts, likelihood=Gaussian(0.7)) == Gaussian(0.7)
    assert of_intensity(0.25 * counts, likelihood=Poisson(4.0)) == Poisson(4.0)
    assert of_intensity(0.37 * counts) is None
    assert of_intensity(measure(x)) is None


def test_a_few_corrected_pixels_do_not_hide_counts():
    counts = measure(blobs((32, 32), seed=0)[0], photons=1e5)
    counts[:, 5] *= 1.37
    assert of_intensity(counts) == Poisson()


def test_counts_cut_at_a_threshold_follow_no_likelihood():
    counts = measure(blobs((32, 32), seed=0)[0], photons=1e5)
    cut = np.where(counts < 3, 0, counts)
    assert of_intensity(cut) is None
    assert of_intensity(cut, likelihood=Poisson()) is None


@pytest.mark.parametrize("noise", [Noise(), Noise(photons=1e5, sigma=0.01)], ids=repr)
def test_a_simulation_that_no_likelihood_describes_has_no_deviance(noise):
    score = score_of(simulated(noise))
    assert score.deviance is score.deviance_free is None
    assert np.isfinite(score.r)


def test_a_likelihood_without_expected_deviance_has_no_deviance():
    @dataclass(frozen=True)
    class Flat(Likelihood):
        def nll(self, p, y):
            return (p - y * y) ** 2

        def derivative(self, p, y):
            return 2 * (p - y * y)

        def proximal(self, v, y, r):
            return y

        def scaled(self, factor):
            return self

    score = score_of(simulated(Noise(photons=1e5)).replace(likelihood=Flat()))
    assert score.deviance is score.deviance_free is None
    assert np.isfinite(score.nll)


def test_a_score_of_numbers_has_none_where_they_are_nan():
    assert Score.of([0.1, np.nan, 2.0, np.nan, np.nan]) == Score(0.1, None, 2.0)
    assert Score.of([0.1, 0.2, 2.0, 1.1, 1.3], "lost") == Score(0.1, 0.2, 2.0, "lost", 1.1, 1.3)


def test_a_score_without_intensity_is_a_failure():
    problem = simulated(Noise(photons=1e5))
    nothing = np.zeros_like(problem.valid)
    with np.errstate(invalid="ignore", divide="ignore"):
        (score,) = Scorer(problem, nothing, None).scores(problem.truth[None])
    assert score.failure == "R is nan on 0 fitted pixels"
    assert score.rank == np.inf
