"""Checks of panels: they show something of small results that a page can hold, and change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from unittest import SkipTest

from ..io.result import Result
from ..report.added_panels import Panel
from ..report.page.added import section_of
from .case import Checks, require
from .small_results import DEEP, FLAT, arrays_of, result_of, touched
from .watch import within

SECONDS = 20.0

checks = Checks()


def _results(panel: Panel) -> Iterator[Result]:
    """The sample, if there is one, and small results with one start and with several."""
    if panel.sample is not None:
        yield panel.sample()
    yield from (result_of(FLAT, starts=1), result_of(FLAT), result_of(DEEP))


@checks.add("title")
def titled(panel: Panel) -> None:
    """It has a heading in one line."""
    title = panel.title
    require(isinstance(title, str) and title.strip() and title.isprintable(), f"title is {title!r}; give a heading in one line")


@checks.add("fits on a page")
def fits(panel: Panel) -> None:
    """Of every result it returns None, or content that the page can hold."""
    shown = [within(SECONDS, partial(section_of, panel, result, "panel")) for result in _results(panel)]
    if not any(shown):
        raise SkipTest("it shows nothing of small results; give Panel(…, sample=function) that makes a result of its kind")


@checks.add("leaves the result alone", fits)
def leaves(panel: Panel) -> None:
    """No array of the result changes."""
    for result in _results(panel):
        before = arrays_of(result)
        panel.contents(result)
        name = touched(result, before)
        require(not name, f"it changes result.{name}; work on a copy")


@checks.add("same result, same content", fits)
def repeats(panel: Panel) -> None:
    """Two pages of one result are equal: nothing depends on the time, or on chance."""
    for result in _results(panel):
        one, other = (section_of(panel, result, "panel") for _ in range(2))
        require(one == other, "two calls for one result differ; leave out times, and seed random numbers")
