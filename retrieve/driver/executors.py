"""Where work runs: executors by name, behind the interface of `concurrent.futures`.

::

    with opened("processes", workers=4) as executor:
        for item, future in completed(executor, function, items, workers=4):
            future.result()
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from ..errors import InputError
from ..plugins.registry import find

Factory = Callable[[str, int], AbstractContextManager[Executor]]
"""What a plugin registers: from the text after the colon and the number of workers to an executor, to be entered.

The executor raises `BrokenExecutor` for what was lost with a worker, and takes it again. It may tell `workers`, how
many things it works on at once, where that is another number than it was asked for.
"""

ATTEMPTS = 3  # that a worker may die with one and the same item
AHEAD = 4  # items an executor is handed for each worker

T = TypeVar("T")


def factory(spec: str) -> tuple[Factory, str]:
    """The factory of NAME or NAME:WHERE, and WHERE. Raises `InputError` for a name that is not known."""
    name, _, where = spec.partition(":")
    return find("executors", name), where


def open_pool(spec: str, workers: int) -> AbstractContextManager[Executor]:
    """The executor of NAME or NAME:WHERE, to be entered. Raises `InputError` where there is none, or it is not reached."""
    make, where = factory(spec)
    return make(where, workers)


def completed(
    executor: Executor, function: Callable[[T], Any], items: Iterable[T], workers: int = 1
) -> Generator[tuple[T, Future[Any]], None, None]:
    """Items with futures that are done, as they come; only as many items are made as are soon needed.

    What was lost with a worker is done again, `ATTEMPTS` times in all.
    """
    waiting: dict[Future[Any], tuple[T, int]] = {}

    def hand(item: T, attempt: int) -> None:
        waiting[executor.submit(function, item)] = (item, attempt)

    def ready(block: bool) -> Iterator[tuple[T, Future[Any]]]:
        done, _ = wait(waiting, None if block else 0, FIRST_COMPLETED)
        for future in done:
            item, attempt = waiting.pop(future)
            if isinstance(future.exception(), BrokenExecutor) and attempt < ATTEMPTS:
                hand(item, attempt + 1)
            else:
                yield item, future

    try:
        for item in items:
            hand(item, 1)
            yield from ready(block=len(waiting) >= AHEAD * max(1, getattr(executor, "workers", workers)))
        while waiting:
            yield from ready(block=True)
    finally:  # left early: what has not begun is of no use
        for future in waiting:
            future.cancel()


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


def serial(where: str, workers: int) -> AbstractContextManager[Executor]:
    """One after the other; for any number of workers but one raises `InputError`."""
    _no_place("serial", where)
    if workers != 1:
        raise InputError(f"executor serial has one worker, {workers} are asked for; give --workers 1 or --executor processes")
    return Serial()


def threads(where: str, workers: int) -> AbstractContextManager[Executor]:
    """Threads of this process, for solvers that spend their time outside of Python."""
    _no_place("threads", where)
    return ThreadPoolExecutor(workers)


def processes(where: str, workers: int) -> AbstractContextManager[Executor]:
    """Processes of this machine, one thread each."""
    from .processes import Processes  # loky is loaded where it is used

    _no_place("processes", where)
    return Processes(workers)


def _no_place(name: str, where: str) -> None:
    if where:
        raise InputError(f"executor {name}:{where} names a place, {name} runs on this machine alone; write --executor {name}")
