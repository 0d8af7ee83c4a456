"""``--live``: a page on this machine that shows a run, a training or a comparison as it goes."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import Decorator

if TYPE_CHECKING:
    from ..driver.progress import Progress
    from ..driver.run_spec import RunSpec
    from ..driver.stopping import Request
    from ..problem import Problem
    from ..report.live.compare_watch import CompareWatch
    from ..report.live.screen import Screen
    from ..report.live.train_watch import TrainWatch
    from .one_file import Row

HINTS = {
    "stop": "End as Ctrl-C does: what there is is saved as interrupted",
    "keep": "End at the next step, keep the best estimate, and finish with a result",
}

BUTTONS = ("stop", "keep")


def live_option(buttons: str) -> Decorator:
    """``--live``, with the names of its buttons."""
    return click.option("--live", is_flag=True, help=f"serve a page of the work as it goes, with {buttons}; print its address")


class Live:
    """The live page of a command, and where its report will be."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen

    def watch(self, spec: RunSpec, problem: Problem, each: bool) -> Callable[[Progress], object]:
        """The observer of a run: its `on_step` calls it. each: whether workers run the starts."""
        from ..report.live.run_watch import RunWatch, lead_of

        self.screen.show(lead=lead_of(spec, problem), stage="begins")
        return RunWatch(self.screen, spec, problem, each)

    def comparison(self, labels: Iterable[str], total: int, lead: str) -> CompareWatch:
        """The observer of a comparison of so many trials."""
        from ..report.live.compare_watch import CompareWatch

        self.screen.show(lead=lead, stage="begins")
        return CompareWatch(self.screen, labels, total)

    def training(self, title: str, lead: str, folder: Path) -> TrainWatch:
        """The observer of a training."""
        from ..report.live.train_watch import TrainWatch

        return TrainWatch(self.screen, title, lead, folder)

    def files(self, rows: Sequence[Row]) -> None:
        """Show the rows of the files that are done."""
        from ..report.numbers import number

        shown = [[row.file, row.failure or row.verdict or row.status, number(row.r), number(row.r_free)] for row in rows]
        self.screen.show(table=[["file", "verdict", "R", "R_free"], shown])

    def end(self, words: str, report: Path | None = None) -> None:
        """Tell the browser of the end, and hand it the report, if there is one."""
        self.screen.end(words, report)


@contextmanager
def live_page(
    wanted: bool, title: str, request: Request, quiet: bool, buttons: tuple[str, ...] = BUTTONS
) -> Iterator[Live | None]:
    """Serve the page while the block runs, and print its address, with `quiet` on standard error. None unless wanted.

    request: what the buttons make.
    """
    if not wanted:
        yield None
        return
    from ..report.live.screen import Screen
    from ..report.live.server import LivePage
    from ..report.page.render import render

    # loaded while the run begins, for a first picture within seconds
    threading.Thread(target=importlib.import_module, args=("retrieve.report.live.run_pictures",), daemon=True).start()
    screen = Screen(title, buttons)
    hints = {name: HINTS[name] for name in buttons}

    def document() -> str:
        return render("live.html", "live.js", title=title, lead="", stage="", buttons=hints)

    with LivePage(screen, document, {"stop": request.stop, "keep": request.keep}) as page:
        click.echo(f"live: {page.address}", err=quiet)
        yield Live(screen)
