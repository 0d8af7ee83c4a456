"""The log of a training: a CSV file, and TensorBoard if it is installed."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...files import write_text


class TrainingLog:
    """Rows of numbers, one per validation, in order of their `objects`.

    A log that is continued loses the rows past `objects`, if the checkpoint is older than its end, and unreadable rows.
    """

    def __init__(self, path: Path, objects: int) -> None:
        self.path = path
        self.rows = [row for row in _rows(path) if int(row["objects"]) <= objects]
        try:
            from torch.utils.tensorboard import SummaryWriter

            self.board: Any = SummaryWriter(str(path.parent), purge_step=objects)
        except ImportError:
            self.board = None

    def write(self, row: Mapping[str, Any]) -> None:
        """Add a row; it replaces a row of the same `objects`. Raises `RetrieveError` if it cannot be written."""
        self.rows = [kept for kept in self.rows if int(kept["objects"]) != row["objects"]] + [dict(row)]
        text = io.StringIO()
        writer = csv.DictWriter(text, list(row), restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.path, text.getvalue())
        if self.board is not None:
            for name, value in row.items():
                self.board.add_scalar(name, float(value), int(row["objects"]))
            self.board.flush()


def _rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a log that have their objects; empty if there is no log."""
    if not path.exists():
        return []
    with path.open(newline="", errors="replace") as file:
        return [dict(row) for row in csv.DictReader(file) if (row.get("objects") or "").isdigit() and None not in row]
