"""Calls of foreign code: limited in time, unable to end the program, with their output on standard error."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ..errors import PluginError

MAX_MESSAGE = 500
"""Characters of a foreign error's message that are shown."""

_aside: set[int] = set()
"""Identifiers of the threads whose output goes to standard error."""

_lock = threading.Lock()
_kept: list[int] = []
"""For each block of `output_aside` that is entered, the copy of the descriptor of standard output; −1 if there is none."""


class _Output:
    """Standard output; for the threads in `_aside` it is standard error."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr if threading.get_ident() in _aside else self._real, name)


class Call(threading.Thread):
    """A call of foreign code in a thread of its own: `value` or `error`, and the duration, when it is done."""

    def __init__(self, function: Callable[..., Any], *given: Any) -> None:
        super().__init__(daemon=True)
        self.function, self.given = function, given
        self.value: Any = None
        self.error: BaseException | None = None
        self.seconds, self.begun = 0.0, 0.0

    def run(self) -> None:
        """Call; keep what is returned or raised."""
        _aside.add(self.ident or 0)
        try:
            self.value = self.function(*self.given)
        except BaseException as error:  # told by `result`
            self.error = error
        finally:
            self.seconds = time.perf_counter() - self.begun
            _aside.discard(self.ident or 0)

    def wait(self, seconds: float | None) -> bool:
        """Begin, or go on to wait, for so long or, for None, for ever; tell whether it is done."""
        with output_aside():
            if not self.begun:
                self.begun = time.perf_counter()
                self.start()
            self.join(seconds)
        return not self.is_alive()

    def result(self) -> Any:
        """What the call returned. Raises `PluginError` for anything that it raised, also for an exit."""
        if self.error is not None:
            raise PluginError(in_words(self.error)) from self.error
        return self.value

    def stop(self) -> None:
        """End the thread at its next step in Python, if it is still there. Code in C goes on."""
        if self.is_alive():
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.ident or 0), ctypes.py_object(SystemExit))


def guarded(seconds: float, function: Callable[..., Any], *given: Any) -> Any:
    """Call foreign code and return what it returns.

    Parameters
    ----------
    seconds
        The limit of the call.
    function, *given
        The function and its arguments.

    Raises
    ------
    PluginError
        If the call takes longer, and for whatever it raises, `SystemExit` included. A Ctrl-C of the user passes.
    """
    call = Call(function, *given)
    if not call.wait(seconds):
        call.stop()
        raise PluginError(f"does not return within {seconds:g} s; set RETRIEVE_PLUGIN_SECONDS if it needs longer")
    return call.result()


def unguarded(function: Callable[..., Any], *given: Any) -> Any:
    """Call foreign code that the user asked for by name: in this thread, for as long as it takes. Else as `guarded`."""
    try:
        with aside():
            return function(*given)
    except (KeyboardInterrupt, PluginError, MemoryError):
        raise
    except BaseException as error:
        raise PluginError(in_words(error)) from error


@contextmanager
def aside() -> Iterator[None]:
    """Send to standard error what the block prints."""
    mine = threading.get_ident()
    with output_aside():
        already = mine in _aside
        _aside.add(mine)
        try:
            yield
        finally:
            if not already:
                _aside.discard(mine)


def in_words(error: BaseException) -> str:
    """The type of an error and its message in one line, also of one that cannot be turned into text."""
    try:
        message = " ".join(str(error).split())
    except BaseException:  # foreign code, too
        message = ""
    if isinstance(error, PluginError) and message:
        return message
    return f"{type(error).__name__}: {message[:MAX_MESSAGE]}" if message else type(error).__name__


@contextmanager
def output_aside() -> Iterator[None]:
    """Send to standard error what code in C prints, and what the threads of calls print.

    This changes the descriptor of standard output of the whole process until the last of all calls is done.
    """
    with _lock:
        if not isinstance(sys.stdout, _Output):
            sys.stdout = _Output(sys.stdout)
        _kept.append(_kept[0] if _kept else _pointed_to_stderr())
    try:
        yield
    finally:
        with _lock:
            copy = _kept.pop()
            if not _kept:
                _pointed_back(copy)
                if isinstance(sys.stdout, _Output) and not _aside:
                    sys.stdout = sys.stdout._real


def _pointed_to_stderr() -> int:
    """Let descriptor 1 be standard error; give a copy of what it was, −1 if one of the two is closed."""
    _flush()
    copy = -1
    with suppress(OSError):
        copy = os.dup(1)
        os.dup2(2, 1)
    return copy


def _pointed_back(copy: int) -> None:
    _flush()
    if copy >= 0:
        os.dup2(copy, 1)
        os.close(copy)


def _flush() -> None:
    """Write out what Python and C keep for standard output."""
    for stream in (sys.stdout, sys.__stdout__):
        with suppress(Exception):  # a stream that is closed, or None
            stream.flush()  # type: ignore[union-attr]
    if os.name == "posix":
        ctypes.CDLL(None).fflush(None)
