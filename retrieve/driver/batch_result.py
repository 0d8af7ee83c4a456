"""What a batch of starts leaves, and several batches as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..io.result import Cost
from ..problem.scoring import Score


@dataclass
class Batch:
    """What one batch of starts leaves, on the host.

    stopped: where each start was stopped, by its number.  plans: names and hashes of the transforms' plans.
    stages: of each start the steps at which stages begin, with their names.
    """

    estimate: np.ndarray
    support: np.ndarray | None
    scores: list[Score]
    history: Sequence[Mapping[str, list[float]]]
    kernels: Sequence[np.ndarray | None]
    cost: Cost
    interrupted: bool
    stopped: dict[int, int | None]
    account: Sequence[tuple[str, ...]] = ()
    excluded: np.ndarray | None = None
    plans: frozenset[str] = frozenset()
    stages: Sequence[Sequence[tuple[int, str]]] = ()


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
        replace(total_cost(spent, max(cost.seconds for cost in spent)), steps=max(cost.steps for cost in spent)),
        any(part.interrupted for part in parts),
        {start: stop for part in parts for start, stop in part.stopped.items()},
        [one for part in parts for one in part.account],
        union([part.excluded for part in parts]),
        frozenset[str]().union(*(part.plans for part in parts)),
        [one for part in parts for one in part.stages],
    )


def union(masks: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """Where any mask is True; None where there is none."""
    given = [mask for mask in masks if mask is not None]
    return np.any(given, axis=0) if given else None


def total_cost(spent: Sequence[Cost], seconds: float) -> Cost:
    """What all spent, within so many seconds."""
    return Cost(
        sum(cost.ffts for cost in spent),
        sum(cost.network_evaluations for cost in spent),
        seconds,
        sum(cost.steps for cost in spent),
    )
