"""Maximum likelihood by conjugate gradients, on either likelihood."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ..numerics.arrays import TINY, Array, namespace
from ..plugins.options import option
from ..problem import Problem
from .base import Step, Streams
from .convergence import PATIENCE, TOLERANCE
from .iterative import Descent, begun_support, iterate


@dataclass(frozen=True)
class ConjugateGradient(Descent):
    """Minimise nll(x) inside the support: x ← x + α d, d ← −g + β d, with Polak and Ribière's β, restarted if β < 0.

    The far field of a step is A x + α A d. So the line search costs no transform, and an iteration costs two.
    """

    name: ClassVar[str] = "cg"
    source: ClassVar[str] = "Thibault & Guizar-Sicairos, New J. Phys. 14, 063004 (2012)"
    iterations: int = option(200, "number of iterations", ge=1)
    tolerance: float = option(0.0, TOLERANCE, ge=0, lt=1)
    patience: int = option(100, PATIENCE, ge=1)
    newton: int = option(2, "Newton steps of the line search", ge=1)

    def steps(self, problem: Problem, x: Array, rng: Streams) -> Iterator[Step]:
        """Descend from x within the support, or within a guess if the problem has none."""
        return iterate([self], problem, x, begun_support(problem, x)[0])

    def descend(self, problem: Problem, x: Array, support: Array) -> Iterator[Step]:
        """Descend from x within `support`, bool (batch or 1, *shape)."""
        xp = namespace(x)
        zero = xp.zeros_like(x)
        x = xp.where(support, x, zero)
        f = problem.operator.forward(x)
        d, g_old, norm_old = zero, zero, 1.0
        for _ in range(self.iterations):
            g = xp.where(support, problem.operator.adjoint(problem.field_gradient(f)), zero)
            beta = xp.clip(_dot(g, g - g_old) / norm_old, min=0)
            g_old, norm_old = g, _dot(g, g) + TINY
            d = beta * d - g
            d = xp.where(_dot(g, d) < 0, d, -g)
            u = problem.operator.forward(d)
            alpha = self._line_search(problem, f, u)
            x = x + alpha * d
            f = f + alpha * u
            yield Step(x, support)

    def _line_search(self, problem: Problem, f: Array, u: Array) -> Array:
        """α (batch, 1, …) that lowers nll(f + αu): Newton with a difference for the curvature, then halving."""
        xp = namespace(f)

        def slope(alpha: Array) -> Array:
            return _dot(problem.field_gradient(f + alpha * u), u)

        def value(alpha: Array) -> Array:
            return xp.reshape(problem.nll_of(f + alpha * u), alpha.shape)

        zero = _dot(f, f) * 0
        first, start = slope(zero), value(zero)
        trial = 1e-3 * xp.sqrt(_dot(f, f) / (_dot(u, u) + TINY)) + TINY
        alpha, at = trial, slope(trial)
        low, low_slope = zero, first
        for _ in range(self.newton):
            curvature = (at - low_slope) / (alpha - low + TINY)
            step = xp.where(curvature > 0, -at / (xp.abs(curvature) + TINY), 2 * xp.abs(alpha))
            low, low_slope = alpha, at
            alpha = xp.clip(alpha + step, min=0)
            at = slope(alpha)
        for _ in range(5):
            lower = value(alpha) <= start
            if bool(xp.all(lower)):
                return alpha
            alpha = xp.where(lower, alpha, alpha * 0.25)
        return xp.where(value(alpha) <= start, alpha, zero)

    @property
    def total(self) -> int | None:
        """Its iterations."""
        return self.iterations


def _dot(a: Array, b: Array) -> Array:
    """Re⟨a, b⟩ of each element of the batch, (batch, 1, …)."""
    xp = namespace(a)
    return xp.sum(xp.real(xp.conj(a) * b), axis=tuple(range(1, a.ndim)), keepdims=True)
