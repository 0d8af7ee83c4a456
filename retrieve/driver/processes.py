"""An executor of worker processes, each on its own: one that dies takes nothing with it but its own work."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from queue import LifoQueue
from typing import Any, TypeVar

from loky import ProcessPoolExecutor
from loky.process_executor import ShutdownExecutorError

THREADS = ("RETRIEVE_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
ENVIRONMENT = {**dict.fromkeys(THREADS, "1"), "LOKY_MAX_MEMORY_LEAK_SIZE": "1e15"}
"""Of a worker: it computes in one thread, and is not replaced because it holds more than after its first call."""

T = TypeVar("T")


class Processes(Executor):
    """Worker processes, started as they are needed; a dead one is replaced at the next call.

    Each is a loky executor of one process. An executor of several gives up all its calls when one process dies.
    """

    def __init__(self, workers: int) -> None:
        self._threads = ThreadPoolExecutor(workers)  # one waits for each process
        self._workers = [_worker() for _ in range(workers)]
        self._idle: LifoQueue[int] = LifoQueue()
        for number in reversed(range(workers)):
            self._idle.put(number)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Call `fn` in one of the processes. The future raises `BrokenExecutor` if the process dies."""
        return self._threads.submit(self._call, fn, args, kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes: when their work is done, or at once with `cancel_futures`."""
        self._threads.shutdown(wait=wait and not cancel_futures, cancel_futures=cancel_futures)
        for worker in self._workers:
            worker.shutdown(wait=wait, kill_workers=cancel_futures)
        self._threads.shutdown(wait=wait)

    def __exit__(self, kind: Any, *_: Any) -> None:
        self.shutdown(cancel_futures=kind is not None)

    def _call(self, function: Callable[..., T], args: Any, kwargs: Any) -> T:
        number = self._idle.get()
        try:
            result: T = self._workers[number].submit(function, *args, **kwargs).result()
            return result
        except BrokenExecutor as error:
            self._workers[number] = _worker()
            exit_code = re.search(r"\{(.+)\}", str(error))
            why = f" with {exit_code[1]}" if exit_code else ""
            raise BrokenExecutor(f"its worker process died{why}, as for want of memory") from error
        except ShutdownExecutorError as error:
            raise BrokenExecutor("its worker process was ended") from error
        finally:
            self._idle.put(number)


def _worker() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, env=ENVIRONMENT, initializer=_begin)


def _begin() -> None:
    """In a worker: leave Ctrl-C and TERM to the parent, and end when the parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
