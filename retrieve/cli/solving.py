"""One run as the commands do it: workers, live progress, interruption, averaging and verdict."""

from __future__ import annotations

import signal
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console

from ..errors import InputError
from .progress import live_progress

if TYPE_CHECKING:
    import numpy as np

    from ..driver.run_spec import RunSpec
    from ..io.result import Result
    from ..problem import Problem


class Workers(NamedTuple):
    """What computes a run; its result is the same whatever it is."""

    executor: str | None = None
    number: int = 1

    @classmethod
    def of(cls, executor: str | None, number: int | None, spec: RunSpec) -> Workers:
        """The workers that were asked for; of an executor one for each core. Raises `InputError` for an unknown executor."""
        from ..driver.executors import factory
        from ..numerics.arrays import cores, find_device

        if executor is None:
            return cls(None if (number or 1) == 1 else "processes", number or 1)
        factory(executor)
        most = cores() if executor != "serial" and find_device(spec.device).name == "cpu" else 1
        return cls(executor, number or min(most, spec.starts or 1))


HERE = Workers()


def run_spec(
    spec: RunSpec, problem: Problem, console: Console, quiet: bool, workers: Workers = HERE, x0: np.ndarray | None = None
) -> Result:
    """Run with live progress, average the starts, and judge. Ctrl-C stops at the next step, twice at once."""
    from ..driver.batch import resolve_spec
    from ..driver.solve import run
    from ..evaluate.averaging import average_starts
    from ..evaluate.uncertainty import uncertainty_of
    from ..evaluate.verdict import judge
    from ..numerics.arrays import find_device

    spec = resolve_spec(spec, problem, x0)
    where = find_device(spec.device, spec.solver.library)
    line = f"{spec.solver.name} on {where.name} ({where.describe()}), {spec.starts} start(s), seed {spec.seed}"
    line += f", {workers.number} worker(s) of {workers.executor}" if workers.executor else ""
    with Interrupt(at_once=workers.executor is not None) as interrupt, live_progress(console, quiet) as show:
        console.print(line, markup=False)
        result = run(
            spec,
            problem,
            x0=x0,
            on_step=lambda progress: show(progress) or interrupt.asked,
            workers=workers.number,
            executor=workers.executor,
        )
    try:
        result = average_starts(result, spec.averaging, spec.keep)
    except InputError as error:  # starts failed or were interrupted: what there is must not be lost
        console.print(f"not averaged: {error}; the best start is kept", markup=False)
    return replace(result, verdict=judge(result), uncertainty=uncertainty_of(result))


class Interrupt:
    """Turns the first Ctrl-C into a request to stop, the second, or with `at_once` the first, into a KeyboardInterrupt."""

    def __init__(self, at_once: bool = False) -> None:
        self.asked, self.at_once = False, at_once

    def __enter__(self) -> Interrupt:
        self.before = signal.signal(signal.SIGINT, self._ask)
        return self

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked or self.at_once:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self.before)
