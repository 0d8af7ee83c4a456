"""The unit of a comparison: one entrant on one case, run in any process, to its rows."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..driver.solve import Budget, solve
from ..errors import InputError, SolverError
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
    """What every solver is given alike."""

    starts: int
    seed: int
    budget: Budget
    hold_out: float
    device: str
    ramp: bool
    pictures: int


class Trial(NamedTuple):
    """One entrant, under its label, on one case; its number in the comparison's order."""

    number: int
    case: CompareCase
    label: str
    entrant: Competitor
    plan: TrialSpec


class Outcome(NamedTuple):
    """What a unit leaves: its rows, the last of them the best's. cut: whether the budget stopped it."""

    rows: list[Row]
    picture: Picture | None = None
    cut: bool = False


def run_trial(unit: Trial) -> Outcome:
    """The rows of one entrant on one case. Whatever goes wrong in a solver, a third party's above all, is their reason.

    Raises `InputError` for a foreign result of another shape.
    """
    begun = time.perf_counter()
    try:
        return _read(unit) if isinstance(unit.entrant, ExternalResult) else _solved(unit, unit.entrant)
    except Exception as error:
        if isinstance(unit.entrant, ExternalResult) and isinstance(error, InputError):
            raise
        reason = str(error) if isinstance(error, SolverError) else f"{type(error).__name__}: {error}"
        return failed(unit, reason, time.perf_counter() - begun)


def failed(unit: Trial, reason: str, seconds: float = math.nan) -> Outcome:
    """Rows that tell why there is nothing else."""
    numbers = [] if isinstance(unit.entrant, ExternalResult) else list(range(unit.plan.starts))
    spent = Cost(seconds=seconds)
    return Outcome([_row(unit, start, math.nan, None, {}, spent, 1, reason) for start in (*numbers, None)])


def _solved(unit: Trial, solver: Solver) -> Outcome:
    plan, problem = unit.plan, unit.case.problem
    together = math.prod(problem.shape) <= SMALL and plan.budget.seconds is None
    result = solve(
        solver,
        problem,
        starts=plan.starts,
        seed=plan.seed,
        device=plan.device,
        budget=plan.budget,
        strict=False,
        hold_out=plan.hold_out,
        batch=plan.starts if together else 1,
        agree=0,
    )
    whole = (solver.total or 0) * (1 if together else plan.starts)
    cut = plan.budget != Budget() and result.cost.steps < whole
    rows = []
    for start, (score, estimate) in enumerate(zip(result.scores, result.estimates, strict=True)):
        found = {} if score.failure else evaluate(estimate, result.problem, problem.truth, ramp=plan.ramp)
        rows.append(_row(unit, start, score.r, score.r_free, found, result.cost, plan.starts, score.failure))
    chosen = rows[result.chosen]
    found = {**chosen.metrics, **_raw(result.object, problem), **_combined(result, plan.ramp), "agreement": _agreement(result)}
    best = _row(unit, None, chosen.r, chosen.r_free, found, result.cost, 1, None)
    return Outcome([*rows, best], _picture(unit, best, result.object, result.history[result.chosen]), cut)


def _combined(result: Result, ramp: bool) -> dict[str, float]:
    """The metrics that need the truth, of the starts' weighted mean, under names that begin with ``combined_``."""
    problem = result.problem
    if problem.truth is None or len(result.scores) < 2:
        return {}
    known, found = metrics(), evaluate(weighted_mean(result)[0], problem, problem.truth, ramp=ramp)
    return {f"combined_{name}": value for name, value in found.items() if known[name].needs == "truth"}


def _raw(x: NDArray[np.complex64], problem: Problem) -> dict[str, float]:
    """The metrics that need the truth, of x as it lies, under names that begin with ``raw_``."""
    if problem.truth is None:
        return {}
    known, found = metrics(), evaluate(x, problem, problem.truth, raw=True)
    return {f"raw_{name}": value for name, value in found.items() if known[name].needs == "truth"}


def _agreement(result: Result) -> float:
    """Mean complex correlation of the other starts with the chosen one, aligned; NaN with one start."""
    others = [k for k, score in enumerate(result.scores) if score.failure is None and k != result.chosen]
    return float(np.mean([align(result.estimates[k], result.object).correlation for k in others])) if others else math.nan


def _read(unit: Trial) -> Outcome:
    """The row of a foreign result: its scale fitted, its R over all measured pixels, since it saw them all."""
    assert isinstance(unit.entrant, ExternalResult)
    problem = unit.case.problem
    x = unit.entrant.scaled(problem)
    found = {**evaluate(x, problem, problem.truth, ramp=unit.plan.ramp), **_raw(x, problem)}
    spent = Cost(seconds=math.nan)
    row = _row(unit, None, float(problem.r_factor(x[None])[0]), None, {**found, "agreement": math.nan}, spent, 1, None)
    return Outcome([row], _picture(unit, row, x, {}))


def _row(
    unit: Trial,
    start: int | None,
    r: float,
    free: float | None,
    metrics: Mapping[str, float],
    cost: Cost,
    share: int,
    failure: str | None,
) -> Row:
    case = unit.case
    seconds, ffts, evaluations = cost.seconds / share, cost.ffts // share, cost.network_evaluations // share
    return Row(case.group, case.noise, case.object, unit.label, start, r, free, metrics, seconds, ffts, evaluations, failure)


def _picture(unit: Trial, row: Row, x: np.ndarray, history: Mapping[str, list[float]]) -> Picture | None:
    case, truth = unit.case, unit.case.problem.truth
    if case.object >= unit.plan.pictures:
        return None
    if truth is not None:  # a known support holds x in place; by a part of a pixel walls of phase would become stripes
        finest = 10 if case.problem.support is None else 1
        x = align(x, truth, subpixel=finest, ramp=unit.plan.ramp, scale=True).object
    amplitude = np.fft.fftshift(case.problem.amplitude).astype(np.float32)
    return Picture(row, x.astype(np.complex64), truth, amplitude, history)
