"""How a run tells of itself: after each step numbers, and a look at the estimate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..numerics.arrays import to_numpy
from ..solvers.base import Step


class Estimate(NamedTuple):
    """An object under way, copied to the host.

    Parameters
    ----------
    x : ndarray
        complex64 (*shape), zero outside the support.
    support : ndarray or None
        bool (*shape).
    blurred : bool
        Whether the solver fits a blur of the pattern with it.
    row : int
        Its place in the batch of starts.
    """

    x: NDArray[np.complex64]
    support: NDArray[np.bool_] | None = None
    blurred: bool = False
    row: int = 0


def unseen() -> Estimate | None:
    """No estimate."""
    return None


class Progress(NamedTuple):
    """What `on_step` hears after a step.

    Parameters
    ----------
    start : int
        Number of the start, of the first one in a batch.
    starts : int
        How many starts the run has.
    step : int
        Steps done.
    total : int or None
        Steps there will be, as far as is known.
    stage : str
        Name of the part that runs.
    r, r_free : float
        The lowest R and R_free of the batch when they were last taken; NaN before, and without held-out pixels.
    share : float or None
        Share of the start that is done, as a guess of the solver; None if it has no guess.
    look : callable
        Returns a copy of the estimate, of a batch that of the lowest score, as an `Estimate`. It returns None once `on_step`
        has returned, since the solver may then reuse the memory.
    """

    start: int
    starts: int
    step: int
    total: int | None
    stage: str
    r: float
    r_free: float
    share: float | None = None
    look: Callable[[], Estimate | None] = unseen


@contextmanager
def looking(copy: Callable[[], Estimate]) -> Iterator[Callable[[], Estimate | None]]:
    """A function that calls `copy` until the block ends, and then holds nothing."""
    seen = [copy]
    try:
        yield lambda: seen[0]() if seen else None
    finally:
        seen.clear()


def estimate_of(step: Step, scores: NDArray[np.floating]) -> Estimate:
    """The estimate of the lowest score (batch,) of a step, or the first where none is known."""
    row = int(np.nanargmin(scores)) if np.isfinite(scores).any() else 0
    x = np.array(to_numpy(step.x[row, ...]), np.complex64)
    if step.support is None:
        return Estimate(x, None, step.detector is not None, row)
    support = np.array(to_numpy(step.support[row if step.support.shape[0] > 1 else 0, ...]), bool)
    x[~support] = 0
    return Estimate(x, support, step.detector is not None, row)
