"""Compare solvers on the same objects: same starts, same held-out pixels, same budget.

::

    cases = benchmarks.named("domains2d-50").cases(noise=[0, 0.05], objects=20)
    comparison = compare({"hio": HIO(), "raar": RAAR()}, cases, starts=8, workers=4)
    summarise(comparison); paired(comparison)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Future
from contextlib import closing
from typing import Any

from ..driver.executors import ATTEMPTS, completed, open_pool
from ..driver.solve import Budget
from ..io.external import ExternalResult
from ..numerics.arrays import find_device
from ..plugins.options import values_of
from ..provenance import versions
from .comparison import Comparison, Row
from .statistics import Paired, Rate, Summary, paired, summarise
from .store import Store
from .trial import CompareCase, Competitor, Outcome, Trial, TrialSpec, failed, run_trial

__all__ = ["CompareCase", "Competitor", "Paired", "Rate", "Summary", "compare", "paired", "summarise"]


def compare(
    entrants: Mapping[str, Competitor],
    cases: Iterable[CompareCase],
    *,
    starts: int = 8,
    seed: int = 0,
    budget: Budget | None = None,
    hold_out: float = 0.03,
    device: str = "auto",
    ramp: bool = False,
    pictures: int = 1,
    workers: int = 1,
    executor: str | None = None,
    store: Store | None = None,
    on_rows: Callable[[list[Row]], object] | None = None,
    about: Mapping[str, Any] | None = None,
) -> Comparison:
    """Run every entrant, by label, on every case: a row a start, and one for the start of best free score.

    Each solver gets the same starts, seed, held-out pixels and budget (of one start; it is stopped at
    the first step past it). What raises, or leaves no finite estimate, is a row with its reason. A
    `Foreign` result is one row. `ramp` lets the alignment with the truth remove a phase ramp, as fits
    measured patterns. `pictures`: objects of each set and noise level that are kept to be looked at.
    `workers` processes share the work, one thread each; `executor`, as NAME or NAME:WHERE, has it done elsewhere
    (see `retrieve.driver.executors`). The rows are the same wherever they are made. What is lost with a worker is done
    again; a row tells where that does not help. What `store` has is taken from there, what is done is kept in it.
    `on_rows` hears of each entrant's rows on a case as they come. `about` goes into the settings.
    Ctrl-C keeps what there is and says so in ``settings["interrupted"]``.

    Raises `InputError` for a device or executor that is not there and a foreign result of another shape.
    """
    where = find_device(device)
    plan = TrialSpec(starts, seed, budget or Budget(), hold_out, device, ramp, pictures)
    done: dict[int, Outcome] = {}
    interrupted = False

    def took(unit: Trial, outcome: Outcome) -> None:
        done[unit.number] = outcome
        if on_rows is not None:
            on_rows(outcome.rows)

    def left() -> Iterator[Trial]:
        pairs = ((case, label, entrant) for case in cases for label, entrant in entrants.items())
        for number, (case, label, entrant) in enumerate(pairs):
            unit = Trial(number, case, label, entrant, plan)
            known = None if store is None else store.get(unit)
            if known is None:
                yield unit
            else:
                took(unit, known)

    try:
        with (
            open_pool(executor or ("processes" if workers > 1 else "serial"), workers) as pool,
            closing(completed(pool, run_trial, left(), workers)) as finished,
        ):
            for unit, future in finished:
                took(unit, _outcome(unit, future, store))
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


def _declared(entrant: Competitor) -> dict[str, Any]:
    """What is told of an entrant: name and all options, or where it was read and how."""
    if isinstance(entrant, ExternalResult):
        return {"name": "foreign", "options": {"file": entrant.path.name, "convention": entrant.convention}}
    return {"name": entrant.name, "options": values_of(entrant)}


def _outcome(unit: Trial, future: Future[Outcome], store: Store | None) -> Outcome:
    error = future.exception()
    if isinstance(error, BrokenExecutor):  # nothing that the unit is known to be guilty of, so it is not kept
        return failed(unit, f"{error}; it was tried {ATTEMPTS} times")
    outcome = future.result()
    if store is not None:
        store.add(unit, outcome)
    return outcome
