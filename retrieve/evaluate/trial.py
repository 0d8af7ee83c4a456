"""One trial of a comparison: one competitor on one case, run in any process, to its rows."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..driver.solve import Budget, solve
from ..errors import RetrieveError, SolverError
from ..io.external import ExternalResult
from ..io.result import Cost, Result
from ..numerics.alignment import align
from ..problem import Problem
from ..solvers.base import Solver
from .averaging import weighted_mean
from .comparison import Picture, Row
from .metrics import evaluate, metrics

Competitor = Solver | ExternalResult
SMALL = 2**14  # pixels below which all starts run in one array: quicker, and bit for bit the same
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
    """What every competitor is given alike."""

    starts: int
    seed: int
    budget: Budget
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
    """What a trial leaves: its rows, the last of them the best's. cut: whether the budget stopped it."""

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
        result = _solve(competitor, problem, trial.spec)
    except Exception as error:
        if not isinstance(error, FAILURES) and type(competitor).__module__.startswith("retrieve."):
            raise
        reason = str(error) if isinstance(error, SolverError) else f"{type(error).__name__}: {error}"
        return failed(trial, reason, time.perf_counter() - begun)
    return _solved(trial, result, competitor.total)


def failed(trial: Trial, reason: str, seconds: float = math.nan) -> Outcome:
    """Rows that give the reason why there is nothing else."""
    numbers = [] if isinstance(trial.competitor, ExternalResult) else list(range(trial.spec.starts))
    spent = Cost(seconds=seconds)
    return Outcome([_row(trial, start, math.nan, None, {}, spent, 1, reason) for start in (*numbers, None)])


def _together(problem: Problem, spec: TrialSpec) -> bool:
    """Whether all starts run in one array."""
    return math.prod(problem.shape) <= SMALL and spec.budget.seconds is None


def _solve(solver: Solver, problem: Problem, spec: TrialSpec) -> Result:
    return solve(
        solver,
        problem,
        starts=spec.starts,
        seed=spec.seed,
        device=spec.device,
        budget=spec.budget,
        strict=False,
        hold_out=spec.hold_out,
        batch=spec.starts if _together(problem, spec) else 1,
        agree=0,
    )


def _solved(trial: Trial, result: Result, total: int | None) -> Outcome:
    """A row a start, and one for the chosen start; total: the steps to the solver's own end."""
    spec, truth = trial.spec, trial.case.problem.truth
    rows = []
    for start, (score, estimate) in enumerate(zip(result.scores, result.estimates, strict=True)):
        found = {} if score.failure else evaluate(estimate, result.problem, truth, ramp=spec.ramp)
        rows.append(_row(trial, start, score.r, score.r_free, found, result.cost, spec.starts, score.failure))
    chosen = rows[result.chosen]
    found = dict(chosen.metrics) | {"agreement": _agreement(result)}
    if truth is not None:
        found |= _against_truth("raw", result.object, result.problem, raw=True)
        if len(result.scores) > 1:
            found |= _against_truth("averaged", weighted_mean(result)[0], result.problem, ramp=spec.ramp)
    best = _row(trial, None, chosen.r, chosen.r_free, found, result.cost, 1, None)
    stops = (result.manifest["stopped"] or {}).values()
    cut = any(step not in (None, total) for step in stops)
    return Outcome([*rows, best], _picture(trial, best, result.object, result.history[result.chosen]), cut)


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
    others = [k for k, score in enumerate(result.scores) if score.failure is None and k != result.chosen]
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
