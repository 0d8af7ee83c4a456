"""What the live page hears of a comparison: the rows of each trial, and the pictures of some."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np

from ...evaluate.comparison import Picture, Row
from ...evaluate.statistics import SUCCESS
from ..comparison_panels import example_charts, example_grid, example_title
from ..numbers import NONE, number
from ..page.render import fragment
from .screen import Screen


class CompareWatch:
    """The observer of a comparison.

    Parameters
    ----------
    screen : Screen
        Where it shows what it hears.
    labels : iterable of str
        The competitors.
    total : int
        How many trials there are.
    """

    def __init__(self, screen: Screen, labels: Iterable[str], total: int) -> None:
        self.screen, self.total = screen, total
        self.best: dict[str, list[Row]] = {label: [] for label in labels}
        self.series = {label: k for k, label in enumerate(self.best)}
        self._shown: list[Picture] = []

    def rows(self, rows: Sequence[Row]) -> None:
        """Take note of a trial that is done; its last row is the best start's."""
        row = rows[-1]
        self.best[row.solver].append(row)
        done = sum(map(len, self.best.values()))
        failed = sum(row.failure is not None for own in self.best.values() for row in own)
        tiles = [("Trials done", f"{done} of {self.total}", f"{failed} failed" if failed else "one solver on one object each")]
        self.screen.show(stage=f"{row.solver} on {example_title(row)} is done", tiles=tiles, table=self._table())
        self.screen.progress(done / self.total)

    def picture(self, picture: Picture) -> None:
        """Show an estimate beside those of the other solvers on its object."""
        title = example_title(picture.row)
        self._shown = [*(one for one in self._shown if example_title(one.row) == title), picture]
        self.screen.offer(partial(self._draw, list(self._shown)))

    def _table(self) -> list[list[object]]:
        """A line a solver: the medians of its best starts."""
        head = ["solver, best start", "objects", "correlation", "R", "R_free", "s"]
        lines: list[object] = []
        for label, rows in self.best.items():
            good = [row for row in rows if row.failure is None]
            columns = (
                [row.metrics.get(SUCCESS, math.nan) for row in good],
                [row.r for row in good],
                [math.nan if row.r_free is None else row.r_free for row in good],
                [row.seconds for row in good],
            )
            lines.append([label, str(len(rows)), *map(_median, columns)])
        return [list(head), lines]

    def _draw(self, pictures: Sequence[Picture]) -> str:
        return fragment(
            "live_compare.html",
            title=example_title(pictures[0].row),
            grid=example_grid(pictures),
            charts=example_charts(pictures, self.series),
        )


def _median(values: Sequence[float]) -> str:
    known = [value for value in values if math.isfinite(value)]
    return number(float(np.median(known))) if known else NONE
