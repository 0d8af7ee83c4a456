import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from retrieve.operators import Binning, FarField, PartialCoherence
from retrieve.problem.likelihood import Gaussian, Poisson
from retrieve.solvers import ConjugateGradient

NOISE = pytest.mark.parametrize("likelihood", [Gaussian(), Gaussian(3.0), Poisson(), Poisson(0.1)], ids=repr)


@NOISE
@pytest.mark.parametrize("coherence", [0, 0.8])
def test_the_misfit_falls_monotonically(in_double, likelihood, coherence):
    detector = PartialCoherence.gaussian(in_double.problem.shape, coherence) if coherence else None
    problem = in_double.problem.replace(likelihood=likelihood, detector=detector)
    values = [problem.nll(step.x)[0] for step in ConjugateGradient(iterations=40).steps(problem, in_double.x0, None)]
    start = problem.nll(np.where(problem.support, in_double.x0, 0))[0]
    assert np.all(np.diff([start, *values]) <= 1e-9 * start)
    assert values[-1] < 0.3 * start


@pytest.mark.parametrize("likelihood", [Gaussian(), Poisson()], ids=repr)
@pytest.mark.parametrize("scale", [0.1, 1, 100])
@pytest.mark.parametrize("newton", [1, 2])
def test_a_line_search_that_overshoots_is_called_back(in_double, likelihood, scale, newton):
    """From these starts a bare Newton step raises the misfit, up to a thousandfold."""
    problem = in_double.problem.replace(likelihood=likelihood)
    phases = np.stack([np.random.default_rng(seed).uniform(0, 2 * np.pi, problem.shape) for seed in range(3)])
    x = np.where(problem.support, scale * np.fft.ifft2(problem.amplitude * np.exp(1j * phases), norm="ortho"), 0)
    steps = ConjugateGradient(iterations=25, newton=newton).steps(problem, x, None)
    values = np.array([problem.nll(x), *(problem.nll(step.x) for step in steps)])
    assert np.all(np.diff(values, axis=0) <= 1e-9 * values[0])
    assert np.all(values[-1] < values[0])


def test_directions_are_conjugate(in_double):
    """d ← −g + max(β, 0) d with β = ⟨g, g − g'⟩/⟨g', g'⟩ of Polak and Ribière; −g where that leads uphill."""
    problem = in_double.problem
    x = np.where(problem.support, in_double.x0, 0)
    d, g_old, used = 0, None, []
    for step in ConjugateGradient(iterations=30).steps(problem, in_double.x0, None):
        g = np.where(problem.support, problem.nll_gradient(x), 0)
        beta = 0.0 if g_old is None else max(0.0, np.vdot(g - g_old, g).real / np.vdot(g_old, g_old).real)
        d = -g + beta * d
        d = d if np.vdot(g, d).real < 0 else -g
        moved = step.x - x
        assert np.vdot(d, moved).real == pytest.approx(np.linalg.norm(d) * np.linalg.norm(moved), rel=1e-5)
        x, g_old = step.x, g
        used.append(beta)
    assert sum(beta > 0.1 for beta in used) > 10


def test_the_misfit_falls_with_a_binned_detector(easy):
    binned = easy.replace(
        amplitude=np.sqrt(Binning((32, 32), 2).forward(easy.intensity(easy.truth[None])))[0],
        valid=np.ones((16, 16), bool),
        operator=FarField((32, 32)),
        detector=Binning((32, 32), 2),
    )
    x = easy.truth[None] * (1 + 0.3 * np.random.default_rng(0).normal(size=(1, 32, 32))).astype(np.float32)
    values = [binned.nll(step.x)[0] for step in ConjugateGradient(iterations=60).steps(binned, x, None)]
    assert np.all(np.diff(values) <= 1e-3 * values[0])
    assert values[-1] < 0.01 * binned.nll(x)[0]


@NOISE
def test_a_batch_equals_one_by_one(in_double, random_complex, likelihood):
    problem = in_double.problem.replace(likelihood=likelihood)
    x = np.concatenate([in_double.x0, in_double.x0 * 0.1, random_complex(1, *problem.shape)])
    both = [step.x for step in ConjugateGradient(iterations=8).steps(problem, x, None)]
    for k in range(3):
        alone = [step.x for step in ConjugateGradient(iterations=8).steps(problem, x[k : k + 1], None)]
        for one, together in zip(alone, both, strict=True):
            assert_allclose(together[k], one[0], atol=1e-9 * np.abs(one).max())


def test_the_first_step_is_steepest_descent_inside_the_support(in_double):
    problem = in_double.problem
    x = np.where(problem.support, in_double.x0, 0)
    (step,) = ConjugateGradient(iterations=1).steps(problem, in_double.x0, None)
    gradient = np.where(problem.support, problem.nll_gradient(x), 0)
    along = np.vdot(gradient, x - step.x) / np.vdot(gradient, gradient)
    assert abs(along.imag) < 1e-12
    assert along.real > 0
    assert_allclose(x - step.x, along.real * gradient, atol=1e-12)
    best = min(np.linspace(0, 4, 81), key=lambda f: problem.nll(x - f * along.real * gradient)[0])
    assert 0.7 < best < 1.4  # the line search stops near the minimum


def test_steps_stay_inside_the_support(hard, blind):
    for problem in (hard, blind):
        for step in ConjugateGradient(iterations=3).steps(problem, hard.truth[None] + 1, None):
            assert not np.where(step.support, 0, step.x).any()
    assert_array_equal(next(ConjugateGradient().steps(hard, hard.truth[None], None)).support[0], hard.support)


def test_the_truth_stays(hard):
    *_, last = ConjugateGradient(iterations=5).steps(hard, hard.truth[None], None)
    assert_allclose(last.x[0], hard.truth, atol=1e-3 * np.abs(hard.truth).max())


def test_more_newton_steps_search_the_line_closer(in_double):
    values = []
    for newton in (1, 4):
        (step,) = ConjugateGradient(iterations=1, newton=newton).steps(in_double.problem, in_double.x0, None)
        values.append(in_double.problem.nll(step.x)[0])
    assert values[1] <= values[0] * (1 + 1e-9)
