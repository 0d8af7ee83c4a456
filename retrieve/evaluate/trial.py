"""One trial of a comparison: one competitor on one case, run in any process, to its rows."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..driver.solve import Budget, RunSpec, run
from ..driver.stopping import must_stop
from ..errors import RetrieveError, SolverError
from ..io.external import ExternalResult
from ..io.result import Cost, Result
from ..numerics.alignment import align
from ..numerics.arrays import find_device
from ..problem import Problem
from ..solvers.base import Solver
from .averaging import weighted_mean
from .clock import WALL, Watch, clock, clock_of
from .comparison import Picture, Row
from .metrics import evaluate, metrics

Competitor = Solver | ExternalResult
SMALL = 2**14  # pixels below which all starts run in one array: quicker, and bit for bit the same
MOST_STARTS = 2000  # that a solver runs in its seconds
MOST_ROWS = 64  # starts that have a row of their own; the best is chosen among all
_READY: set[tuple[type, tuple[int, ...], str]] = set()  # solvers that ran in this process, on which shape and device
FAILURES = (RetrieveError, ArithmeticError, np.linalg.LinAlgError, MemoryError)
"""What any solver may fail of; another error of a solver of ours is a bug, and is raised."""


class CompareCase(NamedTuple):
    """One problem of a comparison.

    group: the set or file.  noise: σ of the amplitude noise, None where the data are as they come.
    object: its number.  problem: with its truth where there is one; no solver is shown it.
    """

    group: str
    noise: float | None
    object: int
    problem: Problem


@dataclass(frozen=True)
class TrialSpec:
    """What every competitor is given alike.

    starts: how many; with `seconds`, of a block.  seconds: of all starts of an object together, None for no bound.
    """

    starts: int
    seed: int
    budget: Budget
    seconds: float | None
    hold_out: float
    device: str
    ramp: bool
    pictures: int


class Trial(NamedTuple):
    """One competitor, under its label, on one case; its number in the comparison's order."""

    number: int
    case: CompareCase
    label: str
    competitor: Competitor
    spec: TrialSpec


class Outcome(NamedTuple):
    """What a trial leaves: its rows, the last of them the best's. cut: whether the budget let no start come to its end."""

    rows: list[Row]
    picture: Picture | None = None
    cut: bool = False


def run_trial(trial: Trial) -> Outcome:
    """The rows of one competitor on one case. If it fails, they give the reason.

    Raises `InputError` for an external result of another shape, and what a solver of ours raises by mistake.
    """
    begun = time.perf_counter()
    competitor, problem = trial.competitor, trial.case.problem
    if isinstance(competitor, ExternalResult):
        try:
            return _read(trial, competitor.scaled(problem))
        except SolverError as error:
            return failed(trial, str(error))
    try:
        result, watch = _solve(competitor, problem, trial.spec)
    except Exception as error:
        if not isinstance(error, FAILURES) and type(competitor).__module__.startswith("retrieve."):
            raise
        reason = str(error) if isinstance(error, SolverError) else f"{type(error).__name__}: {error}"
        return failed(trial, reason, time.perf_counter() - begun)
    if must_stop():
        raise KeyboardInterrupt
    return _solved(trial, result, watch)


def failed(trial: Trial, reason: str, seconds: float = math.nan) -> Outcome:
    """Rows that give the reason why there is nothing else."""
    numbers = [] if isinstance(trial.competitor, ExternalResult) else list(range(trial.spec.starts))
    spent = Cost(seconds=seconds)
    return Outcome([_row(trial, start, math.nan, None, {}, spent, 1, reason) for start in (*numbers, None)])


def _solve(solver: Solver, problem: Problem, spec: TrialSpec) -> tuple[Result, Watch]:
    """The result within the budget, and the watch that knows how long the solver's starts are.

    With seconds, blocks of starts run one after the other until these are spent. What a process does once, such as loading
    and planning, is done before, by a first step that costs nothing.
    """
    asked = RunSpec(solver, spec.starts, spec.seed, spec.hold_out, spec.budget, agree=0, device=spec.device, strict=False)
    if spec.seconds is None:
        with clock(WALL) as now:
            watch = Watch(None, now)
            together = math.prod(problem.shape) <= SMALL
            return run(replace(asked, batch=spec.starts if together else 1), problem, on_step=watch), watch
    if (key := (type(solver), tuple(problem.shape), spec.device)) not in _READY:
        run(replace(asked, starts=1, budget=Budget(steps=1)), problem)
        _READY.add(key)
    block = min(spec.starts, solver.resolve_for(problem).batch_for(problem))
    asked = replace(asked, starts=1 if solver.deterministic else MOST_STARTS, batch=block)
    with clock(clock_of(find_device(spec.device, solver.library).name)) as now:
        watch = Watch(spec.seconds, now)
        result = run(asked, problem, on_step=watch, whole=True)
        return replace(result, cost=replace(result.cost, seconds=watch.spent)), watch


