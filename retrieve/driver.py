"""The one driver: starts, progress, stopping, checks, cost and scores are here, for every solver."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .arrays import Array, Device, find_device, synchronise, to_numpy
from .ensemble import spread
from .errors import InputError, SolverError
from .manifest import manifest_of
from .operators import Operator, PartialCoherence
from .problem import Problem
from .result import Cost, Result, Score
from .score import Scorer
from .solvers.base import Solver, Step, Streams


@dataclass(frozen=True)
class Budget:
    """What one start may spend; None is no bound. The driver stops it at the first step past a bound."""

    steps: int | None = None
    seconds: float | None = None
    ffts: int | None = None

    def spent(self, steps: int, ffts: int, seconds: float) -> bool:
        """Whether a start that has used so much is past a bound."""
        used = ((self.steps, steps), (self.ffts, ffts), (self.seconds, seconds))
        return any(bound is not None and value >= bound for bound, value in used)


class Progress(NamedTuple):
    """What `on_step` is told: every step, with the scores as they were last taken, NaN where there are none."""

    start: int
    starts: int
    step: int
    total: int | None
    stage: str
    chi2: float
    free: float


@dataclass
class _Counting(Operator):
    """An operator that counts its transforms, one for each element of the batch."""

    inner: Operator
    ffts: int = 0

    def __post_init__(self) -> None:
        self.in_shape, self.out_shape, self.isometry = self.inner.in_shape, self.inner.out_shape, self.inner.isometry

    def forward(self, x: Array) -> Array:
        self.ffts += x.shape[0]
        return self.inner.forward(x)

    def adjoint(self, y: Array) -> Array:
        self.ffts += y.shape[0]
        return self.inner.adjoint(y)


@dataclass
class _Run:
    """What one batch of starts leaves, on the host."""

    estimate: np.ndarray
    support: np.ndarray | None
    scores: list[Score]
    history: Sequence[Mapping[str, list[float]]]
    kernels: Sequence[np.ndarray | None]
    cost: Cost
    interrupted: bool


def solve(
    solver: Solver,
    problem: Problem,
    *,
    starts: int = 1,
    seed: int = 0,
    device: str = "auto",
    on_step: Callable[[Progress], object] | None = None,
    budget: Budget | None = None,
    strict: bool = True,
    hold_out: float = 0.03,
    batch: int = 1,
    score_every: int = 20,
    x0: np.ndarray | None = None,
) -> Result:
    """Run `solver` from `starts` random starts and choose the one that predicts the held-out pixels best.

    Start k draws from the generator seeded by (seed, k): a start gives the same estimate whatever the
    number of starts. `hold_out` is the share of measured pixels kept from the solver, in islands of a
    speckle's size; 0 keeps none, and the working χ² then chooses. `batch` starts run in one array.
    `on_step` hears of every step and stops the run by returning True. With `strict` a start that fails
    raises; otherwise it is kept as failed and the others go on.

    Raises `InputError` for arguments out of range, `SolverError` for a failed start (all of them, when
    not `strict`).
    """
    _check(starts, seed, hold_out, batch, score_every, x0, problem)
    where = find_device(device, solver.library)
    working, held = problem, None
    if hold_out > 0:
        working, held = problem.hold_out(hold_out, np.random.default_rng([seed, 0]))
    scorer = Scorer.of(problem, held, where)
    runs: list[_Run] = []
    begun = time.perf_counter()
    for first in range(0, starts, batch):
        numbers = range(first, min(first + batch, starts))
        runs.append(
            _run(
                solver,
                working.to(where),
                where,
                numbers,
                starts,
                seed,
                on_step,
                budget or Budget(),
                strict,
                scorer,
                score_every,
                x0,
            )
        )
        if runs[-1].interrupted:
            break
    return _collect(
        solver,
        problem,
        runs,
        held,
        seed,
        where,
        time.perf_counter() - begun,
        {"starts": starts, "hold_out": hold_out, "batch": batch, "score_every": score_every},
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


def _run(
    solver: Solver,
    working: Problem,
    where: Device,
    numbers: range,
    starts: int,
    seed: int,
    on_step: Callable[[Progress], object] | None,
    budget: Budget,
    strict: bool,
    scorer: Scorer,
    every: int,
    x0: np.ndarray | None,
) -> _Run:
    counting = _Counting(working.operator)
    working = working.replace(operator=counting)
    rng = Streams.of(seed, numbers)
    begun = time.perf_counter()
    own = None if x0 is None else np.broadcast_to(x0, (starts, *working.shape))[numbers.start : numbers.stop]
    x = solver.start(working, rng) if own is None else where.put(own.copy())
    step, n, stopped, total = Step(x), 0, False, solver.total
    history: dict[str, list[list[float]]] = {"step": [], "chi2": [], "free": []}
    chi2 = free = np.full(len(rng), np.nan)
    counting.ffts = 0
    shape, bounded = (len(rng), *working.shape), budget != Budget()
    told = (math.nan, math.nan)
    for n, step in enumerate(solver.steps(working, x, rng), start=1):
        if step.x.shape != shape:
            raise SolverError(f"solver {solver.name}: step {n} has shape {tuple(step.x.shape)}, not {shape}")
        if n % every == 0:
            chi2, free = _take(history, scorer, n, step)
            told = (_least(chi2), _least(free))
        if on_step is not None:
            stage = str(step.info.get("stage", solver.name))
            stopped = bool(on_step(Progress(numbers[0], starts, n, total, stage, *told)))
        if stopped or (bounded and budget.spent(n, counting.ffts // len(rng), time.perf_counter() - begun)):
            break
    synchronise(where)
    if history["step"][-1:] != [[float(n)] * len(rng)]:
        chi2, free = _take(history, scorer, n, step)
    cost = Cost(counting.ffts, 0, time.perf_counter() - begun, n)
    return _finish(solver, working, step, chi2, free, numbers, strict, history, cost, stopped)


def _take(history: dict[str, list[list[float]]], scorer: Scorer, n: int, step: Step) -> tuple[np.ndarray, np.ndarray]:
    chi2, free = scorer(step.estimate, step.info.get("detector"))
    for name, values in (("step", np.full(len(chi2), float(n))), ("chi2", chi2), ("free", free)):
        history[name].append(values.tolist())
    return chi2, free


def _least(values: np.ndarray) -> float:
    """The smallest score of a batch, NaN where none is taken yet."""
    return float(values[np.isfinite(values)].min(initial=np.inf)) if np.isfinite(values).any() else float("nan")


def _finish(
    solver: Solver,
    working: Problem,
    step: Step,
    chi2: np.ndarray,
    free: np.ndarray,
    numbers: range,
    strict: bool,
    history: dict[str, list[list[float]]],
    cost: Cost,
    stopped: bool,
) -> _Run:
    """Bring a batch to the host, check it, and centre what an unknown support let wander."""
    refined = working.replace(detector=step.info.get("detector", working.detector))
    nll = to_numpy(refined.nll(step.estimate)) / float(to_numpy(working.valid).sum())
    estimate = to_numpy(step.estimate).astype(np.complex64)
    support = None if step.support is None else np.array(np.broadcast_to(to_numpy(step.support), estimate.shape))
    scores = []
    for k, start in enumerate(numbers):
        finite = bool(np.isfinite(estimate[k]).all())
        failure = None if finite else f"start {start}: NaN or infinite values after {cost.steps} steps of {solver.name}"
        if failure and strict:
            raise SolverError(failure + "; lower its step or check the data with `retrieve inspect`")
        scores.append(Score(float(chi2[k]), None if np.isnan(free[k]) else float(free[k]), float(nll[k]), failure))
        if finite and working.support is None:
            shift = shift_to_centre(estimate[k])
            estimate[k] = np.roll(estimate[k], shift, axis=tuple(range(len(shift))))
            if support is not None:
                support[k] = np.roll(support[k], shift, axis=tuple(range(len(shift))))
    each = [{name: [row[k] for row in rows] for name, rows in history.items()} for k in range(len(numbers))]
    kernel = getattr(refined.detector, "kernel", None)
    shape = (len(numbers), *working.amplitude.shape)
    kernels = [None] * len(numbers) if kernel is None else list(np.broadcast_to(to_numpy(kernel), shape))
    return _Run(estimate, support, scores, each, kernels, cost, stopped)


def shift_to_centre(x: np.ndarray) -> tuple[int, ...]:
    """Whole pixels by which to roll x (*shape) so that its centre of mass, on the torus, is at N//2."""
    weight = np.abs(x) ** 2
    shift = []
    for axis, n in enumerate(x.shape):
        line = weight.sum(axis=tuple(a for a in range(x.ndim) if a != axis), dtype=float)
        angle = np.angle(np.sum(line * np.exp(2j * np.pi * np.arange(n) / n)))
        shift.append((2 * (n // 2) - round(angle * n / (2 * np.pi))) % n - n // 2)
    return tuple(shift)


def _collect(
    solver: Solver,
    problem: Problem,
    runs: list[_Run],
    held: Array | None,
    seed: int,
    where: Device,
    seconds: float,
    settings: dict[str, Any],
) -> Result:
    estimates = np.concatenate([run.estimate for run in runs])
    scores = tuple(score for run in runs for score in run.scores)
    usable = [k for k, score in enumerate(scores) if score.failure is None]
    if not usable:
        raise SolverError(f"all {len(scores)} starts failed; the first: {scores[0].failure}")
    chosen = min(usable, key=lambda k: scores[k].rank)
    kernels = [kernel for run in runs for kernel in run.kernels]
    if (kernel := kernels[chosen]) is not None:
        problem = problem.replace(detector=PartialCoherence(kernel))
    masks = [run.support for run in runs if run.support is not None]
    supports = np.concatenate(masks) if len(masks) == len(runs) else None
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
        spread=spread(estimates[usable], usable.index(chosen)) if len(usable) > 1 else None,
        interrupted=any(run.interrupted for run in runs),
        manifest=manifest_of(solver, problem, seed, where, settings),
    )
