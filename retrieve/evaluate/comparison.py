"""What a comparison of solvers leaves: one row a run, summaries made from the rows, and a few examples to look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..plugins.shown import as_html, frame_of


@dataclass(frozen=True)
class Row:
    """One solver on one object: a single start, or the best of all by the free score.

    group: the set or file, such as ``domains2d-50-cells``.  noise: σ of the amplitude noise, None where
    the data are as they come.  object: its number.  solver: the label under which it is shown.
    start: number of the start, None for the one that the free score chose.
    metrics: by name, NaN where one does not apply; empty without a truth.
    failure: why there is no estimate, else None.
    completed: share of the solver's own steps that were done, 1 at its end, of the best the largest of all starts.
    None where the solver does not tell how many there are, for an external result, and in older files.
    starts: of the best, the number of starts among which it was chosen. None for other rows, and in older files.
    """

    group: str
    noise: float | None
    object: int
    solver: str
    start: int | None
    r: float
    r_free: float | None
    metrics: Mapping[str, float]
    seconds: float
    ffts: int
    network_evaluations: int | float = 0
    failure: str | None = None
    completed: float | None = None
    starts: int | None = None


@dataclass(frozen=True)
class Picture:
    """What one row looks like: estimate aligned to the truth (complex64 *shape), and its history."""

    row: Row
    estimate: NDArray[np.complex64]
    truth: NDArray[np.complex64] | None
    amplitude: NDArray[np.float32]
    history: Mapping[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """Rows of a comparison with how they were made.

    Attributes
    ----------
    settings : mapping
        Benchmark or files, starts, seed, budget, seconds and clock, hold_out, versions, device, notes.
    solvers : mapping
        Name and all options of each solver, by its label.
    rows : tuple of Row
        One a start, and one for the start that the free score chose.
    pictures : tuple of Picture
        A few objects, every solver on each.
    """

    settings: Mapping[str, Any]
    solvers: Mapping[str, Mapping[str, Any]]
    rows: tuple[Row, ...]
    pictures: tuple[Picture, ...] = ()

    _repr_html_ = as_html

    def __repr__(self) -> str:
        """Which solvers were compared on how much, on one line."""
        objects = {(row.group, row.noise, row.object) for row in self.rows}
        return f"Comparison({', '.join(self.solvers)}; {len(objects)} problems, {len(self.rows)} rows)"

    def table(self) -> Any:
        """A line a row, as a pandas DataFrame; each metric is a column."""
        plain = [name for name in Row.__dataclass_fields__ if name != "metrics"]
        columns = {name: [getattr(row, name) for row in self.rows] for name in plain}
        measured = dict.fromkeys(name for row in self.rows for name in row.metrics)
        return frame_of(columns | {name: [row.metrics.get(name) for row in self.rows] for name in measured})

    @property
    def notes(self) -> list[str]:
        """A sentence on each competitor that the budget stopped before its own end; of older files, too."""
        stopped = self.settings.get("stopped_by_budget", ())
        return list(self.settings.get("notes", [f"the budget stopped {label} before its own end" for label in stopped]))

    @property
    def equal(self) -> str:
        """The seconds that each solver had, in words; empty if they were not the budget."""
        if self.settings.get("seconds") is None:
            return ""
        return f"each solver had {self.settings['seconds']:g} s of {self.settings['clock']} time an object, for all its starts"
