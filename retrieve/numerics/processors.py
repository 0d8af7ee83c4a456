"""Threads set in one place for one block, and processes that end with their parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

PR_SET_PDEATHSIG = 1
"""The option of Linux's `prctl` that asks for a signal when the parent ends."""
LOOK = 0.5
"""Seconds between two looks for the parent, on other systems."""


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
