"""Foreign parsers under a time limit: in a child process, which a loop, a crash or a lack of memory ends alone."""

from __future__ import annotations

import faulthandler
import os
import pickle
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from ..errors import InputError
from .limits import parsing
from .memory import used_addresses

T = TypeVar("T")

CAN_FORK = sys.platform == "linux"
"""Elsewhere a fork is slow or unsafe; a parser then runs in this process, without limits."""
WALL_TIMES = 10
"""Seconds of the clock for each second of processor time: slow disks and busy machines."""
CHILD_MEMORY = 700_000_000
"""Bytes that a child may take beside what the process has, at least."""

_inside = False


class _Answer(NamedTuple):
    """What a child has to tell: its value, or an error in words; and the warnings on the way."""

    value: Any
    error: InputError | None
    warned: list[tuple[str, type[Warning]]]


def within_time(seconds: float, what: str, form: str, function: Callable[..., T], *args: Any, memory: int = CHILD_MEMORY) -> T:
    """Run a parser in a child process, and end it when it takes too long.

    The child has its own copy of all modules and values. Import what `function` needs before the call, or each call imports it.
    A call inside a child runs there. Where the system cannot fork cheaply, the parser runs in this process, without a limit.

    Parameters
    ----------
    seconds
        Processor time that the parser may take. A blocked one ends after `WALL_TIMES` as much.
    what, form
        The file and its format, for messages.
    function
        Its value must be one that pickle knows. Arrays return without a copy.
    *args
        Its arguments.
    memory
        Bytes that the child may take beside what the process has, `CHILD_MEMORY` at least.

    Returns
    -------
    object
        What `function` returns.

    Raises
    ------
    InputError
        As `parsing`, and for a parser that takes too long or ends by a signal.
    """
    if not CAN_FORK or _inside:
        with parsing(what, form):
            return function(*args)
    with tempfile.TemporaryFile() if not hasattr(os, "memfd_create") else os.fdopen(os.memfd_create("answer"), "w+b") as file:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of every fork with threads
            pid = os.fork()
        if pid == 0:
            _run(seconds, memory, what, form, file, function, args)
        status = _ended(pid, seconds * WALL_TIMES)
        answer = _received(file) if status == 0 else None
    if answer is None:
        raise InputError(_lost(status, seconds, what, form))
    for words, category in answer.warned:
        warnings.warn(words, category, stacklevel=2)
    if answer.error is not None:
        raise answer.error
    value: T = answer.value
    return value


def _run(
    seconds: float, memory: int, what: str, form: str, file: Any, function: Callable[..., Any], args: tuple[Any, ...]
) -> None:
    """The child's whole life."""
    global _inside
    status = 1
    try:
        _inside = True
        _confine(seconds, memory)
        value, error = None, None
        with warnings.catch_warnings(record=True) as caught:
            try:
                with parsing(what, form):
                    value = function(*args)
            except InputError as refused:
                error = type(refused)(str(refused))
        buffers: list[pickle.PickleBuffer] = []
        answer = _Answer(value, error, [(str(w.message), w.category) for w in caught])
        body = pickle.dumps(answer, protocol=5, buffer_callback=buffers.append)
        parts = [body, *(buffer.raw() for buffer in buffers)]
        file.write(pickle.dumps([len(part) for part in parts]))
        for part in parts:
            file.seek(_aligned(file.tell()))
            file.write(part)
        file.flush()
        status = 0
    except MemoryError:
        status = 3
    finally:
        os._exit(status)


def _confine(seconds: float, memory: int) -> None:
    """Limit this process to so much processor time and memory, and leave the parent's signal handlers to the parent."""
    import resource

    faulthandler.disable()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it as well, and ends this process
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (max(1, round(seconds)), max(1, round(seconds)) + 1))
    used, (soft, hard) = used_addresses(), resource.getrlimit(resource.RLIMIT_AS)
    if used is not None:
        most = used + max(CHILD_MEMORY, memory)
        resource.setrlimit(resource.RLIMIT_AS, (most if soft == resource.RLIM_INFINITY else min(most, soft), hard))


def _ended(pid: int, seconds: float) -> int:
    """Wait for a child; end it after so many seconds, or if this process is interrupted. Return its exit code, −signal."""
    stop, pause = time.monotonic() + seconds, 1e-4
    done = 0
    try:
        while not done and time.monotonic() < stop:
            done, status = os.waitpid(pid, os.WNOHANG)
            if not done:
                time.sleep(pause)
                pause = min(1.2 * pause, 5e-3)
    finally:
        if not done:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status) if done else -signal.SIGXCPU


def _aligned(place: int) -> int:
    """The next place at which an array may begin."""
    return -(-place // 64) * 64


def _received(file: Any) -> _Answer:
    """The answer in a file that the child wrote."""
    import mmap

    file.seek(0)
    sizes = pickle.load(file)
    start = file.tell()
    held = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))  # private: arrays on it can be changed
    parts = []
    for size in sizes:
        start = _aligned(start)
        parts.append(held[start : start + size])
        start += size
    answer: _Answer = pickle.loads(parts[0], buffers=parts[1:])
    return answer


def _lost(status: int, seconds: float, what: str, form: str) -> str:
    """Why a child gave no answer, in words."""
    if -status in (signal.SIGXCPU, signal.SIGKILL):
        return f"{what} cannot be read as {form}: its parser did not end within {seconds:g} s; it is damaged, copy it again"
    if status == 3:
        return f"{what} cannot be read as {form}: it needs more memory than it may take; it may be damaged, or give --max-memory"
    return f"{what} cannot be read as {form}: its parser crashed (exit code {status}); it is damaged, copy it again"
