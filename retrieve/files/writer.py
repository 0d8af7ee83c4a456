"""The one atomic writer: a file takes its place when it is complete, or not at all."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from ..errors import InputError
from .leftovers import partial_name, remove_leftovers
from .partial import PartialFile


def check_writable(path: str | Path) -> Path:
    """Check that a file can be written at `path`. Call it before long work.

    It removes files under construction that dead processes left in the folder.

    Raises
    ------
    InputError
        If `path` is a directory, or its directory does not exist or is not writable.
    """
    path = _checked(path)
    remove_leftovers(path.parent)
    return path


def _checked(path: str | Path) -> Path:
    path = Path(path)
    folder = path.parent
    if path.is_dir():
        raise InputError(f"{path} is a directory; give the name of a file in it, such as {path / 'result.cxi'}")
    if not folder.is_dir():
        raise InputError(f"cannot write {path}: there is no directory {folder}; make it (mkdir -p) or choose another place")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"cannot write {path}: the directory {folder} is not writable by this user; choose another place")
    return path


def make_folder(path: str | Path) -> Path:
    """Make a folder, and those that it is in, if they are not there. Return the path.

    Raises
    ------
    InputError
        If the place is taken by a file, or refuses the folder.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {path}: {error.strerror or error}; choose another place") from error
    return path


@contextmanager
def replacing(path: str | Path) -> Iterator[IO[bytes]]:
    """Yield a binary file to write to. It replaces `path` when the block ends without an error, and is on the disk by then.

    h5py, NumPy, Matplotlib and torch write to it as to any file. It takes all they write: a full disk is told at the end.

    Raises
    ------
    InputError
        If the place or the disk refuses the file. The file that was there stays as it was.
    """
    path = _checked(path)
    beside = path.with_name(partial_name(path.name))
    try:
        with PartialFile(beside) as file:
            try:
                yield cast(IO[bytes], file)
            except Exception:
                if file.failure is not None:  # a library that read back what was lost raises an error of its own
                    raise file.failure from None
                raise
            file.finish()
        os.replace(beside, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}; free some space or choose another place") from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Put the new name on the disk, where the system can."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def write_text(path: str | Path, text: str) -> Path:
    """Write `text` as UTF-8, atomically. Return the path. Characters that UTF-8 lacks become question marks."""
    with replacing(path) as file:
        file.write(text.encode("utf-8", "replace"))
    return Path(path)


def json_value(value: Any, digits: int | None = None) -> Any:
    """Turn mappings, sequences, arrays and NumPy scalars into what JSON knows.

    A number that is not finite becomes None. Floats are rounded to `digits` significant digits, if given.
    """
    if isinstance(value, Mapping):
        return {str(key): json_value(inner, digits) for key, inner in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [json_value(inner, digits) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        return None
    return value if digits is None else float(f"{value:.{digits}g}")
