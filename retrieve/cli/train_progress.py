"""Live progress of a training on the terminal."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

if TYPE_CHECKING:
    from ..priors.training.loop import ProgressMessage

TRAIN_REFRESH_SECONDS = 0.2  # seconds between updates


def loss_of(told: ProgressMessage) -> str:
    """The loss in words, where one is known."""
    return "" if math.isnan(told.loss) else f"loss {told.loss:.4g}, "


class Show:
    """Takes the news of each step: a bar with loss, speed and time left, and a line for each validation."""

    def __init__(self, console: Console, bar: Progress) -> None:
        self.console, self.bar, self.task = console, bar, bar.add_task("training", total=1.0, told="")
        self.shown = 0.0
        self.last: Any = None
        self.first: Any = None

    def __call__(self, told: ProgressMessage) -> None:
        """Show it, if it is time."""
        before, self.first, self.last = self.last, self.first or told, told
        if told.validation and (before is None or told.validation != before.validation):
            items = list(told.validation.items())
            some = ", ".join(f"{name} {value:.4g}" for name, value in items[:: max(1, len(items) // 5)])
            self.console.print(f"{told.objects} objects: {loss_of(told)}{some}", markup=False)
        now = time.perf_counter()
        if now - self.shown >= TRAIN_REFRESH_SECONDS or told.progress >= 1:
            self.shown = now
            self.bar.update(self.task, completed=told.progress, told="  ".join(self.words(told)))

    def words(self, told: ProgressMessage) -> list[str]:
        """Share, loss, speed since the start of this run, and time left."""
        words = [f"{told.progress:.0%}", loss_of(told).rstrip(", ")]
        if told.seconds > self.first.seconds:
            words.append(f"{(told.objects - self.first.objects) / (told.seconds - self.first.seconds):.0f} objects/s")
        if 0 < told.progress < 1:
            left = told.seconds * (1 / told.progress - 1)
            words.append(f"{left / 60:.0f} min left" if left >= 90 else f"{left:.0f} s left")
        return words


@contextmanager
def live_training(console: Console, quiet: bool) -> Iterator[Show]:
    """A function that takes the news of each step, and keeps the last."""
    columns = (TextColumn("{task.description}"), BarColumn(24), TextColumn("{task.fields[told]}"))
    with Progress(*columns, console=console, disable=quiet, refresh_per_second=4) as bar:
        yield Show(console, bar)
