"""Where work runs: executors by name, behind the interface of `concurrent.futures`.

::

    with opened("processes", workers=4) as executor:
        for item, future in completed(executor, function, items, workers=4):
            future.result()
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from ..errors import InputError
from ..plugins.registry import find
from .stopping import Request, listen, must_stop

Factory = Callable[[str, int], AbstractContextManager[Executor]]
"""What a plugin registers: from the text after the colon and the number of workers to an executor, to be entered.

The executor raises `BrokenExecutor` for what was lost with a worker, and takes it again. It may tell `workers`, how
many things it works on at once, where that is another number than it was asked for. It may have a method `stop`, which asks
the work under way to stop at its next step and to give what there is.
"""

ATTEMPTS = 3  # that a worker may die with one and the same item
AHEAD = 4  # items an executor is handed for each worker
LOOK = 0.1
"""Seconds between two looks for a request to stop."""
PATIENCE = 20.0
"""Seconds that work may take to its next step once it is asked to stop; SLURM kills 30 seconds after TERM."""

T = TypeVar("T")


PACKAGED = {"dask": "plugins/retrieve-dask", "slurm": "plugins/retrieve-dask[slurm]"}
"""Executors of packages beside this one."""


def factory(spec: str) -> tuple[Factory, str]:
    """The factory of NAME or NAME:WHERE, and WHERE. Raises `InputError` for a name that is not known."""
    name, _, where = spec.partition(":")
    try:
        return find("executors", name), where
    except InputError as error:
        if name in PACKAGED:
            raise InputError(f"{error}; {name} comes with {PACKAGED[name]}, which is to be installed") from error
        raise


def open_pool(spec: str, workers: int) -> AbstractContextManager[Executor]:
    """The executor of NAME or NAME:WHERE, to be entered. Raises `InputError` where there is none, or it is not reached."""
    make, where = factory(spec)
    return make(where, workers)


def completed(
    executor: Executor,
    function: Callable[[T], Any],
    items: Iterable[T],
    workers: int = 1,
    *,
    stop: Callable[[], bool] = must_stop,
    partial: bool = False,
) -> Generator[tuple[T, Future[Any]], None, None]:
    """Items with futures that are done, as they come; only as many items are made as are soon needed.

    What was lost with a worker is done again, `ATTEMPTS` times in all.

    Parameters
    ----------
    executor : Executor
        What works.
    function : callable
        The work on an item.
    items : iterable
        The items.
    workers : int
        How many items are worked on at once, unless the executor says it.
    stop : callable
        Called several times a second; a true value stops the work.
    partial : bool
        True: once stopped, work under way is asked for what there is, and comes, too, if it does so in time.

    Raises
    ------
    KeyboardInterrupt
        If the work was stopped.
    """
    waiting: dict[Future[Any], tuple[T, int]] = {}

    def hand(item: T, attempt: int) -> None:
        waiting[executor.submit(function, item)] = (item, attempt)

    def ready(seconds: float) -> Iterator[tuple[T, Future[Any]]]:
        done, _ = wait(waiting, seconds, FIRST_COMPLETED)
        for future in done:
            item, attempt = waiting.pop(future)
            lost = isinstance(future.exception(), BrokenExecutor)
            if lost and attempt < ATTEMPTS and not stop():
                hand(item, attempt + 1)
            elif not (lost and stop()):
                yield item, future

    def give_up() -> None:
        for future in list(waiting):
            if future.cancel():
                del waiting[future]

    try:
        for item in items:
            if stop():
                break
            hand(item, 1)
            yield from ready(0)
            while len(waiting) >= AHEAD * max(1, getattr(executor, "workers", workers)) and not stop():
                yield from ready(LOOK)
        while waiting and not stop():
            yield from ready(LOOK)
        if not stop():
            return
        give_up()
        deadline = time.monotonic() + PATIENCE
        if partial and hasattr(executor, "stop"):
            executor.stop()
            while waiting and time.monotonic() < deadline:
                yield from ready(LOOK)
        raise KeyboardInterrupt
    finally:  # left early: what has not begun is of no use
        give_up()


class Serial(Executor):
    """Everything at once, in the process and thread that hands it over."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Call, and give a future that is done."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Threads(ThreadPoolExecutor):
    """Threads that stop at their next step when they are asked to."""

    def __init__(self, workers: int) -> None:
        self._request = Request()
        super().__init__(workers, initializer=listen, initargs=(self._request,))

    def stop(self) -> None:
        """Ask the work under way to stop at its next step, and to give what there is."""
        self._request.stop()

    def __exit__(self, kind: Any, *error: Any) -> bool | None:
        if kind is not None:
            self.stop()
        return super().__exit__(kind, *error)


def serial(where: str, workers: int) -> AbstractContextManager[Executor]:
    """One after the other; for any number of workers but one raises `InputError`."""
    _no_place("serial", where)
    if workers != 1:
        raise InputError(f"executor serial has one worker, {workers} are asked for; give --workers 1 or --executor processes")
    return Serial()


def threads(where: str, workers: int) -> AbstractContextManager[Executor]:
    """Threads of this process, for solvers that spend their time outside of Python."""
    _no_place("threads", where)
    return Threads(workers)


def processes(where: str, workers: int) -> AbstractContextManager[Executor]:
    """Processes of this machine, one thread each."""
    from .processes import Processes  # loky is loaded where it is used

    _no_place("processes", where)
    return Processes(workers)


def _no_place(name: str, where: str) -> None:
    if where:
        raise InputError(f"executor {name}:{where} names a place, {name} runs on this machine alone; write --executor {name}")
