"""Starts side by side: in threads of this process, or shared out among the workers of an executor."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..errors import SolverError
from ..numerics.arrays import cores
from ..numerics.processors import Crowd, torch_threads
from ..problem import Problem
from ..solvers.base import Solver
from .batch import RunContext, run_batch
from .batch_result import Batch, concatenate
from .executors import ATTEMPTS, completed, open_pool
from .kept_starts import KeptStarts, RunGroup
from .progress import Estimate, Progress, looking
from .run_spec import RunSpec, Stops
from .stopping import heard, listen, must_stop


def run_in_threads(solver: Solver, context: RunContext, numbers: Sequence[int], x0: np.ndarray | None = None) -> Batch:
    """`run_batch` on torch's CPU, in parts side by side, each in one thread: sums in several differ in their last bits."""
    parts = min(cores(), len(numbers))
    ends = [len(numbers) * k // parts for k in range(parts + 1)]
    over = threading.Event()

    def on_step(progress: Progress) -> bool:
        told = context.on_step is not None and progress.start == numbers[0] and context.on_step(progress)
        if told or must_stop():
            over.set()
        return over.is_set()

    def run_part(first: int, last: int) -> Batch:
        own = None if x0 is None else x0[first:last]
        try:
            with torch_threads(1):
                return run_batch(solver, replace(context, on_step=on_step), numbers[first:last], own)
        except BaseException:
            over.set()
            raise

    with torch_threads(1), ThreadPoolExecutor(max(1, parts - 1), initializer=listen, initargs=(heard(),)) as pool:
        others = [pool.submit(run_part, *ends[k : k + 2]) for k in range(1, parts)]
        found = [run_part(*ends[:2]), *(other.result() for other in others)]
    return concatenate(found) if parts > 1 else found[0]


SIDE_BY_SIDE = range(1 << 16, (1 << 22) + 1)
"""Points of arrays whose starts run side by side. Below, the interpreter's lock takes more than a second core brings; above, the
transforms of one start take all cores, and a second start takes memory that may be short."""


def certain(groups: Sequence[Sequence[int]], shape: tuple[int, ...], agree: float | None) -> int:
    """How many of the first groups of starts can run at once, in threads of this process; 1 for one after the other.

    They are those that are needed for certain: two starts of a run that ends when two agree.
    """
    if len(groups) < 2 or math.prod(shape) not in SIDE_BY_SIDE or cores() == 1:
        return 1
    return min(len(groups), -(-2 // len(groups[0]))) if agree else len(groups)


def run_at_once(
    solver: Solver,
    context: RunContext,
    groups: Sequence[Sequence[int]],
    begin: Callable[[Sequence[int]], np.ndarray | None],
    run_group: RunGroup,
) -> Iterator[Batch]:
    """The batches of the groups in order, as many at once as there are cores, each in a thread of its own.

    A start is the same as by itself. `on_step` hears of one step at a time. If it returns True, or a request to stop comes,
    the starts under way stop at their next step, and no others begin.
    """
    over, turn, crowd = threading.Event(), threading.Lock(), Crowd()

    def on_step(progress: Progress) -> bool:
        with turn:
            if not over.is_set() and context.on_step is not None and context.on_step(progress):
                over.set()
        if must_stop():
            over.set()
        return over.is_set()

    def run_one(numbers: Sequence[int]) -> Batch | None:
        if over.is_set():
            return None
        try:
            with crowd.member():
                return run_group(solver, replace(context, on_step=on_step), numbers, begin(numbers))
        except BaseException:
            over.set()
            raise

    with ThreadPoolExecutor(min(cores(), len(groups)), initializer=listen, initargs=(heard(),)) as pool:
        try:
            for future in [pool.submit(run_one, group) for group in groups]:
                if (done := future.result()) is not None:
                    yield done
        finally:
            over.set()


class StartTask(NamedTuple):
    """One start, as it is sent to a worker: solver is the run's, or its chains of samples."""

    spec: RunSpec
    problem: Problem
    solver: Solver
    number: int
    x0: np.ndarray | None
    stops: Stops | None


def run_start(task: StartTask) -> Batch:
    """The start by itself, in one thread, so that it is the same wherever it runs."""
    context = replace(RunContext.of(task.spec, task.problem), stops=task.stops)
    with torch_threads(1) if context.where.name == "torch:cpu" else nullcontext():
        return run_batch(task.solver, context, [task.number], task.x0)


def run_in_workers(
    context: RunContext,
    groups: Sequence[Sequence[int]],
    task: Callable[[int], StartTask],
    executor: str,
    workers: int,
    store: KeptStarts | None = None,
) -> Iterator[Batch]:
    """Each group of starts, in order, put together from its starts as they come from the workers.

    `on_step` hears of each start when it is done. If it returns True, or a request to stop comes, the starts under way stop at
    their next step; they and those that are done are one last, interrupted batch. Raises `SolverError` for a start that its
    workers die of. What the store holds is not run.
    """
    known = {} if store is None else {number: store.read([number]) for group in groups for number in group}
    done: dict[int, Batch] = {number: one for number, one in known.items() if one is not None}
    waiting = list(groups)
    each = (task(number) for group in groups for number in group if known.get(number) is None)
    over = False

    def complete() -> Iterator[Batch]:
        while waiting and all(number in done for number in waiting[0]):
            yield concatenate([done.pop(number) for number in waiting.pop(0)])

    def stop() -> bool:
        return over or must_stop()

    try:
        yield from complete()
        with (
            open_pool(executor, workers) as pool,
            closing(completed(pool, run_start, each, workers, stop=stop, partial=True)) as finished,
        ):
            for sent, future in finished:
                one = done[sent.number] = _outcome(sent, future)
                if store is not None:
                    store.keep([sent.number], one)
                over = over or one.interrupted or _asks_to_stop(context, sent, one)
                if not over:
                    yield from complete()
    except KeyboardInterrupt:
        pass
    if done:
        yield replace(concatenate([done[number] for number in sorted(done)]), interrupted=True)


def _outcome(task: StartTask, future: Future[Batch]) -> Batch:
    error = future.exception()
    if isinstance(error, BrokenExecutor):
        remedy = "Give each more memory: fewer --workers"
        raise SolverError(f"start {task.number}: {error}; it was tried {ATTEMPTS} times. {remedy}") from error
    return future.result()


def _asks_to_stop(context: RunContext, task: StartTask, one: Batch) -> bool:
    """Tell `on_step` of a start that is done, and return its answer."""
    if context.on_step is None:
        return False
    [score], steps = one.scores, one.cost.steps
    free = float("nan") if score.r_free is None else score.r_free
    support = None if one.support is None else one.support[0]
    with looking(lambda: Estimate(one.estimate[0], support, one.kernels[0] is not None)) as look:
        name, starts = task.spec.solver.name, task.spec.starts or 1
        return bool(context.on_step(Progress(task.number, starts, steps, steps, name, score.r, free, 1.0, look)))
