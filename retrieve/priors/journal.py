"""The log of a training: a CSV file, and TensorBoard where it is installed."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Journal:
    """Rows of numbers, one for each validation.

    A log that is gone on with loses the rows past `objects`, where the checkpoint is older than its end.
    """

    def __init__(self, path: Path, objects: int) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []
        if path.exists():
            with path.open(newline="") as file:
                self.rows = [dict(row) for row in csv.DictReader(file) if int(row["objects"]) <= objects]
        try:
            from torch.utils.tensorboard import SummaryWriter

            self.board: Any = SummaryWriter(str(path.parent), purge_step=objects)
        except ImportError:
            self.board = None

    def write(self, row: Mapping[str, Any]) -> None:
        """Add a row."""
        self.rows.append(dict(row))
        with self.path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(row), restval="", extrasaction="ignore")
            writer.writeheader()
            writer.writerows(self.rows)
        if self.board is not None:
            for name, value in row.items():
                self.board.add_scalar(name, float(value), int(row["objects"]))
            self.board.flush()
