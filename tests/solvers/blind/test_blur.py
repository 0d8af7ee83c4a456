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


def with_and_without(problem: rt.Problem, starts: int) -> list[rt.Result]:
    """The results of all starts with a fit of the coherence, and without."""
    return [rt.solve(Auto(coherence=choice), problem, starts=starts, agree=0) for choice in ("auto", "never")]


def usual_correlation(result: rt.Result, problem: rt.Problem) -> float:
    """The median correlation of the starts with the truth."""
    return float(np.median([align(x, problem.truth).correlation for x in result.estimates]))


@pytest.mark.parametrize("number", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_coherent_pattern_is_given_no_blur(number):
    fitted, plain = with_and_without(crystal(0, number), starts=2)
    assert fitted.problem.detector is None
    assert not any("coherence" in line for said in fitted.account for line in said)
    assert np.array_equal(fitted.estimates, plain.estimates)


def test_a_blurred_pattern_is_given_one_and_the_object_comes_nearer_to_the_truth(without_breeding):
    """Six starts correlate with the truth by 0.989 to 0.997 with the kernel, and by 0.939 to 0.953 without."""
    problem = crystal(0.5)
    fitted, plain = with_and_without(problem, starts=3)
    assert isinstance(fitted.problem.detector, PartialCoherence)
    assert any("the beam's coherence was fitted" in line for line in fitted.account[fitted.chosen])
    assert all(0.3 < w < 0.6 for w in fitted.problem.detector.widths)
    assert any("assumed a blur of 0." in warning for warning in rt.judge(fitted).warnings)
    assert np.median([score.r for score in fitted.scores]) < 0.8 * np.median([score.r for score in plain.scores])
    assert usual_correlation(fitted, problem) > 0.98 > 0.97 > usual_correlation(plain, problem)


@pytest.mark.slow
@pytest.mark.parametrize(("coherence", "photons"), [(0.8, 1e6), (0.8, 1e5), (1.2, 1e6)])
def test_the_blur_is_as_wide_as_it_is_though_narrower_ones_fit_as_well(coherence, photons, without_breeding):
    problem = crystal(coherence, 0, photons)
    fitted, plain = with_and_without(problem, starts=3)
    assert all(0.9 * coherence < w < 1.2 * coherence for w in fitted.problem.detector.widths)
    assert fitted.score.r < 1.5 * plain.score.r
    assert usual_correlation(fitted, problem) > 0.95 > 0.92 > usual_correlation(plain, problem)


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
    """Six starts end with 426 to 477 px in the support with the kernel, and 741 to 967 without; the crystal has 349."""
    problem = crystal(0.5, 0, photons=None)
    fitted, plain = with_and_without(problem, starts=3)
    assert fitted.problem.detector.kernel.shape == SHAPE
    assert sum("undone" in line for said in fitted.account for line in said) < 2
    tight, loose = (np.median(result.supports.sum(axis=(1, 2))) for result in (fitted, plain))
    assert tight < 1.4 * (problem.truth != 0).sum() < loose
    assert usual_correlation(fitted, problem) > 0.97 > 0.96 > usual_correlation(plain, problem)
    monkeypatch.setattr(coarse, "CUT_RATIO", 0.0)  # as if the threshold had cut into the object
    undone = rt.solve(Auto(), problem, starts=1)
    assert any("undone" in line for line in undone.account[0])
    assert undone.support.sum() > tight


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
