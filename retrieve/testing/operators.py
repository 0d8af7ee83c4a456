"""Checks of linear operators: shapes, adjoint, linearity, isometry, batch, array libraries."""

from __future__ import annotations

from functools import partial
from unittest import SkipTest

import numpy as np

from ..numerics.arrays import to_numpy
from ..operators import Operator
from .case import LIBRARIES, Checks, device_for, distance, require

EXACT = 1e-4
"""Relative, for operators that keep arrays in single precision."""


def _example(subject: Operator | type[Operator]) -> Operator:
    """The instance; of a class that of `example()`, or else of its constructor from a shape. Skips where there is none."""
    if not isinstance(subject, type):
        return subject
    try:
        return subject.example() if hasattr(subject, "example") else subject((12, 10))  # type: ignore[call-arg]
    except Exception as error:
        raise SkipTest(
            f"{subject.__name__}((12, 10)) makes no operator ({type(error).__name__}: {error}); give the class a classmethod "
            "example() that makes a small one, or give the kit an instance"
        ) from None


checks = Checks(_example)


def _draw(operator: Operator, side: str, batch: int = 2, seed: int = 0) -> np.ndarray:
    """Random arrays of the input ("in") or the output ("out"): complex, or non-negative for intensities."""
    rng = np.random.default_rng(seed)
    shape = (batch, *(operator.in_shape if side == "in" else operator.out_shape))
    if operator.intensity:
        return rng.random(shape)
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


@checks.add("shapes and dtypes")
def shapes_and_dtypes(operator: Operator) -> None:
    """(batch, *in_shape) ⇄ (batch, *out_shape), tuples; single precision stays single, double stays double."""
    for name in ("in_shape", "out_shape"):
        shape = getattr(operator, name, None)
        require(isinstance(shape, tuple) and all(type(n) is int for n in shape), f"{name} is {shape!r}; give a tuple of int")
    for method, one, other in (("forward", "in", "out"), ("adjoint", "out", "in")):
        x = _draw(operator, one, 3)
        wanted = (3, *getattr(operator, f"{other}_shape"))
        found = getattr(operator, method)(x)
        require(found.shape == wanted, f"{method} of {x.shape} gives {found.shape}, not {wanted}")
        for given in (x.dtype, np.dtype(np.float32 if operator.intensity else np.complex64)):
            dtype = getattr(operator, method)(x.astype(given)).dtype
            require(dtype == given, f"{method} of {given} gives {dtype}; keep to the dtype of the input")


@checks.add("adjoint", shapes_and_dtypes)
def adjoint(operator: Operator) -> None:
    """⟨A x, y⟩ = ⟨x, Aᴴ y⟩."""
    x, y = _draw(operator, "in"), _draw(operator, "out", seed=1)
    f = operator.forward(x)
    left, right = np.vdot(y, f), np.vdot(operator.adjoint(y), x)
    scale = np.linalg.norm(f) * np.linalg.norm(y) or 1.0
    require(abs(left - right) < EXACT * scale, f"⟨A x, y⟩ = {left:.6g}, but ⟨x, Aᴴ y⟩ = {right:.6g}")


@checks.add("linear", shapes_and_dtypes)
def linear(operator: Operator) -> None:
    """A(a x + b z) = a A x + b A z."""
    x, z = _draw(operator, "in"), _draw(operator, "in", seed=1)
    a, b = (0.3, 2.0) if operator.intensity else (0.3 - 1j, 2.0)
    for name in ("forward", "adjoint"):
        if name == "adjoint":
            x, z = _draw(operator, "out"), _draw(operator, "out", seed=1)
        apply = getattr(operator, name)
        away = distance(apply(a * x + b * z), a * apply(x) + b * apply(z))
        require(away < EXACT, f"{name}(a x + b z) differs from a {name}(x) + b {name}(z) by {away:.2g}")


@checks.add("isometry where promised", shapes_and_dtypes)
def isometry(operator: Operator) -> None:
    """Aᴴ A x = x, where `isometry` says so."""
    if not operator.isometry:
        raise SkipTest("it promises no isometry")
    x = _draw(operator, "in")
    away = distance(operator.adjoint(operator.forward(x)), x)
    require(away < EXACT, f"isometry is promised, but Aᴴ A x differs from x by {away:.2g}; leave isometry = False")


@checks.add("batch", shapes_and_dtypes)
def elements_one_by_one(operator: Operator) -> None:
    """A batch gives what its elements give alone."""
    for name, side in (("forward", "in"), ("adjoint", "out")):
        apply, x = getattr(operator, name), _draw(operator, side, 3)
        away = distance(apply(x), np.concatenate([apply(x[k : k + 1]) for k in range(3)]))
        require(away < EXACT, f"{name} of a batch differs from its elements one by one by {away:.2g}")


@checks.add("leaves its input alone", shapes_and_dtypes)
def leaves_arrays_alone(operator: Operator) -> None:
    """The arrays passed in are what they were."""
    for name, side in (("forward", "in"), ("adjoint", "out")):
        x = _draw(operator, side)
        before = x.copy()
        getattr(operator, name)(x)
        require(np.array_equal(x, before), f"{name} writes into its input; work on a copy")


def _runs_on(device: str, operator: Operator) -> None:
    where = device_for(device)
    for method, side in (("forward", "in"), ("adjoint", "out")):
        x = _draw(operator, side)
        there = getattr(operator.to(where), method)(where.put(x))
        away = distance(to_numpy(there), getattr(operator, method)(x))
        require(away < EXACT, f"{method} there differs from NumPy's by {away:.2g}")


for library, name in LIBRARIES.items():
    checks.add(f"runs on {library}", shapes_and_dtypes)(partial(_runs_on, name))
