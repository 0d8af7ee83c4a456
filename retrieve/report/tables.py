"""Tables as data."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .numbers import NONE, number


class Cell(NamedTuple):
    """A cell of a table: its text, and the value by which its column is sorted.

    note: small, after the text.  interval: low, middle and high end of a bar, 0 to 1.  strong: set apart.
    """

    show: str
    key: float | str | None
    note: str = ""
    interval: tuple[float, float, float] | None = None
    strong: bool = False


class Column(NamedTuple):
    """A column of a table.

    Attributes
    ----------
    title : str
        The head.
    values : sequence
        Each a number, text, None or a `Cell`.
    hint : str
        A sentence on its meaning.
    choose : bool
        Whether readers may choose among its values.
    show : callable
        Turns a number into text.
    """

    title: str
    values: Sequence[Any]
    hint: str = ""
    choose: bool = False
    show: Callable[[float], str] = number

    @property
    def cells(self) -> list[Cell]:
        """The values as cells; a dash for None and NaN."""
        return [self._cell(value) for value in self.values]

    def _cell(self, value: Any) -> Cell:
        if isinstance(value, Cell):
            return value
        if isinstance(value, str):
            return Cell(value, value)
        return Cell(NONE, None) if value is None or math.isnan(value) else Cell(self.show(value), value)

    @property
    def numeric(self) -> bool:
        """Whether it holds numbers alone."""
        return not any(isinstance(cell.key, str) for cell in self.cells)

    @property
    def choices(self) -> dict[Any, str]:
        """The values to choose among, by key; none where there is one value only."""
        values = {"" if cell.key is None else cell.key: cell.show for cell in self.cells}
        return values if self.choose and len(values) > 1 else {}


@dataclass(frozen=True, eq=False)
class TablePanel:
    """A table that sorts by any column.

    Attributes
    ----------
    name : str
        A name that no other table of the page has.
    caption : str
        Above the table.
    columns : sequence of Column
        Columns of one length.
    """

    name: str
    caption: str
    columns: Sequence[Column]

    @property
    def rows(self) -> list[tuple[Cell, ...]]:
        """The cells line by line."""
        return list(zip(*(column.cells for column in self.columns), strict=True))


def percent(value: float, digits: int = 0) -> str:
    """A share as a percentage."""
    return f"{value:.{digits}%}"
