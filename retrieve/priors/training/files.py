"""The lock on a training's folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import InputError


@contextmanager
def lock_directory(folder: Path) -> Iterator[None]:
    """Make the folder, and keep other trainings out of it.

    Raises `InputError` where it cannot be written, or while another process trains in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise InputError(f"cannot write in {folder}: {error.strerror}; choose another folder") from error
    with lock:
        try:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"another process is training in {folder}; wait for it, or choose another folder") from None
        except (ImportError, OSError):  # no such locks on this system or file system
            pass
        yield
