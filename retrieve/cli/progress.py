"""Live progress of a solve on the terminal."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ..driver.solve import Progress as Told

REFRESH_SECONDS = 0.2  # seconds between updates: a step may take microseconds


@contextmanager
def live_progress(console: Console, quiet: bool) -> Iterator[Callable[[Told], None]]:
    """A function that takes each step's news and keeps a line a start: stage, score, speed, time left."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(24),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=quiet, refresh_per_second=4) as bar:
        tasks: dict[int, TaskID] = {}
        shown = 0.0

        def show(told: Told) -> None:
            nonlocal shown
            now = time.monotonic()
            if now - shown < REFRESH_SECONDS and told.step != told.total:
                return
            shown = now
            if told.start not in tasks:
                tasks[told.start] = bar.add_task(f"start {told.start}", total=told.total or 1, told="")
            task = tasks[told.start]
            elapsed = next((t.elapsed for t in bar.tasks if t.id == task), None) or 0.0
            words = [told.stage]
            words += [] if math.isnan(told.r) else [f"R {told.r:.4g}"]
            words += [] if math.isnan(told.r_free) else [f"free {told.r_free:.4g}"]
            words += [f"{told.step / elapsed:.1f} it/s"] if elapsed > 0.5 else []
            bar.update(task, completed=told.step, total=told.total or told.step, told="  ".join(words))

        yield show
