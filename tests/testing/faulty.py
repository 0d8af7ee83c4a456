"""The sound solver into which the tests of the kit plant faults, and the list of the checks that fail."""

from dataclasses import dataclass
from typing import ClassVar

from retrieve.numerics.arrays import namespace
from retrieve.plugins.options import option
from retrieve.solvers import Solver, Step, first_support
from retrieve.testing import run_checks


@dataclass(frozen=True)
class Plain(Solver):
    """Error reduction; faults are planted in what follows."""

    name: ClassVar[str] = "plain"
    source: ClassVar[str] = "Fienup 1982"
    iterations: int = option(6, "iterations", ge=1)
    share: float = option(1.0, "share of the step", gt=0, le=1)

    def steps(self, problem, x, rng):
        xp = namespace(x)
        support = first_support(problem, x)[0]
        for _ in range(self.iterations):
            x = xp.where(support, problem.fit_modulus(x), xp.zeros_like(x))
            yield Step(x, support)


def failing(subject, **settings):
    """The reasons of the checks that fail, by their names."""
    return {outcome.check: outcome.reason for outcome in run_checks(subject, **settings) if outcome.status == "failed"}
