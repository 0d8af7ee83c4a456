"""What is kept of a batch while it runs: its scores by step, and the steps at which stages begin."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MOST_STAGES = 200
"""Stages of a start that are kept; a solver may give every step a name of its own."""
MOST_LETTERS = 120
"""Of a stage's name."""


class History:
    """Scores and stages of the starts of one batch.

    Parameters
    ----------
    starts : int
        How many starts the batch has.
    """

    def __init__(self, starts: int) -> None:
        self._starts = starts
        self._rows: dict[str, list[list[float]]] = {"step": [], "r": [], "r_free": []}
        self._stages: list[tuple[int, str]] = []
        self.r = self.free = np.full(starts, np.nan)
        """R and R_free (starts,) when they were last taken."""

    @property
    def step(self) -> int:
        """The step of the last scores, −1 before."""
        return int(self._rows["step"][-1][0]) if self._rows["step"] else -1

    def enter(self, step: int, stage: str) -> None:
        """Note the stage of a step, if it begins there."""
        stage = str(stage)[:MOST_LETTERS]
        if len(self._stages) < MOST_STAGES and (not self._stages or self._stages[-1][1] != stage):
            self._stages.append((step, stage))

    def add(self, step: int, r: np.ndarray, free: np.ndarray) -> None:
        """Keep R and R_free (starts,) after a step."""
        self.r, self.free = r, free
        for name, values in (("step", np.full(self._starts, float(step))), ("r", r), ("r_free", free)):
            self._rows[name].append(values.tolist())

    def lowest(self) -> tuple[float, float]:
        """The smallest R and R_free of the batch when they were last taken, NaN before."""
        return _least(self.r), _least(self.free)

    def columns(self) -> list[dict[str, list[float]]]:
        """Of each start its columns: step, r, r_free."""
        return [{name: [row[k] for row in rows] for name, rows in self._rows.items()} for k in range(self._starts)]

    def stages(self) -> Sequence[Sequence[tuple[int, str]]]:
        """Of each start the steps at which stages begin, with their names."""
        return [tuple(self._stages)] * self._starts


def _least(values: np.ndarray) -> float:
    return float(values[np.isfinite(values)].min(initial=np.inf)) if np.isfinite(values).any() else float("nan")
