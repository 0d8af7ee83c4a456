"""An executor of worker processes, each on its own: one that dies takes nothing with it but its own work."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from pickle import PicklingError
from queue import LifoQueue
from typing import Any, TypeVar

from loky import ProcessPoolExecutor
from loky.process_executor import ShutdownExecutorError, TerminatedWorkerError

from ..errors import SolverError
from ..numerics.processors import end_with_parent
from .stopping import Request, listen

THREADS = ("RETRIEVE_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
ENVIRONMENT = {**dict.fromkeys(THREADS, "1"), "LOKY_MAX_MEMORY_LEAK_SIZE": "1e15"}
"""Of a worker: it computes in one thread, and is not replaced because it holds more than after its first call."""
STOP = getattr(signal, "SIGUSR1", None)
"""The signal that asks a worker to stop at its next step; Windows has none."""
LEFT_ALONE = ("SIGINT", "SIGTERM", "SIGHUP")
"""Signals that a terminal or a batch system sends to workers, too. Their parent decides."""

T = TypeVar("T")


class Processes(Executor):
    """Worker processes, started as they are needed; a dead one is replaced at the next call.

    Each is a loky executor of one process. An executor of several gives up all its calls when one process dies. One thread
    begins them all: on Linux a process ends with the thread that began it.
    """

    def __init__(self, workers: int) -> None:
        self._threads = ThreadPoolExecutor(workers)  # one waits for each process
        self._beginner = ThreadPoolExecutor(1)
        self._workers = [_worker() for _ in range(workers)]
        self._idle: LifoQueue[int] = LifoQueue()
        for number in reversed(range(workers)):
            self._idle.put(number)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Call `fn` in one of the processes. The future raises `BrokenExecutor` if the process dies."""
        return self._threads.submit(self._call, fn, args, kwargs)

    def stop(self) -> None:
        """Ask the work under way to stop at its next step, and to give what there is."""
        if STOP is None:
            return
        for worker in self._workers:
            for pid in list(getattr(worker, "_processes", None) or ()):
                with suppress(ProcessLookupError):
                    os.kill(pid, STOP)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes: when their work is done, or at once with `cancel_futures`."""
        self._threads.shutdown(wait=wait and not cancel_futures, cancel_futures=cancel_futures)
        for worker in self._workers:
            worker.shutdown(wait=wait, kill_workers=cancel_futures)
        self._threads.shutdown(wait=wait)
        if wait:
            self._beginner.shutdown()

    def __exit__(self, kind: Any, *_: Any) -> None:
        self.shutdown(cancel_futures=kind is not None)

    def _call(self, function: Callable[..., T], args: Any, kwargs: Any) -> T:
        number = self._idle.get()
        try:
            begun = self._beginner.submit(self._workers[number].submit, function, *args, **kwargs)
            result: T = begun.result().result()
            return result
        except PicklingError as error:
            raise SolverError(f"{_reason(error)}: what is sent to a worker process must be picklable; {ALONE}") from error
        except TerminatedWorkerError as error:
            self._workers[number] = _worker()
            exit_code = re.search(r"\{(.+)\}", str(error))
            why = f" with {exit_code[1]}" if exit_code else ""
            raise BrokenExecutor(f"its worker process died{why}, as for want of memory") from error
        except BrokenExecutor as error:  # what it was sent, or what it sent back, is unreadable on the other side
            self._workers[number] = _worker()
            raise SolverError(f"{_reason(error)}: a worker process cannot exchange this with its parent; {ALONE}") from error
        except ShutdownExecutorError as error:
            raise BrokenExecutor("its worker process was ended") from error
        finally:
            self._idle.put(number)


ALONE = "leave --workers out, or take --executor threads"


def _reason(error: BaseException) -> str:
    """The last line of the traceback that an error carries from elsewhere, or of its own text."""
    lines = [line for line in str(error.__cause__ or error).splitlines() if line.strip(' "')]
    return lines[-1].strip() if lines else type(error).__name__


def _worker() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, env=ENVIRONMENT, initializer=_begin, initargs=(os.getpid(),))


def _begin(parent: int) -> None:
    """In a worker: end with the parent, leave signals to it, and stop at a step when it asks."""
    end_with_parent(parent)
    for name in LEFT_ALONE:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    request = Request()
    listen(request)
    if STOP is not None:
        signal.signal(STOP, lambda *_: request.stop())
        signal.siginterrupt(STOP, False)
