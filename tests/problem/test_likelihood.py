import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy import stats

from retrieve.errors import OptionError
from retrieve.problem.likelihood import Gaussian, Poisson

BOTH = pytest.mark.parametrize("likelihood", [Gaussian(0.3), Gaussian(), Poisson(), Poisson(7.0)], ids=repr)


@BOTH
def test_a_perfect_fit_is_zero_and_the_least(likelihood):
    y = np.array([0.0, 0.1, 1.0, 30.0])
    assert_allclose(likelihood.nll(y**2, y), 0, atol=1e-9)
    assert (likelihood.nll(y**2 * 1.1 + 1e-3, y) > 0).all()
    assert (likelihood.nll(y[1:] ** 2 * 0.9, y[1:]) > 0).all()


def test_gaussian_is_the_density_of_the_amplitude():
    p, y, sigma = np.array([0.5, 2.0, 9.0]), np.array([1.0, 1.3, 2.5]), 0.3
    density = stats.norm(np.sqrt(p), sigma)
    assert_allclose(Gaussian(sigma).nll(p, y), density.logpdf(np.sqrt(p)) - density.logpdf(y))


def test_poisson_is_the_probability_of_the_counts():
    p, counts, scale = np.array([0.2, 3.0, 40.0]), np.array([0, 5, 90]), 2.0
    best = np.where(counts > 0, counts, 1e-300)
    expected = stats.poisson(best).logpmf(counts) - stats.poisson(scale * p).logpmf(counts)
    assert_allclose(Poisson(scale).nll(p, np.sqrt(counts / scale)), expected, rtol=1e-9)


@BOTH
def test_the_derivative_is_that_of_autograd(likelihood):
    y = torch.tensor([0.0, 0.5, 1.0, 3.0], dtype=torch.float64)
    p = torch.tensor([0.7, 0.1, 2.0, 9.5], dtype=torch.float64, requires_grad=True)
    likelihood.nll(p, y).sum().backward()
    assert_allclose(likelihood.derivative(p.detach(), y).numpy(), p.grad.numpy(), rtol=1e-9)


@BOTH
def test_nothing_expected_stays_finite(likelihood):
    p, y = np.zeros(2, np.float32), np.array([0.0, 2.0], np.float32)
    assert np.isfinite(likelihood.nll(p, y)).all()
    assert np.isfinite(likelihood.derivative(p, y)).all()


@pytest.mark.parametrize(("kind", "option"), [(Gaussian, "sigma"), (Poisson, "scale")])
@pytest.mark.parametrize("value", [0, -1.0, "a", True])
def test_out_of_range(kind, option, value):
    with pytest.raises(OptionError, match=rf"option {option}={value!r} is"):
        kind(**{option: value})
