"""Writing so that no reader ever finds half a file, and so that no two trainings write in one folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import InputError, RetrieveError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to, which takes its place when all went well.

    Raises `RetrieveError` where it cannot be written; the file that was there is then left as it was.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        os.replace(partial, path)
    except (OSError, RuntimeError) as error:  # torch tells of a full disk by a RuntimeError
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RetrieveError(f"cannot write {path}: {reason}; free some space and run it again") from error
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def own_folder(folder: Path) -> Iterator[None]:
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
