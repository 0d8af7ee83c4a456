"""Recovery of the coherence kernel during the run."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from retrieve.driver.solve import solve
from retrieve.errors import InputError
from retrieve.operators import Binning, FarField, PartialCoherence
from retrieve.problem import Problem
from retrieve.simulate import blobs, measure
from retrieve.solvers import Coherence, Recipe

SIGMA = 0.8


def blurred(seed):
    """A pattern without noise under a Gaussian kernel, the support known."""
    x, support = blobs((48, 48), seed=seed, fill=0.06)
    intensity = np.fft.ifftshift(1e3 * measure(x))[None]
    seen = PartialCoherence.gaussian((48, 48), SIGMA).forward(intensity)[0]
    return Problem.from_arrays(intensity=seen, support=support, truth=x, centred=False)


def solved(problem, when):
    coherence = Coherence(when=when, every=10, iterations=20, begin=0.2)
    return solve(Recipe(recipe="150 raar + 50 er", coherence=coherence), problem, hold_out=0)


def test_the_kernel_is_recovered_and_explains_the_data():
    ratios = []
    for seed in range(6):
        problem = blurred(seed)
        without, recovered = solved(problem, "never"), solved(problem, "always")
        assert without.problem.detector is None
        ratios.append(recovered.score.r / without.score.r)
        kernel = np.fft.fftshift(recovered.problem.detector.kernel)
        assert kernel.shape == (48, 48)
        assert kernel.sum() == pytest.approx(1, abs=1e-4)
        r2 = np.add.outer((np.arange(48) - 24) ** 2, (np.arange(48) - 24) ** 2)
        assert np.sqrt((kernel * r2).sum() / 2) == pytest.approx(SIGMA, abs=0.2)
        assert not kernel[r2 > Coherence().radius ** 2].any()
    assert max(ratios) < 0.8
    assert np.exp(np.mean(np.log(ratios))) < 0.4


def test_the_score_is_that_of_the_refined_problem():
    result = solved(blurred(3), "always")
    estimate = result.estimates[result.chosen][None]
    assert_allclose(result.problem.r_factor(estimate)[0], result.score.r, rtol=1e-3)


@pytest.mark.parametrize(
    ("when", "axes", "due"), [("auto", 2, False), ("auto", 3, True), ("always", 2, True), ("never", 3, False)]
)
def test_when_it_is_due(when, axes, due):
    assert Coherence(when=when, every=5, begin=0.5).first(20, axes, None) == (10 if due else math.inf)


def test_another_detector_operator_is_not_refined():
    binned = blurred(3).replace(operator=FarField((96, 96)), detector=Binning((96, 96), 2), support=None)
    with pytest.raises(InputError, match="coherence.when='always' cannot refine a detector operator of kind Binning; give never"):
        solved(binned, "always")
    assert solved(binned, "never").object.shape == (96, 96)
