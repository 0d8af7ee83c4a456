"""Threads set in one place for one block, and processes that end with their parent."""

from __future__ import annotations

import ctypes
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path

PR_SET_PDEATHSIG = 1
"""The option of Linux's `prctl` that asks for a signal when the parent ends."""
NO_QUOTA = 1 << 20
LOOK = 0.5
"""Seconds between two looks for the parent, on other systems."""


def allowed_cores() -> int:
    """The processors that the affinity and the cgroups of this process allow, at least one."""
    have = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(have, _quota()))


@lru_cache(maxsize=1)
def _quota(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int:
    """The processors that cgroups allow, of version 1 and 2, the outer ones included; a large number without a limit."""
    groups = {Path()}
    with suppress(OSError):
        for line in own.read_text().splitlines():
            group = Path(line.split(":", 2)[2].strip("/"))
            groups |= {group, *group.parents}
    shares = [NO_QUOTA]
    for group in groups:
        with suppress(OSError, ValueError):
            limit, period = (root / group / "cpu.max").read_text().split()
            shares.append(math.ceil(int(limit) / int(period)))  # "max" is no number
        with suppress(OSError, ValueError):
            limit, period = ((root / "cpu" / group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
            shares += [math.ceil(int(limit) / int(period))] if int(limit) > 0 else []
    return min(shares)


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """Let torch compute in this number of threads in a block, whatever ends it."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def end_with_parent(parent: int) -> None:
    """Kill this process when its parent ends, whatever it computes.

    On Linux the kernel does it when the thread ends that began this process. On other systems a thread looks for the parent.

    Parameters
    ----------
    parent : int
        The parent's process number, as the parent knows it.
    """
    done = False
    if sys.platform == "linux":
        done = ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) == 0
    if os.getppid() != parent:  # it ended before
        os._exit(1)
    if not done:
        threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK)
    os._exit(1)


class Crowd:
    """Threads side by side that share the processors. Each has an even part, and more once others are done."""

    def __init__(self) -> None:
        self.members = 0
        self._lock = threading.Lock()

    @contextmanager
    def member(self) -> Iterator[None]:
        """Be one of the threads in a block."""
        with self._lock:
            self.members += 1
        token = _crowd.set(self)
        try:
            yield
        finally:
            _crowd.reset(token)
            with self._lock:
                self.members -= 1


_one_core: ContextVar[bool] = ContextVar("one_core", default=False)
_crowd: ContextVar[Crowd | None] = ContextVar("crowd", default=None)


def cores() -> int:
    """The number of processors that this thread may use.

    The affinity and the cgroup of the process limit it. RETRIEVE_THREADS, or else OMP_NUM_THREADS, lowers it, and so do
    `one_core` and a `Crowd`.
    """
    if _one_core.get():
        return 1
    have = allowed_cores()
    for name in ("RETRIEVE_THREADS", "OMP_NUM_THREADS"):
        asked = os.environ.get(name, "").partition(",")[0].strip()
        if asked.isdecimal() and int(asked) > 0:
            have = min(have, int(asked))
            break
    crowd = _crowd.get()
    return have if crowd is None else max(1, have // max(1, crowd.members))


def at_most(threads: int) -> int:
    """This number of threads; in a `Crowd` the processors of this thread, if they are fewer."""
    return threads if threads == 1 or _crowd.get() is None else min(threads, cores())


@contextmanager
def one_core() -> Iterator[None]:
    """Let this thread use one processor alone, because others work beside it."""
    token = _one_core.set(True)
    try:
        yield
    finally:
        _one_core.reset(token)


def threads_for(size: int) -> int:
    """Threads for a transform of `size` points: one below half a million points, where two are slower."""
    return 1 if size < 500_000 else cores()
