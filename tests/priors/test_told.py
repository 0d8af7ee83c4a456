"""A denoiser that is told the measurement."""

import numpy as np
import pytest
import torch

from retrieve.errors import InputError
from retrieve.numerics.arrays import find_device
from retrieve.priors import weights
from retrieve.priors.edm import EDM
from retrieve.priors.patterns import data_step
from retrieve.priors.told import Measured, ToldEDM, led_by_data, uncertainty
from retrieve.problem import Problem
from retrieve.problem.likelihood import Gaussian
from retrieve.simulate import blobs, measure


@pytest.fixture
def posed():
    """A problem of 32 × 32 in the prior's units: an object of rms 1 over 16 × 16, and noise of 0.1."""
    x, support = blobs((32, 32), seed=1, fill=0.06)
    x = x / np.sqrt(np.sum(np.abs(x) ** 2) / 16**2)
    amplitude = np.sqrt(measure(x))
    made = Problem.from_arrays(amplitude=amplitude, support=support, truth=x, likelihood=Gaussian(0.1))
    return made.to(find_device("cpu", "torch")), torch.from_numpy(x)[None]


def test_the_step_of_a_batch_of_patterns_is_that_of_the_problem(posed):
    problem, x = posed
    problem = problem.replace(valid=torch.rand(32, 32, generator=torch.Generator().manual_seed(2)) < 0.9)
    z = x + torch.complex(*torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    noise, r = torch.full((3,), 0.1), torch.tensor([0.05, 0.3, 2.0]).reshape(3, 1, 1)
    step = data_step(problem.amplitude[None].expand(3, -1, -1), problem.valid[None].expand(3, -1, -1), noise)
    torch.testing.assert_close(step(z, r), problem.proximal(z, r), rtol=1e-4, atol=1e-4)


def test_the_data_lead_nearer_to_the_object_from_an_estimate(posed):
    problem, x = posed
    near = x + 0.3 * torch.complex(*torch.randn(2, 8, 32, 32, generator=torch.Generator().manual_seed(0))) * problem.support
    measured = Measured(problem.proximal, torch.tensor([0.1]), (32, 32))
    support = problem.support[None].float().expand(8, -1, -1)
    found = led_by_data(near, torch.full((8,), 1.0), support, measured, (1, 5, 20))
    away = [(each - x).abs().square().sum((1, 2)).mean() for each in found]
    assert torch.equal(found[0], near)
    assert away[0] > away[1] > away[2]
    assert away[3] < 0.5 * away[0]


def test_the_uncertainty_rises_with_the_noise_and_levels_off():
    r = uncertainty(torch.tensor([0.1, 1.0, 10.0, 100.0, 1000.0]))
    assert (r.diff() > 0).all()
    assert r[-1] < 1


def test_with_the_weights_of_an_untold_network_it_is_that_network(small, awake, tmp_path, posed):
    problem, x = posed
    plain = awake(EDM((16, 16), small, scales=(1.0,))).requires_grad_(False)
    file = weights.save(plain, {"architecture": plain.settings}, tmp_path / "plain.safetensors")
    told = ToldEDM((16, 16), small, scales=(1.0,)).requires_grad_(False)
    weights.load_partial_state(told, file)
    for prior in (told, told.tell(problem)):
        torch.testing.assert_close(prior.denoise(x, 0.7), plain.denoise(x, 0.7), rtol=2e-2, atol=2e-2)


def test_what_it_is_told_matters_and_it_does_not_depend_on_the_batch(small, awake, posed):
    problem, x = posed
    prior = awake(ToldEDM((16, 16), small, scales=(1.0,))).requires_grad_(False)
    other = problem.replace(amplitude=problem.amplitude.flip((0, 1)).contiguous() * 0.5)
    x = torch.cat([x, 0.5 * x, 1j * x])
    one, two = (prior.tell(p).denoise(x, 1.0) for p in (problem, other))
    assert (one - two).abs().max() > 1e-3
    assert (one - prior.denoise(x, 1.0)).abs().max() > 1e-3
    for k in range(3):
        torch.testing.assert_close(prior.tell(problem).denoise(x[k : k + 1], 1.0)[0], one[k], rtol=1e-3, atol=1e-3)


def test_gradients_pass_through_a_told_prior(small, awake, posed):
    problem, x = posed
    prior = awake(ToldEDM((16, 16), small)).tell(problem)
    x.requires_grad_(True)
    (gradient,) = torch.autograd.grad(prior.denoise(x, 0.5).abs().square().sum(), x)
    assert torch.isfinite(torch.view_as_real(gradient)).all()
    assert gradient.abs().max() > 0


def test_it_is_built_from_its_settings_and_refuses_steps_that_do_not_rise(small):
    prior = ToldEDM((16, 16), small, kinds=("blobs", "cells"), scales=(1.0,), iterations=(2, 9))
    again = weights.build_module(prior.settings)
    assert again.settings == prior.settings
    assert {k: v.shape for k, v in again.state_dict().items()} == {k: v.shape for k, v in prior.state_dict().items()}
    for wrong in ((5, 1), (0, 1), (3, 3)):
        with pytest.raises(InputError, match="rising whole numbers"):
            ToldEDM((16, 16), small, iterations=wrong)
