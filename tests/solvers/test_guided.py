import numpy as np
import pytest
from numpy.testing import assert_allclose

from retrieve.driver.solve import solve
from retrieve.numerics.alignment import conjugate_inverse
from retrieve.solvers import Guided, Recipe, Step, Streams


def steps_of(solver, problem, seed=0):
    rng = Streams.of(seed, [0])
    return list(solver.steps(problem, solver.start(problem, rng), rng))


def short(**more):
    return Guided(population=3, generations=2, recipe=Recipe(recipe="10 hio + 5 er"), **more)


def test_all_members_run_and_the_best_comes_last(hard):
    solver = short()
    steps = steps_of(solver, hard)
    assert len(steps) == solver.total == 3 * 2 * 15 + 1
    stages = [step.stage for step in steps]
    assert stages[0::15][:6] == [f"generation {g} member {m}" for g in (1, 2) for m in (1, 2, 3)]
    ends = [steps[k] for k in (14, 29, 44, 59, 74, 89)]
    best = min(ends, key=lambda step: float(hard.r_factor(step.estimate)[0]))
    assert_allclose(steps[-1].estimate, best.estimate, atol=1e-5)


def test_sharpness_takes_another_member(hard):
    last = steps_of(short(criterion="sharpness"), hard)
    champion = min((last[k] for k in (14, 29, 44)), key=lambda step: float(np.sum(np.abs(step.estimate) ** 4)))
    ends = [*(last[k] for k in (59, 74, 89)), champion]
    best = min(ends, key=lambda step: float(np.sum(np.abs(step.estimate) ** 4)))
    assert_allclose(last[-1].estimate, best.estimate, atol=1e-5)


def test_evaluation_and_alignment_of_members_cost(hard):
    """In transforms: two new members, 3 × 2 runs of 15 iterations, 3 and 4 values of R, and the alignment of 3 members."""
    assert solve(short(), hard, starts=1).cost.ffts == 2 + 3 * 2 * 15 * 2 + 3 + 4 + 3 * 3


def test_members_differ_until_they_are_bred(hard):
    steps = steps_of(short(), hard)
    first = [steps[k].estimate for k in (14, 29, 44)]
    assert np.abs(first[0] - first[1]).max() > 0.1 * np.abs(first[0]).max()
    assert np.abs(first[1] - first[2]).max() > 0.1 * np.abs(first[0]).max()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_generations_improve_or_equal(blind, seed):
    def r(generations):
        solver = Guided(population=3, generations=generations, recipe=Recipe(recipe="30 hio + 20 er"))
        return solve(solver, blind, seed=seed, hold_out=0).score.r

    assert r(3) <= r(1) * 1.001


def test_breeding_is_the_geometric_mean_of_what_is_aligned(hard):
    rng = np.random.default_rng(0)
    best = hard.truth * np.exp(0.3j * rng.normal(size=hard.shape))
    other = hard.truth * rng.uniform(0.5, 1.5, hard.shape)
    disguised = np.roll(conjugate_inverse(other) * np.exp(1j), (2, -1), (0, 1))
    members = [best[None].astype(np.complex64), disguised[None].astype(np.complex64)]
    bred = Guided._breed(members, Step(members[0]), best[None])
    assert_allclose(bred[0][0], best, atol=1e-4 * np.abs(best).max())
    assert_allclose(np.abs(bred[1][0]), np.sqrt(np.abs(best * other)), atol=1e-3 * np.abs(best).max())
    inside = np.abs(best) > 0.2 * np.abs(best).max()
    middle = np.angle(bred[1][0][inside] ** 2 / (best * other)[inside])
    assert_allclose(np.angle(np.exp(1j * (middle - middle[0]))), 0, atol=0.01)  # the mean phase, up to one for all


def test_a_batch_has_its_own_best_each(hard):
    one = solve(short(), hard, starts=2, batch=1)
    two = solve(short(), hard, starts=2, batch=2)
    np.testing.assert_array_equal(one.estimates, two.estimates)


def test_a_member_that_failed_is_not_the_best(hard):
    good = Step(hard.truth[None], hard.support[None])
    failed = Step(good.x * np.float32(np.nan), good.support)
    found = short()._best(hard, [failed, good])
    assert_allclose(found.x, good.x)
