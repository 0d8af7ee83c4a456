"""A third-party solver: charge flipping, which needs no support at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from retrieve.arrays import Array, namespace
from retrieve.hookspecs import hookimpl
from retrieve.options import option
from retrieve.problem import Problem
from retrieve.solvers import Solver, Step, Streams


@dataclass(frozen=True)
class ChargeFlipping(Solver):
    """Charge flipping: x ← −P_M x where |P_M x| is below δ times its maximum, P_M x elsewhere."""

    name: ClassVar[str] = "charge-flipping"
    source: ClassVar[str] = "Oszlanyi & Suto, Acta Cryst. A 60, 134 (2004)"
    iterations: int = option(300, "number of iterations", ge=1)
    delta: float = option(0.1, "flipping threshold as a share of the maximum", gt=0, lt=1)

    def steps(self, problem: Problem, x: Array, rng: Streams) -> Iterator[Step]:
        """Flip what is weak, fit the modulus, again."""
        xp = namespace(x)
        for _ in range(self.iterations):
            m = problem.fit_modulus(x)
            a = xp.abs(m)
            strong = a >= self.delta * xp.max(a, axis=tuple(range(1, m.ndim)), keepdims=True)
            x = xp.where(strong, m, -m)
            yield Step(m, strong)

    @property
    def total(self) -> int:
        """Its iterations."""
        return self.iterations


@hookimpl
def register_solvers() -> dict[str, Any]:
    """Adds `charge-flipping`."""
    return {"charge-flipping": ChargeFlipping}
