"""Checks of executors: what `retrieve.driver.executors` asks of a factory, called without a place and for one worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from unittest import SkipTest

from ..driver.executors import Factory, completed
from ..errors import InputError
from .trial import Check, check, require


@dataclass(frozen=True)
class Case:
    """A factory under test."""

    subject: Factory

    @contextmanager
    def opened(self) -> Iterator[Executor]:
        """An executor of it; skips the check where it needs a place."""
        try:
            entered = self.subject("", 1)
            executor = entered.__enter__()
        except InputError as error:
            raise SkipTest(str(error)) from None
        try:
            yield executor
        finally:
            entered.__exit__(None, None, None)


@check("calls and returns")
def returns(case: Case) -> None:
    """Every item comes back once, with what the function makes of it, even if there are many."""
    with case.opened() as executor:
        found = {item: future.result() for item, future in completed(executor, abs, range(-20, 0))}
    require(found == {n: -n for n in range(-20, 0)}, f"abs of -20 to -1 gives {found}")


@check("carries what is raised", returns)
def carries(case: Case) -> None:
    """What the function raises is the future's exception, and the executor goes on."""
    with case.opened() as executor:
        error = executor.submit(int, "x").exception()
        require(isinstance(error, ValueError), f"int('x') gives {error!r}, not its ValueError")
        require(executor.submit(int, "7").result() == 7, "nothing is done after a function that raised")


CHECKS: tuple[Check, ...] = (returns, carries)


def label(subject: Callable[..., object]) -> str:
    """What reports call it."""
    return f"executor {getattr(subject, '__name__', subject)}"
