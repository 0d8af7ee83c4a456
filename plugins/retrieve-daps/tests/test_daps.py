"""The plugin, as installed beside `retrieve`."""

import numpy as np
import pytest
import torch

import retrieve as rt
from retrieve.numerics.alignment import align
from retrieve.numerics.arrays import find_device
from retrieve.plugins.registry import find
from retrieve.problem.likelihood import Gaussian
from retrieve.simulate import blobs, measure
from retrieve.solvers.base import Streams
from retrieve.testing import parametrize_with_checks

plugin = pytest.importorskip("retrieve_daps.sampler", reason="not installed: pip install plugins/retrieve-daps")
DAPS = plugin.DAPS


class White:
    """The exact denoiser of white normal objects in their support, of rms 1 over the window."""

    def __init__(self, window, share):
        self.window, self.variance = window, 0.5 / share

    def denoise(self, x, sigma, support=None):
        d = x * (self.variance / (self.variance + torch.as_tensor(sigma) ** 2))
        return d if support is None else torch.where(support, d, torch.zeros_like(d))


@pytest.fixture
def white(monkeypatch):
    """A noiseless problem, and the exact prior of its support in the place of the weights."""
    x, support = blobs((32, 32), seed=1, fill=0.06)
    amplitude = 30 * np.sqrt(measure(x))
    prior = White((32, 32), float(np.mean(support)))
    monkeypatch.setattr(DAPS, "prior", lambda self, device="cpu": prior)
    monkeypatch.setattr(DAPS, "record", lambda self: {})
    noise = Gaussian(float(amplitude.max()) * 1e-3)
    return rt.Problem.from_arrays(amplitude=amplitude, support=support, truth=30 * x, likelihood=noise)


@parametrize_with_checks([DAPS(levels=4, flow=2, langevin=20)])
def test_it_conforms(check):
    check()


def test_it_is_found_through_its_entry_point():
    assert find("solvers", "daps") is DAPS


def test_it_solves_a_known_object_with_an_exact_prior(white):
    result = rt.solve(DAPS(levels=60), white, starts=4)
    assert align(result.object, white.truth).correlation > 0.99
    assert result.cost.network_evaluations == 4 * 60 * 3


def test_the_probability_flow_of_white_objects_is_known():
    """σ dx/dσ = x σ²/(v + σ²) shrinks x from σ to 0 by √(v/(v + σ²))."""
    prior, x = White((4, 4), 1.0), torch.ones((1, 4, 4), dtype=torch.complex64)
    found = plugin.probability_flow(prior.denoise, x, 2.0, 100, 7.0)
    torch.testing.assert_close(found, x * (0.5 / (0.5 + 4)) ** 0.5, rtol=0.03, atol=0)


def test_where_nothing_is_measured_langevin_samples_the_prior_gaussian(white):
    problem = white.replace(valid=torch.zeros((32, 32), dtype=torch.bool), amplitude=torch.zeros((32, 32)))
    inside, rng = torch.ones((1, 32, 32)), Streams.of(0, range(2))
    mean = torch.full((2, 32, 32), 3 + 1j, dtype=torch.complex64)
    found = DAPS(beta=10, step=0.1, langevin=100).sample(problem, mean, 0.5, inside, rng) - mean
    assert float(found.real.std()) == pytest.approx(0.5, rel=0.1)
    assert float(found.imag.std()) == pytest.approx(0.5, rel=0.1)
    assert abs(complex(found.mean())) < 0.1


def test_what_is_measured_pulls_the_sample_to_its_amplitudes(white):
    problem = white.to(find_device("cpu", "torch"))
    inside, rng = problem.support[None].float(), Streams.of(0, range(1))
    mean = torch.from_numpy(0.8 * white.truth)[None]
    found = DAPS(beta=0.1, langevin=200).sample(problem, mean, 10.0, inside, rng, still=True)
    assert float(problem.r_factor(found)[0]) < 1e-3 < float(problem.r_factor(mean)[0])


def test_levels_fall_from_the_highest_to_the_lowest():
    levels = plugin.descent(10.0, 0.1, 20, 7.0)
    assert levels[0] == pytest.approx(10)
    assert levels[-1] == pytest.approx(0.1)
    assert all(a > b for a, b in zip(levels, levels[1:], strict=False))


def test_its_options_are_checked():
    with pytest.raises(rt.OptionError, match="step"):
        DAPS(step=2)
