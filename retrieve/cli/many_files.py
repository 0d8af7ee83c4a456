"""``retrieve run --out-dir``: many files, their failures named, what is finished kept, the work shared."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from ..driver.stopping import heard, must_stop
from ..errors import RetrieveError
from .live import BUTTONS, live_page
from .one_file import FileRun, Row, Solve
from .planning import planned
from .progress import progress_bar
from .signals import stopping
from .solving import Workers, run_quietly, run_spec
from .source import Reading

if TYPE_CHECKING:
    from ..driver.run_spec import RunSpec
    from ..files.limits import Limits
    from .live import Live


def run_many(files: Sequence[str], spec: RunSpec, reading: Reading, given: dict[str, Any], console: Console) -> int:
    """Phase the files, print the table, and return the exit code: 1 if any failed, 130 if interrupted.

    Raises `InputError` or `UsageError` for what no file could be phased with.
    """
    runs = planned(files, spec, reading, given)
    workers = _workers(spec, len(runs), given)
    rows: dict[str, Row] = {}
    interrupted = False
    shared = workers.executor is not None and len(runs) > 1
    buttons = ("stop",) if shared else BUTTONS
    with stopping() as request, live_page(given["live"], f"{len(runs)} files", request, console.quiet, buttons) as live:
        try:
            for row in (_shared if shared else _one_by_one)(runs, workers, console, live):
                rows[row.file] = row
                interrupted = interrupted or row.status == "interrupted"
                if live is not None:
                    live.files(list(rows.values()))
        except KeyboardInterrupt:
            interrupted = True
        interrupted = interrupted or (request.stops and len(rows) < len(runs))
        if live is not None:
            done = f"{len(rows)} of {len(runs)} files are done, in {given['out_dir']}"
            live.end(f"interrupted; {done}" if interrupted else done)
    in_order = [rows[one.file] for one in runs if one.file in rows]
    _print_table(in_order, len(runs), console)
    write_rows(in_order, given["json_"], interrupted)
    if interrupted:
        console.print("interrupted; the same command goes on from here")
        return 130
    unmet = [row for row in in_order if row.failure is None and given["require"] not in (None, row.verdict)]
    if unmet:
        click.echo(f"--require {given['require']}: {len(unmet)} of {len(in_order)} have another verdict", err=True)
    return 1 if unmet or any(row.failure for row in in_order) else 0


def check_rows(target: str | None) -> None:
    """Raise `InputError` unless `write_rows` can write there."""
    from ..files import check_writable

    if target not in (None, "-"):
        check_writable(str(target))


def write_rows(rows: Sequence[Row], target: str | None, interrupted: bool = False) -> None:
    """Write the rows as one JSON document, to a file or, for "-", to standard output; nothing for None."""
    from ..files import json_value, write_text

    if target is None:
        return
    count = Counter(row.status for row in rows)
    statuses = {status: count[status] for status in ("phased", "kept", "failed", "interrupted")}
    document = {"files": [asdict(row) for row in rows], **statuses, "stopped": interrupted}
    text = json.dumps(json_value(document), indent=1, ensure_ascii=False)
    if target == "-":
        click.echo(text)
    else:
        write_text(target, text + "\n")


def phase(one: FileRun, solve: Solve = run_quietly) -> Row:
    """Phase a file, or keep the result that is finished already; whatever goes wrong is the row of a failure."""
    from ..driver.finished import finished
    from ..files import locked

    begun = time.perf_counter()
    try:
        with locked(one.targets.result, f"writing {one.targets.result}", "wait for its end", wait=True, given_up=must_stop):
            opened = one.open()
            known = finished(one.targets.result, opened.spec, opened.problem)
            if known is not None:
                one.targets.complete()
                return Row.of(one.file, known, one.targets, kept=True)
            result = solve(*opened, one.targets.starts)
            one.targets.write(result)
            if not result.interrupted:
                one.targets.remove_starts()
            return Row.of(one.file, result, one.targets)
    except Exception as error:  # one file must not cost the others, whatever is wrong with it
        known_kind = isinstance(error, (RetrieveError, click.ClickException))
        text = error.format_message() if isinstance(error, click.ClickException) else str(error)
        reason = text if known_kind else f"{type(error).__name__}: {text}"
        reason = reason.removeprefix(one.file).lstrip(": ")
        return Row(one.file, "failed", seconds=time.perf_counter() - begun, failure=reason)


def phase_in_worker(one: FileRun, limits: Limits | None = None) -> Row:
    """`phase` beside other workers: on one core, within the limits of what is read."""
    from ..files import limited
    from ..numerics.arrays import one_core

    with one_core(), limited(**({} if limits is None else asdict(limits))):
        return phase(one)


def _one_by_one(runs: Sequence[FileRun], workers: Workers, console: Console, live: Live | None) -> Iterator[Row]:
    """The files in this process, each with live progress and all cores, or with its starts shared out."""

    def solve(*opened: Any) -> Any:
        spec, problem, x0, kept = opened
        return run_spec(spec, problem, console, console.quiet, workers, x0, kept, live)

    for number, one in enumerate(runs, start=1):
        if (request := heard()) is not None:
            request.renew()  # what was to be kept is kept
        if must_stop():
            return
        console.print(f"{number}/{len(runs)} {_short(one.file)}", markup=False, style="bold")
        if live is not None:
            live.screen.begin(f"{number}/{len(runs)} {_short(one.file)}", number - 1, len(runs))
        row = phase(one, solve)
        console.print(f"  {_outcome(row)}", markup=False)
        yield row


def _shared(runs: Sequence[FileRun], workers: Workers, console: Console, live: Live | None) -> Iterator[Row]:
    """The files, shared out among workers of one core each. A file that its workers die of is a failure."""
    from ..driver.executors import ATTEMPTS, completed, open_pool
    from ..files import allowed

    assert workers.executor is not None
    told = f"{len(runs)} files, {workers.number} worker(s) of {workers.executor}"
    console.print(told, markup=False)
    if live is not None:
        live.screen.show(lead=told, stage="begins")
    with (
        progress_bar(console, console.quiet) as bar,
        open_pool(workers.executor, workers.number) as pool,
        closing(completed(pool, partial(phase_in_worker, limits=allowed()), runs, workers.number, partial=True)) as done,
    ):
        task = bar.add_task("files", total=len(runs), words="")
        for one, future in done:
            error = future.exception()
            if error is None:
                row = future.result()
            elif isinstance(error, BrokenExecutor):
                remedy = f"it was tried {ATTEMPTS} times. Give each more memory: fewer --workers"
                row = Row(one.file, "failed", failure=f"{error}; {remedy}")
            elif isinstance(error, KeyboardInterrupt):  # stopped before its first step
                continue
            else:
                raise error
            bar.update(task, advance=1, words=_short(one.file))
            if live is not None:
                live.screen.progress(bar.tasks[0].completed / len(runs))
                live.screen.show(stage=f"{_short(one.file)} is done")
            yield row


def _workers(spec: RunSpec, files: int, given: dict[str, Any]) -> Workers:
    """What works on the files: one for each core with an executor, this process alone without."""
    workers = Workers.of(given["executor"], given["workers"], replace(spec, starts=files))
    return workers._replace(number=min(workers.number, files)) if files > 1 else workers


def _outcome(row: Row) -> str:
    if row.failure is not None:
        return f"failed: {row.failure}"
    free = "" if row.r_free is None else f", R_free {row.r_free:.4g}"
    before = "finished before: " if row.status == "kept" else "interrupted: " if row.status == "interrupted" else ""
    return f"{before}{row.verdict}, R {row.r:.4g}{free}, {_short(str(row.result))}"


def _short(path: str) -> str:
    """A path from here, if it lies below."""
    short = os.path.relpath(path) if os.path.isabs(path) else path
    return path if short.startswith(os.pardir) else short


def _print_table(rows: Sequence[Row], files: int, console: Console) -> None:
    table = Table(box=None, pad_edge=False)
    for title in ("file", "verdict", "R", "R_free", "s", "result"):
        table.add_column(title, justify="right" if title in ("R", "R_free", "s") else "left", overflow="fold")
    for row in rows:
        numbers = ("" if value is None else f"{value:.4g}" for value in (row.r, row.r_free))
        seconds = "" if row.seconds is None else f"{row.seconds:.3g}"
        verdict = "failed" if row.failure else row.status if row.status == "interrupted" else row.verdict or ""
        place = "" if row.result is None else _short(row.result)
        table.add_row(_short(row.file), verdict, *numbers, seconds, place)
    console.print(table)
    count = Counter(row.status for row in rows)
    words = [f"{count['phased']} phased", f"{count['kept']} kept, finished before", f"{count['failed']} failed"]
    console.print(f"{files} files: " + ", ".join(words))
    for row in rows:
        if row.failure is not None:
            console.print(f"failed: {_short(row.file)}: {row.failure}", markup=False, soft_wrap=True)
