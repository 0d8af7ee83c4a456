"""The parts of the samplers by themselves: noise levels, units, symmetries, the data step, posterior fields."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from exact_prior import White, on_torch, streams
from numpy.testing import assert_allclose
from scipy.special import ive

import retrieve.solvers.learned.base as learned
from retrieve import solve
from retrieve.numerics.alignment import align
from retrieve.numerics.grids import pixels
from retrieve.plugins.options import build
from retrieve.priors.symmetry import Symmetric, twin_of
from retrieve.problem import Problem
from retrieve.problem.likelihood import Gaussian, Poisson
from retrieve.simulate import TUNE_SEED, Domains2D, Noise, object_set
from retrieve.solvers.learned.diffusion import Diffusion
from retrieve.solvers.learned.dps import DPS
from retrieve.solvers.learned.gibbs import normalise_rms, posterior_field, reverse, von_mises
from retrieve.solvers.learned.pixel_shifts import same_object, try_pixel_shifts
from retrieve.solvers.learned.refine import gaussian_support
from retrieve.solvers.learned.unet import UNet


@pytest.mark.parametrize("shape", [(64, 64), (32, 32, 32)])
def test_the_gaussian_support_of_a_beam_is_where_it_exceeds_the_share(shape):
    r = pixels(shape)
    beam = np.exp(-((r[0] - 2) ** 2) / (2 * 3.0**2) - np.sum(r[1:] ** 2, axis=0) / (2 * 5.0**2))
    assert np.mean(gaussian_support(beam[None], 0.15)[0] != (beam > 0.15)) < 2e-3
    assert np.mean(gaussian_support(beam[None], 0.4)[0] != (beam > 0.4)) < 2e-3


def noisy(sigma, shape=(8, 8)):
    return Problem.from_arrays(amplitude=np.ones(shape), likelihood=Gaussian(sigma))


def test_the_noise_level_falls_slowly_and_then_quickly():
    levels = Diffusion(evaluations=100, sigma_max=1.3, sigma_mid=0.7, sigma_min=0.1).sigmas(noisy(0.1))
    assert len(levels) == 100
    assert np.all(np.diff(levels) < 0)
    assert_allclose([levels[0], levels[84], levels[-1]], [1.3, 0.7, 0.1])


def test_volumes_are_searched_at_larger_noise_unless_told_otherwise():
    films, volumes = noisy(0.1), noisy(0.1, (8, 8, 8))
    assert Diffusion(evaluations=10).sigmas(volumes)[0] > Diffusion(evaluations=10).sigmas(films)[0]
    told = Diffusion(sigma_max=2.0, sigma_mid=1.0, sigma_min=0.2)
    assert told.span(films) == told.span(volumes) == (2.0, 1.0, 0.2)


def test_the_noisier_the_data_the_larger_the_levels():
    spans = np.array([Diffusion().span(noisy(sigma)) for sigma in (0.01, 0.3, 0.4, 0.45, 0.6, 0.9, 3.0)])
    assert_allclose(spans[0], (1.2, 0.6, 0.15))
    assert_allclose(spans[1], spans[0])
    assert_allclose(spans[2], (spans[0] + spans[3]) / 2)
    assert np.all(np.diff(spans, axis=0) >= 0)
    assert_allclose(spans[-1], spans[-2])
    assert np.all(spans[:, 0] > spans[:, 1])
    assert np.all(spans[:, 1] > spans[:, 2])


OLD = {
    **{
        "search": 50,
        "heads": 4,
        "trial": 6,
        "evaluations": 20,
        "rounds": 2,
        "beta": 0.95,
        "high": 1.3,
        "middle": None,
        "low": 0.2,
    },
    **{"anneal": 0.15, "trust": 1.0, "fit": 0.1, "nudge": 12, "sweeps": 12, "coupling": 0.4, "inner": 6},
    **{"refine": 3, "refine_step": 0.1, "refine_support": 0.15},
}


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        (Diffusion, OLD, Diffusion(search=50, evaluations=20, rounds=2, sigma_max=1.3, sigma_min=0.2, refine=3, refine_step=0.1)),
        (DPS, {"timesteps": 9, "norm": "squared", "refine_support": 0.15}, DPS(timesteps=9, norm="squared")),
        (UNet, {"refine": "er", "iterations": 4}, UNet(algorithm="er", iterations=4)),
    ],
    ids=["diffusion", "dps", "unet"],
)
def test_options_of_an_older_manifest_are_understood(kind, old, new):
    with pytest.warns(FutureWarning, match="option (high is now sigma_max|refine_support was dropped|refine is now algorithm)"):
        assert build(kind, old) == new


@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_noise_schedules_fall_from_all_to_nothing(name):
    bars = DPS(schedule=name).alpha_bar()
    assert len(bars) == 500
    assert np.all(np.diff(bars) < 0)
    assert bars[0] > 0.999
    assert bars[-1] < 1e-3


@pytest.mark.parametrize(("sigma", "tolerance"), [(0.0, 2e-3), (0.01, 2e-3), (0.05, 0.01)])
def test_the_scale_follows_from_the_power(sigma, tolerance):
    problem = Domains2D(kind="cells").problem(0, 5, Noise(sigma=sigma))
    scale = learned.normalise(problem, (48, 48)).scale
    assert scale == pytest.approx(math.sqrt(np.sum(np.abs(problem.truth) ** 2) / 48**2), rel=tolerance)


SHIFTS = ((0, 0), (1, 0), (-1, -1))
"""In pixels, by which the phases of an object stand aside of its amplitude."""


@pytest.mark.parametrize("shape", [(8, 8), (7, 8), (6, 7, 8)])
def test_the_twin_has_the_same_pattern_and_is_its_own_inverse(shape, random_complex):
    x = torch.from_numpy(random_complex(2, *shape).astype(np.complex64))
    twin = twin_of(x)
    axes = tuple(range(1, x.ndim))
    assert_allclose(torch.fft.fftn(twin, dim=axes).abs(), torch.fft.fftn(x, dim=axes).abs(), rtol=1e-3, atol=1e-4)
    assert torch.equal(twin_of(twin), x)


def test_a_prior_that_can_sees_the_support_s_box_alone(random_complex):
    seen = []

    class Boxed(White):
        multiple = 4

        def denoise(self, x, sigma, support=None):
            seen.append((tuple(x.shape), tuple(support.shape)))
            return super().denoise(x, sigma, support)

    support = torch.zeros(32, 32, dtype=torch.bool)
    support[16 - 5 : 16 + 3, 16 - 2 : 16 + 4] = True
    x = torch.from_numpy(random_complex(3, 32, 32))
    rng = torch.Generator().manual_seed(0)
    d = Symmetric(Boxed((32, 32), 0.1), support, lambda: torch.rand(3, 2, generator=rng))(x, 0.3)
    torch.testing.assert_close(d, White((32, 32), 0.1).denoise(x, 0.3, support[None]))
    assert seen == [((3, 12, 8), (3, 12, 8))]


def test_symmetric_calls_undo_what_they_turned(random_complex):
    class Half:
        window = (8, 8)

        def denoise(self, x, sigma, support=None):
            return torch.where(support, 0.5 * x, torch.zeros_like(x))

    x = torch.from_numpy(random_complex(4, 8, 8).astype(np.complex64))
    support = torch.zeros(8, 8, dtype=torch.bool)
    support[2:5, 3:8] = True
    denoise = Symmetric(Half(), support, lambda: torch.from_numpy(streams(4).uniform((2,))))
    assert_allclose(denoise(x, 1.0), torch.where(support, 0.5 * x, 0 * x), atol=1e-6)


def test_von_mises_has_its_circular_mean():
    kappa = torch.tensor([[0.0] * 4000, [2.0] * 4000, [50.0] * 4000])
    mean = von_mises(kappa, streams(3), (4000,)).mean(dim=1)
    assert_allclose(mean.real, [0, 0.6978, 0.98995], atol=0.03)  # I₁(κ)/I₀(κ)
    assert_allclose(mean.imag, 0, atol=0.03)


def test_the_posterior_field_has_the_moments_of_its_density(easy):
    s, rho = 0.3, 0.5
    problem = easy.replace(likelihood=Gaussian(s)).to(on_torch())
    y = torch.full_like(problem.amplitude, 2.0)
    problem = dataclasses.replace(problem, amplitude=y)
    x = problem.operator.adjoint(torch.full((8, 32, 32), 1.6, dtype=torch.complex64))
    z = problem.operator.forward(posterior_field(problem, x, rho, streams(8)))
    r = np.linspace(1e-3, 5, 4000)
    log = -((r - 2) ** 2) / (2 * s**2) - (r - 1.6) ** 2 / (2 * rho**2) + np.log(ive(0, r * 1.6 / rho**2) * r)
    p = np.exp(log - log.max())
    p /= p.sum()
    mean = np.sum(p * r)
    assert float(z.abs().mean()) == pytest.approx(mean, abs=0.02)
    assert float(z.abs().std()) == pytest.approx(np.sqrt(np.sum(p * (r - mean) ** 2)), rel=0.06)


@pytest.mark.parametrize("expected", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("counts", [0, 1, 3, 10, 1000])
@pytest.mark.parametrize("likelihood", [Gaussian(0.5), Poisson(1.0), Poisson(4.0)])
def test_an_amplitude_is_drawn_from_its_density(likelihood, counts, expected, easy):
    """Against sums over a fine grid, for an object that expects 0, half a count, or what was measured and 3ρ."""
    rho, scale = 0.3, getattr(likelihood, "scale", 1.0)
    y = math.sqrt(counts / scale)
    v = expected if expected < 3 else y + 3 * rho
    problem = easy.replace(likelihood=likelihood).to(on_torch())
    problem = problem.replace(amplitude=torch.full_like(problem.amplitude, y))
    x = problem.operator.adjoint(torch.full((6, 32, 32), v, dtype=torch.complex64))
    drawn = problem.operator.forward(posterior_field(problem, x, rho, streams(6))).abs()
    r = np.linspace(1e-6, max(y, v) + 12 * rho, 20_001)
    log = np.log(r * ive(0, r * v / rho**2)) - (r - v) ** 2 / (2 * rho**2) - likelihood.nll(r**2, np.full_like(r, y))
    p = np.exp(log - log.max())
    mean = np.sum(p * r) / p.sum()
    deviation = math.sqrt(np.sum(p * (r - mean) ** 2) / p.sum())
    assert float(drawn.mean()) == pytest.approx(mean, abs=0.06 * deviation)
    assert float(drawn.std()) == pytest.approx(deviation, rel=0.05)


def test_reverse_diffusion_ends_in_the_posterior_of_a_normal_prior():
    prior = White((16, 16), 1.0)
    sigma = 0.8
    x = torch.full((64, 16, 16), 1.0 + 0j)
    rng = streams(64)
    drawn = reverse(lambda x, s: prior.denoise(x, s), x, sigma, 8, rng)
    share = prior.variance / (prior.variance + sigma**2)
    assert float(drawn.real.mean()) == pytest.approx(share, rel=0.03)
    assert float(drawn.real.std()) == pytest.approx(math.sqrt(share) * sigma, rel=0.04)


def test_what_is_drawn_has_the_rms_that_the_prior_knows(random_complex):
    x = torch.from_numpy(random_complex(3, 16, 16).astype(np.complex64))
    drawn, rms = normalise_rms(x, (12, 12))
    assert torch.allclose(drawn * rms, x)
    assert torch.allclose((drawn.abs() ** 2).sum((1, 2)), torch.tensor(144.0))
    assert torch.allclose(drawn / drawn.abs().amax((1, 2), True), x / x.abs().amax((1, 2), True), atol=1e-6)


def test_an_object_a_pixel_aside_is_rolled_back_and_one_in_its_place_stays():
    cells = object_set("domains2d-50-cells").problem(0, TUNE_SEED, Noise(sigma=0.05))
    problem = cells.to(on_torch())
    truth = np.abs(cells.truth) * np.exp(1j * np.angle(np.stack([np.roll(cells.truth, s, (0, 1)) for s in SHIFTS])))
    moved, better = try_pixel_shifts(problem, torch.from_numpy(truth.astype(np.complex64)))
    assert better.tolist() == [False, True, True]
    for shift, before, after in zip(SHIFTS[1:], truth[1:], moved[1:].numpy(), strict=True):
        assert np.allclose(after, np.roll(before, [-s for s in shift], (0, 1)))


def test_a_start_a_pixel_aside_is_moved_to_its_place(constants):
    problem = object_set("domains2d-50-cells").problem(0, TUNE_SEED, Noise(sigma=0.05))
    begun = np.abs(problem.truth) * np.exp(1j * np.angle(np.roll(problem.truth, 1, 0)))
    solver, results = Diffusion(search=0, rounds=1, sigma_max=0.2, sigma_mid=0.2, evaluations=4), []
    for calls in (0, 12):
        constants(SHIFT_CALLS=calls)
        results.append(solve(solver, problem, starts=1, x0=begun[None].astype(np.complex64), device="cpu"))
    stayed, moved = results
    assert moved.score.r < 0.97 * stayed.score.r
    aside_by, in_place = (np.abs(align(result.object, problem.truth).shift).max() for result in (stayed, moved))
    assert in_place < 0.1 < 0.5 < aside_by


@pytest.mark.parametrize("likelihood", [Gaussian(0.4), Poisson(3.0)])
def test_the_data_step_is_where_its_objective_is_flat(likelihood, easy):
    problem = easy.replace(likelihood=likelihood)
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(2, 32, 32)) + 1j * rng.normal(size=(2, 32, 32))).astype(complex)
    r = 0.7
    z = problem.proximal(x, r)
    gradient = problem.nll_gradient(z) + (z - x) / r**2
    assert np.abs(gradient).max() < 1e-4 * np.abs(problem.nll_gradient(x)).max()


def test_the_data_step_goes_from_nothing_to_the_modulus_projection(hard):
    problem = hard.replace(likelihood=Gaussian(0.1))
    x = problem.truth[None] * 1.3
    assert_allclose(problem.proximal(x, 1e-6), x, rtol=1e-3, atol=1e-3)
    assert_allclose(problem.proximal(x, 1e6), problem.fit_modulus(x), rtol=1e-3, atol=1e-3)


def test_the_noisier_the_data_the_longer_and_the_fewer_the_rounds_unless_told():
    efforts = [Diffusion().effort(noisy(sigma)) for sigma in (0.01, 0.07, 0.15, 0.25, 1.0)]
    assert efforts[0] == efforts[1] != efforts[2] != efforts[3] == efforts[4]
    calls, rounds = np.diff(efforts, axis=0).T
    assert (calls >= 0).all()
    assert (rounds <= 0).all()
    assert Diffusion(evaluations=9, rounds=1).effort(noisy(0.01)) == (9, 1)


def test_the_same_object_is_known_by_its_twin_a_pixel_aside_and_at_another_phase(random_complex):
    a, b = (torch.from_numpy(random_complex(2, 8, 8)) for _ in range(2))
    aside = 3j * torch.roll(a, (1, -1), (1, 2))
    assert same_object(a, aside).all()
    assert same_object(a, twin_of(aside)).all()
    assert not same_object(a, b).any()
    assert same_object(a, torch.stack([a[0], b[1]])).tolist() == [True, False]
