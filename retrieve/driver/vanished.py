"""Starts whose support shrank to next to nothing, and the option that made it."""

from __future__ import annotations

import numpy as np

from ..problem import Problem
from ..problem.autocorrelation import ellipsoid
from ..problem.scoring import Score
from ..solvers.base import Solver

LEAST_R = 0.1
"""R below which even few pixels explain the data."""
LIMITS = ((0.05, LEAST_R), (0.15, 0.3), (0.5, 0.8))
"""Shares of the object's size by the autocorrelation, below which a support is lost, each with the R that it takes."""
EXPLAINED = 2.0
"""Deviance below which noise explains the misfit, however high R is."""
USUAL_THRESHOLD = 0.1


def vanished(solver: Solver, problem: Problem, support: np.ndarray, score: Score) -> str | None:
    """Say why the support of a start is no object, and which option to change; None if it may be one.

    Parameters
    ----------
    solver : Solver
        The solver, which names the options of its shrink-wrap.
    problem : Problem
        The problem, without a support.
    support : ndarray
        bool (*shape): the support that the start ended with.
    score : Score
        Its score.

    Returns
    -------
    str or None
        A part of a sentence.
    """
    wraps = [(name, wrap) for name, wrap in solver.shrink_wraps().items() if wrap.when != "never"]
    if not wraps or (score.deviance is not None and score.deviance < EXPLAINED):
        return None
    left, expected = int(support.sum()), int(ellipsoid(problem.shape, problem.extent).sum())
    if not any(left < share * expected and score.r > r for share, r in LIMITS):
        return None
    name, wrap = wraps[0]
    flag = "--" + name.replace("_", "-")
    if wrap.area is not None:
        remedy = f"raise {flag}.area {wrap.area:g}, for example to {expected / support.size:.2g}"
    else:
        lower = USUAL_THRESHOLD if wrap.threshold > 2 * USUAL_THRESHOLD else wrap.threshold / 3
        remedy = f"lower {flag}.threshold {wrap.threshold:g}, for example to {lower:.2g}"
    return f"the support shrank to {left} of about {expected} pixels of the object, and R is {score.r:.2g}; {remedy}"
