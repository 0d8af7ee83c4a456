import array_api_strict
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy import stats

from retrieve.errors import OptionError
from retrieve.problem.likelihood import Gaussian, Likelihood, Poisson

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


def mean_deviance(rate: float) -> float:
    """The expectation of the deviance of counts, by the sum over all counts that occur."""
    wide = 14 * np.sqrt(rate) + 60
    counts = np.arange(max(0, int(rate - wide)), int(rate + wide))
    deviance = 2 * (rate - counts + counts * np.log(np.maximum(counts, 1) / rate))
    return float(np.sum(stats.poisson(rate).pmf(counts) * deviance))


@pytest.mark.parametrize("xp", [np.asarray, torch.tensor, array_api_strict.asarray], ids=["numpy", "torch", "strict"])
def test_poisson_expects_the_deviance_of_counts(xp):
    rates = np.logspace(-6, 9, 61)
    found = np.asarray(Poisson(4.0).expected_deviance(xp((rates / 4).astype(np.float32))))
    assert_allclose(found, [mean_deviance(rate) for rate in rates], rtol=1e-3)
    assert Poisson().expected_deviance(np.zeros(1))[0] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("xp", [np.asarray, torch.tensor, array_api_strict.asarray], ids=["numpy", "torch", "strict"])
def test_gaussian_expects_the_deviance_of_a_clipped_amplitude(xp):
    a, sigma = np.concatenate([[0.0], np.logspace(-3, 4, 30)]), 0.3
    z = np.linspace(-12, 12, 200_001)
    clipped = np.maximum(a[:, None] + sigma * z, 0)
    expected = np.trapezoid((clipped - a[:, None]) ** 2 / sigma**2 * stats.norm.pdf(z), z, axis=1)
    assert_allclose(np.asarray(Gaussian(sigma).expected_deviance(xp(a**2))), expected, rtol=1e-5)


def test_a_likelihood_need_not_know_its_expected_deviance():
    class Laplace(Gaussian):
        expected_deviance = Likelihood.expected_deviance

    assert Laplace().expected_deviance(np.ones(3)) is None
