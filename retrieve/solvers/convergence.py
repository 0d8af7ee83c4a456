"""When a classical solver has converged, so that its run may end before its last iteration."""

from __future__ import annotations

import numpy as np

from ..numerics.arrays import Array, to_numpy
from ..problem import Problem

TOLERANCE = "end once R has not fallen by this share in `patience` iterations; in a recipe each part ends by itself; 0: never"
PATIENCE = "iterations in which R must fall by the share `tolerance`"
CHECK_EVERY = 10
"""Iterations between two values of R. Each costs one transform, half an iteration: 5 % of a run that watches R."""


class Convergence:
    """The R of each start of a batch, watched.

    A start has converged if R on the working pixels has not fallen by the share `tolerance` in `patience` iterations. R of HIO,
    OSS and DM can stand still for hundreds of iterations before the object is found; give these more patience.

    Parameters
    ----------
    tolerance : float
        Share of R, between 0 and 1.
    patience : int
        Iterations. R is taken every 10 iterations, or every `patience` iterations if that is less.
    """

    def __init__(self, tolerance: float, patience: int) -> None:
        self.tolerance, self.patience = tolerance, patience
        self.lowest = np.array(np.inf)  # R of each start at its last such fall
        self.fell = np.array(0)  # iteration of that fall

    def reached(self, iteration: int, problem: Problem, estimate: Array) -> bool:
        """Whether every start has converged, with this estimate (batch, *shape) after `iteration` iterations."""
        if iteration % min(CHECK_EVERY, self.patience):
            return False
        r = to_numpy(problem.r_factor(estimate))
        lower = r < self.lowest * (1 - self.tolerance)
        self.lowest, self.fell = np.where(lower, r, self.lowest), np.where(lower, iteration, self.fell)
        return bool(np.all(iteration - self.fell >= self.patience))
