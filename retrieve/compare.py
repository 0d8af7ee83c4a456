"""Compare solvers on the same objects: same starts, same held-out pixels, same budget.

::

    cases = benchmarks.named("domains2d-50").cases(noise=[0, 0.05], objects=20)
    comparison = compare({"hio": HIO(), "raar": RAAR()}, cases, starts=8, workers=4)
    summarise(comparison); paired(comparison)
"""

from __future__ import annotations

import dataclasses
import math
import multiprocessing
import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .arrays import find_device
from .comparison import Comparison, Picture, Row
from .driver import Budget, solve
from .errors import InputError, SolverError
from .evaluate import align
from .foreign import Foreign
from .manifest import versions
from .metrics import evaluate, metrics
from .options import values_of
from .problem import Problem
from .result import Cost, Result
from .solvers.base import Solver
from .summary import Paired, Rate, Summary, paired, summarise

__all__ = ["Case", "Entrant", "Paired", "Rate", "Summary", "compare", "paired", "summarise"]

Entrant = Solver | Foreign
SMALL = 2**14  # pixels below which all starts run in one array: quicker, and bit for bit the same
THREADS = ("RETRIEVE_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Case(NamedTuple):
    """One problem of a comparison.

    group: the set or file.  noise: σ of the amplitude noise, None where the data are as they come.
    object: its number.  problem: with its truth where there is one; no solver is shown it.
    """

    group: str
    noise: float | None
    object: int
    problem: Problem


@dataclass(frozen=True)
class _Plan:
    """What every solver is given alike."""

    starts: int
    seed: int
    budget: Budget
    hold_out: float
    device: str
    ramp: bool
    pictures: int


class _Unit(NamedTuple):
    """One entrant on one case."""

    case: Case
    label: str
    entrant: Entrant
    plan: _Plan


class _Outcome(NamedTuple):
    rows: list[Row]
    picture: Picture | None = None
    cut: bool = False


Outcomes = Generator[tuple[int, _Outcome], None, None]


def compare(
    entrants: Mapping[str, Entrant],
    cases: Iterable[Case],
    *,
    starts: int = 8,
    seed: int = 0,
    budget: Budget | None = None,
    hold_out: float = 0.03,
    device: str = "auto",
    ramp: bool = False,
    pictures: int = 1,
    workers: int = 1,
    on_rows: Callable[[list[Row]], object] | None = None,
    about: Mapping[str, Any] | None = None,
) -> Comparison:
    """Run every entrant, by label, on every case: a row a start, and one for the start of best free score.

    Each solver gets the same starts, seed, held-out pixels and budget (of one start; it is stopped at
    the first step past it). What raises, or leaves no finite estimate, is a row with its reason. A
    `Foreign` result is one row. `ramp` lets the alignment with the truth remove a phase ramp, as fits
    measured patterns. `pictures`: objects of each set and noise level that are kept to be looked at.
    `workers` processes share the work, one thread each; the rows are the same whatever their number.
    `on_rows` hears of each entrant's rows on a case as they come. `about` goes into the settings.
    Ctrl-C keeps what there is and says so in ``settings["interrupted"]``.

    Raises `InputError` for a device that is not there and a foreign result of another shape.
    """
    where = find_device(device)
    plan = _Plan(starts, seed, budget or Budget(), hold_out, device, ramp, pictures)
    units = (_Unit(case, label, entrant, plan) for case in cases for label, entrant in entrants.items())
    done: dict[int, _Outcome] = {}
    interrupted = False
    try:
        with closing(_parallel(units, workers) if workers > 1 else _serial(units)) as outcomes:
            for number, outcome in outcomes:
                done[number] = outcome
                if on_rows is not None:
                    on_rows(outcome.rows)
    except KeyboardInterrupt:
        interrupted = True
    in_order = [done[number] for number in sorted(done)]
    settings = {
        **(about or {}),
        "starts": starts,
        "seed": seed,
        "budget": dataclasses.asdict(plan.budget),
        "hold_out": hold_out,
        "ramp": ramp,
        "device": where.name,
        "versions": versions(),
        "stopped_by_budget": list(dict.fromkeys(outcome.rows[0].solver for outcome in in_order if outcome.cut)),
        "interrupted": interrupted,
    }
    return Comparison(
        settings=settings,
        solvers={label: _declared(entrant) for label, entrant in entrants.items()},
        rows=tuple(row for outcome in in_order for row in outcome.rows),
        pictures=tuple(outcome.picture for outcome in in_order if outcome.picture is not None),
    )


def _declared(entrant: Entrant) -> dict[str, Any]:
    """What is told of an entrant: name and all options, or where it was read and how."""
    if isinstance(entrant, Foreign):
        return {"name": "foreign", "options": {"file": entrant.path.name, "convention": entrant.convention}}
    return {"name": entrant.name, "options": values_of(entrant)}


# where it runs -----------------------------------------------------------------------------------


def _serial(units: Iterable[_Unit]) -> Outcomes:
    for number, unit in enumerate(units):
        yield number, _run(unit)


def _parallel(units: Iterable[_Unit], workers: int) -> Outcomes:
    """Outcomes with the units' numbers as they are ready; only as many cases are made as are soon needed."""
    before = set(multiprocessing.active_children())
    waiting: dict[Future[_Outcome], int] = {}
    with _one_thread_each():
        pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_ignore_interrupts)
        try:
            for number, unit in enumerate(units):
                waiting[pool.submit(_run, unit)] = number
                if len(waiting) >= 4 * workers:
                    yield from _ready(waiting)
            while waiting:
                yield from _ready(waiting)
            pool.shutdown()
        except BrokenProcessPool as error:
            raise SolverError(f"one of {workers} workers died, as for want of memory; give fewer (--workers 1)") from error
        finally:  # left early: what still runs is of no use
            pool.shutdown(wait=False, cancel_futures=True)
            for process in set(multiprocessing.active_children()) - before:
                process.terminate()


