import numpy as np
import pytest
from numpy.testing import assert_array_equal

from retrieve.errors import OptionError
from retrieve.plugins.options import build, values_of
from retrieve.solvers import ER, HIO, OSS, RAAR, ConjugateGradient, Recipe, ShrinkWrap
from retrieve.solvers.iterative import iterate
from retrieve.solvers.recipe import parse


def told(text, **shared):
    """A recipe as (name, iterations, beta) of each part."""
    return [(part.name, part.iterations, getattr(part, "beta", None)) for part in parse(text, shared)]


GOOD = {
    "20 er": [("er", 20, None)],
    "20er": [("er", 20, None)],
    " 5 HIO ": [("hio", 5, 0.9)],
    "3 hio + 2 er": [("hio", 3, 0.9), ("er", 2, None)],
    "3 hio+2 er+1 raar": [("hio", 3, 0.9), ("er", 2, None), ("raar", 1, 0.9)],
    "2*(3 hio + 2 er)": [("hio", 3, 0.9), ("er", 2, None)] * 2,
    "2 * ( 3 hio + 2 er ) + 4 er": [("hio", 3, 0.9), ("er", 2, None)] * 2 + [("er", 4, None)],
    "2*(3 hio + 2*(1 er + 1 sf))": ([("hio", 3, 0.9)] + [("er", 1, None), ("sf", 1, None)] * 2) * 2,
    "3 hio(beta=0.8)": [("hio", 3, 0.8)],
    "3 hio( beta=0.8 , positivity=yes ) + 3 hio": [("hio", 3, 0.8), ("hio", 3, 0.9)],
    "2 cg + 1 dm(beta=-0.5)": [("cg", 2, None), ("dm", 1, -0.5)],
    "4 er()": [("er", 4, None)],
    "3*(180 hio(beta=0.8) + 20 er) + 20 er": [("hio", 180, 0.8), ("er", 20, None)] * 3 + [("er", 20, None)],
}


@pytest.mark.parametrize("text", GOOD)
def test_good_recipes(text):
    assert told(text) == GOOD[text]


def test_options_of_a_part():
    first, second = parse("3 hio(shrink_wrap.threshold=0.2, positivity=true) + 1 hio", {})
    assert first == HIO(iterations=3, positivity=True, shrink_wrap=ShrinkWrap(threshold=0.2))
    assert second == HIO(iterations=1)


def test_shared_options_hold_where_a_part_has_none_of_its_own():
    assert told("1 hio + 1 er + 1 hio(beta=0.7) + 1 cg", beta=0.5, positivity=False) == [
        ("hio", 1, 0.5),
        ("er", 1, None),
        ("hio", 1, 0.7),
        ("cg", 1, None),
    ]
    assert told("1 hio", beta=None) == [("hio", 1, 0.9)]
    recipe = build(Recipe, {"recipe": "2 hio + 2 raar(beta=1) + 1 er", "beta": "0.6", "shrink_wrap.every": "7"})
    assert [getattr(p, "beta", None) for p in recipe.parts()] == [0.6, 1, None]
    assert {p.shrink_wrap.every for p in recipe.parts()} == {7}
    assert build(Recipe, values_of(recipe)) == recipe


BAD = {
    "": "a number of iterations or repeats was expected at ''",
    "er": "a number of iterations or repeats was expected at 'er'",
    "0 er": "a number of iterations or repeats was expected at '0 er'",
    "-3 er": "a number of iterations or repeats was expected at '-3 er'",
    "3": "the name of an algorithm was expected after 3",
    "3 hio +": "a number of iterations",
    "3 hio 2 er": "unexpected '2 er'",
    "3 hio) + 2 er": r"unexpected '\) \+ 2 er'",
    "2*3 hio": r"'\(' was expected after 2\*",
    "2*(3 hio + 2 er": r"a '\)' is missing",
    "2*()": "a number of iterations",
    "0*(3 hio)": "a number of iterations",
    "3 hoi": "recipe '3 hoi': unknown algorithm 'hoi'; did you mean hio",
    "3 recipe": "recipe is a whole solver",
    "3 hio(bta=1)": "unknown option 'bta' of hio; did you mean beta",
    "3 hio(beta=9)": r"option beta=9.0 is out of range; give a value in \(0, 2\]",
    "3 hio(beta)": "option beta='' is not of type float",
    "3 er(beta=0.5)": "unknown option 'beta' of er",
    "3 hio(beta=0.5": r"unexpected '\(beta=0.5'",
    "1.5 er": "the name of an algorithm was expected after 1",
}


