"""The two halves of a split Gibbs sampler: a field given the object, and an object given the field.

Source: Wu et al., Principled probabilistic imaging using diffusion models as plug-and-play priors, NeurIPS 2024.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ...numerics.arrays import Array, like
from ...problem import Problem
from ..base import Streams
from .base import complex_normal, noise_of, per_start

MIN_SIGMA = 0.15
"""Noise, in the prior's units, below which the coupling of a chain does not fall."""


def posterior_field(problem: Problem, x: Array, rho: float, rng: Streams) -> Array:
    """z drawn from p(z | x, y) ∝ exp(−nll(z) − ‖A(z − x)‖²/2ρ²), for a field that is measured as it is.

    Each measured pixel's amplitude R and phase φ are independent of the others': R from the product of the
    likelihood's Gaussian in R and R·I₀(R v/ρ²)exp(−(R² + v²)/2ρ²), by its normal approximation around the mode,
    and φ from the von Mises distribution of κ = R v/ρ² around the phase of A x. Unmeasured pixels get noise ρ.
    """
    import torch

    f = problem.operator.forward(x)
    v = torch.abs(f)
    s = noise_of(problem)
    # ln p(R) = −(R − y)²/2s² − (R − v)²/2ρ² + ½ ln R (as I₀(t) ~ eᵗ/√2πt): a quadratic for the mode, its curvature for the width
    a, b = 1 / s**2 + 1 / rho**2, problem.amplitude / s**2 + v / rho**2
    mode = (b + torch.sqrt(b * b + 2 * a)) / (2 * a)
    width = 1 / torch.sqrt(a + 0.5 / mode**2)
    r = (mode + width * like(rng.normal(problem.operator.out_shape), v)).clamp(min=0)
    turn = von_mises(r * v / rho**2, rng, problem.operator.out_shape)
    phase = f / (v + 1e-12)
    z = torch.where(problem.valid, r * phase * turn, f + rho * complex_normal(rng, problem.operator.out_shape, f))
    return problem.operator.adjoint(z)


def von_mises(kappa: Array, rng: Streams, shape: tuple[int, ...]) -> Array:
    """exp(iφ) with φ from the von Mises distribution of concentration κ (batch, *shape)."""
    k = kappa.cpu().numpy().astype(float)
    angle = np.stack([g.vonmises(0.0, k[i]) for i, g in enumerate(rng.generators)])
    return like(np.exp(1j * angle).astype(np.complex64), kappa)


def reverse(denoise: Callable[[Array, float], Array], x: Array, sigma: float, steps: int, rng: Streams) -> Array:
    """A draw of x₀ from p(x₀ | x at noise level σ) in so many denoiser calls.

    The reverse SDE by the second-order multistep SDE-DPM-Solver++ (Lu et al. 2022, arXiv:2211.01095, appendix).
    """
    levels = [*np.geomspace(sigma, sigma / 20, steps).tolist(), 0.0]
    before, h_before = None, 0.0
    for now, then in zip(levels, levels[1:], strict=False):
        d = denoise(x, now)
        if then == 0:
            return d
        h, keep = math.log(now / then), (then / now) ** 2
        ahead = d if before is None else d + (d - before) * (0.5 * h / h_before)
        x = keep * x + (1 - keep) * ahead + then * math.sqrt(1 - keep) * complex_normal(rng, x.shape[1:], x)
        before, h_before = d, h
    return x


def normalise_rms(x: Array, window: tuple[int, ...]) -> tuple[Array, Array]:
    """x (batch, *shape) at an rms of 1 over the window, and what it was, (batch, 1, …).

    All that the prior knows has that rms; of what a denoiser loses little would add up over the sweeps.
    """
    power = (abs(x) ** 2).reshape(x.shape[0], -1).sum(-1)
    rms = (power / math.prod(window)).sqrt().reshape(per_start(x))
    return x / rms, rms
