"""Live progress of a solve on the terminal."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, TaskID, TimeRemainingColumn
from rich.progress import Progress as ProgressBar

from .console import Words

if TYPE_CHECKING:
    from ..driver.solve import Progress

REFRESH_SECONDS = 0.2  # seconds between updates: a step may take microseconds


def progress_bar(console: Console, quiet: bool) -> ProgressBar:
    """A line a task: its name, a bar, how much is done, what it says, the time left."""
    columns = (
        Words("{task.description}"),
        BarColumn(24),
        Words("{task.completed:.0f}/{task.total:.0f}"),
        Words("{task.fields[words]}"),
        TimeRemainingColumn(),
    )
    return ProgressBar(*columns, console=console, disable=quiet, refresh_per_second=4)


@contextmanager
def live_progress(console: Console, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """A function that takes each step's progress and keeps a line a start: stage, score, speed, time left."""
    with progress_bar(console, quiet) as bar:
        tasks: dict[int, TaskID] = {}
        shown = 0.0

        def show(progress: Progress) -> None:
            nonlocal shown
            now = time.monotonic()
            if now - shown < REFRESH_SECONDS and progress.step != progress.total:
                return
            shown = now
            if progress.start not in tasks:
                tasks[progress.start] = bar.add_task(f"start {progress.start}", total=progress.total or 1, words="")
            task = tasks[progress.start]
            elapsed = next((t.elapsed for t in bar.tasks if t.id == task), None) or 0.0
            words = [progress.stage]
            words += [] if math.isnan(progress.r) else [f"R {progress.r:.4g}"]
            words += [] if math.isnan(progress.r_free) else [f"R_free {progress.r_free:.4g}"]
            words += [f"{progress.step / elapsed:.1f} it/s"] if elapsed > 0.5 else []
            total = progress.total or (round(progress.step / progress.share) if progress.share else progress.step)
            bar.update(task, completed=progress.step, total=total, words="  ".join(words))

        yield show


def progress(quiet: bool = False) -> AbstractContextManager[Callable[[Progress], None]]:
    """Show how a solve goes, in a terminal or a notebook: a line a start, with its score and the time left.

    ::

        with retrieve.progress() as show:
            result = retrieve.solve("auto", problem, on_step=show)

    Parameters
    ----------
    quiet : bool
        True shows nothing.

    Returns
    -------
    context manager
        It yields the function for `on_step`.
    """
    return live_progress(Console(), quiet)
