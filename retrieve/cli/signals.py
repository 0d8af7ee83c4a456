"""Ctrl-C, TERM and HUP, as the commands obey them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from ..driver.stopping import Request, heard, listen

HANG_UP = getattr(signal, "SIGHUP", None)
"""The signal of a terminal that is closed; Windows has none."""
Handler = Callable[[int, "FrameType | None"], None]


class _Once:
    """Whether this process was asked to stop, and its streams to a terminal, which do not count as one when it is gone."""

    asked = False
    terminals: tuple[int, ...] = ()


@contextmanager
def ending() -> Iterator[None]:
    """In this block the first TERM or HUP ends the program as Ctrl-C does: what is half-written goes away.

    Once the program was asked to stop, TERM and HUP no longer disturb the end of its work.
    """
    _Once.asked, _Once.terminals = False, tuple(stream for stream in (1, 2) if os.isatty(stream))

    def end(number: int, frame: FrameType | None) -> None:
        _leave_terminal(number)
        if not _Once.asked:
            _Once.asked = True
            raise KeyboardInterrupt

    with _handled(end, signal.SIGTERM, HANG_UP):
        yield


@contextmanager
def stopping() -> Iterator[Request]:
    """In this block the first Ctrl-C, TERM or HUP stops the work at its next step, and a second Ctrl-C at once.

    A button of the live page may make the same request. A block within a block has the request of the outer one.
    """
    if (outer := heard()) is not None:
        yield outer
        return
    request = Request()

    def ask(number: int, frame: FrameType | None) -> None:
        _leave_terminal(number)
        first = not request.stops
        request.stop()
        _Once.asked = True
        if not first and number == signal.SIGINT:  # a second TERM must not end the writing of a result
            raise KeyboardInterrupt

    with _handled(ask, signal.SIGINT, signal.SIGTERM, HANG_UP):
        listen(request)
        try:
            yield request
        finally:
            listen(None)


@contextmanager
def _handled(handler: Handler, *numbers: int | None) -> Iterator[None]:
    """Handle signals in the main thread; leave a HUP alone that the caller ignores, as nohup does."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in numbers:
            if number is not None and not (number == HANG_UP and signal.getsignal(number) == signal.SIG_IGN):
                before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _leave_terminal(number: int) -> None:
    """After a hang-up: print to nowhere, since writing to a terminal that is gone is an error."""
    if number != HANG_UP:
        return
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in _Once.terminals:
            os.dup2(nowhere, stream)
        os.close(nowhere)