def _solved(trial: Trial, result: Result, watch: Watch) -> Outcome:
    """A row a start, and one for the chosen start."""
    spec, truth, count = trial.spec, trial.case.problem.truth, len(result.scores)
    stopped = result.manifest["stopped"] or {}
    completed = [watch.completed(start, stopped.get(str(start))) for start in range(count)]
    rows = []
    for start in sorted({*range(min(count, MOST_ROWS)), result.chosen}):
        score, estimate = result.scores[start], result.estimates[start]
        found = {} if score.failure else evaluate(estimate, result.problem, truth, ramp=spec.ramp)
        row = _row(trial, start, score.r, score.r_free, found, result.cost, count, score.failure)
        rows.append(replace(row, completed=completed[start]))
    chosen = next(row for row in rows if row.start == result.chosen)
    found = dict(chosen.metrics) | {"agreement": _agreement(result)}
    if truth is not None:
        found |= _against_truth("raw", result.object, result.problem, raw=True)
        if count > 1:
            found |= _against_truth("averaged", weighted_mean(result)[0], result.problem, ramp=spec.ramp)
    farthest = max((share for share in completed if share is not None), default=None)
    best = _row(trial, None, chosen.r, chosen.r_free, found, result.cost, 1, None)
    best = replace(best, completed=farthest, starts=count)
    picture = _picture(trial, best, result.object, result.history[result.chosen])
    shown = [row for row in rows if row.start is not None and row.start < MOST_ROWS]
    return Outcome([*shown, best], picture, cut=farthest != 1)


def _read(trial: Trial, x: NDArray[np.complex64]) -> Outcome:
    """The row of an external result, its scale fitted. Its R is over all measured pixels, since it saw them all."""
    problem, spent = trial.case.problem, Cost(seconds=math.nan)
    found = evaluate(x, problem, ramp=trial.spec.ramp) | {"agreement": math.nan}
    if problem.truth is not None:
        found |= _against_truth("raw", x, problem, raw=True)
    row = _row(trial, None, float(problem.r_factor(x[None])[0]), None, found, spent, 1, None)
    return Outcome([row], _picture(trial, row, x, {}))


def _against_truth(prefix: str, x: NDArray[np.complex64], problem: Problem, **how: bool) -> dict[str, float]:
    """The metrics of x that need the truth, under names that begin with the prefix."""
    known = metrics()
    return {f"{prefix}_{name}": value for name, value in evaluate(x, problem, **how).items() if known[name].needs == "truth"}


def _agreement(result: Result) -> float:
    """Mean complex correlation of the other starts with the chosen one, aligned; NaN with one start."""
    others = [k for k, score in enumerate(result.scores[:MOST_ROWS]) if score.failure is None and k != result.chosen]
    return float(np.mean([align(result.estimates[k], result.object).correlation for k in others])) if others else math.nan


def _row(
    trial: Trial,
    start: int | None,
    r: float,
    free: float | None,
    metrics: Mapping[str, float],
    cost: Cost,
    share: int,
    failure: str | None,
) -> Row:
    case = trial.case
    seconds, ffts, evaluations = cost.seconds / share, cost.ffts // share, cost.network_evaluations // share
    return Row(case.group, case.noise, case.object, trial.label, start, r, free, metrics, seconds, ffts, evaluations, failure)


def _picture(trial: Trial, row: Row, x: np.ndarray, history: Mapping[str, list[float]]) -> Picture | None:
    case, truth = trial.case, trial.case.problem.truth
    if case.object >= trial.spec.pictures:
        return None
    if truth is not None:  # a known support holds x in place; by a part of a pixel walls of phase would become stripes
        finest = 10 if case.problem.support is None else 1
        x = align(x, truth, subpixel=finest, ramp=trial.spec.ramp, scale=True).object
    amplitude = np.fft.fftshift(case.problem.amplitude).astype(np.float32)
    return Picture(row, x.astype(np.complex64), truth, amplitude, history)
