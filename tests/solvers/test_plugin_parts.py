"""Algorithms of plugins as parts of recipes, and algorithms that draw random numbers."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

import retrieve as rt
from retrieve.errors import OptionError
from retrieve.plugins import registry
from retrieve.simulate import TUNE_SEED, object_set
from retrieve.solvers import HIO, Guided, Iterative, Recipe


@dataclass(frozen=True)
class RandomRelaxation(Iterative):
    """HIO whose relaxation is drawn anew in each iteration."""

    name: ClassVar[str] = "random-hio"
    beta: float = rt.option(0.9, "largest relaxation", gt=0, le=2)

    def update(self, x, m, project, problem, t, rng=None):
        beta = rt.like(rng.uniform((1,) * len(problem.shape)), problem.amplitude) * self.beta
        inside = project(m)
        return inside + (x - beta * m) - project(x - beta * m)


@pytest.fixture
def plugin(monkeypatch):
    found = dict(registry.registered("solvers")) | {"random-hio": (RandomRelaxation, "test")}
    known = registry.find
    monkeypatch.setattr("retrieve.solvers.recipe.registered", lambda kind: found)
    monkeypatch.setattr(
        "retrieve.solvers.recipe.find", lambda kind, name: found[name][0] if name == "random-hio" else known(kind, name)
    )


@pytest.fixture
def film():
    return object_set("domains2d-10-cells").problem(0, TUNE_SEED)


def test_a_part_of_a_plugin_runs_between_ours(plugin, film):
    parts = Recipe(recipe="5 er + 7 random-hio(beta=0.5) + 3 HIO").parts()
    assert [type(part).__name__ for part in parts] == ["ER", "RandomRelaxation", "HIO"]
    assert (parts[1].iterations, parts[1].beta) == (7, 0.5)
    result = rt.solve(Recipe(recipe="5 er + 7 random-hio + 3 er"), film, starts=1, verdict=False)
    assert result.cost.steps == 15


def test_the_recipe_shares_its_options_with_it(plugin):
    [part] = Recipe(recipe="7 random-hio", positivity=True).parts()
    assert part.positivity


@pytest.mark.parametrize("alone", [True, False])
def test_random_numbers_are_each_starts_own(plugin, film, alone):
    solver = RandomRelaxation(iterations=12) if alone else Recipe(recipe="4 er + 8 random-hio")
    three, one = (rt.solve(solver, film, starts=n, batch=n, verdict=False, seed=3) for n in (3, 1))
    assert np.allclose(three.estimates[0], one.estimates[0], atol=1e-5 * np.abs(one.estimates).max())
    again = rt.solve(solver, film, starts=3, batch=3, verdict=False, seed=3)
    assert np.array_equal(three.estimates, again.estimates)
    fixed = rt.solve(HIO(iterations=12), film, starts=1, verdict=False, seed=3)
    assert not np.allclose(one.object, fixed.object, atol=1e-3 * np.abs(one.object).max())


def test_a_guided_recipe_draws_too(plugin, film):
    rt.solve(Guided(population=2, generations=1, recipe=Recipe(recipe="4 random-hio")), film, starts=1, verdict=False)


def test_a_whole_solver_is_no_part():
    with pytest.raises(OptionError, match="diffusion is a whole solver; a part is a subclass of Iterative"):
        Recipe(recipe="5 diffusion")
    with pytest.raises(OptionError, match="unknown algorithm 'hoi'"):
        Recipe(recipe="5 hoi")


@dataclass(frozen=True)
class Bare(rt.Solver):
    """It yields what `wrap` makes of x."""

    name: ClassVar[str] = "bare"
    wrap: ClassVar[object] = staticmethod(lambda x: x)

    def steps(self, problem, x, rng):
        for _ in range(3):
            x = problem.fit_modulus(x)
            yield type(self).wrap(x)


def test_an_array_alone_is_a_step(film):
    result = rt.solve(Bare(), film, starts=2, verdict=False)
    assert result.cost.steps == 2 * 3
    assert result.supports is None


@pytest.mark.parametrize("wrap", [lambda x: x[0], lambda x: "x", lambda x: (x, None)], ids=["one start", "text", "pair"])
def test_what_is_no_step_is_told(film, monkeypatch, wrap):
    monkeypatch.setattr(Bare, "wrap", staticmethod(wrap))
    with pytest.raises(rt.SolverError, match="bare: step 1 is .* yield x of"):
        rt.solve(Bare(), film, starts=2)
