"""A problem with an exact prior, and constants of `diffusion` that a test may set."""

import numpy as np
import pytest
from exact_prior import White

import retrieve.solvers.learned.base as learned
from retrieve.problem.likelihood import Gaussian
from retrieve.solvers.learned.diffusion import Diffusion


@pytest.fixture
def white(easy, monkeypatch):
    """`easy` with the exact prior of its support in the place of the weights."""
    prior = White((32, 32), float(np.mean(easy.support)))
    monkeypatch.setattr(learned.Learned, "prior", lambda self, device="cpu": prior)
    monkeypatch.setattr(learned.Learned, "record", lambda self: {})
    return easy.replace(likelihood=Gaussian(float(easy.amplitude.max()) * 1e-3))


@pytest.fixture
def constants(monkeypatch):
    """A function that sets constants of `diffusion`, so that a test is short."""

    def change(**values):
        for name, value in values.items():
            monkeypatch.setattr(Diffusion, name, value)

    return change
