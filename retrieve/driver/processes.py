"""An executor of worker processes, each on its own: one that dies takes nothing with it but what it worked on."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from queue import LifoQueue
from typing import Any, TypeVar

from ..errors import SolverError

THREADS = ("RETRIEVE_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
SPAWN = multiprocessing.get_context("spawn")

T = TypeVar("T")


class Processes(Executor):
    """Worker processes, started as they are needed; a dead one is replaced by the next unit of work.

    `concurrent.futures.ProcessPoolExecutor` gives up all that it was handed when one of its processes dies, and leaves
    its processes behind when the one that began them is killed; these end then.
    """

    def __init__(self, workers: int) -> None:
        self._threads = ThreadPoolExecutor(workers)  # one that waits for each process
        self._idle: LifoQueue[_Worker | None] = LifoQueue()
        self._working: set[_Worker] = set()
        self._over = False
        for _ in range(workers):
            self._idle.put(None)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Call in one of the processes; where it dies the future raises `BrokenExecutor`."""
        return self._threads.submit(self._call, fn, args, kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes: when their work is done, or at once with `cancel_futures`."""
        if cancel_futures:
            self._over = True
            self._threads.shutdown(wait=False, cancel_futures=True)
            for worker in list(self._working):
                worker.process.terminate()
        self._threads.shutdown(wait=wait)
        while wait and not self._idle.empty():
            idle = self._idle.get()
            if idle is not None:
                idle.end()

    def __exit__(self, kind: Any, *_: Any) -> None:
        self.shutdown(cancel_futures=kind is not None)

    def _call(self, function: Callable[..., T], args: Any, kwargs: Any) -> T:
        idle = self._idle.get()
        worker: _Worker | None = idle
        alive = False
        try:
            worker = idle or _Worker()
            self._working.add(worker)
            if self._over:
                raise BrokenExecutor("it was shut down")
            value, error = worker.call(function, args, kwargs)
            alive = True
        except (EOFError, ConnectionError) as gone:
            raise BrokenExecutor("its worker process died, as for want of memory") from gone
        finally:
            self._idle.put(worker if alive else None)
            if worker is not None:
                self._working.discard(worker)
                if not alive:
                    worker.end()
        if error is not None:
            raise error
        return value


class _Worker:
    """One process and the pipe to it."""

    def __init__(self) -> None:
        self.pipe, theirs = SPAWN.Pipe()
        self.process = SPAWN.Process(target=_serve, args=(theirs,))
        self.process.start()
        theirs.close()
        try:
            self.pipe.recv()
        except (EOFError, ConnectionError) as error:
            raise SolverError(
                "a worker process does not start, for the reason printed above; "
                'a script that starts any must do so under `if __name__ == "__main__":`'
            ) from error

    def call(self, function: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Any, BaseException | None]:
        """What the function returns or raises there. Raises EOFError or ConnectionError where the process dies."""
        self.pipe.send((function, args, kwargs))
        answer: tuple[Any, BaseException | None] = self.pipe.recv()
        return answer

    def end(self) -> None:
        """Close the pipe, on which the process ends."""
        self.pipe.close()
        self.process.join()


def _serve(pipe: Connection) -> None:
    """Work in the child: call what comes until the pipe is closed, also by the parent's death."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's affair
    answer: Any = None
    while True:
        try:
            pipe.send(answer)
            asked = pipe.recv_bytes()
        except (EOFError, ConnectionError):
            return
        try:
            function, args, kwargs = pickle.loads(asked)
            answer = (function(*args, **kwargs), None)
        except Exception as error:
            answer = (None, error)


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Processes started in here use one thread each."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
