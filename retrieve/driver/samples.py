"""Posterior samples: chains that begin at the starts that fit, and their spread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..io.result import Result
from ..numerics.arrays import Array, to_numpy
from ..numerics.stacks import align_all
from ..problem import Problem
from ..problem.scoring import standard_error
from ..solvers.base import Solver, Step, Streams
from .batch_result import Batch, total_cost


@dataclass(frozen=True)
class Chains(Solver):
    """A solver's posterior sampling in the place of its search."""

    inner: Solver

    def __post_init__(self) -> None:
        """Its options are the solver's, and checked."""

    def steps(self, problem: Problem, x: Array, rng: Streams) -> Iterator[Step]:
        """Chains from x."""
        return self.inner.samples(problem, x, rng)


def points_of(result: Result, samples: int) -> np.ndarray:
    """Where chains begin: in turn the starts that fit as well as the chosen one, within two standard errors."""
    r = np.array([np.inf if score.failure else score.r for score in result.scores])
    pixels = int(to_numpy(result.problem.valid).sum())
    as_good = np.flatnonzero(r <= r[result.chosen] * (1 + 2 * standard_error(pixels)))
    return result.estimates[as_good[np.arange(samples) % len(as_good)]]


def with_samples(result: Result, chains: Sequence[Batch], seconds: float) -> Result:
    """The result with posterior samples, the last steps of the chains, and their spread."""
    if not chains:
        return replace(result, interrupted=True)
    drawn = align_all(np.concatenate([result.object[None], *(run.estimate for run in chains)]), 0)[1:]
    return replace(
        result,
        samples=drawn,
        spread=np.abs(drawn).std(axis=0, ddof=1).astype(np.float32) if len(drawn) > 1 else None,
        cost=total_cost([result.cost, *(run.cost for run in chains)], result.cost.seconds + seconds),
        interrupted=any(run.interrupted for run in chains),
    )
