"""Checks of likelihoods: their constant, derivative, proximal map and units."""

from __future__ import annotations

import numpy as np

from ..problem.likelihood import Likelihood
from .case import Checks, distance, require

Y, P = np.meshgrid(np.array([0.3, 1.0, 2.5, 7.0]), np.array([0.2, 0.9, 4.1, 30.0]))
"""Measured amplitudes and expected intensities, none of them a perfect fit."""

checks = Checks(lambda subject: subject() if isinstance(subject, type) else subject)


@checks.add("name")
def named(one: Likelihood) -> None:
    """The class has a name of its own, by which files keep it."""
    require(vars(type(one)).get("name"), f"{type(one).__name__}.name is missing; give the name that is registered")


@checks.add("perfect fit costs nothing")
def constant(one: Likelihood) -> None:
    """−log L is 0 at P = y², and not below 0 elsewhere."""
    at_fit = one.nll(Y**2, Y)
    require(np.abs(at_fit).max() < 1e-6, f"nll is {np.abs(at_fit).max():.3g} at P = y²; subtract its constant")
    require((one.nll(P, Y) >= 0).all(), "nll is negative at some P; its minimum must be at P = y²")


@checks.add("derivative")
def derivative(one: Likelihood) -> None:
    """`derivative` is that of `nll`, by finite differences."""
    step = 1e-5 * P
    slope = (one.nll(P + step, Y) - one.nll(P - step, Y)) / (2 * step)
    off = distance(one.derivative(P, Y), slope)
    require(off < 1e-3, f"derivative differs from finite differences of nll by {off:.1%}")


@checks.add("proximal map")
def proximal(one: Likelihood) -> None:
    """`proximal` minimises −log L(R²) + (R − v)²/2r² over R ≥ 0."""
    v, r = np.sqrt(P), 0.7
    best = one.proximal(v, Y, r)
    require((best >= 0).all(), "proximal gives a negative modulus")

    def cost(modulus: np.ndarray) -> np.ndarray:
        return np.asarray(one.nll(modulus**2, Y) + (modulus - v) ** 2 / (2 * r**2))

    tried = np.linspace(0, 10, 4001)[:, None, None] * np.ones_like(Y)
    lowest = np.min([cost(modulus) for modulus in tried], axis=0)
    above = float((cost(best) - lowest).max())
    require(above < 1e-4, f"another modulus costs less by {above:.3g}")


@checks.add("units")
def units(one: Likelihood) -> None:
    """`scaled(f)` gives amplitudes y·f what `nll` gives y."""
    off = distance(one.scaled(3.0).nll(9 * P, 3 * Y), one.nll(P, Y))
    require(off < 1e-5, f"nll of amplitudes in other units differs by {off:.1%}; see `scaled`")
