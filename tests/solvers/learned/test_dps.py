"""`dps`, refinement, units and refusals, with priors whose denoiser is exact."""

import dataclasses

import numpy as np
import pytest
import torch
from exact_prior import White, on_torch, streams
from numpy.testing import assert_allclose

import retrieve.solvers.learned.base as learned
from retrieve.driver.solve import solve
from retrieve.errors import InputError
from retrieve.problem import Problem
from retrieve.problem.likelihood import Gaussian
from retrieve.simulate import blobs, measure
from retrieve.solvers.learned.diffusion import Diffusion
from retrieve.solvers.learned.dps import DPS


def test_dps_passes_the_support_with_the_batch(white, monkeypatch):
    shapes = []

    class Told(White):
        def denoise(self, x, sigma, support=None):
            shapes.append(tuple(support.shape))
            return super().denoise(x, sigma, support)

    monkeypatch.setattr(learned.Learned, "prior", lambda self, device="cpu": Told((32, 32), 0.06))
    solve(DPS(begin="noise", timesteps=3), white, starts=2)
    solve(Diffusion(search=0, evaluations=2), white, starts=2, agree=0)
    assert set(shapes) <= {(1, 32, 32), (2, 32, 32)}


@pytest.mark.parametrize("sigma", [0.8, 0.1])
def test_dps_follows_the_search_from_the_level_asked_for(white, sigma):
    solver, found, levels = DPS(sigma_begin=sigma, timesteps=60, step=1e-9, schedule="karras"), None, []
    bars = solver.alpha_bar()
    below = int(np.sum((1 - bars) / bars <= sigma**2))
    level = np.sqrt(max(v for v in (1 - bars) / bars if v <= sigma**2))  # the first that is used
    problem, rng = white.to(on_torch()), streams(2)
    for step in solver.steps(problem, solver.start(problem, rng), rng):
        if step.stage == "dps":
            levels.append(step.x)
        else:
            found = step.x
    assert 0 < below < 60
    assert len(levels) == below
    prior, scale = White((32, 32), float(np.mean(white.support))), learned.normalise(white, (32, 32)).scale
    keep, inside = prior.variance / (prior.variance + level**2), white.support
    noise = (levels[0] - keep * found).numpy()[:, inside] / scale  # of x̂ + σn the exact prior keeps this share
    assert np.std(noise) == pytest.approx(2**0.5 * keep * level, rel=0.2)


def test_dps_ends_better_from_a_search(white):
    found, noise = (solve(DPS(begin=begin, timesteps=60), white, starts=3, agree=0) for begin in ("search", "noise"))
    assert max(s.r for s in found.scores) < 0.2 * min(s.r for s in noise.scores)


def test_dps_takes_a_given_start_only_where_it_searches(white):
    given = white.support.astype(np.complex64)
    solve(DPS(timesteps=4), white, starts=1, x0=given)
    with pytest.raises(InputError, match="start"):
        solve(DPS(begin="noise", timesteps=4), white, starts=1, x0=given)


def test_dps_needs_its_guidance_and_counts_three_evaluations_a_step(white):
    result = solve(DPS(begin="noise", timesteps=60), white, starts=2)
    blind = solve(DPS(begin="noise", timesteps=60, step=1e-9), white, starts=2)
    assert result.cost.network_evaluations == 2 * 60 * 3
    assert result.cost.ffts == 2 * 60 * 2  # the residual, and its gradient
    assert result.score.r < 0.5 * blind.score.r


def test_dps_without_guidance_draws_from_the_prior(white):
    prior = White((32, 32), float(np.mean(white.support)))
    x = np.zeros((24, 32, 32), np.complex64)
    drawn = None
    for step in DPS(begin="noise", timesteps=100, step=1e-9).steps(white.to(on_torch()), torch.from_numpy(x), streams(24)):
        drawn = step.x
    scale = learned.normalise(white, (32, 32)).scale
    inside = drawn.numpy()[:, white.support] / scale
    assert np.mean(np.abs(inside) ** 2) == pytest.approx(2 * prior.variance, rel=0.1)
    assert np.abs(drawn.numpy()[:, ~white.support]).max() == 0


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("solver", [DPS(begin="noise", timesteps=20), Diffusion(search=0, evaluations=20)])
def test_refinement_goes_downhill_and_stays_in_its_support(white, solver, known):
    problem = white if known else white.replace(support=None)

    def run(**options):
        return solve(dataclasses.replace(solver, **options), problem, starts=1)

    plain, still, refined = run(), run(refine=5), run(refine=30, refine_step=0.5)
    assert refined.score.r < plain.score.r
    assert still.score.r == pytest.approx(plain.score.r, rel=0.2)  # the paper's step hardly changes a thing
    assert refined.supports is not None
    assert not refined.object[~refined.supports[0]].any()
    if known:
        assert np.array_equal(refined.supports[0], white.support)


def test_units_are_those_of_the_problem_whatever_they_are(white):
    solver = Diffusion(search=0, evaluations=20)
    loud = white.replace(amplitude=white.amplitude * 1000, likelihood=white.likelihood.scaled(1000))
    x, y = solve(solver, white).object, solve(solver, loud).object
    assert_allclose(y, 1000 * x, rtol=1e-2, atol=5 * np.abs(x).max())


def test_what_the_prior_was_not_trained_for_is_refused(white, monkeypatch):
    def refused(problem, text):
        with pytest.raises(InputError, match=text):
            solve(Diffusion(weights="domains2d"), problem)

    volume, inside = blobs((16, 16, 16), seed=0, fill=0.1)
    refused(Problem.from_arrays(intensity=measure(volume), support=inside), "has 3 axes")
    monkeypatch.setattr(learned.Learned, "prior", lambda self, device="cpu": White((16, 16), 1.0))
    wide = np.zeros((32, 32), bool)
    wide[6:26, 12:20] = True
    refused(white.replace(support=wide), "the support spans 20 × 8")
    monkeypatch.setattr(learned.Learned, "prior", lambda self, device="cpu": White((40, 40), 1.0))
    refused(white, "the object's array has 32 × 32; pad the data")
    monkeypatch.setattr(learned.Learned, "prior", lambda self, device="cpu": White((32, 32), 1.0))
    hidden = white.replace(amplitude=white.amplitude / white.amplitude.max(), likelihood=Gaussian())
    refused(hidden, r"no amplitude exceeds 1, and noise of 0.5 .* --likelihood gaussian:σ")


def test_unknown_weights_are_named(easy):
    with pytest.raises(InputError, match="unknown weights 'nothing'"):
        solve(Diffusion(weights="nothing"), easy)
