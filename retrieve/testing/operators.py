"""Checks of linear operators: shapes, adjoint, linearity, isometry, batch, array libraries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from unittest import SkipTest

import numpy as np

from ..numerics.arrays import to_numpy
from ..operators import Operator
from .trial import Check, check, device_for, distance, require

EXACT = 1e-4
"""Relative, for operators that keep arrays in single precision."""


@dataclass(frozen=True)
class Case:
    """An operator under test.

    subject: an instance, or a class, of which `example()` makes one, or else its constructor from a shape.
    """

    subject: Operator | type[Operator]

    @property
    def operator(self) -> Operator:
        """The instance. Skips the check where the class gives none."""
        if not isinstance(self.subject, type):
            return self.subject
        if hasattr(self.subject, "example"):
            made: Operator = self.subject.example()
            return made
        try:
            return self.subject((12, 10))  # type: ignore[call-arg]
        except Exception as error:
            name = self.subject.__name__
            raise SkipTest(
                f"{name}((12, 10)) makes no operator ({type(error).__name__}: {error}); give the class a classmethod "
                "example() that makes a small one, or give the kit an instance"
            ) from None

    def draw(self, side: str, batch: int = 2, seed: int = 0) -> np.ndarray:
        """Random arrays of the input ("in") or the output ("out"): complex, or non-negative for intensities."""
        rng = np.random.default_rng(seed)
        shape = (batch, *(self.operator.in_shape if side == "in" else self.operator.out_shape))
        if self.operator.intensity:
            return rng.random(shape)
        return rng.normal(size=shape) + 1j * rng.normal(size=shape)


@check("shapes and dtypes")
def shapes(case: Case) -> None:
    """(batch, *in_shape) ⇄ (batch, *out_shape), tuples; single precision stays single, double stays double."""
    operator = case.operator
    for name in ("in_shape", "out_shape"):
        shape = getattr(operator, name, None)
        require(isinstance(shape, tuple) and all(type(n) is int for n in shape), f"{name} is {shape!r}; give a tuple of int")
    for method, one, other in (("forward", "in", "out"), ("adjoint", "out", "in")):
        x = case.draw(one, 3)
        wanted = (3, *getattr(operator, f"{other}_shape"))
        found = getattr(operator, method)(x)
        require(found.shape == wanted, f"{method} of {x.shape} gives {found.shape}, not {wanted}")
        for given in (x.dtype, np.dtype(np.float32 if operator.intensity else np.complex64)):
            dtype = getattr(operator, method)(x.astype(given)).dtype
            require(dtype == given, f"{method} of {given} gives {dtype}; keep to the dtype of the input")


@check("adjoint", shapes)
def adjoint(case: Case) -> None:
    """⟨A x, y⟩ = ⟨x, Aᴴ y⟩."""
    operator, x, y = case.operator, case.draw("in"), case.draw("out", seed=1)
    f = operator.forward(x)
    left, right = np.vdot(y, f), np.vdot(operator.adjoint(y), x)
    scale = np.linalg.norm(f) * np.linalg.norm(y) or 1.0
    require(abs(left - right) < EXACT * scale, f"⟨A x, y⟩ = {left:.6g}, but ⟨x, Aᴴ y⟩ = {right:.6g}")


@check("linear", shapes)
def linear(case: Case) -> None:
    """A(a x + b z) = a A x + b A z."""
    operator, x, z = case.operator, case.draw("in"), case.draw("in", seed=1)
    a, b = (0.3, 2.0) if operator.intensity else (0.3 - 1j, 2.0)
    for name in ("forward", "adjoint"):
        if name == "adjoint":
            x, z = case.draw("out"), case.draw("out", seed=1)
        apply = getattr(operator, name)
        away = distance(apply(a * x + b * z), a * apply(x) + b * apply(z))
        require(away < EXACT, f"{name}(a x + b z) differs from a {name}(x) + b {name}(z) by {away:.2g}")


@check("isometry where promised", shapes)
def isometry(case: Case) -> None:
    """Aᴴ A x = x, where `isometry` says so."""
    if not case.operator.isometry:
        raise SkipTest("it promises no isometry")
    x = case.draw("in")
    away = distance(case.operator.adjoint(case.operator.forward(x)), x)
    require(away < EXACT, f"isometry is promised, but Aᴴ A x differs from x by {away:.2g}; leave isometry = False")


@check("batch", shapes)
def one_by_one(case: Case) -> None:
    """A batch gives what its elements give alone."""
    for name, side in (("forward", "in"), ("adjoint", "out")):
        apply, x = getattr(case.operator, name), case.draw(side, 3)
        away = distance(apply(x), np.concatenate([apply(x[k : k + 1]) for k in range(3)]))
        require(away < EXACT, f"{name} of a batch differs from its elements one by one by {away:.2g}")


@check("leaves its input alone", shapes)
def leaves_its_input_alone(case: Case) -> None:
    """The arrays passed in are what they were."""
    for name, side in (("forward", "in"), ("adjoint", "out")):
        x = case.draw(side)
        before = x.copy()
        getattr(case.operator, name)(x)
        require(np.array_equal(x, before), f"{name} writes into its input; work on a copy")


def _library(name: str, device: str) -> Check:
    def runs_there(case: Case) -> None:
        operator, where = case.operator, device_for(device)
        for method, side in (("forward", "in"), ("adjoint", "out")):
            x = case.draw(side)
            there = getattr(operator.to(where), method)(where.put(x))
            away = distance(to_numpy(there), getattr(operator, method)(x))
            require(away < EXACT, f"{method} there differs from NumPy's by {away:.2g}")

    return Check(f"runs on {name}", runs_there, (shapes,))


CHECKS: tuple[Check, ...] = (
    shapes,
    adjoint,
    linear,
    isometry,
    one_by_one,
    leaves_its_input_alone,
    *(_library(*pair) for pair in (("array-api-strict", "strict"), ("torch", "torch"), ("CuPy", "cuda"))),
)


def label(subject: Any) -> str:
    """What an operator is called in reports."""
    return f"operator {(subject if isinstance(subject, type) else type(subject)).__name__}"
