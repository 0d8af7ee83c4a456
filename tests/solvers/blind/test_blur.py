import numpy as np
import pytest

import retrieve as rt
from retrieve.numerics.alignment import align
from retrieve.operators import PartialCoherence
from retrieve.simulate import TUNE_SEED, Noise, object_set
from retrieve.simulate.noise import simulated_problem as measured
from retrieve.solvers import Auto
from retrieve.solvers.blind import coarse
from retrieve.solvers.blind.coarse import detector_of

SHAPE = (64, 64)


def crystal(coherence: float, number: int = 1, photons: float | None = 1e6) -> rt.Problem:
    return object_set("crystal2d").problem(number, TUNE_SEED, Noise(photons=photons, coherence=coherence, support="unknown"))


def gaussian(shape: tuple[int, ...], *sigma: float) -> np.ndarray:
    return PartialCoherence.gaussian(shape, sigma).kernel


def with_and_without(problem: rt.Problem, **how: int) -> list[rt.Result]:
    """The results with a fit of the coherence, and without."""
    return [rt.solve(Auto(coherence=coherence), problem, **how) for coherence in ("auto", "never")]


@pytest.mark.parametrize("number", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_coherent_pattern_is_given_no_blur(number):
    fitted, plain = with_and_without(crystal(0, number), starts=2)
    assert fitted.problem.detector is None
    assert not any("coherence" in line for said in fitted.account for line in said)
    assert np.array_equal(fitted.object, plain.object)


def test_a_blurred_pattern_is_given_one_and_the_object_comes_nearer_to_the_truth(without_breeding):
    problem = crystal(0.5)
    fitted, plain = with_and_without(problem, starts=2)
    assert isinstance(fitted.problem.detector, PartialCoherence)
    assert any("the beam's coherence was fitted" in line for line in fitted.account[fitted.chosen])
    assert all(0.3 < w < 0.6 for w in fitted.problem.detector.widths)
    assert any("assumed a blur of 0." in warning for warning in rt.judge(fitted).warnings)
    assert fitted.score.r_free < 0.8 * plain.score.r_free
    assert align(plain.object, problem.truth).correlation < 0.97
    assert align(fitted.object, problem.truth).correlation > 0.98


@pytest.mark.slow
@pytest.mark.parametrize(("coherence", "photons"), [(0.8, 1e6), (0.8, 1e5), (1.2, 1e6)])
def test_the_blur_is_as_wide_as_it_is_though_narrower_ones_fit_as_well(coherence, photons, without_breeding):
    problem = crystal(coherence, 0, photons)
    fitted, plain = with_and_without(problem, starts=2)
    assert all(0.9 * coherence < w < 1.2 * coherence for w in fitted.problem.detector.widths)
    assert fitted.score.r < 1.5 * plain.score.r
    assert align(plain.object, problem.truth).correlation < 0.92
    assert align(fitted.object, problem.truth).correlation > 0.95


@pytest.mark.slow
def test_an_object_that_fades_towards_its_edges_is_not_taken_for_a_blurred_one():
    problem = crystal(0)
    r2 = sum(np.square(axis) for axis in np.meshgrid(*[np.arange(n) - n // 2 for n in SHAPE], sparse=True))
    faded = (problem.truth * np.exp(-r2 / (2 * 6**2))).astype(np.complex64)
    result = rt.solve(Auto(), measured(faded, faded != 0, Noise(photons=1e6, support="unknown"), seed=0), starts=2)
    assert result.problem.detector is None
    assert align(result.object, faded).correlation > 0.98


def test_a_blur_that_is_known_is_left_alone():
    problem = crystal(0.5)
    known = problem.replace(detector=PartialCoherence.gaussian(SHAPE, 0.5))
    result = rt.solve(Auto(effort=0.1), known, starts=1)
    assert not any("coherence" in line for line in result.account[0])
    assert np.array_equal(result.problem.detector.kernel, known.detector.kernel)


def test_a_large_blurred_pattern_is_shrunk_to_its_edge_on_all_pixels(monkeypatch, without_breeding, searched_on_middle):
    problem = crystal(0.5, photons=None)
    fitted, plain = with_and_without(problem, starts=1)
    assert fitted.problem.detector.kernel.shape == SHAPE
    assert not any("undone" in line for line in fitted.account[0])
    truth = (problem.truth != 0).sum()
    assert fitted.support.sum() < 1.4 * truth < plain.support.sum()
    assert align(plain.object, problem.truth).correlation < 0.95
    assert align(fitted.object, problem.truth).correlation > 0.98
    monkeypatch.setattr(coarse, "CUT_RATIO", 0.0)  # as if the threshold had cut into the object
    loose = rt.solve(Auto(), problem, starts=1)
    assert any("undone" in line for line in loose.account[0])
    assert loose.support.sum() > fitted.support.sum()


def test_the_widths_of_a_kernel_are_its_standard_deviations():
    assert np.allclose(PartialCoherence.gaussian(SHAPE, (1.5, 0.8)).widths, (1.5, 0.8), rtol=0.01)


def test_starts_without_a_kernel_keep_their_intensities_to_the_bit():
    problem = rt.Problem.from_arrays(intensity=np.random.default_rng(0).random(SHAPE))
    assert detector_of([None, None], problem) is None
    found = detector_of([None, gaussian((32, 32), 1, 1)[None]], problem)
    x = np.random.default_rng(1).random((2, *SHAPE), dtype=np.float32)
    blurred = found.forward(x)
    assert np.array_equal(blurred[0], x[0])
    assert np.allclose(blurred[1], PartialCoherence.gaussian(SHAPE, 1).forward(x[1:])[0], rtol=1e-4)
