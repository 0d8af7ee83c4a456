"""The noise of the data as a learned solver sees it."""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...numerics.arrays import to_numpy
from ...problem import Problem
from ...problem.likelihood import COUNTING_SIGMA, some_measured, stated_noise

HIDDEN_AMPLITUDE = 4
"""Largest amplitude, in units of its noise, of a pattern that holds nothing: of 10⁴ pixels of noise one reaches 4."""


def noise_of(problem: Problem) -> float:
    """The standard deviation of the amplitude. Raises `InputError` for a likelihood that states none."""
    sigma = problem.likelihood.amplitude_noise
    if sigma is None:
        raise InputError(f"{type(problem.likelihood).__name__} has no `sigma` or `scale`; give --likelihood gaussian:σ")
    return sigma


def check_signal_above_noise(problem: Problem) -> None:
    """Raise `InputError` if the noise explains every amplitude, as that of counts does amplitudes scaled to 1."""
    top, sigma = float(to_numpy(problem.amplitude)[to_numpy(problem.valid)].max(initial=0)), noise_of(problem)
    if top < HIDDEN_AMPLITUDE * sigma:
        raise InputError(
            f"no amplitude exceeds {top:.3g}, and noise of {sigma:.3g} (that of counts is 0.5) explains them all; say what the "
            f"noise is: --likelihood gaussian:σ, or Problem.replace(likelihood=Gaussian(σ)), in the units of √I"
        )


def warn_of_unstated_noise(problem: Problem, solver: str) -> None:
    """Warn if the noise is that of counts, as it is where nobody states it, and the data are no counts."""
    if stated_noise(problem.likelihood, some_measured(to_numpy(problem.amplitude), to_numpy(problem.valid))) is None:
        warnings.warn(
            f"the data are no counts, and nothing states their noise; {solver} assumes that of counts, σ = {COUNTING_SIGMA:g} in "
            "the units of √I, and fails where it is another: give --likelihood gaussian:σ (likelihood=Gaussian(σ) in Python)",
            stacklevel=2,
        )


def count_deviance_variance(rate: NDArray) -> NDArray:
    """The variance of the Poisson deviance 2(λ − k + k log(k/λ)) where λ = `rate` counts are expected: 2 for λ ≫ 1."""
    return np.interp(rate, *_deviance_variances()).astype(np.float32)


@cache
def _deviance_variances() -> tuple[NDArray, NDArray]:
    """λ and the variance, from sums over k; beyond the last λ it is within 1 % of 2."""
    from scipy.special import xlogy
    from scipy.stats import poisson

    rate, k = np.geomspace(1e-6, 100, 200)[:, None], np.arange(200)
    weight, deviance = poisson.pmf(k, rate), 2 * (rate - k + xlogy(k, k / rate))
    mean = (weight * deviance).sum(1, keepdims=True)
    return rate[:, 0], (weight * (deviance - mean) ** 2).sum(1)
