"""One batch of starts run to its end: progress, stopping, checks, cost and scores, the same for every solver."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..errors import InputError, SolverError
from ..io.result import Cost
from ..numerics import fast
from ..numerics.alignment import shift_to_centre
from ..numerics.arrays import Array, Device, find_device, synchronise, to_numpy
from ..operators import Operator
from ..problem import Problem
from ..problem.scoring import Score, Scorer
from ..provenance import sha256_of_array
from ..solvers.base import Solver, Step, Streams
from .batch_result import Batch, concatenate
from .history import History
from .progress import Progress, estimate_of, looking
from .run_spec import Budget, RunSpec, Stops
from .stopping import must_stop
from .vanished import LEAST_R, vanished


def resolve_spec(spec: RunSpec, problem: Problem, x0: np.ndarray | None = None) -> RunSpec:
    """Take what a run leaves open from its solver and the problem, and check it.

    Raises `InputError` for a value out of range, a wrong x0, or a problem that the solver cannot do.
    """
    solver = spec.solver.resolve_for(problem)
    resolved = replace(
        spec,
        solver=solver,
        starts=solver.starts_for(problem) if spec.starts is None else spec.starts,
        batch=solver.batch_for(problem) if spec.batch is None else spec.batch,
        agree=solver.agree if spec.agree is None else spec.agree,
        averaging=spec.averaging or solver.averaging,
        likelihood=problem.likelihood if spec.likelihood is None else spec.likelihood,
        input=spec.input or dict(problem.meta.get("input", {})),
        x0=None if x0 is None else sha256_of_array(x0),
    )
    resolved.check(tuple(problem.shape), None if x0 is None else x0.shape)
    if spec.x0 not in (None, resolved.x0):
        raise InputError(f"the run began with an array x0 of SHA-256 {spec.x0[:12]}…; give that array as x0")
    solver.check(problem)
    return resolved


@dataclass(frozen=True)
class RunContext:
    """A run on its device: what is the same for all its batches.

    source: the problem with all its measured pixels, on the host.  problem: without the held-out ones, on `where`.
    held: mask of the held-out pixels (*detector), zero frequency first.
    stops: the starts to run and the steps to stop them at; None for all of them, by the budget.
    """

    spec: RunSpec
    source: Problem
    problem: Problem
    where: Device
    scorer: Scorer
    held: Array | None
    stops: Stops | None
    on_step: Callable[[Progress], object] | None = None

    @classmethod
    def of(cls, spec: RunSpec, problem: Problem, on_step: Callable[[Progress], object] | None = None) -> RunContext:
        """Put a problem with all its measured pixels on the device that the run names."""
        where = find_device(spec.device, spec.solver.library)
        working, held = problem, None
        if spec.hold_out > 0:
            working, held = problem.hold_out(spec.hold_out, np.random.default_rng([spec.seed, 0]))
            if not float(working.power) > 0:
                pixels = f"{int(to_numpy(held).sum())} of {int(to_numpy(problem.valid).sum())} measured pixels"
                raise InputError(
                    f"{pixels} are held out and hold all the intensity; check the mask (1 = measured, 0 = not), "
                    "or give hold_out=0 (--hold-out 0)"
                )
        scorer = Scorer.of(problem, held, where, working.valid)
        return cls(spec, problem, working.to(where), where, scorer, held, spec.stopped, on_step)

    def is_over(self, start: int, step: int, ffts: int, seconds: float, evaluations: float) -> bool:
        """Tell whether a batch whose first number is `start` has come to the step at which it is stopped."""
        if self.stops is not None:
            return self.stops[start] == step
        return self.spec.budget.spent(step, ffts, seconds, evaluations)

    @property
    def bounded(self) -> bool:
        """Whether anything stops a start before its end."""
        return self.stops is not None or self.spec.budget != Budget()

    def same_stops(self, numbers: Sequence[int]) -> list[Sequence[int]]:
        """The numbers in groups that stop at one step: as they are, unless stops are given that differ."""
        if self.stops is None or len({self.stops[number] for number in numbers}) == 1:
            return [numbers]
        cuts = [k for k in range(1, len(numbers)) if self.stops[numbers[k]] != self.stops[numbers[k - 1]]]
        return [numbers[first:last] for first, last in zip([0, *cuts], [*cuts, len(numbers)], strict=True)]


@dataclass
class CountingOperator(Operator):
    """An operator that counts its transforms, one for each element of the batch."""

    inner: Operator
    ffts: int = 0
    whole: CountingOperator | None = None

    def __post_init__(self) -> None:
        self.in_shape, self.out_shape, self.isometry = self.inner.in_shape, self.inner.out_shape, self.inner.isometry
        self.fourier = self.inner.fourier

    def spend(self, transforms: int) -> None:
        """Add to the counts. A transform of the middle alone counts as one of the whole operator, too."""
        self.ffts += transforms
        if self.whole is not None:
            self.whole.spend(transforms)

    def forward(self, x: Array) -> Array:
        """Count, and transform."""
        self.spend(x.shape[0])
        return self.inner.forward(x)

    def adjoint(self, y: Array) -> Array:
        """Count, and transform back."""
        self.spend(y.shape[0])
        return self.inner.adjoint(y)

    def middle(self, shape: tuple[int, ...]) -> Operator | None:
        """The middle of the inner operator, counted here."""
        inner = self.inner.middle(shape)
        return None if inner is None else CountingOperator(inner, whole=self)


def run_batch(solver: Solver, context: RunContext, numbers: Sequence[int], x0: np.ndarray | None = None) -> Batch:
    """The starts of these numbers, together; `x0` (batch, *shape) in place of the solver's own starts."""
    parts = context.same_stops(numbers)
    ends = np.cumsum([0, *map(len, parts)])
    with fast.plans_used() as plans:
        found = [
            _run(solver, context, part, None if x0 is None else x0[k : k + len(part)])
            for k, part in zip(ends, parts, strict=False)
        ]
    return replace(found[0] if len(found) == 1 else concatenate(found), plans=frozenset(plans))


