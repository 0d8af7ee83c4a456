"""FIO files, the text that DESY's beamlines write for each scan: %c the command, %p parameters, %d columns.

Source: the format as HasyUtils (DESY) and xrayutilities describe it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from retrieve.errors import InputError

COLUMN = re.compile(r"Col\s+(\d+)\s+(\S+)\s+\S+")


class Fio(NamedTuple):
    """The contents of a FIO file.  parameters: as text.  columns: names.  rows: float (rows, columns), NaN for text."""

    path: Path
    command: str
    parameters: dict[str, str]
    columns: tuple[str, ...]
    rows: NDArray[np.float64]

    def number(self, name: str) -> float | None:
        """A parameter as a number; None if it is missing or text."""
        return _number(self.parameters.get(name, ""))

    def column(self, name: str) -> NDArray[np.float64] | None:
        """The finite values of a column (rows,); None if it is missing or holds text."""
        if name not in self.columns or not len(self.rows):
            return None
        found = self.rows[:, self.columns.index(name)]
        return found if np.isfinite(found).all() else None


def read_fio(path: Path) -> Fio:
    """Read a FIO file. Raises `InputError` where no section is in it."""
    lines = [line.strip() for line in path.read_text("utf-8", errors="replace").splitlines()]
    section, command, names = "", "", []
    parameters: dict[str, str] = {}
    rows: list[list[float]] = []
    for line in lines:
        if not line or line.startswith("!"):
            continue
        if line in ("%c", "%p", "%d"):
            section = line
        elif section == "%c" and not command:
            command = line
        elif section == "%p" and "=" in line:
            name, _, value = line.partition("=")
            parameters[name.strip()] = value.strip()
        elif section == "%d" and (match := COLUMN.match(line)):
            names.append(match[2])
        elif section == "%d":
            words = line.split()
            if len(words) >= len(names):  # a last row may be cut short
                rows.append([np.nan if (found := _number(word)) is None else found for word in words[: len(names)]])
    if not section:
        raise InputError(f"{path} has none of the sections %c, %p and %d of a FIO file; check the file")
    return Fio(path, command, parameters, tuple(names), np.array(rows, dtype=float).reshape(len(rows), len(names)))


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None
