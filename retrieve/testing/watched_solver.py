"""A solver under watch: problems for it, and runs of it that are timed and recorded."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple
from unittest import SkipTest

import numpy as np

from ..driver.batch import Budget
from ..driver.solve import solve
from ..errors import InputError
from ..io.result import Result
from ..numerics.arrays import Array, find_device, to_numpy
from ..problem import Problem
from ..solvers.base import Solver, Step, Streams
from .problems import PROBLEM_SHAPES, fresh, small
from .watch import global_seed, global_state, within

ENOUGH_STEPS = 10
"""Steps that show how a solver behaves, before rounding has grown in it."""


class Run(NamedTuple):
    """The record of a run. Arrays are on the host.

    start: the first estimate.  last: the last one, (starts, *shape), whatever its shape.
    shapes, dtypes: those of all steps.  libraries: the types of their arrays, if they are not the start's.
    steps: their number.  ended: whether the solver ended by itself.
    touched: the global generators that moved.  changed: the problem's arrays that the solver wrote into.
    """

    start: np.ndarray
    last: np.ndarray
    shapes: set[tuple[int, ...]]
    dtypes: set[str]
    libraries: set[str]
    steps: int
    ended: bool
    touched: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


@dataclass(frozen=True)
class WatchedSolver:
    """A solver under watch.

    subject: an instance, or a class whose defaults are taken.
    problems: candidates, of which the first that the solver accepts is used; small simulated ones unless given.
    seconds: the limit of one run.
    """

    subject: Solver | type[Solver]
    problems: Sequence[Problem] = ()
    seconds: float = 60.0

    @property
    def kind(self) -> type[Solver]:
        """The solver's class."""
        return self.subject if isinstance(self.subject, type) else type(self.subject)

    @cached_property
    def solver(self) -> Solver:
        """The instance that is run."""
        return self.subject() if isinstance(self.subject, type) else self.subject

    @cached_property
    def problem(self) -> Problem:
        """The first problem that the solver accepts. Skips the check where there is none."""
        refusals = []
        for problem in self.problems or map(small, PROBLEM_SHAPES):
            if (refusal := self.refusal(problem)) is None:
                return problem
            refusals.append(refusal)
        raise SkipTest(f"it accepts none of the problems tried ({refusals[0]}); give the kit problems=[…] that it does")

    def refusal(self, problem: Problem) -> str | None:
        """Why the solver's `check` refuses a problem, None where it does not. Raises TimeoutError where it hangs."""
        try:
            within(self.seconds, lambda: self.solver.resolve_for(given := fresh(problem)).check(given))
        except InputError as error:
            return str(error)
        return None

    def run(
        self,
        problem: Problem | None = None,
        *,
        starts: Sequence[int] = (0,),
        seed: int = 0,
        device: str = "cpu",
        steps: int | None = ENOUGH_STEPS,
        world: int = 0,
        samples: bool = False,
    ) -> Run:
        """Run the starts of these numbers in one batch, within the time.

        steps: how many, None for all.  world: the seed of the global generators.  samples: draw posterior samples instead.
        Raises TimeoutError, or the solver's own error.
        """
        given = fresh(problem or self.problem)
        solver = self.solver.resolve_for(given)
        generate = solver.samples if samples else solver.steps

        def record() -> Run:
            placed = given.to(find_device(device, self.solver.library))
            before = _arrays(placed)
            states = global_state()
            rng = Streams.of(seed, starts)
            x = self.solver.start(placed, rng)
            run = self._follow(x, generate(placed, x, rng), steps)
            after = global_state()
            touched = tuple(name for name, state in states.items() if after[name] != state)
            now = _arrays(placed)
            changed = tuple(name for name, a in before.items() if not np.array_equal(now[name], a, equal_nan=True))
            return run._replace(touched=touched, changed=changed)

        with global_seed(world):  # not in the thread, which may outlive its time and would then restore them late
            run: Run = within(self.seconds, record)
        return run

    def _follow(self, x: Array, generated: Iterator[Step], most: int | None) -> Run:
        """The steps from the start x on: `most` of them, or all that the time allows."""
        begun = time.perf_counter()
        start, step = np.array(to_numpy(x)), Step(x)
        n, ended, shapes, dtypes, libraries = 0, True, set(), set(), set()
        for n, step in enumerate(generated, start=1):
            shapes.add(tuple(step.x.shape))
            dtypes.add(str(step.x.dtype).removeprefix("torch.").removeprefix("array_api_strict."))
            if type(step.x) is not type(x):
                libraries.add(f"{type(step.x).__module__}.{type(step.x).__name__}")
            if n == most or (most is None and time.perf_counter() - begun > 0.8 * self.seconds):
                ended = False
                break
        last = np.array(to_numpy(step.estimate if shapes <= {tuple(x.shape)} else step.x))
        return Run(start, last, shapes, dtypes, libraries, n, ended)

    @cached_property
    def _whole(self) -> Run | Exception:
        problem = self.problem
        try:
            return self.run(problem, steps=None)
        except Exception as error:
            return error

    def whole(self) -> Run:
        """One run from its start to its end; raises what the run raised."""
        if isinstance(self._whole, Exception):
            raise self._whole
        return self._whole

    def solve(self, **arguments: Any) -> Result:
        """`retrieve.solve` of the problem from one start on the CPU, within the time."""
        given = fresh(self.problem)
        budget = Budget(seconds=0.8 * self.seconds)

        def run() -> Result:
            return solve(self.solver, given, starts=1, device="cpu", budget=budget, strict=False, **arguments)

        with global_seed(0):
            result: Result = within(self.seconds, run)
        return result


def _arrays(problem: Problem) -> dict[str, np.ndarray]:
    """Copies of a problem's arrays on the host."""
    arrays = {name: getattr(problem, name) for name in ("amplitude", "valid", "support")}
    return {name: np.array(to_numpy(a)) for name, a in arrays.items() if a is not None}