def _run(solver: Solver, context: RunContext, numbers: Sequence[int], x0: np.ndarray | None) -> Batch:
    spec = context.spec
    counting = CountingOperator(context.problem.operator)
    working = context.problem.replace(operator=counting)
    rng = Streams.of(spec.seed, numbers)
    begun = time.perf_counter()
    n, interrupted, cut, total = 0, False, False, solver.total
    step: Step | None = None
    networks = 0.0
    history = History(len(rng))

    def start(rng: Streams) -> Array:
        return solver.start(working, rng) if x0 is None else context.where.put(x0.copy())

    begin = [start(rng)]  # popped, so that nothing here holds it
    counting.ffts = 0
    steps = iter(solver.steps(working, begin.pop(), rng))
    shape, bounded = (len(rng), *working.shape), context.bounded
    while (made := next(steps, None)) is not None:
        step, made, n = made if isinstance(made, Step) else Step(made), None, n + 1  # nothing but `step` holds it
        if (given := getattr(step.x, "shape", None)) != shape:
            raise SolverError(f"solver {solver.name}: step {n} is {type(step.x).__name__} of shape {given}; yield x of {shape}")
        networks += step.evaluations
        total = step.total or total
        if n % spec.score_every == 0:
            history.add(n, *context.scorer(step.x, step.detector, step.support))
        stage = step.stage or solver.name
        history.enter(n, stage)
        if context.on_step is not None:
            lowest = history.lowest()
            with looking(partial(estimate_of, step, history.free if math.isfinite(lowest[1]) else history.r)) as look:
                told = (numbers[0], spec.starts or 1, n, total, stage, *lowest, step.share, look)
                interrupted = bool(context.on_step(Progress(*told)))
        interrupted = interrupted or must_stop()
        spent = (n, counting.ffts // len(rng), time.perf_counter() - begun, networks) if bounded else None
        cut = interrupted or (spent is not None and context.is_over(numbers[0], *spent))
        if cut:
            break
        if step.more:
            step = None
    synchronise(context.where)
    if n == 0:
        step = Step(start(Streams.of(spec.seed, numbers)))
    if step is None:
        raise SolverError(f"solver {solver.name} ends after {n} steps without a last one; check where it says `more`")
    if history.step != n:
        history.add(n, *context.scorer(step.x, step.detector, step.support))
    cost = Cost(counting.ffts, round(networks * len(rng)), time.perf_counter() - begun, n)
    step = step._replace(x=step.estimate)  # lets go of what lies outside the support
    refined = working.replace(detector=step.detector or working.detector)
    estimate = to_numpy(step.x).astype(np.complex64, copy=step.support is None)
    scores = context.scorer.scores(step.x, refined.detector, np.stack([history.r, history.free]))
    support = None if step.support is None else np.array(np.broadcast_to(to_numpy(step.support), estimate.shape))
    inside = [None] * len(rng) if support is None or interrupted else support
    ends = zip(scores, estimate, inside, numbers, strict=True)
    scores = [_failed(score, x, wrapped, start, n, solver, context.source) for score, x, wrapped, start in ends]
    failure = next((score.failure for score in scores if score.failure), None)
    if failure and spec.strict:
        raise SolverError(failure)
    if working.support is None:
        _centre(estimate, support, scores)
    return Batch(
        estimate,
        support,
        scores,
        history.columns(),
        _kernels(refined, len(numbers)),
        cost,
        interrupted,
        dict.fromkeys(numbers, n if cut else None),
        [tuple(lines) for lines in step.account or [()] * len(numbers)],
        step.excluded,
        stages=history.stages(),
    )


def _failed(
    score: Score, x: np.ndarray, support: np.ndarray | None, start: int, steps: int, solver: Solver, problem: Problem
) -> Score:
    """The score, as a failure if the estimate or its R is not finite, or the support vanished."""
    if not np.isfinite(x).all():
        said = f"NaN or infinite values after {steps} steps of {solver.name}; lower its step"
    elif not x.any():
        said = f"nothing but zeros is left after {steps} steps of {solver.name}; give a larger support, or another solver,"
    elif score.failure:
        said = f"{score.failure} after {steps} steps of {solver.name}; check the mask"
    else:
        if support is None or problem.support is not None or score.r <= LEAST_R:
            return score
        why = vanished(solver, problem, support, score)
        return score if why is None else replace(score, failure=f"start {start}: {why}")
    return replace(score, failure=f"start {start}: {said} or check the data with `retrieve inspect`")


def _centre(estimate: np.ndarray, support: np.ndarray | None, scores: Sequence[Score]) -> None:
    """Centre, in place, what an unknown support let wander."""
    for k, score in enumerate(scores):
        if score.failure is None:
            shift = shift_to_centre(estimate[k])
            for array in (estimate, support):
                if array is not None:
                    array[k] = np.roll(array[k], shift, axis=tuple(range(len(shift))))


def _kernels(problem: Problem, count: int) -> list[np.ndarray | None]:
    """The blur that each start found; None where it found a point, which blurs nothing."""
    kernel = getattr(problem.detector, "kernel", None)
    if kernel is None:
        return [None] * count
    each = np.broadcast_to(to_numpy(kernel), (count, *problem.amplitude.shape))
    return [None if one.flat[0] == 1 else one for one in each]
