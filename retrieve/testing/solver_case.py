"""What the checks of a solver are handed: the solver, problems for it, and a way to run it under watch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
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
from .problems import SHAPES, fresh, small
from .randomness import global_seed, global_state
from .trial import within

ENOUGH_STEPS = 10
"""Steps that show how a solver behaves, before rounding has grown in it."""


class Run(NamedTuple):
    """What a solver did. Arrays are on the host.

    start: what it began with.  last: its last estimate, (starts, *shape), whatever its shape.
    shapes, dtypes: of all steps.  libraries: the types of their arrays, where they are not the start's.
    steps: how many.  ended: whether by itself.
    touched: the global generators that moved.  changed: the problem's arrays that are no longer what they were.
    """

    start: np.ndarray
    last: np.ndarray
    shapes: set[tuple[int, ...]]
    dtypes: set[str]
    libraries: set[str]
    steps: int
    ended: bool
    touched: tuple[str, ...]
    changed: tuple[str, ...]


@dataclass(frozen=True)
class SolverCase:
    """A solver under test.

    subject: an instance, or a class whose defaults are taken.
    problems: what it may be run on, the first that it accepts is; small simulated ones unless given.
    seconds: how long it may take for one run.
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

    @property
    def candidates(self) -> Iterable[Problem]:
        """The problems that may be tried, in turn."""
        return self.problems or map(small, SHAPES)

    @cached_property
    def problem(self) -> Problem:
        """The first problem that the solver accepts. Skips the check where there is none."""
        refusals = []
        for problem in self.candidates:
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
        """Run the starts of these numbers in one batch for so many steps, None to the end, within the time.

        world: the seed of the global generators.  samples: draw posterior samples in the place of the search.
        Raises TimeoutError, or what the solver raises.
        """
        given = fresh(problem or self.problem)
        solver = self.solver.resolve_for(given)
        generate = solver.samples if samples else solver.steps
        return within(self.seconds, lambda: self._run(generate, given, starts, seed, device, steps, world))

    def _run(
        self,
        generate: Callable[[Problem, Array, Streams], Iterator[Step]],
        given: Problem,
        starts: Sequence[int],
        seed: int,
        device: str,
        steps: int | None,
        world: int,
    ) -> Run:
        problem = given.to(find_device(device, self.solver.library))
        arrays = {name: getattr(problem, name) for name in ("amplitude", "valid", "support")}
        before = {name: np.array(to_numpy(a)) for name, a in arrays.items() if a is not None}
        begun, ended = time.perf_counter(), True
        n, shapes, dtypes, libraries = 0, set(), set(), set()
        with global_seed(world):
            states = global_state()
            rng = Streams.of(seed, starts)
            x = self.solver.start(problem, rng)
            start, step = np.array(to_numpy(x)), Step(x)
            for n, step in enumerate(generate(problem, x, rng), start=1):
                shapes.add(tuple(step.x.shape))
                dtypes.add(str(step.x.dtype).removeprefix("torch.").removeprefix("array_api_strict."))
                if type(step.x) is not type(x):
                    libraries.add(f"{type(step.x).__module__}.{type(step.x).__name__}")
                if n == steps or (steps is None and time.perf_counter() - begun > 0.8 * self.seconds):
                    ended = False
                    break
            last = np.array(to_numpy(step.estimate if shapes <= {tuple(x.shape)} else step.x))
            after = global_state()
        touched = tuple(name for name, state in states.items() if after[name] != state)
        changed = tuple(name for name, a in before.items() if not np.array_equal(to_numpy(arrays[name]), a, equal_nan=True))
        return Run(start, last, shapes, dtypes, libraries, n, ended, touched, changed)

    @cached_property
    def whole(self) -> Run | BaseException:
        """One run from its start to its end, or what it raised instead."""
        problem = self.problem
        try:
            return self.run(problem, steps=None)
        except Exception as error:
            return error

    def solve(self, **arguments: Any) -> Result:
        """`retrieve.solve` of the problem from one start on the CPU, within the time."""
        given = fresh(self.problem)
        budget = Budget(seconds=0.8 * self.seconds)

        def run() -> Result:
            with global_seed(0):
                return solve(self.solver, given, starts=1, device="cpu", budget=budget, strict=False, **arguments)

        result: Result = within(self.seconds, run)
        return result
