"""What rows of a comparison amount to: success rates with intervals, medians, and a paired test between solvers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from .comparison import Comparison, Row

SUCCESS = "complex_correlation"  # the metric that decides
LEVELS = (0.95, 0.99)
RESAMPLES = 2000
Key = TypeVar("Key")


class Rate(NamedTuple):
    """A share of objects with its 95 % interval; NaN without a truth."""

    rate: float
    low: float
    high: float


@dataclass(frozen=True)
class Summary:
    """One solver on one set at one noise level.

    best: the start chosen by the free score, or what a single start gives on average.
    objects: how many.  success95, success99: share of objects above 0.95 and 0.99 in complex correlation.
    medians: metric → median over the rows that have it; r and free among them.
    seconds, ffts, network_evaluations: mean cost of a row.  failures: rows that failed.
    completed: mean share of the solver's own steps that a row had, NaN where it is unknown.
    starts: of the best, the mean number of starts among which it was chosen, NaN where it is unknown.
    """

    group: str
    noise: float | None
    solver: str
    best: bool
    objects: int
    success95: Rate
    success99: Rate
    medians: Mapping[str, float]
    seconds: float
    ffts: int
    network_evaluations: int
    failures: int
    completed: float = math.nan
    starts: float = math.nan


@dataclass(frozen=True)
class Paired:
    """Two solvers on the same objects, best rows: how many objects each solves (0.95), and McNemar's exact p."""

    group: str
    noise: float | None
    a: str
    b: str
    both: int
    only_a: int
    only_b: int
    neither: int
    p: float


def summarise(comparison: Comparison) -> list[Summary]:
    """A summary for each set, noise level and solver, in the order of the rows."""
    cells = _grouped(comparison.rows, lambda row: (row.group, row.noise, row.solver, row.start is None))
    judged = _judged(comparison.rows)
    return [_summary(rows, (group, noise) in judged) for (group, noise, *_), rows in cells.items()]


def paired(comparison: Comparison) -> list[Paired]:
    """Each pair of solvers on the objects that both were given, where there is a truth to judge by."""
    judged = _judged(comparison.rows)
    best = [row for row in comparison.rows if row.start is None]
    found = []
    for (group, noise), rows in _grouped(best, lambda row: (row.group, row.noise)).items():
        if (group, noise) not in judged:
            continue
        solved = {
            solver: {row.object: succeeded(row, LEVELS[0]) for row in own}
            for solver, own in _grouped(rows, lambda row: row.solver).items()
        }
        for a, b in itertools.combinations(solved, 2):
            shared = [(solved[a][n], solved[b][n]) for n in solved[a] if n in solved[b]]
            both, only_a, only_b, neither = (shared.count((s, t)) for s in (True, False) for t in (True, False))
            if shared:
                found.append(Paired(group, noise, a, b, both, only_a, only_b, neither, mcnemar(only_a, only_b)))
    return found


def succeeded(row: Row, level: float) -> bool:
    """Whether a row's complex correlation is above `level`; a failed row did not succeed."""
    return row.failure is None and row.metrics.get(SUCCESS, 0.0) > level


def success(values: Sequence[float] | NDArray[np.floating]) -> Rate:
    """The mean of the objects' success (objects,), each 0 to 1, with a 95 % interval.

    Bootstrap over the objects, percentiles, with a fixed seed. Where all objects agree, as with none or
    all solved, the bootstrap has no width: the interval is then the exact one of Clopper & Pearson (1934).
    """
    x = np.asarray(values, float)
    if not x.size:
        return Rate(math.nan, math.nan, math.nan)
    rate = float(x.mean())
    if np.ptp(x) == 0:
        return Rate(rate, *exact_interval(rate * x.size, x.size))
    means = np.random.default_rng(0).choice(x, (RESAMPLES, x.size)).mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return Rate(rate, float(low), float(high))


def mcnemar(only_a: int, only_b: int) -> float:
    """Two-sided exact p of McNemar's test: are the objects that one solver alone solves evenly split?"""
    from scipy.stats import binomtest

    return float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def exact_interval(successes: float, trials: int) -> tuple[float, float]:
    """The 95 % interval of Clopper & Pearson (1934); of a part of a success the wider one."""
    from scipy.stats import binomtest

    low, high = (binomtest(int(k), trials).proportion_ci(0.95, "exact") for k in (math.floor(successes), math.ceil(successes)))
    return float(low.low), float(high.high)


def _summary(rows: Sequence[Row], judged: bool) -> Summary:
    """All rows of one cell; the starts of an object count together as one, since they share its difficulty."""
    first = rows[0]
    objects = _grouped(rows, lambda row: row.object)

    def rate(level: float) -> Rate:
        shares = [float(np.mean([succeeded(row, level) for row in own])) for own in objects.values()]
        return success(shares if judged else [])

    usable = [row for row in rows if row.failure is None]
    return Summary(
        group=first.group,
        noise=first.noise,
        solver=first.solver,
        best=first.start is None,
        objects=len(objects),
        success95=rate(LEVELS[0]),
        success99=rate(LEVELS[1]),
        medians=_medians(usable),
        seconds=float(np.mean([row.seconds for row in rows])),
        ffts=round(float(np.mean([row.ffts for row in rows]))),
        network_evaluations=round(float(np.mean([row.network_evaluations for row in rows]))),
        failures=len(rows) - len(usable),
        completed=_mean(row.completed for row in usable),
        starts=_mean(row.starts for row in usable),
    )


def _mean(values: Iterable[float | None]) -> float:
    """The mean of those that are known, NaN where none is."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else math.nan


def _medians(rows: Iterable[Row]) -> dict[str, float]:
    columns: dict[str, list[float]] = {}
    for row in rows:
        free = math.nan if row.r_free is None else row.r_free
        for name, value in {**row.metrics, "r": row.r, "r_free": free}.items():
            columns.setdefault(name, []).append(value)
    finite = {name: [v for v in values if not math.isnan(v)] for name, values in columns.items()}
    return {name: float(np.median(values)) if values else math.nan for name, values in finite.items()}


def _judged(rows: Iterable[Row]) -> set[tuple[str, float | None]]:
    """The sets and noise levels that have a truth."""
    return {(row.group, row.noise) for row in rows if SUCCESS in row.metrics}


def _grouped(rows: Iterable[Row], key: Callable[[Row], Key]) -> dict[Key, list[Row]]:
    groups: dict[Key, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups
