"""The starts of one solve, shared out among the workers of an executor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..errors import SolverError
from ..numerics.arrays import Device
from ..solvers.base import Solver
from .batch import Batch, Progress, SolveSpec, concatenate, run_batch
from .executors import ATTEMPTS, completed, open_pool


class StartTask(NamedTuple):
    """One start, as it is sent to a worker: solver is the order's, or what samples in its place."""

    order: SolveSpec
    solver: Solver
    number: int
    x0: np.ndarray | None


def run_start(share: StartTask) -> Batch:
    """The start by itself, in one thread, so that it is the same wherever it runs."""
    plan, _ = share.order.plan()
    with _one_thread(plan.where):
        return run_batch(share.solver, plan, range(share.number, share.number + 1), share.x0)


def run_shared(
    order: SolveSpec,
    solver: Solver,
    batches: Sequence[range],
    x0: np.ndarray | None,
    executor: str,
    workers: int,
    on_step: Callable[[Progress], object] | None,
) -> Iterator[Batch]:
    """Each batch of start numbers, in order, put together from its starts as they come from the workers.

    x0 (starts, *shape), from the first number on.  `on_step` hears of each start when it is done. Where that returns
    True, or Ctrl-C comes, what is done, if anything, is one last, interrupted batch. Raises `SolverError` for a start that its
    workers die of.
    """
    first = batches[0].start
    done: dict[int, Batch] = {}
    waiting = list(batches)
    shares = (
        StartTask(order, solver, number, None if x0 is None else x0[number - first : number - first + 1])
        for numbers in batches
        for number in numbers
    )
    try:
        with open_pool(executor, workers) as pool, closing(completed(pool, run_start, shares, workers)) as finished:
            for share, future in finished:
                one = done[share.number] = _outcome(share, future)
                if on_step is not None and on_step(_told(share, one)):
                    raise KeyboardInterrupt
                while waiting and all(number in done for number in waiting[0]):
                    yield concatenate([done.pop(number) for number in waiting.pop(0)])
    except KeyboardInterrupt:
        if done:
            yield replace(concatenate([done[number] for number in sorted(done)]), interrupted=True)


def _outcome(share: StartTask, future: Future[Batch]) -> Batch:
    error = future.exception()
    if isinstance(error, BrokenExecutor):
        told = f"start {share.number}: {error}; it was tried {ATTEMPTS} times. Give each more memory: fewer --workers"
        raise SolverError(told) from error
    return future.result()


def _told(share: StartTask, one: Batch) -> Progress:
    [score], steps = one.scores, one.cost.steps
    free = float("nan") if score.r_free is None else score.r_free
    return Progress(share.number, share.order.starts, steps, steps, share.order.solver.name, score.r, free)


@contextmanager
def _one_thread(where: Device) -> Iterator[None]:
    """Torch computes in one thread of the CPU: sums in several differ in their last bits."""
    if where.name != "torch:cpu":
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
