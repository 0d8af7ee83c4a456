"""One run as the commands do it: workers, live progress, interruption, averaging and verdict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console

from .progress import live_progress
from .signals import stopping

if TYPE_CHECKING:
    import numpy as np

    from ..driver.progress import Progress
    from ..driver.run_spec import RunSpec
    from ..io.result import Result
    from ..problem import Problem
    from .live import Live

    Observer = Callable[[Progress], object]


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
    spec: RunSpec,
    problem: Problem,
    console: Console,
    quiet: bool,
    workers: Workers = HERE,
    x0: np.ndarray | None = None,
    kept: Path | None = None,
    live: Live | None = None,
) -> Result:
    """Run with live progress, average the starts, and judge. A signal stops at the next step, a second Ctrl-C at once.

    kept: a folder that keeps finished starts.  live: the page that watches, too.
    """
    from ..driver.batch import resolve_spec
    from ..driver.solve import run
    from ..numerics.arrays import find_device

    spec = resolve_spec(spec, problem, x0)
    where = find_device(spec.device, spec.solver.library)
    line = f"{spec.solver.name} on {where.name} ({where.describe()}), {spec.starts} start(s), seed {spec.seed}"
    line += f", {workers.number} worker(s) of {workers.executor}" if workers.executor else ""
    with stopping(), live_progress(console, quiet) as show:
        console.print(line, markup=False)
        result = run(
            spec,
            problem,
            x0=x0,
            on_step=show if live is None else both(show, live.watch(spec, problem, workers.executor is not None)),
            workers=workers.number,
            executor=workers.executor,
            kept=kept,
        )
    if live is not None:
        live.screen.rest("the starts are done; they are judged, and the result is written")
    return _judged(result, spec, console)


def both(first: Observer, second: Observer) -> Observer:
    """An observer that tells two."""

    def told(progress: Progress) -> None:
        first(progress)
        second(progress)

    return told


def run_quietly(spec: RunSpec, problem: Problem, x0: np.ndarray | None, kept: Path | None = None) -> Result:
    """Run in a worker: no progress, no signals, each start by itself."""
    from ..driver.solve import run

    return _judged(run(spec, problem, x0=x0, executor="serial", kept=kept), spec, Console(quiet=True))


def _judged(result: Result, spec: RunSpec, console: Console) -> Result:
    """The result with its starts averaged as the run says, and a verdict."""
    from ..evaluate.by_name import judged

    return judged(result, spec.averaging or spec.solver.averaging, spec.keep, lambda why: console.print(why, markup=False))
