"""The options `tolerance` and `patience`: when a classical solver ends before its last iteration."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import retrieve as rt
from retrieve.solvers import ER, HIO, RAAR, ConjugateGradient, Guided, Recipe
from retrieve.solvers.convergence import CHECK_EVERY, Convergence

SEEDS = range(4)


class Scores:
    """A problem whose estimates are their own R."""

    @staticmethod
    def r_factor(estimate):
        return np.asarray(estimate)


def ended(tolerance, patience, *histories):
    """The iteration at which a batch of these histories of R, one value an iteration, has converged; None if never."""
    watch = Convergence(tolerance, patience)
    for k, r in enumerate(np.transpose(histories), start=1):
        if watch.reached(k, Scores, r):
            return k
    return None


FLAT, FALLING = np.ones(100), 0.99 ** np.arange(100)


@pytest.mark.parametrize(
    ("tolerance", "patience", "histories", "expected"),
    [
        (0.01, 20, [FLAT], 30),  # first value after 10 iterations, none lower in 20 more
        (0.01, 20, [FALLING], None),  # 10 % in 10 iterations
        (0.3, 20, [FALLING], 30),
        (0.3, 40, [FALLING], None),  # a third in 40 iterations
        (0.01, 20, [FLAT, FALLING], None),  # a batch ends with its last start
        (0.01, 20, [FLAT, np.where(np.arange(100) < 25, 1, 0.5)], 50),
        (0.01, 3, [FLAT], 6),
        (0.01, 20, [np.full(100, np.nan)], 20),  # not a number never falls
    ],
)
def test_when_a_batch_has_converged(tolerance, patience, histories, expected):
    assert ended(tolerance, patience, *histories) == expected


def test_slow_steps_add_up():
    """R falls by less than the share between two looks, and by more within the patience."""
    assert 0.998**CHECK_EVERY > 1 - 0.05 > 0.998**50
    assert ended(0.05, 50, 0.998 ** np.arange(400)) is None
    assert ended(0.05, 20, 0.998 ** np.arange(400)) is not None


KINDS = {
    "er": (ER, 1000),
    "raar": (RAAR, 1000),
    "cg": (ConjugateGradient, 500),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", KINDS)
def test_a_run_ends_when_the_rest_would_change_little(hard, name, seed):
    """It is the same run up to there, and R has not fallen by the share in the last iterations."""
    kind, count = KINDS[name]
    early = rt.solve(kind(iterations=count, tolerance=0.05, patience=50), hard, seed=seed, score_every=10)
    whole = rt.solve(kind(iterations=count), hard, seed=seed, score_every=10)
    steps = early.cost.steps
    assert 50 < steps < count
    history, all_of_it = (np.array(result.history[0]["r"]) for result in (early, whole))
    shared = steps // 10
    assert_array_equal(history[:shared], all_of_it[:shared])
    assert history[-6:].min() > 0.95 * history[-6] * (1 - 1e-4)  # the last 50 iterations
    assert whole.cost.ffts == 2 * count + (name == "cg")
    assert early.cost.ffts == 2 * steps + steps // CHECK_EVERY + (name == "cg")  # each look costs a transform


@pytest.mark.parametrize("seed", SEEDS)
def test_each_start_ends_by_itself(easy, seed):
    """So its result does not depend on the others."""
    solver = RAAR(iterations=600, tolerance=0.05, patience=40)
    assert (solver.batch_for(easy), Recipe(tolerance=0.1).batch_for(easy)) == (1, 1)
    assert HIO().batch_for(easy) >= 1
    several = rt.solve(solver, easy, seed=seed, starts=3)
    alone = rt.solve(solver, easy, seed=seed)
    assert_array_equal(several.estimates[0], alone.estimates[0])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_batch_ends_with_its_last_start(easy, seed):
    solver = RAAR(iterations=600, tolerance=0.05, patience=40)
    apart = [rt.solve(solver, easy, seed=seed, starts=k + 1).cost.steps for k in range(3)]
    together = rt.solve(solver, easy, seed=seed, starts=3, batch=3).cost.steps
    assert together >= apart[0]
    assert together < 600


@pytest.mark.parametrize("seed", SEEDS)
def test_a_part_of_a_recipe_that_has_converged_makes_way_for_the_next(hard, seed):
    recipe = Recipe(recipe="400 er + 30 hio(tolerance=0) + 300 cg", tolerance=0.05, patience=30, twin_cut=None)
    rng = rt.Streams.of(seed, [0])
    steps = list(recipe.steps(hard, recipe.start(hard, rng), rng))
    stages = [step.stage for step in steps]
    counts = [stages.count(name) for name in ("er", "hio", "cg")]
    assert stages == ["er"] * counts[0] + ["hio"] * 30 + ["cg"] * counts[2]
    assert counts[0] < 400
    assert counts[2] < 300
    told = [step.total for step in steps if step.total is not None]
    assert told == [counts[0] + 330, len(steps)]  # the total shrinks when a part ends
    assert [step.more for step in steps[: counts[0] + 30]] == [True] * (counts[0] + 30)
    assert not steps[-1].more
    result = rt.solve(recipe, hard, seed=seed, hold_out=0)
    assert result.cost.steps == len(steps)
    assert np.isfinite(result.object).all()


def test_members_of_a_population_end_early(easy):
    solver = Guided(population=2, generations=2, recipe=Recipe(recipe="400 raar", tolerance=0.1, patience=20))
    result = rt.solve(solver, easy)
    assert 2 * 2 * 20 < result.cost.steps < solver.total


@pytest.mark.parametrize("bad", [{"tolerance": -0.1}, {"tolerance": 1}, {"patience": 0}])
@pytest.mark.parametrize("kind", [HIO, ConjugateGradient, Recipe])
def test_out_of_range(kind, bad):
    with pytest.raises(rt.OptionError, match=next(iter(bad))):
        kind(**bad)