@pytest.mark.parametrize("text", BAD)
def test_bad_recipes_are_refused_when_made(text):
    with pytest.raises(OptionError, match=BAD[text]) as error:
        Recipe(recipe=text)
    assert "\n" not in str(error.value)
    assert text in str(error.value) or "option" in str(error.value)


def test_total():
    assert Recipe(recipe="3*(20 er + 180 hio) + 20 er").total == 620
    assert Recipe().total == sum(part.iterations for part in Recipe().parts())


def run(solver, problem, start):
    return [step.estimate for step in solver.steps(problem, start.copy(), None)]


@pytest.mark.parametrize(
    "part", [ER(iterations=6), HIO(iterations=6, beta=0.7), RAAR(iterations=6), ConjugateGradient(iterations=6)]
)
def test_a_recipe_of_one_part_is_that_part(in_double, part):
    beta = f"(beta={part.beta})" if hasattr(part, "beta") else ""
    recipe = Recipe(recipe=f"6 {part.name}{beta}", twin_cut=None)
    alone, cooked = (run(solver, in_double.problem, in_double.x0) for solver in (part, recipe))
    assert_array_equal(np.array(cooked), np.array(alone))


def test_parts_follow_each_other(in_double):
    """The second part goes on from the x of the first, not from its estimate."""
    cooked = run(Recipe(recipe="3 hio + 2 er", twin_cut=None), in_double.problem, in_double.x0)
    parts = [HIO(iterations=3), ER(iterations=2)]
    direct = [s.estimate for s in iterate(parts, in_double.problem, in_double.x0)]
    assert len(cooked) == 5
    assert_array_equal(np.array(cooked), np.array(direct))
    inside = in_double.problem.support
    x = in_double.x0
    for _ in range(3):
        m = in_double.problem.fit_modulus(x)
        x = np.where(inside, m, x - 0.9 * m)
    np.testing.assert_allclose(cooked[3], np.where(inside, in_double.problem.fit_modulus(x), 0), atol=1e-9)


def test_stages_are_told(hard):
    steps = Recipe(recipe="2 hio + 1 cg + 1 er").steps(hard, hard.truth[None], None)
    assert [step.stage for step in steps] == ["hio", "hio", "cg", "er"]


def test_a_part_counts_its_own_share_of_the_run(in_double):
    """The stages of OSS begin anew where it begins, whatever ran before."""
    cooked = run(Recipe(recipe="10 hio + 20 oss", twin_cut=None), in_double.problem, in_double.x0)
    x = in_double.x0
    for _ in range(10):
        m = in_double.problem.fit_modulus(x)
        x = np.where(in_double.problem.support, m, x - 0.9 * m)
    alone = run(OSS(iterations=20), in_double.problem, x)
    np.testing.assert_allclose(cooked[10:], alone, atol=1e-9)


@pytest.mark.parametrize(
    ("text", "shared", "cuts"),
    [
        ("4 er + 4 hio", 2, [2]),
        ("4 er + 4 hio", 6, [6]),  # of the whole run, in whichever part that is
        ("4 er + 4 hio", None, []),
        ("4 er + 4 hio(twin_cut=3)", None, [7]),  # a part counts its own iterations
        ("2*(4 er(twin_cut=1))", None, [1, 5]),
        ("4 er + 4 hio(twin_cut=3)", 1, [1, 7]),
    ],
)
def test_when_half_is_cut(in_double, monkeypatch, text, shared, cuts):
    count, found = 0, []
    monkeypatch.setattr("retrieve.solvers.iterative.cut_half", lambda x: found.append(count + 1) or x)
    for _ in Recipe(recipe=text, twin_cut=shared).steps(in_double.problem, in_double.x0, None):
        count += 1
    assert found == cuts
