"""A start whose support shrinks to next to nothing ends with the option that made it."""

import numpy as np
import pytest

from retrieve.driver.solve import solve
from retrieve.errors import SolverError
from retrieve.problem import Problem
from retrieve.simulate import TUNE_SEED, blobs, measure, object_set
from retrieve.solvers import HIO, Guided, Recipe, ShrinkWrap


def blind(seed, shape=(40, 40)):
    return Problem.from_arrays(intensity=1e5 * measure(blobs(shape, seed=seed)[0]))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("threshold", [0.9, 0.95])
def test_a_threshold_that_leaves_nothing_is_named_with_a_value(seed, threshold):
    solver = Recipe(recipe="20 er + 40 hio", shrink_wrap=ShrinkWrap(every=5, threshold=threshold))
    with pytest.raises(SolverError, match=rf"start 0: .*--shrink-wrap.threshold {threshold}, for example to 0.1"):
        solve(solver, blind(seed), starts=1, seed=seed)


def test_each_start_that_vanishes_is_marked_and_the_others_go_on():
    problem = object_set("crystal2d").problem(0, TUNE_SEED).replace(support=None)
    solver = Recipe(recipe="20 er + 60 hio + 20 er", shrink_wrap=ShrinkWrap(every=5, threshold=0.1))
    assert [score.failure for score in solve(solver, problem, starts=3, strict=False).scores] == [None] * 3
    lost = Recipe(recipe="20 er + 60 hio", shrink_wrap=ShrinkWrap(every=5, threshold=0.95))
    with pytest.raises(SolverError, match="all 2 starts failed; the first: start 0: the support shrank to"):
        solve(lost, problem, starts=2, strict=False)


def test_the_option_of_a_part_an_area_and_a_population_are_named():
    problem = blind(1)
    of_part = Recipe(recipe="60 hio(shrink_wrap.threshold=0.93)")
    with pytest.raises(SolverError, match="threshold 0.93, for example"):
        solve(of_part, problem, starts=1)
    with pytest.raises(SolverError, match=r"raise --shrink-wrap.area 0.001, for example to 0\.\d"):
        solve(HIO(iterations=60, shrink_wrap=ShrinkWrap(area=0.001)), problem, starts=1)
    recipe = Recipe(recipe="60 hio", shrink_wrap=ShrinkWrap(threshold=0.95))
    with pytest.raises(SolverError, match="--recipe.shrink-wrap.threshold 0.95"):
        solve(Guided(population=2, generations=1, recipe=recipe), problem, starts=1)


def test_few_bright_points_are_an_object():
    """Their support is a small share of what the autocorrelation spans, and it explains the data."""
    x = np.zeros((64, 64), complex)
    for row, column in ((20, 22), (22, 40), (41, 30)):
        x[row : row + 2, column : column + 2] = 1
    problem = Problem.from_arrays(intensity=1e6 * measure(x.astype(np.complex64)))
    found = solve(Recipe(recipe="50 er + 200 hio + 50 er", shrink_wrap=ShrinkWrap(sigma=1, sigma_end=0.5)), problem, starts=4)
    assert found.score.failure is None


@pytest.mark.parametrize("steps", [40, 200])
@pytest.mark.parametrize("threshold", [0.9, 0.95])
def test_also_a_small_object_and_a_short_run_end_with_the_option(steps, threshold):
    place = np.indices((24, 32, 32))
    r2 = sum(((place[axis] - n // 2) / (n / 8)) ** 2 for axis, n in enumerate((24, 32, 32)))
    counts = np.random.default_rng(0).poisson(1e5 * np.exp(-r2) * (0.5 + 0.5 * np.cos(place.sum(0)) ** 2))
    problem = Problem.from_arrays(intensity=counts.astype(float))
    solver = Recipe(recipe=f"20 er + {steps - 20} hio", shrink_wrap=ShrinkWrap(every=5, threshold=threshold))
    with pytest.raises(SolverError, match=f"--shrink-wrap.threshold {threshold}"):
        solve(solver, problem, starts=1)
    usual = solve(Recipe(recipe=f"20 er + {steps - 20} hio", shrink_wrap=ShrinkWrap(every=5)), problem, starts=1)
    assert usual.score.failure is None


@pytest.mark.parametrize("photons", [1e3, 1e4])
def test_noise_is_no_vanished_support(photons):
    """R of few photons is high, and so is the spread of the autocorrelation."""
    x = object_set("crystal2d").problem(0, TUNE_SEED)
    intensity = np.fft.fftshift(x.amplitude).astype(float) ** 2
    counts = np.random.default_rng(1).poisson(intensity * (photons / intensity.sum())).astype(float)
    found = solve(Recipe(recipe="20 er + 60 hio + 20 er"), Problem.from_arrays(intensity=counts), starts=3, strict=False)
    assert [score.failure for score in found.scores] == [None] * 3


def test_a_support_that_is_known_does_not_vanish():
    problem = blind(2)
    support = np.zeros((40, 40), bool)
    support[19:21, 19:21] = True
    found = solve(HIO(iterations=20), problem.replace(support=support), starts=1)
    assert found.score.failure is None
    assert found.score.r > 0.1