def _ready(waiting: dict[Future[_Outcome], int]) -> Outcomes:
    done, _ = wait(waiting, return_when=FIRST_COMPLETED)
    for future in done:
        yield waiting.pop(future), future.result()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes started in here use one thread each."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _ignore_interrupts() -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


# one entrant on one case -------------------------------------------------------------------------


def _run(unit: _Unit) -> _Outcome:
    """Whatever goes wrong in a solver, a third party's above all, becomes the reason of its rows."""
    begun = time.perf_counter()
    try:
        return _read(unit) if isinstance(unit.entrant, Foreign) else _solved(unit, unit.entrant)
    except Exception as error:
        if isinstance(unit.entrant, Foreign) and isinstance(error, InputError):
            raise
        reason = str(error) if isinstance(error, SolverError) else f"{type(error).__name__}: {error}"
        numbers = [] if isinstance(unit.entrant, Foreign) else list(range(unit.plan.starts))
        spent = Cost(seconds=time.perf_counter() - begun)
        return _Outcome([_row(unit, start, math.nan, None, {}, spent, 1, reason) for start in (*numbers, None)])


def _solved(unit: _Unit, solver: Solver) -> _Outcome:
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
        rows.append(_row(unit, start, score.chi2, score.free, found, result.cost, plan.starts, score.failure))
    chosen = rows[result.chosen]
    found = {**chosen.metrics, **_raw(result.object, problem), "agreement": _agreement(result)}
    best = _row(unit, None, chosen.chi2, chosen.free, found, result.cost, 1, None)
    return _Outcome([*rows, best], _picture(unit, best, result.object, result.history[result.chosen]), cut)


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


def _read(unit: _Unit) -> _Outcome:
    """The row of a foreign result: its scale fitted, its χ² over all measured pixels, since it saw them all."""
    assert isinstance(unit.entrant, Foreign)
    problem = unit.case.problem
    x = unit.entrant.scaled(problem)
    found = {**evaluate(x, problem, problem.truth, ramp=unit.plan.ramp), **_raw(x, problem)}
    spent = Cost(seconds=math.nan)
    row = _row(unit, None, float(problem.chi2(x[None])[0]), None, {**found, "agreement": math.nan}, spent, 1, None)
    return _Outcome([row], _picture(unit, row, x, {}))


def _row(
    unit: _Unit,
    start: int | None,
    chi2: float,
    free: float | None,
    metrics: Mapping[str, float],
    cost: Cost,
    share: int,
    failure: str | None,
) -> Row:
    case = unit.case
    seconds, ffts, evaluations = cost.seconds / share, cost.ffts // share, cost.network_evaluations // share
    return Row(case.group, case.noise, case.object, unit.label, start, chi2, free, metrics, seconds, ffts, evaluations, failure)


def _picture(unit: _Unit, row: Row, x: np.ndarray, history: Mapping[str, list[float]]) -> Picture | None:
    case, truth = unit.case, unit.case.problem.truth
    if case.object >= unit.plan.pictures:
        return None
    if truth is not None:
        x = align(x, truth, ramp=unit.plan.ramp, scale=True).object
    amplitude = np.fft.fftshift(case.problem.amplitude).astype(np.float32)
    return Picture(row, x.astype(np.complex64), truth, amplitude, history)
