"""Scores taken anew, where a second grain was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..numerics.arrays import Array, to_numpy
from ..operators import PartialCoherence
from ..problem import Problem
from ..problem.scoring import Scorer
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
    for run in runs:
        for k, (x, kernel, score) in enumerate(zip(run.estimate, run.kernels, run.scores, strict=True)):
            detector = problem.detector if kernel is None else PartialCoherence(kernel)
            made = scorer.scores(x[None], detector)[0]
            run.scores[k] = replace(made, failure=score.failure or made.failure)
    return problem, held
