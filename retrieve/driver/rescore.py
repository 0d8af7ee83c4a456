"""Scores taken anew, where a second grain was found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..numerics.arrays import Array, to_numpy
from ..operators import PartialCoherence
from ..problem import Problem
from ..problem.scoring import Score, Scorer
from .batch_result import Batch


def rescored(problem: Problem, held: Array | None, runs: Sequence[Batch], excluded: np.ndarray) -> tuple[Problem, Array | None]:
    """The problem and the held-out pixels without those of a second grain; the runs' scores are taken anew on what is left.

    excluded: bool (*detector), zero frequency first, what any start left out: all are judged by the same pixels.
    """
    left = problem.without(excluded)
    about = {"pixels": int(excluded.sum()), "share": float(1 - left.power / problem.power)}
    problem = left.replace(meta={**problem.meta, "alien": about})
    held = None if held is None else to_numpy(held) & ~excluded
    scorer = Scorer.of(problem, held)
    working = problem.replace(valid=to_numpy(scorer.work))
    for run in runs:
        for k, (x, kernel, score) in enumerate(zip(run.estimate, run.kernels, run.scores, strict=True)):
            detector = problem.detector if kernel is None else PartialCoherence(kernel)
            r, free = scorer(x[None], detector)
            nll = float(working.replace(detector=detector).nll(x[None])[0]) / int(working.valid.sum())
            run.scores[k] = Score(float(r[0]), None if np.isnan(free[0]) else float(free[0]), nll, score.failure)
    return problem, held
