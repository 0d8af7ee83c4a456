"""The one driver: every solver's starts are run, scored and chosen from here."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import InputError, SolverError
from ..io.result import Cost, Result
from ..numerics.alignment import align, shift_to_centre
from ..numerics.arrays import Array, Device, to_numpy
from ..numerics.stacks import align_all, amplitude_spread
from ..operators import PartialCoherence
from ..problem import Problem
from ..problem.scoring import same_support, select_start, standard_error
from ..solvers.base import Solver, Step, Streams
from .batch import Batch, Budget, Progress, SolveSpec, run_in_threads, union
from .manifest import manifest_of
from .parallel import run_shared
from .rescore import rescored

__all__ = ["Budget", "Progress", "shift_to_centre", "solve"]


def solve(
    solver: Solver,
    problem: Problem,
    *,
    starts: int | None = None,
    seed: int = 0,
    device: str = "auto",
    on_step: Callable[[Progress], object] | None = None,
    budget: Budget | None = None,
    strict: bool = True,
    hold_out: float = 0.03,
    batch: int | None = None,
    agree: float | None = None,
    samples: int = 0,
    score_every: int = 20,
    x0: np.ndarray | None = None,
    workers: int = 1,
    executor: str | None = None,
) -> Result:
    """Run `solver` from `starts` random starts and choose the one that predicts the held-out pixels best.

    `starts` is the solver's own number unless given: 8 for diffusion and, in two dimensions, auto, 1 for most.
    Start k draws from the generator seeded by (seed, k): a start gives the same estimate whatever the
    number of starts. `hold_out` is the share of measured pixels kept from the solver, in islands of a
    speckle's size; 0 keeps none, and the working R then chooses. `batch` starts run in one array, as
    many as the solver likes unless given. After a batch no more are run where the two starts of the best
    scores correlate by `agree`, the solver's own value unless given, 0 for never.
    `samples` are drawn from the posterior by solvers that can, around the starts that fit as well as the chosen one.
    `on_step` hears of every step and stops the run by returning True. With `strict` a start that fails
    raises; otherwise it is kept as failed and the others go on.
    `workers` processes share the starts, or what `executor`, as NAME or NAME:WHERE, stands for (`retrieve.driver.executors`).
    Each start is then run by itself, in one thread: the result is the same to the bit wherever and however many they
    are, and `on_step` hears of each start once, when it is done.

    Raises `InputError` for arguments out of range, `SolverError` for a failed start (all of them, when
    not `strict`) and for one that its workers die of.
    """
    solver = solver.resolve_for(problem)
    starts = solver.starts_for(problem) if starts is None else starts
    batch = solver.batch_for(problem) if batch is None else batch
    agree = solver.agree if agree is None else agree
    _check(starts, seed, hold_out, batch, score_every, x0, problem)
    _check_more(solver, agree, samples)
    solver.check(problem)
    order = SolveSpec(
        solver, problem.replace(truth=None), device, starts, seed, hold_out, budget or Budget(), strict, score_every
    )
    plan, held = order.plan(on_step)
    executor = executor or ("processes" if workers > 1 else None)

    def batches(solver: Solver, numbers: Sequence[range], x0: np.ndarray | None) -> Generator[Batch, None, None]:
        """What these batches leave, in order, until one is interrupted; x0 (starts, *shape) from the first of them on."""
        if executor is not None:
            yield from run_shared(order, solver, numbers, x0, executor, workers, on_step)
            return
        for part in numbers:
            here = slice(part.start - numbers[0].start, part.stop - numbers[0].start)
            done = run_in_threads(solver, plan, part, None if x0 is None else x0[here])
            yield done
            if done.interrupted:
                return

    own = None if x0 is None else np.broadcast_to(x0, (starts, *problem.shape))
    runs: list[Batch] = []
    begun = time.perf_counter()
    with closing(batches(solver, _numbers(0, starts, batch), own)) as found:
        for run in found:
            runs.append(run)
            if agree > 0 and sum(len(run.scores) for run in runs) < starts and _agreed(runs, agree):
                break
    if not runs:
        raise KeyboardInterrupt
    settings = {"starts": starts, "hold_out": hold_out, "batch": batch, "agree": agree, "score_every": score_every}
    settings["shared"] = executor is not None
    result = _collect(solver, problem, runs, held, seed, plan.where, time.perf_counter() - begun, settings)
    if not samples or result.interrupted:
        return result
    points, begun = _points(result, samples), time.perf_counter()
    chains = list(batches(_Chains(solver), _numbers(len(result.scores), samples, batch), points))
    return _with_samples(result, chains, samples, time.perf_counter() - begun) if chains else replace(result, interrupted=True)


def _numbers(first: int, count: int, batch: int) -> list[range]:
    """Numbers of starts from `first` on, in batches."""
    stop = first + count
    return [range(k, min(k + batch, stop)) for k in range(first, stop, batch)]


@dataclass(frozen=True)
class _Chains(Solver):
    """A solver's posterior sampling in the place of its search."""

    inner: Solver

    def __post_init__(self) -> None:
        """Its options are the solver's, and checked."""

    def steps(self, problem: Problem, x: Array, rng: Streams) -> Iterator[Step]:
        """Chains from x."""
        return self.inner.samples(problem, x, rng)


