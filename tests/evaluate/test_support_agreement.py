from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from retrieve.evaluate.support_agreement import support_agreement
from retrieve.io.result import Cost, Result
from retrieve.numerics.alignment import conjugate_inverse
from retrieve.problem import Problem
from retrieve.problem.scoring import Score
from retrieve.simulate import crystal, measure


@pytest.fixture
def result():
    """Two starts of one object, the second moved, its twin, with one pixel more in its support; a third is wrong."""
    x = crystal((32, 32), seed=0, fill=0.4, phase=2.0)
    inside = np.abs(x) > 0
    wider = inside.copy()
    wider[2, 3] = True
    there = np.roll(conjugate_inverse(x), (3, -2), (0, 1))
    turned = np.roll(conjugate_inverse(wider.astype(float)), (3, -2), (0, 1)) > 0
    wrong = np.random.default_rng(0).normal(size=x.shape).astype(np.complex64)
    return Result(
        object=x,
        estimates=np.stack([x, there, wrong]),
        supports=np.stack([inside, turned, np.ones_like(inside)]),
        scores=(Score(0.1, 0.1), Score(0.1, 0.2), Score(0.1, 0.3)),
        chosen=0,
        history=(),
        cost=Cost(),
        problem=Problem.from_arrays(intensity=measure(x)),
    )


def test_supports_of_agreeing_starts_are_laid_over_the_chosen_one(result):
    held = support_agreement(result)
    assert held.starts == 2
    assert_array_equal(held.share == 1, result.supports[0])
    assert_allclose(held.share[2, 3], 0.5)
    n = int(result.supports[0].sum())
    assert held.words == f"all of the 2 starts that agree hold {n} px, any of them {n + 1} px"


def test_no_uncertainty_without_company_or_of_a_known_support(result):
    alone = replace(result, scores=(result.scores[0], Score(0.1, failure="it broke"), result.scores[2]))
    assert support_agreement(alone) is None
    assert support_agreement(replace(result, problem=result.problem.replace(support=result.supports[0]))) is None
    assert support_agreement(replace(result, supports=None)) is None
    assert support_agreement(replace(result, estimates=np.full_like(result.estimates, np.nan))) is None
