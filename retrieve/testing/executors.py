"""Checks of executors: what `retrieve.driver.executors` asks of a factory, called without a place and for one worker."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from unittest import SkipTest

from ..driver.executors import Factory, completed
from ..errors import InputError
from .case import Checks, require

checks = Checks()


@contextmanager
def _opened(factory: Factory) -> Iterator[Executor]:
    """An executor of the factory; skips the check where it needs a place."""
    try:
        entered = factory("", 1)
        executor = entered.__enter__()
    except InputError as error:
        raise SkipTest(str(error)) from None
    try:
        yield executor
    finally:
        entered.__exit__(None, None, None)


@checks.add("calls and returns")
def returns(factory: Factory) -> None:
    """Every item comes back once, with the function's value for it, even if there are many."""
    with _opened(factory) as executor:
        found = {item: future.result() for item, future in completed(executor, abs, range(-20, 0))}
    require(found == {n: -n for n in range(-20, 0)}, f"abs of -20 to -1 gives {found}")


@checks.add("carries what is raised", returns)
def carries(factory: Factory) -> None:
    """An error of the function becomes the future's exception, and the executor goes on."""
    with _opened(factory) as executor:
        error = executor.submit(int, "x").exception()
        require(isinstance(error, ValueError), f"int('x') gives {error!r}, not its ValueError")
        require(executor.submit(int, "7").result() == 7, "nothing is done after a function that raised")
