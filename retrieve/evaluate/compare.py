"""Compare solvers on the same objects: same starts, same held-out pixels, same budget.

::

    cases = benchmark("domains2d-50").cases(noise=[0, 0.05], objects=20)
    comparison = compare({"hio": HIO(), "diffusion": Diffusion()}, cases, starts=4, seconds=15, workers=4)
    summarise(comparison); paired(comparison)
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Future
from contextlib import closing
from typing import Any

import numpy as np

from ..driver.executors import ATTEMPTS, completed, open_pool
from ..driver.solve import Budget
from ..errors import InputError
from ..io.external import ExternalResult
from ..numerics.arrays import find_device
from ..plugins.options import values_of
from ..provenance import versions
from .clock import WALL, clock_of
from .comparison import Comparison, Picture, Row
from .statistics import Paired, Rate, Summary, paired, summarise
from .store import Store
from .trial import CompareCase, Competitor, Outcome, Trial, TrialSpec, failed, run_trial

__all__ = ["CompareCase", "Competitor", "Paired", "Rate", "Summary", "compare", "paired", "summarise"]

WAIT = 0.2  # seconds before it looks again for what other processes run


def compare(
    competitors: Mapping[str, Competitor],
    cases: Iterable[CompareCase],
    *,
    starts: int = 8,
    seed: int = 0,
    budget: Budget | None = None,
    seconds: float | None = None,
    hold_out: float = 0.03,
    device: str = "auto",
    ramp: bool = False,
    pictures: int = 1,
    workers: int = 1,
    executor: str | None = None,
    store: Store | None = None,
    on_rows: Callable[[list[Row]], object] | None = None,
    on_picture: Callable[[Picture], object] | None = None,
    about: Mapping[str, Any] | None = None,
) -> Comparison:
    """Run every competitor on every case: a row a start, and one for the start of the lowest R_free.

    Parameters
    ----------
    competitors : mapping of str to Solver or ExternalResult
        By label. All get the same starts, seed, held-out pixels and budget. An external result is one row.
    cases : iterable of CompareCase
        The problems.
    starts, seed, hold_out, device
        As in `solve`.
    budget : Budget, optional
        What one start may spend in steps, transforms or denoiser calls. It is stopped at the first step that reaches a bound.
    seconds : float, optional
        What a competitor may spend on one object. It runs starts until they are spent, in blocks of at most `starts`. The block
        that they end is left out, unless it is the first. On a CPU they are processor time, which no other load changes.
    ramp : bool
        True if the alignment with the truth may remove a phase ramp, as fits measured patterns.
    pictures : int
        Objects of each set and noise level whose estimates are kept.
    workers, executor
        What shares the work: see `solve`. The rows are the same wherever they are made.
    store : Store, optional
        Trials that it holds are taken from it, others are kept in it. Processes that resume one store share the trials.
    on_rows : callable, optional
        Called with the rows of each trial when it is done.
    on_picture : callable, optional
        Called with the estimate of each trial that keeps one, before its rows.
    about : mapping, optional
        More settings to record.

    Returns
    -------
    Comparison
        A competitor that fails has rows that give the reason. Ctrl-C keeps what is done, and sets
        ``settings["interrupted"]``.

    Raises
    ------
    InputError
        For an unknown device or executor, an external result of another shape, and seconds out of range.
    """
    where = find_device(device)
    spec = TrialSpec(starts, seed, budget or Budget(), seconds, hold_out, device, ramp, pictures)
    _check_seconds(spec)
    workers_here = "processes" if workers > 1 or (seconds is not None and where.name == "cpu") else "serial"
    done: dict[int, Outcome] = {}
    interrupted = False

    def take(trial: Trial, outcome: Outcome) -> None:
        done[trial.number] = outcome
        if on_picture is not None and outcome.picture is not None:
            on_picture(outcome.picture)
        if on_rows is not None:
            on_rows(outcome.rows)

    def left_over(trials: Iterable[Trial], elsewhere: list[Trial]) -> Iterator[Trial]:
        for trial in trials:
            known = None if store is None else store.get(trial)
            if known is not None:
                take(trial, known)
            elif store is None or store.claim(trial):
                yield trial
            else:
                elsewhere.append(trial)

    pairs = ((case, label, competitor) for case in cases for label, competitor in competitors.items())
    left: Iterable[Trial] = (Trial(number, *pair, spec) for number, pair in enumerate(pairs))
    try:
        with open_pool(executor or workers_here, workers) as pool:
            while True:
                elsewhere: list[Trial] = []
                with closing(completed(pool, run_trial, left_over(left, elsewhere), workers)) as finished:
                    for trial, future in finished:
                        take(trial, _outcome(trial, future, store))
                if not elsewhere:
                    break
                left = elsewhere  # trials that other processes run: their outcomes come, or they die and leave them
                time.sleep(WAIT)
    except KeyboardInterrupt:
        interrupted = True
    in_order = [done[number] for number in sorted(done)]
    settings = {
        **(about or {}),
        "starts": starts,
        "seed": seed,
        "budget": dataclasses.asdict(spec.budget),
        "seconds": seconds,
        "clock": WALL if seconds is None else clock_of(where.name),
        "hold_out": hold_out,
        "ramp": ramp,
        "device": where.name,
        "versions": versions(),
        "stopped_by_budget": list(dict.fromkeys(outcome.rows[0].solver for outcome in in_order if outcome.cut)),
        "notes": [note for label, own in competitors.items() for note in cut_notes(label, own, in_order)],
        "interrupted": interrupted,
    }
    return Comparison(
        settings=settings,
        solvers={label: _declared(competitor) for label, competitor in competitors.items()},
        rows=tuple(row for outcome in in_order for row in outcome.rows),
        pictures=tuple(outcome.picture for outcome in in_order if outcome.picture is not None),
    )


def _check_seconds(spec: TrialSpec) -> None:
    if spec.seconds is not None and not spec.seconds > 0:
        raise InputError(f"seconds={spec.seconds} is out of range; give a number above 0")
    if spec.budget.seconds is not None:
        raise InputError(
            f"budget.seconds={spec.budget.seconds} bounds one start, and solvers run several at once; "
            "give seconds=…, the time for an object"
        )


def cut_notes(label: str, competitor: Competitor, outcomes: Iterable[Outcome]) -> list[str]:
    """A sentence on the objects where the budget let no start of a competitor come to its end, none if there are none."""
    best = [outcome.rows[-1] for outcome in outcomes if outcome.rows[-1].solver == label and outcome.rows[-1].failure is None]
    cut = [row for row in best if row.completed != 1]
    if isinstance(competitor, ExternalResult) or not cut:
        return []
    known = [row.completed for row in cut if row.completed is not None]
    part = f"{np.median(known):.0%} of its steps in the median" if known else "an unknown share of its steps"
    note = f"the budget stopped {label} before its own end on {len(cut)} of {len(best)} objects, after {part}"
    idle = sum(row.network_evaluations == 0 for row in cut)
    if competitor.library == "torch" and idle:
        note += f"; on {idle} of them it never called its network, and the rows are no result of its method"
    return [f"{note}; give more --seconds or --ffts"]


def _declared(competitor: Competitor) -> dict[str, Any]:
    """Name and all options of a competitor, or the file that it was read from and its convention."""
    if isinstance(competitor, ExternalResult):
        return {"name": "external", "options": {"file": competitor.path.name, "convention": competitor.convention}}
    return {"name": competitor.name, "options": values_of(competitor)}


def _outcome(trial: Trial, future: Future[Outcome], store: Store | None) -> Outcome:
    error = future.exception()
    if isinstance(error, BrokenExecutor):  # the trial need not be guilty of it, and is not kept
        if store is not None:
            store.release(trial)
        return failed(trial, f"{error}; it was tried {ATTEMPTS} times")
    outcome = future.result()
    if store is not None:
        store.add(trial, outcome)
    return outcome
