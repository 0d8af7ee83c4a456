"""``--dry-run``: what would run, how long and in how much memory, measured from a few steps. Nothing is written."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from rich.console import Console

if TYPE_CHECKING:
    import numpy as np

    from ..driver.run_spec import RunSpec
    from ..priors.training.settings import Training
    from ..priors.training.state import ProgressMessage
    from ..priors.training.task import Task
    from ..problem import Problem

TRIAL_SECONDS = 2.0
"""A start or a training is stopped at the first step after this time."""
ENDLESS = 10**9
"""Objects, seconds or minutes that no trial comes to."""


@dataclass(frozen=True)
class Forecast:
    """What a few steps of one start tell.

    Attributes
    ----------
    seconds : float or None
        Of one start to its own end. None if the solver does not know its number of steps.
    steps, total : int and int or None
        Steps of the trial, and of a whole start.
    taken : float
        Seconds of the trial.
    memory : int or None
        Most bytes that this process held. None where the system does not tell.
    """

    seconds: float | None
    steps: int
    total: int | None
    taken: float
    memory: int | None

    def words(self, starts: int, workers: int) -> str:
        """The forecast for a number of starts, in one line."""
        from ..files.memory import size_text

        memory = "" if self.memory is None else f", {size_text(self.memory)} of memory a process"
        if self.seconds is None:
            trial = f"{self.steps} step(s) took {self.taken:.1f} s"
            return f"{trial}; the number of steps depends on the pattern, so the time is not known{memory}"
        seconds = self.seconds * ceil(starts / max(1, workers))
        steps = "" if self.total is None else f" of {self.total} steps"
        return f"about {_duration(seconds)} for {starts} start(s){steps}, from {self.steps} steps{memory}"


def forecast(spec: RunSpec, problem: Problem, x0: np.ndarray | None = None) -> Forecast:
    """Run one start for `TRIAL_SECONDS`, and tell what the whole one takes."""
    from ..driver.solve import Budget, Progress, run

    seen: list[tuple[float, Progress]] = []
    begun = time.perf_counter()

    def keep(progress: Progress) -> None:
        seen.append((time.perf_counter() - begun, progress))

    bound = spec.budget.seconds
    limit = TRIAL_SECONDS if bound is None else min(bound, TRIAL_SECONDS)
    trial = replace(
        spec, starts=1, samples=0, agree=0, budget=Budget(steps=spec.budget.steps, ffts=spec.budget.ffts, seconds=limit)
    )
    run(trial, problem, x0=x0, on_step=keep, executor="serial")
    taken = time.perf_counter() - begun
    if not seen:
        return Forecast(None, 0, None, taken, _most_memory())
    (first, begin), (last, progress) = seen[0], seen[-1]
    steps, total = progress.step, progress.total
    seconds = None
    if total is not None and steps > 1:  # a solver of stages counts each as a step
        rate = (last - first) / (steps - begin.step) if steps > begin.step else last / steps
        seconds = last + rate * (total - steps)
    if bound is not None:
        seconds = bound if seconds is None else min(bound, seconds)
    return Forecast(seconds, steps, total, taken, _most_memory())


def tell(spec: RunSpec, problem: Problem, x0: np.ndarray | None, workers: int, written: str, console: Console) -> None:
    """Print the forecast of a run, and the files that it would write."""
    from ..solvers.base import Solver

    assert isinstance(spec.solver, Solver)
    shape = "×".join(map(str, problem.amplitude.shape))
    console.print(f"dry run: {spec.solver.name} on a pattern of {shape}, {spec.starts} start(s), seed {spec.seed}", markup=False)
    console.print(f"  {forecast(spec, problem, x0).words(spec.starts or 1, workers)}", markup=False)
    console.print(f"  would write: {written or 'nothing'}", markup=False)


def tell_files(files: Iterable[Path | None], console: Console) -> None:
    """Print the files that a command would write; None stands for one that is not wanted."""
    named = ", ".join(str(path) for path in files if path is not None)
    console.print(f"  would write: {named or 'nothing'}", markup=False)


def tell_training(task: Task, settings: Training, files: Iterable[Path], device: str, console: Console) -> None:
    """Print the speed and the memory of a training, from a few steps in a folder of their own, and what it would write."""
    from ..files.memory import size_text
    from ..priors.training import loop

    seen: list[tuple[float, int]] = []

    def enough(message: ProgressMessage) -> bool:
        seen.append((message.seconds, message.objects))
        return message.seconds - seen[0][0] > TRIAL_SECONDS

    endless = replace(settings, objects=ENDLESS, minutes=None, validate_every=ENDLESS, checkpoint_every=ENDLESS)
    with TemporaryDirectory() as folder, suppress(KeyboardInterrupt):
        loop.train(task, endless, folder, device=device, on_step=enough)
    (begin, first), (end, last) = seen[0], seen[-1]
    rate = (last - first) / (end - begin)
    minutes = settings.minutes if settings.objects is None else min(settings.objects / rate / 60, settings.minutes or ENDLESS)
    assert minutes is not None
    memory = "" if (most := _most_memory()) is None else f", {size_text(most)} of memory"
    console.print(f"dry run: about {rate:.3g} objects a second, {_duration(60 * minutes)} in all{memory}", markup=False)
    tell_files(files, console)


def tell_comparison(
    competitors: Mapping[str, Any], problem: Problem, count: int, given: Mapping[str, Any], workers: int, console: Console
) -> None:
    """Print the forecast of a comparison from the first of its `count` problems; other programs' results take no time."""
    from ..driver.run_spec import RunSpec
    from ..solvers.base import Solver

    shape = "×".join(map(str, problem.amplitude.shape))
    console.print(f"dry run: {len(competitors)} competitors on {count} problems; the first is {shape}", markup=False)
    for label, competitor in competitors.items():
        if not isinstance(competitor, Solver):
            continue
        spec = RunSpec(competitor, starts=given["starts"], hold_out=given["hold_out"], device=given["device"])
        if given["seconds"] is not None:
            console.print(f"  {label}: {_duration(given['seconds'])} a problem, as --seconds says", markup=False)
        else:
            words = forecast(spec, problem).words(count * given["starts"], workers)
            console.print(f"  {label}: {words}", markup=False)


def _most_memory() -> int | None:
    if sys.platform == "win32":
        return None
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