def _agreed(runs: list[Batch], threshold: float) -> bool:
    """Whether the two starts of the best scores are alike."""
    estimates, scores = np.concatenate([run.estimate for run in runs]), [score for run in runs for score in run.scores]
    first, *others = np.argsort([score.rank for score in scores], kind="stable")
    if not others or scores[others[0]].failure:
        return False
    return align(estimates[others[0]], estimates[first]).correlation >= threshold


def _points(result: Result, samples: int) -> np.ndarray:
    """Where chains begin: in turn the starts that fit as well as the chosen one, within two standard errors."""
    r = np.array([np.inf if score.failure else score.r for score in result.scores])
    pixels = int(to_numpy(result.problem.valid).sum())
    as_good = np.flatnonzero(r <= r[result.chosen] * (1 + 2 * standard_error(pixels)))
    return result.estimates[as_good[np.arange(samples) % len(as_good)]]


def _with_samples(result: Result, chains: Sequence[Batch], samples: int, seconds: float) -> Result:
    """The result with posterior samples, the last steps of the chains, and their spread."""
    drawn = align_all(np.concatenate([result.object[None], *(run.estimate for run in chains)]), 0)[1:]
    spent = [run.cost for run in chains]
    cost = Cost(
        result.cost.ffts + sum(cost.ffts for cost in spent),
        result.cost.network_evaluations + sum(cost.network_evaluations for cost in spent),
        result.cost.seconds + seconds,
        result.cost.steps + sum(cost.steps for cost in spent),
    )
    return replace(
        result,
        samples=drawn,
        spread=np.abs(drawn).std(axis=0, ddof=1).astype(np.float32) if len(drawn) > 1 else None,
        cost=cost,
        interrupted=any(run.interrupted for run in chains),
        manifest={**result.manifest, "samples": samples},
    )


def _check(starts: int, seed: int, hold_out: float, batch: int, every: int, x0: np.ndarray | None, problem: Problem) -> None:
    for name, value, low in (("starts", starts, 1), ("seed", seed, 0), ("batch", batch, 1), ("score_every", every, 1)):
        if value != int(value) or value < low:
            raise InputError(f"{name}={value!r} must be a whole number of at least {low}")
    if not 0 <= hold_out < 0.5:
        raise InputError(f"hold_out={hold_out!r} must be at least 0 and below 0.5")
    shape = tuple(problem.shape)
    if x0 is not None and x0.shape not in (shape, (1, *shape), (starts, *shape)):
        raise InputError(f"x0 has shape {x0.shape}; give one of the object's shape {shape}, or one for each of {starts} starts")


def _check_more(solver: Solver, agree: float, samples: int) -> None:
    if not 0 <= agree <= 1:
        raise InputError(f"agree={agree!r} is out of range; give a correlation in [0, 1], 0 for never")
    if samples != int(samples) or samples < 0:
        raise InputError(f"samples={samples!r} must be a whole number of at least 0")
    if samples and type(solver).samples is Solver.samples:
        raise InputError(f"solver {solver.name} draws no posterior samples; take diffusion, or samples=0 and several starts")


def _joined(arrays: list[np.ndarray]) -> np.ndarray:
    """The batches as one array; a single one is not copied."""
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _collect(
    solver: Solver,
    problem: Problem,
    runs: list[Batch],
    held: Array | None,
    seed: int,
    where: Device,
    seconds: float,
    settings: dict[str, Any],
) -> Result:
    estimates = _joined([run.estimate for run in runs])
    if (alien := union([run.alien for run in runs])) is not None:
        problem, held = rescored(problem, held, runs, alien)
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
    spent = [run.cost for run in runs]
    networks = sum(cost.network_evaluations for cost in spent)
    cost = Cost(sum(cost.ffts for cost in spent), networks, seconds, sum(cost.steps for cost in spent))
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
        spread=amplitude_spread(estimates[usable], usable.index(chosen)) if len(usable) > 1 else None,
        interrupted=any(run.interrupted for run in runs),
        account=tuple(account for run in runs for account in run.account),
        manifest=manifest_of(solver, problem, seed, where, settings),
    )
