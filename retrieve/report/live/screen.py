"""The state of the live page, between the thread that works and the threads that serve."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

LEAST_SECONDS = 1.0
"""Between two pictures."""
DRAWING_SHARE = 0.05
"""Share of the time that drawing may take."""
WATCHED_SECONDS = 5.0
"""After its last request a browser counts as gone."""
PATIENCE = 0.9
"""Seconds that a request waits for a picture."""
FAREWELL = 5.0
"""Seconds that the end waits for a browser that is to take the report."""
MOST_WATCHING = 32
"""Browsers that the end waits for."""
SURE_SHARE = 0.02
"""Share of the work from which the time left is told."""

OPEN = {"running": ("stop", "keep"), "keeping": ("stop",)}
"""The buttons that have an effect, by the state of the work."""

Tile = tuple[str, str, str]
"""Name, value and explanation of a number."""


class Screen:
    """What the page shows. The working thread shows and offers; the serving threads ask for the state, and draw.

    Parameters
    ----------
    title : str
        What is under way.
    buttons : sequence of str
        "stop" and "keep", as far as the work obeys them.
    clock, cost : callable
        Return seconds: of the wall, and of the processor as this thread spends them.
    """

    def __init__(
        self,
        title: str,
        buttons: Sequence[str] = ("stop", "keep"),
        clock: Callable[[], float] = time.monotonic,
        cost: Callable[[], float] = time.thread_time,
    ) -> None:
        self._clock, self._cost, self._begun = clock, cost, clock()
        self._shown: dict[str, Any] = {"title": title, "lead": "", "stage": "", "tiles": [], "table": None}
        self._share: float | None = None
        self._part, self._bound = (0.0, 1.0), "about"
        self._buttons, self._state, self._report = tuple(buttons), "running", ""
        self._page: str | None = None
        self._changed = threading.Condition()
        self._drawing = threading.Lock()
        self._offer: Callable[[], str] | None = None
        self._body, self._version = "", 0
        self._due = self._begun
        self._watching: dict[str, float] = {}

    # the working thread

    def show(self, **shown: Any) -> None:
        """Change title, lead, stage, tiles (a list of `Tile`) or table (its head and its rows, of text)."""
        with self._changed:
            self._shown |= shown

    def progress(self, share: float | None, bound: str = "about") -> None:
        """Change the share of the part that is done, None if not known, and the word before the time left."""
        with self._changed:
            self._share, self._bound = share, bound

    def begin(self, title: str, number: int, count: int) -> None:
        """Begin one of several parts that are alike, from number 0 on. The buttons are those of a running work again."""
        with self._changed:
            self._shown |= {"title": title, "stage": "begins", "tiles": []}
            self._part, self._share, self._bound = (number / count, 1 / count), None, "about"
            self._state = "running" if self._state in ("keeping", "writing") else self._state

    def offer(self, draw: Callable[[], str]) -> None:
        """Hand over a function that draws the pictures, as HTML, in the place of the one before.

        Another thread calls it, at most once, when a browser asks and the next picture is due.
        """
        with self._changed:
            self._offer = draw
            self._changed.notify_all()

    def rest(self, stage: str = "") -> None:
        """Draw nothing more until the next offer, as matplotlib is for one thread at a time; buttons come too late now.

        stage: what is done now.
        """
        with self._changed:
            self._offer = None
            self._shown["stage"] = stage or self._shown["stage"]
            self._state = "writing" if self._state in ("running", "keeping") else self._state
        with self._drawing:
            pass

    def end(self, words: str, report: Path | None = None) -> None:
        """Say that the work is over, and give a browser that watches the report in the place of the page."""
        self.rest()
        page = report.read_text("utf-8") if report is not None and report.is_file() else None
        with self._changed:
            self._page, self._report, self._state = page, words, "over"
            self._part, self._share = (0.0, 1.0), 1.0
            recent = self._clock() - WATCHED_SECONDS
            self._watching = {who: asked for who, asked in self._watching.items() if asked > recent}
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._watching, FAREWELL)

    # the serving threads

    def pressed(self, button: str) -> bool:
        """Note that a button was pressed. Returns False for one that the page lacks or that was pressed, and once work ends."""
        with self._changed:
            if button not in self._buttons or button not in OPEN.get(self._state, ()):
                return False
            self._state = {"stop": "stopping", "keep": "keeping"}[button]
        return True

    def report(self) -> str | None:
        """The report, once there is one."""
        return self._page

    def leaves(self, who: str) -> None:
        """Note that a browser has the report, or knows that there is none."""
        with self._changed:
            self._watching.pop(who, None)
            self._changed.notify_all()

    def state(self, seen: int, who: str) -> dict[str, Any]:
        """All that the page shows now; the pictures only if they are newer than those of version `seen`. who: the browser."""
        with self._changed:
            if who in self._watching or len(self._watching) < MOST_WATCHING:
                self._watching[who] = self._clock()
            due = self._clock() >= self._due
            if due and seen == self._version:
                self._changed.wait_for(lambda: self._offer is not None or self._state != "running", PATIENCE)
        if due:
            self._draw()
        with self._changed:
            told = {
                **self._shown,
                "state": self._state,
                "buttons": [name for name in self._buttons if name in OPEN.get(self._state, ())],
                "spent": duration(self._clock() - self._begun),
                "share": self._done,
                "left": self._left(),
                "version": self._version,
                "words": self._report,
                "report": self._page is not None,
            }
            if seen != self._version:
                told["body"] = self._body
            return told

    def _draw(self) -> None:
        """Draw what is offered; while one request draws, the others answer with what there is."""
        if not self._drawing.acquire(blocking=self._version == 0):
            return
        try:
            with self._changed:
                draw, self._offer = self._offer, None
            if draw is None:
                return
            begun = self._cost()
            body = draw()
            spent = self._cost() - begun
            with self._changed:
                self._body, self._version = body, self._version + 1
                self._due = self._clock() + max(LEAST_SECONDS, spent / DRAWING_SHARE)
        finally:
            self._drawing.release()

    @property
    def _done(self) -> float | None:
        """The share of the work that is done; None if nothing tells it."""
        first, size = self._part
        return first + size * (self._share or 0.0) if self._share is not None or first else None

    def _left(self) -> str:
        share, spent = self._done, self._clock() - self._begun
        if share is None or not SURE_SHARE <= share < 1 or self._state != "running":
            return ""
        left = spent * (1 - share) / share
        return f"{self._bound} {duration(left if left < 90 or left >= 3600 else 60 * math.ceil(left / 60))}"


def duration(seconds: float) -> str:
    """Seconds in words."""
    whole = round(seconds)
    if whole < 90:
        return f"{whole} s"
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole % 60 else f"{whole // 60} min"
