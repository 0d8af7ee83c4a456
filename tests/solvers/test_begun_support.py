"""An earlier object as a start begins within its own support."""

import numpy as np
import pytest

from retrieve.problem import Problem
from retrieve.simulate import crystal, measure
from retrieve.solvers import HIO, Guided, Recipe
from retrieve.solvers.base import Streams
from retrieve.solvers.gradient import ConjugateGradient
from retrieve.solvers.iterative import begun_support, first_support
from retrieve.solvers.shrinkwrap import ShrinkWrap

NEVER = ShrinkWrap(when="never")


@pytest.fixture
def truth():
    return crystal((32, 32), seed=0)


@pytest.fixture
def problem(truth):
    return Problem.from_arrays(intensity=1e5 * measure(truth))


@pytest.mark.parametrize(
    "solver",
    [
        HIO(iterations=2, shrink_wrap=NEVER),
        Recipe(recipe="2 er", shrink_wrap=NEVER),
        ConjugateGradient(iterations=2),
        Guided(population=2, generations=1, recipe=Recipe(recipe="2 er", shrink_wrap=NEVER)),
    ],
)
def test_a_solver_begins_within_the_object_it_is_given(problem, truth, solver):
    [first, *_] = solver.steps(problem, truth[None].copy(), Streams.of(0, [0]))
    np.testing.assert_array_equal(np.broadcast_to(first.support, (1, 32, 32))[0], truth != 0)


def test_each_start_of_a_batch_has_its_own(problem, truth):
    full = np.ones((32, 32), np.complex64)
    moved = np.roll(truth, 2, 0)
    found = np.broadcast_to(begun_support(problem, np.stack([truth, full, moved, 0 * truth]))[0], (4, 32, 32))
    guess = first_support(problem, truth[None])[0][0]
    for inside, expected in zip(found, (truth != 0, guess, moved != 0, guess), strict=True):
        np.testing.assert_array_equal(inside, expected)


def test_a_known_support_stays(problem, truth):
    known = np.zeros((32, 32), bool)
    known[8:24, 8:24] = True
    np.testing.assert_array_equal(begun_support(problem.replace(support=known), truth[None])[0][0], known)


@pytest.mark.parametrize("solver", [HIO(iterations=3, twin_cut=1, shrink_wrap=NEVER), Recipe(recipe="3 hio", twin_cut=1)])
def test_an_earlier_object_is_not_cut_in_half(problem, truth, solver):
    """The truth stays where it is; a random start is cut."""
    *_, last = solver.steps(problem, (250 * truth / np.abs(truth).max())[None], Streams.of(0, [0]))
    assert (np.abs(last.estimate[0])[truth != 0] > 0).all()
    assert begun_support(problem, truth[None])[1]
    assert not begun_support(problem, solver.start(problem, Streams.of(0, [0])))[1]
