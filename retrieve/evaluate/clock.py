"""The seconds of a trial, measured alike for every solver: processor time on a CPU, wall time on a card."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..driver.progress import Progress

WALL, PROCESSOR = "wall", "processor"
"""The kinds of clock, as the settings of a comparison name them."""

_ALONE = threading.Lock()
"""Held by the trial that runs by processor time: a process has one such clock."""


def clock_of(device: str) -> str:
    """The kind of clock on a device, by its full name: a CPU's processor time counts no load of other programs."""
    return PROCESSOR if device.endswith("cpu") else WALL


@contextmanager
def clock(kind: str) -> Iterator[Callable[[], float]]:
    """A clock in seconds. Processor time counts all threads of this process and its ended children; one trial holds it."""
    if kind == WALL:
        yield time.perf_counter
        return
    with _ALONE:
        yield _processor_seconds


def _processor_seconds() -> float:
    ended = os.times()
    return time.process_time() + ended.children_user + ended.children_system


class Watch:
    """Hears of every step: ends a run after so many seconds, and knows how long each batch is by the solver's own word.

    Parameters
    ----------
    seconds : float, optional
        From now on; None never ends a run.
    clock : callable
        Returns seconds.
    """

    def __init__(self, seconds: float | None, clock: Callable[[], float]) -> None:
        self.seconds, self.clock = seconds, clock
        self.begun = clock()
        self._totals: dict[int, int | None] = {}

    def __call__(self, progress: Progress) -> bool:
        """Take note of a step. Returns True once the seconds are spent."""
        self._totals[progress.start] = progress.total
        return self.seconds is not None and self.spent >= self.seconds

    @property
    def spent(self) -> float:
        """Seconds so far."""
        return self.clock() - self.begun

    def completed(self, start: int, stopped: int | None) -> float | None:
        """The share of its own steps that a start did; `stopped` is the step that it was stopped after, None for its end.

        None where the solver does not tell how many steps there are.
        """
        if stopped is None:
            return 1.0
        total = self._totals[max((first for first in self._totals if first <= start), default=min(self._totals))]
        return None if total is None else min(1.0, stopped / total)
