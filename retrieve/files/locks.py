"""Locks between processes, which name their holder."""

from __future__ import annotations

import errno
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .leftovers import host
from .writer import check_writable

if TYPE_CHECKING:
    from filelock import FileLock

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""Errors of a file system without locks."""
LOOK = 0.1
"""Seconds between two looks at a lock that another process holds."""


@contextmanager
def locked(
    path: str | Path,
    doing: str,
    remedy: str,
    *,
    wait: bool = False,
    given_up: Callable[[], bool] = lambda: False,
) -> Iterator[None]:
    """Hold the lock of `path`, the file ``.NAME.lock`` beside it, which names the holder.

    The system ends the lock with its process: a lock of a dead process does not block. The file goes with the lock. What dead
    processes left in the folder is removed.

    Parameters
    ----------
    path : str or Path
        What is locked. It need not exist; its folder must.
    doing : str
        The holder's work, as the message of others says it, such as "writing crystal.cxi".
    remedy : str
        What another process may do.
    wait : bool
        True: wait for the lock.
    given_up : callable
        With `wait`, called again and again; a true value ends the waiting with a KeyboardInterrupt.

    Raises
    ------
    InputError
        While another process holds the lock, and where its file cannot be made.

    Warns
    -----
    UserWarning
        On a file system without locks. The block then runs unlocked.
    """
    from filelock import FileLock

    place = check_writable(path).with_name(f".{Path(path).name}.lock")
    lock = FileLock(place, blocking=False, fallback_to_soft=False)
    if not _acquire(lock, place, f"is {doing}; {remedy}", given_up if wait else None):
        yield
        return
    try:
        with suppress(OSError):
            place.write_text(f"{os.getpid()} {host()}\n")
        yield
    finally:
        with suppress(OSError):  # Windows keeps a file that is open
            place.unlink()
        lock.release()


def _acquire(lock: FileLock, place: Path, said: str, given_up: Callable[[], bool] | None) -> bool:
    """Take the lock, after others if `given_up` is given. False on a file system without locks."""
    from filelock import Timeout

    while True:
        try:
            lock.acquire()
            return True
        except Timeout:
            if given_up is None:
                raise InputError(f"{_holder(place)} {said}") from None
            if given_up():
                raise KeyboardInterrupt from None
            time.sleep(LOOK)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                reason = error.strerror or error
                raise InputError(f"cannot write in {place.parent}: {reason}; choose another folder") from error
            warnings.warn(f"{place.parent} has no file locks; let one process at a time write there", stacklevel=5)
            return False


def _holder(place: Path) -> str:
    """The process that holds a lock, in words."""
    try:
        pid, where = place.read_text().split()
    except (OSError, ValueError):
        return "another process"
    return f"process {pid} on {where}"
