"""One batch of starts run to its end: progress, stopping, checks, cost and scores, the same for every solver."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..errors import SolverError
from ..io.result import Cost
from ..numerics.alignment import shift_to_centre
from ..numerics.arrays import Array, Device, cores, find_device, synchronise, to_numpy
from ..operators import Operator
from ..problem import Problem
from ..problem.scoring import Score, Scorer
from ..solvers.base import Solver, Step, Streams


@dataclass(frozen=True)
class Budget:
    """What one start may spend; None is no bound. The driver stops it at the first step past a bound."""

    steps: int | None = None
    seconds: float | None = None
    ffts: int | None = None
    evaluations: float | None = None

    def spent(self, steps: int, ffts: int, seconds: float, evaluations: float = 0) -> bool:
        """Whether a start that has used so much is past a bound."""
        used = ((self.steps, steps), (self.ffts, ffts), (self.seconds, seconds), (self.evaluations, evaluations))
        return any(bound is not None and value >= bound for bound, value in used)


class Progress(NamedTuple):
    """What `on_step` is told: every step, with the scores as they were last taken, NaN where there are none."""

    start: int
    starts: int
    step: int
    total: int | None
    stage: str
    r: float
    r_free: float


@dataclass
class _Counting(Operator):
    """An operator that counts its transforms, one for each element of the batch."""

    inner: Operator
    ffts: int = 0
    whole: _Counting | None = None

    def __post_init__(self) -> None:
        self.in_shape, self.out_shape, self.isometry = self.inner.in_shape, self.inner.out_shape, self.inner.isometry
        self.fourier = self.inner.fourier

    def spend(self, transforms: int) -> None:
        """Add to the counts, also of the operator whose middle this is, where a smaller transform counts as one."""
        self.ffts += transforms
        if self.whole is not None:
            self.whole.spend(transforms)

    def forward(self, x: Array) -> Array:
        self.spend(x.shape[0])
        return self.inner.forward(x)

    def adjoint(self, y: Array) -> Array:
        self.spend(y.shape[0])
        return self.inner.adjoint(y)

    def middle(self, shape: tuple[int, ...]) -> Operator | None:
        inner = self.inner.middle(shape)
        return None if inner is None else _Counting(inner, whole=self)


@dataclass
class Batch:
    """What one batch of starts leaves, on the host."""

    estimate: np.ndarray
    support: np.ndarray | None
    scores: list[Score]
    history: Sequence[Mapping[str, list[float]]]
    kernels: Sequence[np.ndarray | None]
    cost: Cost
    interrupted: bool
    account: Sequence[tuple[str, ...]] = ()
    alien: np.ndarray | None = None


@dataclass(frozen=True)
class RunContext:
    """What is the same for all batches of a solve.

    problem: on `where`, without the held-out pixels.  starts: how many there are in all.
    """

    problem: Problem
    where: Device
    starts: int
    seed: int
    scorer: Scorer
    budget: Budget
    strict: bool
    score_every: int
    on_step: Callable[[Progress], object] | None


@dataclass(frozen=True)
class SolveSpec:
    """All that decides a solve but the numbers of its starts; it can be sent to another process.

    problem: with all its measured pixels, on the host.  hold_out: the share of them that no solver is shown.
    """

    solver: Solver
    problem: Problem
    device: str
    starts: int
    seed: int
    hold_out: float
    budget: Budget
    strict: bool
    score_every: int

    def plan(self, on_step: Callable[[Progress], object] | None = None) -> tuple[RunContext, Array | None]:
        """The plan of it on its device, and the mask of the held-out pixels, zero frequency first."""
        where = find_device(self.device, self.solver.library)
        working, held = self.problem, None
        if self.hold_out > 0:
            working, held = self.problem.hold_out(self.hold_out, np.random.default_rng([self.seed, 0]))
        scorer = Scorer.of(self.problem, held, where, working.valid)
        rest = (self.starts, self.seed, scorer, self.budget, self.strict, self.score_every, on_step)
        return RunContext(working.to(where), where, *rest), held


def run_in_threads(solver: Solver, plan: RunContext, numbers: range, x0: np.ndarray | None = None) -> Batch:
    """`run_batch`; on torch's CPU in parts side by side, each on one core, since layers so small gain little from two."""
    parts = min(cores(), len(numbers)) if plan.where.name == "torch:cpu" else 1
    if parts == 1:
        return run_batch(solver, plan, numbers, x0)
    import torch

    ends = [len(numbers) * k // parts for k in range(parts + 1)]
    over, before = threading.Event(), torch.get_num_threads()

    def told(progress: Progress) -> bool:
        if plan.on_step is not None and progress.start == numbers[0] and plan.on_step(progress):
            over.set()
        return over.is_set()

    def run(first: int, last: int) -> Batch:
        torch.set_num_threads(1)
        try:
            return run_batch(solver, replace(plan, on_step=told), numbers[first:last], None if x0 is None else x0[first:last])
        except BaseException:
            over.set()
            raise

    try:
        with ThreadPoolExecutor(parts - 1) as pool:
            others = [pool.submit(run, *ends[k : k + 2]) for k in range(1, parts)]
            found = [run(*ends[:2]), *(other.result() for other in others)]
    finally:
        torch.set_num_threads(before)
    return concatenate(found)


def concatenate(parts: Sequence[Batch]) -> Batch:
    """Parts that ran side by side as one batch; its steps and seconds are those of the longest."""
    masks = [part.support for part in parts if part.support is not None]
    spent = [part.cost for part in parts]
    return Batch(
        np.concatenate([part.estimate for part in parts]),
        np.concatenate(masks) if len(masks) == len(parts) else None,
        [score for part in parts for score in part.scores],
        [one for part in parts for one in part.history],
        [kernel for part in parts for kernel in part.kernels],
        Cost(
            sum(cost.ffts for cost in spent),
            sum(cost.network_evaluations for cost in spent),
            max(cost.seconds for cost in spent),
            max(cost.steps for cost in spent),
        ),
        any(part.interrupted for part in parts),
        [one for part in parts for one in part.account],
        union([part.alien for part in parts]),
    )


def union(masks: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """Where any mask is True; None where there is none."""
    given = [mask for mask in masks if mask is not None]
    return np.any(given, axis=0) if given else None


def run_batch(solver: Solver, plan: RunContext, numbers: range, x0: np.ndarray | None = None) -> Batch:
    """The starts of these numbers, together; `x0` (batch, *shape) in place of the solver's own starts."""
    counting = _Counting(plan.problem.operator)
    working = plan.problem.replace(operator=counting)
    rng = Streams.of(plan.seed, numbers)
    begun = time.perf_counter()
    n, stopped, total = 0, False, solver.total
    step: Step | None = None
    networks = 0.0
    history: dict[str, list[list[float]]] = {"step": [], "r": [], "r_free": []}
    r = free = np.full(len(rng), np.nan)

    def start(rng: Streams) -> Array:
        return solver.start(working, rng) if x0 is None else plan.where.put(x0.copy())

    begin = [start(rng)]  # popped, so that nothing here holds it
    counting.ffts = 0
    steps = iter(solver.steps(working, begin.pop(), rng))
    shape, bounded = (len(rng), *working.shape), plan.budget != Budget()
    told = (math.nan, math.nan)
    while (made := next(steps, None)) is not None:
        step, made, n = made, None, n + 1  # nothing but `step` holds it
        if step.x.shape != shape:
            raise SolverError(f"solver {solver.name}: step {n} has shape {tuple(step.x.shape)}, not {shape}")
        networks += step.evaluations
        total = step.total or total
        if n % plan.score_every == 0:
            r, free = _take(history, plan.scorer, n, step)
            told = (_least(r), _least(free))
        if plan.on_step is not None:
            stopped = bool(plan.on_step(Progress(numbers[0], plan.starts, n, total, step.stage or solver.name, *told)))
        if stopped or (bounded and plan.budget.spent(n, counting.ffts // len(rng), time.perf_counter() - begun, networks)):
            break
        if step.more:
            step = None
    synchronise(plan.where)
    if n == 0:
        step = Step(start(Streams.of(plan.seed, numbers)))
    if step is None:
        raise SolverError(f"solver {solver.name} ends after {n} steps without a last one; check where it says `more`")
    if history["step"][-1:] != [[float(n)] * len(rng)]:
        r, free = _take(history, plan.scorer, n, step)
    cost = Cost(counting.ffts, round(networks * len(rng)), time.perf_counter() - begun, n)
    step = step._replace(x=step.estimate)  # lets go of what lies outside the support
    return _finish(solver, working, step, r, free, numbers, plan.strict, history, cost, stopped)


def _take(history: dict[str, list[list[float]]], scorer: Scorer, n: int, step: Step) -> tuple[np.ndarray, np.ndarray]:
    r, free = scorer(step.x, step.detector, step.support)
    for name, values in (("step", np.full(len(r), float(n))), ("r", r), ("r_free", free)):
        history[name].append(values.tolist())
    return r, free


def _least(values: np.ndarray) -> float:
    """The smallest score of a batch, NaN where none is taken yet."""
    return float(values[np.isfinite(values)].min(initial=np.inf)) if np.isfinite(values).any() else float("nan")


def _finish(
    solver: Solver,
    working: Problem,
    step: Step,
    r: np.ndarray,
    free: np.ndarray,
    numbers: range,
    strict: bool,
    history: dict[str, list[list[float]]],
    cost: Cost,
    stopped: bool,
) -> Batch:
    """Bring a batch to the host, check it, and centre what an unknown support let wander. x of the step is its estimate."""
    refined = working.replace(detector=step.detector or working.detector)
    nll = to_numpy(refined.nll(step.x)) / float(to_numpy(working.valid).sum())
    estimate = to_numpy(step.x).astype(np.complex64, copy=step.support is None)
    support = None if step.support is None else np.array(np.broadcast_to(to_numpy(step.support), estimate.shape))
    scores = []
    for k, start in enumerate(numbers):
        finite = bool(np.isfinite(estimate[k]).all())
        failure = None if finite else f"start {start}: NaN or infinite values after {cost.steps} steps of {solver.name}"
        if failure and strict:
            raise SolverError(failure + "; lower its step or check the data with `retrieve inspect`")
        scores.append(Score(float(r[k]), None if np.isnan(free[k]) else float(free[k]), float(nll[k]), failure))
        if finite and working.support is None:
            shift = shift_to_centre(estimate[k])
            estimate[k] = np.roll(estimate[k], shift, axis=tuple(range(len(shift))))
            if support is not None:
                support[k] = np.roll(support[k], shift, axis=tuple(range(len(shift))))
    each = [{name: [row[k] for row in rows] for name, rows in history.items()} for k in range(len(numbers))]
    kernel = getattr(refined.detector, "kernel", None)
    shape = (len(numbers), *working.amplitude.shape)
    kernels = [None] * len(numbers) if kernel is None else list(np.broadcast_to(to_numpy(kernel), shape))
    kernels = [None if one is None or one.flat[0] == 1 else one for one in kernels]  # a point blurs nothing
    account = [tuple(lines) for lines in step.account or [()] * len(numbers)]
    return Batch(estimate, support, scores, each, kernels, cost, stopped, account, step.excluded)
