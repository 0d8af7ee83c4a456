"""The log of a training: a CSV file, and TensorBoard where it is installed."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...files import replacing


class TrainingLog:
    """Rows of numbers, one for each validation, in order of their `objects`.

    A log that is gone on with loses the rows past `objects`, where the checkpoint is older than its end,
    and any that cannot be read.
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
        """Add a row; it takes the place of one of as many objects. Raises `RetrieveError` where it cannot be written."""
        self.rows = [kept for kept in self.rows if int(kept["objects"]) != row["objects"]] + [dict(row)]
        with replacing(self.path) as partial, partial.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(row), restval="", extrasaction="ignore")
            writer.writeheader()
            writer.writerows(self.rows)
        if self.board is not None:
            for name, value in row.items():
                self.board.add_scalar(name, float(value), int(row["objects"]))
            self.board.flush()


def _rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a log that tell their objects; none where there is no log."""
    if not path.exists():
        return []
    with path.open(newline="", errors="replace") as file:
        return [dict(row) for row in csv.DictReader(file) if (row.get("objects") or "").isdigit() and None not in row]
