"""The solvers with a prior that was trained with patterns: it hears of the problem's, and of no other."""

import numpy as np
import pytest
import torch

from retrieve.driver.solve import solve
from retrieve.errors import InputError
from retrieve.operators import PartialCoherence
from retrieve.priors import weights
from retrieve.priors.edm import EDM
from retrieve.problem import Problem
from retrieve.simulate import blobs, measure
from retrieve.solvers.learned.diffusion import Diffusion
from retrieve.solvers.learned.dps import DPS

SMALL = {"base": 8, "widths": [1, 2], "blocks": 1, "attention": [], "embedding": 16, "patch": 1}
SOLVERS = [(Diffusion, {"search": 5, "beginnings": 0, "evaluations": 3}), (DPS, {"begin": "noise", "timesteps": 3})]


@pytest.fixture(autouse=True)
def short(constants):
    """One candidate, and samples after one sweep."""
    constants(CANDIDATES=1, GIBBS_SWEEPS=1, REVERSE_CALLS=2)


@pytest.fixture
def file(tmp_path):
    """A function that saves a prior of random weights."""

    def make(shape, **more):
        torch.manual_seed(0)
        module = EDM(shape, SMALL, **more)
        with torch.no_grad():
            for p in module.parameters():
                p.add_(0.05 * torch.randn(p.shape))
        return str(weights.save(module, {"architecture": module.settings}, tmp_path / f"{len(shape)}{len(more)}.safetensors"))

    return make


def posed(shape):
    x, support = blobs(shape, seed=1, fill=0.06)
    return Problem.from_arrays(intensity=1e3 * measure(x), support=support, truth=x)


@pytest.mark.parametrize(("kind", "options"), SOLVERS, ids=["diffusion", "dps"])
@pytest.mark.parametrize("shape", [(32, 32), pytest.param((16, 16, 16), marks=pytest.mark.slow)], ids=["2d", "3d"])
def test_the_solvers_tell_it_the_problem_s_pattern(file, monkeypatch, kind, options, shape):
    told = []
    given = EDM.given

    def heard(self, amplitude, valid):
        told.append((amplitude, valid))
        return given(self, amplitude, valid)

    monkeypatch.setattr(EDM, "given", heard)
    problem = posed(shape)
    result = solve(kind(weights=file(shape, pattern=True), **options), problem, starts=2, batch=2, agree=0, hold_out=0.1)
    assert result.manifest["record"]["prior_is_told_the_pattern"] is True
    assert np.isfinite(result.object).all()
    amplitude, valid = (a.numpy() for a in told[0])
    assert 0.02 < np.mean(~valid) < 0.2  # what is held back to judge the result the prior is not told either
    there, here = (np.where(valid, a, 0) for a in (amplitude, problem.amplitude))
    np.testing.assert_allclose(there * np.linalg.norm(here) / np.linalg.norm(there), here, rtol=1e-4)  # in the prior's units
    plain = solve(kind(weights=file(shape), **options), problem, starts=1)
    assert "prior_is_told_the_pattern" not in plain.manifest["record"]


def test_samples_and_the_same_seed(file):
    solver = Diffusion(weights=file((32, 32), pattern=True), search=5, beginnings=0, evaluations=3)
    one, two = (solve(solver, posed((32, 32)), starts=1, samples=2, seed=4) for _ in range(2))
    assert one.samples.shape == (2, 32, 32)
    np.testing.assert_array_equal(one.samples, two.samples)


@pytest.mark.parametrize(("kind", "options"), SOLVERS, ids=["diffusion", "dps"])
def test_patterns_that_it_cannot_be_told_are_refused_before_any_work(file, kind, options):
    solver = kind(weights=file((16, 16), pattern=True), **options)
    with pytest.raises(InputError, match=r"16 × 16 px and are told their far field of as many, the problem has 32 × 32"):
        solve(solver, posed((32, 32)).replace(support=np.pad(np.ones((5, 5), bool), 14)[:32, :32]))
    problem = posed((16, 16))
    with pytest.raises(InputError, match="PartialCoherence; take a prior that is not told"):
        solve(solver, problem.replace(detector=PartialCoherence.gaussian(problem.shape, 0.5)))
