"""Live progress of a training on the terminal."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress

from .console import Words

if TYPE_CHECKING:
    from ..priors.training.state import ProgressMessage

TRAIN_REFRESH_SECONDS = 0.2  # between updates


class TrainingView:
    """A bar with loss, speed and time left, and a line for each validation; keeps the last message."""

    def __init__(self, console: Console, bar: Progress) -> None:
        self.console, self.bar, self.task = console, bar, bar.add_task("training", total=1.0, words="")
        self.shown = 0.0
        self.last: Any = None
        self.first: Any = None

    def __call__(self, message: ProgressMessage) -> None:
        """Show a message, if it is time."""
        if self.first is None and message.check_seconds >= 1:
            self.console.print(f"a validation with its picture takes about {message.check_seconds:.0f} s; the last one counts")
        before, self.first, self.last = self.last, self.first or message, message
        if before is not None and message.validation != before.validation:
            items = list(message.validation.items())
            some = ", ".join(f"{name} {value:.4g}" for name, value in items[:: max(1, len(items) // 5)])
            self.console.print(f"{message.objects} objects: {loss_of(message)}{some}", markup=False)
        now = time.perf_counter()
        if now - self.shown >= TRAIN_REFRESH_SECONDS or message.progress >= 1:
            self.shown = now
            self.bar.update(self.task, completed=message.progress, words="  ".join(self.words(message)))

    def words(self, message: ProgressMessage) -> list[str]:
        """Share, loss, speed since the start of this run, and time left."""
        words = [f"{message.progress:.0%}", loss_of(message).rstrip(", ")]
        if message.seconds > self.first.seconds:
            speed = (message.objects - self.first.objects) / (message.seconds - self.first.seconds)
            words.append(f"{speed:.0f} objects/s")
        if 0 < message.progress < 1:
            left = message.seconds * (1 / message.progress - 1)
            words.append(f"{left / 60:.0f} min left" if left >= 90 else f"{left:.0f} s left")
        return words


def loss_of(message: ProgressMessage) -> str:
    """The loss in words, if one is known."""
    return "" if math.isnan(message.loss) else f"loss {message.loss:.4g}, "


@contextmanager
def live_training(console: Console, quiet: bool) -> Iterator[TrainingView]:
    """A function that shows the message of each step, and keeps the last."""
    columns = (Words("{task.description}"), BarColumn(24), Words("{task.fields[words]}"))
    with Progress(*columns, console=console, disable=quiet, refresh_per_second=4) as bar:
        yield TrainingView(console, bar)
