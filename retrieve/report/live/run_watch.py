"""What the live page hears of a run: the steps, as the progress on the terminal hears them."""

from __future__ import annotations

import math
import time
from functools import partial
from typing import NamedTuple

from ...driver.progress import Estimate, Progress
from ...driver.run_spec import RunSpec
from ...problem import Problem
from ..numbers import NONE, number
from ..tables import percent
from .run_pictures import RunPictures
from .screen import Screen, Tile

LOOK_SECONDS = 0.1
"""Between two looks at the numbers: a step may take microseconds."""
COPY_SECONDS = 1.0
"""Between two copies of the estimate, at least."""
COPY_SHARE = 0.02
"""Share of the time that copying may take."""
MOST_POINTS = 400
"""Of a curve; above that every second one goes."""


class Seen(NamedTuple):
    """An estimate with the numbers of its moment."""

    estimate: Estimate
    start: int
    r: float
    r_free: float

    @property
    def number(self) -> int:
        """The number of the start that it is of."""
        return self.start + self.estimate.row

    @property
    def rank(self) -> float:
        """The score by which starts are compared."""
        return rank_of(self.r, self.r_free)


def rank_of(r: float, r_free: float) -> float:
    """R_free, or R without held-out pixels; infinite where neither is known yet."""
    known = r if math.isnan(r_free) else r_free
    return math.inf if math.isnan(known) else known


class RunWatch:
    """The observer of one run: `on_step` calls it. It costs a step a look at the clock.

    Parameters
    ----------
    screen : Screen
        Where it shows what it hears.
    spec : RunSpec
        The run, resolved.
    problem : Problem
        The problem, on the host.
    each : bool
        True if workers run the starts: a step is then the end of a start.
    """

    def __init__(self, screen: Screen, spec: RunSpec, problem: Problem, each: bool = False) -> None:
        self.screen, self.problem, self.each = screen, problem, each
        self.starts, self.batch = spec.starts or 1, 1 if each else spec.batch or 1
        self.agree = bool(spec.agree) and self.starts > self.batch
        self.begun = self.looked = time.monotonic()
        self.next_copy = self.begun
        self.ended: list[float] = []  # seconds of each batch that is over
        self.current, self.current_begun = 0, self.begun
        self.curves: dict[int, list[tuple[float, float, float]]] = {}
        self.done: set[int] = set()
        self.best: Seen | None = None
        self._pictures: RunPictures | None = None

    def __call__(self, progress: Progress) -> None:
        """Take note of a step."""
        now = time.monotonic()
        last = self.each or progress.step == progress.total
        if progress.start != self.current and not self.each:
            self.ended.append(now - self.current_begun)
            self.current, self.current_begun = progress.start, now
        elif now - self.looked < LOOK_SECONDS and not last:
            return
        self.looked = now
        self._keep_point(progress)
        if last or now >= self.next_copy:
            self._see(progress)
            spent = time.monotonic() - now
            self.next_copy = now + max(COPY_SECONDS, spent / COPY_SHARE)
        if self.each:
            self.done.add(progress.start)
        self.screen.show(stage=self._stage(progress), tiles=self._tiles(progress))
        self.screen.progress(self._share(progress, now), "at most" if self.agree else "about")

    def _keep_point(self, progress: Progress) -> None:
        if math.isnan(progress.r):
            return
        points = self.curves.setdefault(progress.start, [])
        if not points or points[-1][1:] != (progress.r, progress.r_free):
            points.append((progress.step, progress.r, progress.r_free))
        if len(points) > MOST_POINTS:
            del points[1::2]

    def _see(self, progress: Progress) -> None:
        """Copy the estimate if it is the best so far, or of the start whose estimate is the best."""
        best, rank = self.best, rank_of(progress.r, progress.r_free)
        grows = best is None or best.start == progress.start or rank < best.rank
        if grows and (estimate := progress.look()) is not None:
            self.best = Seen(estimate, progress.start, progress.r, progress.r_free)
        if self.best is not None:
            curves = {start: list(points) for start, points in self.curves.items()}
            self.screen.offer(partial(self._draw, self.best, curves))

    def _stage(self, progress: Progress) -> str:
        if self.each:
            return f"{len(self.done)} of {self.starts} starts are done"
        last = min(progress.start + self.batch, self.starts) - 1
        which = f"start {progress.start}" if last == progress.start else f"starts {progress.start} to {last}"
        step = f", step {progress.step}" + (f" of {progress.total}" if progress.total else "")
        return f"{which}: {progress.stage}{step}" if self.starts > 1 else f"{progress.stage}{step}"

    def _share(self, progress: Progress, now: float) -> float | None:
        """The share of the run that is done, if all starts run; None while nothing tells it."""
        if self.each:
            return len(self.done) / self.starts
        within = None
        if progress.total:
            within = progress.step / progress.total
        elif progress.share is not None and not self.ended:
            within = progress.share
        elif self.ended:
            within = min(0.95, (now - self.current_begun) * len(self.ended) / sum(self.ended))
        size = max(0, min(self.batch, self.starts - progress.start))  # posterior samples have numbers above the starts'
        return None if within is None else min(1.0, (progress.start + size * within) / self.starts)

    def _tiles(self, progress: Progress) -> list[Tile]:
        best = self.best
        shown: Progress | Seen = progress
        if best is not None and best.start != progress.start and best.rank <= rank_of(progress.r, progress.r_free):
            shown = best
        of_best = best is not None and best.start == shown.start
        who = f"start {best.number}, " if self.starts > 1 and best is not None and of_best else ""
        size, filled = NONE, ""
        if best is not None and best.estimate.support is not None:
            size = f"{number(int(best.estimate.support.sum()))} {'px' if best.estimate.x.ndim == 2 else 'voxels'}"
            filled = f"{percent(float(best.estimate.support.mean()), 1)} of the array"
        done = len(self.done) if self.each else progress.start
        return [
            ("R", number(shown.r), f"{who}on the fitted pixels; 0 is perfect"),
            ("R_free", number(shown.r_free), f"{who}on held-out pixels"),
            ("Support", size, filled),
            ("Starts done", f"{done} of {self.starts}", "no more run once the best agree" if self.agree else ""),
        ]

    def _draw(self, seen: Seen, curves: dict[int, list[tuple[float, float, float]]]) -> str:
        if self._pictures is None:
            self._pictures = RunPictures(self.problem)
        caption = "The estimate as it grows."
        if self.starts > 1:
            caption = f"The best estimate so far, of start {seen.number}."
        return self._pictures.draw(seen.estimate, caption, curves, seen.start)


def lead_of(spec: RunSpec, problem: Problem) -> str:
    """What runs, in a line."""
    shape = " × ".join(map(str, problem.amplitude.shape))
    starts = "1 start" if spec.starts == 1 else f"up to {spec.starts} starts" if spec.agree else f"{spec.starts} starts"
    return f"{shape}, solver {spec.solver.name}, {starts}, seed {spec.seed}"
