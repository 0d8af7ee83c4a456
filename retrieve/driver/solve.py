"""The one driver: it runs every solver's starts, scores them and selects one."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import SolverError
from ..io.result import Cost, Result
from ..numerics import fast
from ..numerics.alignment import align, shift_to_centre
from ..numerics.arrays import to_numpy
from ..numerics.stacks import amplitude_spread
from ..operators import PartialCoherence
from ..problem import Problem
from ..problem.scoring import same_support, select_start
from ..provenance import versions
from ..solvers.base import Solver
from .batch import RunContext, resolve_spec, run_batch
from .batch_result import Batch, total_cost, union
from .conditions import conditions
from .kept_starts import KeptStarts, RunGroup
from .parallel import StartTask, certain, run_at_once, run_in_threads, run_in_workers
from .progress import Estimate, Progress
from .rescore import rescored
from .run_spec import Budget, RunSpec, Stops, within_memory
from .samples import Chains, points_of, with_samples
from .stopping import must_keep

__all__ = ["Budget", "Estimate", "Progress", "RunSpec", "run", "shift_to_centre", "solve"]


def solve(
    solver: Solver,
    problem: Problem,
    *,
    x0: np.ndarray | None = None,
    on_step: Callable[[Progress], object] | None = None,
    workers: int = 1,
    executor: str | None = None,
    **fields: Any,
) -> Result:
    """Run a solver, and take no verdict: `run` with a `RunSpec` of these fields. `retrieve.solve` is for users."""
    return run(RunSpec(solver=solver, **fields), problem, x0=x0, on_step=on_step, workers=workers, executor=executor)


@within_memory
def run(
    spec: RunSpec,
    problem: Problem,
    *,
    x0: np.ndarray | None = None,
    on_step: Callable[[Progress], object] | None = None,
    workers: int = 1,
    executor: str | None = None,
    whole: bool = False,
    kept: Path | None = None,
) -> Result:
    """Run a `RunSpec`. Errors are those of `solve`.

    Parameters
    ----------
    spec : RunSpec
        All that decides the result.
    problem : Problem
        The problem; its truth is not used.
    x0 : ndarray, optional
        complex (*shape) or (starts, *shape): the array that the starts begin with.
    on_step : callable, optional
        Called with a `Progress` after every step. Return True to stop the run.
    workers : int
        Processes that share the starts.
    executor : str, optional
        NAME or NAME:WHERE of what shares the starts.
    whole : bool
        True: the batch that `on_step` stopped is left out if others came to their end. The cost holds it.
    kept : Path, optional
        A folder that keeps finished starts: those of the same run in it are not run again. Remove it after the result is saved.

    Returns
    -------
    Result
        The result, not averaged.
    """
    executor = executor or ("processes" if workers > 1 else "serial" if spec.separate else None)
    spec = resolve_spec(replace(spec, separate=executor is not None), problem, x0)
    problem = problem.replace(likelihood=spec.likelihood)
    context = RunContext.of(spec, problem.replace(truth=None), on_step)
    starts = spec.starts or 1
    own = None if x0 is None else np.broadcast_to(x0, (starts, *problem.shape))
    runs: list[Batch] = []
    begun = time.perf_counter()
    store = None if kept is None else KeptStarts(kept, context, array_hashes(problem))
    with closing(_batches(context, spec.solver, 0, starts, own, executor, workers, store)) as found:
        for done in found:
            runs.append(done)
            left = spec.stopped is None and sum(len(done.scores) for done in runs) < starts
            if spec.agree and left and _agreed(runs, spec.agree):
                left = False
                break
    if not runs:
        raise KeyboardInterrupt
    before = 0 if store is None else store.seconds
    cost = total_cost([done.cost for done in runs], time.perf_counter() - begun + before)
    between = left and not must_keep() and not any(done.interrupted for done in runs)  # stopped between two starts
    if must_keep():  # as if a budget were spent
        runs = [replace(done, interrupted=False) for done in runs]
    interrupted = between or any(done.interrupted for done in runs)
    if whole:
        runs = [done for done in runs if not done.interrupted] or runs
    result = _collect(context, problem, runs, cost)
    result = replace(result, x0=x0, interrupted=between or result.interrupted)
    chains: list[Batch] = []
    if spec.samples and not result.interrupted and spec.samples_stopped != {} and not must_keep():
        points, begun = points_of(result, spec.samples), time.perf_counter()
        sampling = replace(context, stops=spec.samples_stopped)
        chains = list(_batches(sampling, Chains(spec.solver), len(result.scores), spec.samples, points, executor, workers))
        if must_keep():  # a chain that has not come to its end is no sample
            chains = [done for done in chains if not done.interrupted]
        if chains or not must_keep():
            result = with_samples(result, chains, time.perf_counter() - begun)
    return replace(result, manifest=_manifest(context, runs, chains, interrupted or result.interrupted or must_keep()))


def _batches(
    context: RunContext,
    solver: Solver,
    first: int,
    count: int,
    x0: np.ndarray | None,
    executor: str | None,
    workers: int,
    store: KeptStarts | None = None,
) -> Generator[Batch, None, None]:
    """The batches of `count` starts from number `first` on, in order, until one is interrupted; x0 (count, *shape)."""
    size, stops = context.spec.batch or 1, context.stops
    chosen = [number for number in range(first, first + count) if stops is None or number in stops]
    groups = [chosen[k : k + size] for k in range(0, len(chosen), size)]

    def begin(numbers: Sequence[int]) -> np.ndarray | None:
        return None if x0 is None else x0[[number - first for number in numbers]]

    if executor is not None:

        def task(number: int) -> StartTask:
            return StartTask(context.spec, context.source, solver, number, begin([number]), stops)

        yield from run_in_workers(context, groups, task, executor, workers, store)
        return
    run_group: RunGroup = run_in_threads if context.where.name == "torch:cpu" else run_batch
    run_group = run_group if store is None else store.around(run_group)
    alone = context.where.name != "cpu" or context.bounded  # a budget of time is for a machine of its own
    at_once, interrupted = 1 if alone else certain(groups, tuple(context.source.shape), context.spec.agree), False
    if at_once > 1:
        for done in run_at_once(solver, context, groups[:at_once], begin, run_group):
            yield done
            interrupted = interrupted or done.interrupted
        groups = [] if interrupted else groups[at_once:]
    for group in groups:
        done = run_group(solver, context, group, begin(group))
        yield done
        if done.interrupted:
            return


def _manifest(context: RunContext, runs: Sequence[Batch], chains: Sequence[Batch], cut: bool) -> dict[str, Any]:
    """The run as it was, where each start was stopped, and the machine, ready for JSON."""
    spec, where, shape = context.spec, context.where, tuple(context.source.shape)
    plans = {plan for done in (*runs, *chains) for plan in done.plans}
    if context.bounded or cut:
        spec = replace(spec, stopped=_stops(runs), samples_stopped=_stops(chains))
    return {
        **replace(spec, averaging="best", keep=None).record(),
        "device": where.name,
        "transform": fast.describe(shape, plans) if where.name == "cpu" else where.describe(),
        "versions": versions(),
        "machine": f"{platform.system()} {platform.machine()}",
        "problem": array_hashes(context.source),
        **conditions(spec.solver, spec.likelihood, context.source.operator, context.source.detector),
    }


def array_hashes(problem: Problem) -> dict[str, str]:
    """The SHA-256 of the arrays of a problem that decide its result."""
    arrays = {name: getattr(problem, name) for name in ("amplitude", "valid", "support")}
    return {name: sha256(np.ascontiguousarray(to_numpy(a)).data).hexdigest() for name, a in arrays.items() if a is not None}


def _stops(runs: Sequence[Batch]) -> Stops:
    return {start: step for done in runs for start, step in done.stopped.items()}


def _agreed(runs: Sequence[Batch], threshold: float) -> bool:
    """Whether the two starts of the best scores are alike."""
    estimates, scores = np.concatenate([run.estimate for run in runs]), [score for run in runs for score in run.scores]
    first, *others = np.argsort([score.rank for score in scores], kind="stable")
    if not others or scores[others[0]].failure:
        return False
    return align(estimates[others[0]], estimates[first]).correlation >= threshold


def _collect(context: RunContext, problem: Problem, runs: Sequence[Batch], cost: Cost) -> Result:
    """The starts of all batches, scored by the same pixels, and the chosen one."""
    held = context.held
    if (excluded := union([run.excluded for run in runs])) is not None:
        problem, held = rescored(problem, held, runs, excluded)
    estimates = _joined([run.estimate for run in runs])
    scores = tuple(score for run in runs for score in run.scores)
    usable = [k for k, score in enumerate(scores) if score.failure is None]
    if not usable:
        raise SolverError(f"all {len(scores)} starts failed; the first: {scores[0].failure}")
    masks = [run.support for run in runs if run.support is not None]
    supports = _joined(masks) if len(masks) == len(runs) else None
    chosen = select_start(scores, 0 if held is None else int(to_numpy(held).sum()), same_support(problem, supports))
    kernels = [kernel for run in runs for kernel in run.kernels]
    if (kernel := kernels[chosen]) is not None:
        problem = problem.replace(detector=PartialCoherence(kernel))
    return Result(
        object=estimates[chosen],
        estimates=estimates,
        supports=supports,
        scores=scores,
        chosen=chosen,
        history=tuple(h for run in runs for h in run.history),
        cost=cost,
        problem=problem,
        held=None if held is None else np.fft.fftshift(held),
        spread=amplitude_spread(estimates, chosen, usable) if len(usable) > 1 else None,
        interrupted=any(run.interrupted for run in runs),
        account=tuple(account for run in runs for account in run.account),
        stages=tuple(tuple(one) for run in runs for one in run.stages or [()] * len(run.scores)),
    )


def _joined(arrays: list[np.ndarray]) -> np.ndarray:
    """The batches as one array; a single one is not copied."""
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
