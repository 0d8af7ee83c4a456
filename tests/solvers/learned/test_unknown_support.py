"""`diffusion` without a known support: its search, and the choice among several priors."""

from pathlib import Path

import numpy as np
import pytest
import torch
from exact_prior import White, on_torch, streams
from numpy.testing import assert_allclose

import retrieve.solvers.learned.base as learned
from retrieve.driver.solve import solve
from retrieve.errors import InputError
from retrieve.evaluate.verdict import account_lines
from retrieve.priors import weights
from retrieve.simulate import TUNE_SEED, Noise, object_set
from retrieve.solvers.learned import unknown_support
from retrieve.solvers.learned.diffusion import Diffusion


class Wrong(White):
    """A prior of objects of another power."""

    def denoise(self, x, sigma, support=None):
        return super().denoise(x, sigma, support) / 3


@pytest.fixture
def blind(monkeypatch):
    """A crystal of unknown support on 32², short trials, and two priors: `right`, and `wrong`, whose objects are too weak."""
    problem = object_set("crystal2d:size=32").problem(1, TUNE_SEED, Noise(sigma=0.002, support="unknown"))
    priors = {"right": White((32, 32), 0.1), "wrong": Wrong((32, 32), 0.1)}
    monkeypatch.setattr(learned.Learned, "prior", lambda self, device="cpu": priors[self.weights])
    monkeypatch.setattr(learned.Learned, "record", lambda self: {"weights_sha256": self.weights * 2})
    for name, value in {"BEGINNINGS": 2, "TRIAL_CALLS": 2}.items():
        monkeypatch.setattr(unknown_support, name, value)
    return problem


@pytest.mark.parametrize("names", ["wrong+right", "right+wrong"])
def test_of_several_priors_the_one_that_fits_is_taken_and_named(blind, names):
    result = solve(Diffusion(weights=names, search=500, evaluations=12), blind, starts=2, batch=2, agree=0)
    first, *each = account_lines(result)[:3]
    one, other = names.split("+")
    assert first == f"the support is not known: {one} and {other} were tried, and the prior of the lower R was taken"
    assert all("prior right: R 0." in line and "with wrong" in line for line in each)
    assert Diffusion(weights=names).record()["weights_sha256"] == {name: name * 2 for name in (one, other)}


def test_each_start_takes_its_own_prior_whatever_the_batch(blind, monkeypatch):
    """Each prior fits one start's end: the fall runs each of them under its own."""

    def tried(self, ends, rng):
        by = np.array([int(g.integers(2)) for g in rng.generators])
        yield from ()
        return unknown_support.Found(ends[0], by, np.ones((2, len(by))))

    monkeypatch.setattr(unknown_support.BlindRun, "trial", tried)
    solver = Diffusion(weights="right+wrong", search=500, evaluations=12)
    together = solve(solver, blind, starts=4, batch=4, agree=0)
    alone = solve(solver, blind, starts=4, batch=1, agree=0)
    assert len({lines[1].split(":")[0] for lines in together.account}) == 2
    assert together.account == alone.account
    assert_allclose(together.estimates, alone.estimates, atol=1e-3 * np.abs(alone.estimates).max())


def test_the_search_finds_a_support_and_the_fall_ends_at_the_noise(blind):
    """The ends that are tried are zero outside a part of the array; the denoiser sees the noise of the data last."""
    problem, seen = blind.to(on_torch()), []
    run = unknown_support.BlindRun.of(Diffusion(weights="right", search=900, evaluations=9), problem, "cpu")
    prior = run.posed[0].prior
    inner = prior.denoise
    prior.denoise = lambda x, sigma, support=None: seen.append((float(torch.as_tensor(sigma).max()), x)) or inner(x, sigma)
    told = list(run.steps(run.solver.start(problem, streams(2)), streams(2)))
    assert {step.stage for step in told} == {"er", "hio", "trial", "diffusion"}
    share = np.mean([np.mean(np.abs(step.estimate.numpy()) > 0) for step in told if step.stage == "er"][-1])
    assert 0.02 < share < 0.5
    sigmas = [sigma for sigma, _ in seen]
    assert sigmas[:5] == [sigmas[0]] * 5
    assert len(sigmas) == 9
    noise = learned.noise_of(run.posed[0].y)
    assert sigmas[-1] == pytest.approx(max(noise, unknown_support.LEAST_SIGMA), rel=1e-4)
    assert told[-1].total == len(told)


def test_trials_are_part_of_the_denoiser_calls(blind):
    for search, calls in ((500, 20), (0, 20)):
        result = solve(Diffusion(weights="right+wrong", search=search, evaluations=20), blind, starts=2, batch=2, agree=0)
        assert result.cost.network_evaluations == 2 * calls


def test_several_priors_are_for_unknown_supports_alone(blind):
    known = blind.replace(support=np.abs(np.asarray(blind.truth)) > 0)
    with pytest.raises(InputError, match=r"weights 'right\+wrong' are several, .* give one of them"):
        solve(Diffusion(weights="right+wrong"), known)


def test_auto_takes_all_priors_that_ship_where_the_support_is_not_known(blind, monkeypatch):
    files = {name: Path(name) for name in ("crystals2d", "domains2d", "domains3d")}
    monkeypatch.setattr(weights, "shipped", lambda: files)
    assert Diffusion().resolve_for(blind).weights == "crystals2d+domains2d"
    known = blind.replace(support=np.abs(np.asarray(blind.truth)) > 0)
    assert Diffusion().resolve_for(known).weights == "domains2d"
    del files["crystals2d"]
    assert Diffusion().resolve_for(blind).weights == "domains2d"


def test_samples_are_drawn_with_the_prior_that_fits(blind, monkeypatch):
    taken = []
    monkeypatch.setattr(Diffusion, "GIBBS_SWEEPS", 1)
    inner = Diffusion.symmetric
    monkeypatch.setattr(Diffusion, "symmetric", lambda self, *more: taken.append(self.weights) or inner(self, *more))
    solver = Diffusion(weights="wrong+right", search=500, evaluations=12)
    result = solve(solver, blind, starts=1, agree=0, samples=2)
    assert taken[-1] == "right"
    assert len(result.samples) == 2
