"""The noise that learned solvers assume, and what they say where nobody states it."""

import warnings

import numpy as np
import pytest

from retrieve.problem import Problem
from retrieve.problem.likelihood import Gaussian, Poisson
from retrieve.simulate import TUNE_SEED, Noise, object_set
from retrieve.solvers.learned.diffusion import Diffusion
from retrieve.solvers.learned.dps import DPS


@pytest.fixture
def film():
    """A film whose amplitudes, up to 30, have a noise of 5 %, which nothing states."""
    made = object_set("domains2d-25-cells").problem(0, TUNE_SEED, Noise(sigma=0.05))
    amplitude = np.fft.fftshift(made.amplitude) * (30 / made.amplitude.max())
    return Problem.from_arrays(amplitude=amplitude, support=made.support)


@pytest.mark.parametrize("solver", [Diffusion(), DPS()])
def test_data_that_are_no_counts_need_their_noise(film, solver):
    with pytest.warns(UserWarning, match=rf"no counts.*{solver.name} assumes.*σ = 0.5.*--likelihood gaussian:σ") as told:
        solver.check(film)
    assert len(told) == 1
    assert "\n" not in str(told[0].message)


@pytest.mark.parametrize("kind", ["gaussian", "poisson", "counts", "simulated"])
def test_stated_noise_and_counts_are_no_reason_to_warn(film, kind):
    problem = {
        "gaussian": lambda: film.replace(likelihood=Gaussian(1.5)),
        "poisson": lambda: film.replace(likelihood=Poisson(1.0)),
        "counts": lambda: film.replace(amplitude=np.sqrt(np.rint(film.amplitude**2)).astype(np.float32)),
        "simulated": lambda: object_set("domains2d-25-cells").problem(0, TUNE_SEED, Noise(sigma=0.05)),
    }[kind]()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Diffusion().check(problem)
