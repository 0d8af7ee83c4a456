"""Limits of what is read: regular files, memory, links, and errors of parsers in words."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import InputError, RetrieveError
from .memory import free_memory, size_text

ALWAYS_ALLOWED = 80_000_000
"""Bytes that an array may have in memory, however few the file holds: 4500² or 270³ pixels of float32."""
LARGEST_RATIO = 100
"""Bytes in memory over bytes in the file, above which an array is refused. Sparse detector frames reach about 50."""
RATIO_IN_PARTS = 10_000
"""The same for an array that is read in parts, such as a pulse train of many frames without a photon."""
SURELY_FREE = 20_000_000
"""Bytes for which nobody asks how much memory is free; it takes a millisecond."""
UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


class NotEnoughMemory(InputError):
    """An array that needs more memory than there is, or than the user or the size of its file allows."""


@dataclass(frozen=True)
class Limits:
    """What reading may take.

    max_memory: bytes of an array in memory, or None for what is free.  follow_links: read what links out of a file's folder name.
    """

    max_memory: int | None = None
    follow_links: bool = False


_now = Limits()


def allowed() -> Limits:
    """The limits that hold in this process."""
    return _now


@contextmanager
def limited(**changes: Any) -> Iterator[Limits]:
    """Read within other limits, in the whole process, until the block ends.

    Parameters
    ----------
    **changes
        `max_memory`, in bytes or as text such as "8GB", and `follow_links`.

    Raises
    ------
    InputError
        For a size that is not understood.
    """
    global _now
    before = _now
    if "max_memory" in changes:
        changes["max_memory"] = None if changes["max_memory"] is None else bytes_of(changes["max_memory"])
    _now = replace(_now, **changes)
    try:
        yield _now
    finally:
        _now = before


def bytes_of(size: str | int) -> int:
    """The bytes of a size such as 8GB, 512MiB or 1000000. Raises `InputError` for anything else."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([kmgt]i?)?b?\s*", str(size).lower())
    number = float(match[1]) * UNITS[match[2] or ""] if match else 0
    if not 1 <= number < 2**63:
        raise InputError(f"max_memory={str(size)[:40]!r} is no size; write it like 8GB, 500MB or 2GiB")
    return int(number)


def shown(path: object) -> str:
    """A name as it can be printed: characters that UTF-8 lacks, and those that no name holds, as their codes."""
    return str(path).encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def regular_file(path: str | Path) -> Path:
    """Check that a path names a regular file, or nothing.

    Links to regular files pass. A missing file passes too, unless a link leads to it; opening it says more.

    Parameters
    ----------
    path
        The name.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    InputError
        For a pipe, a socket, a device, a link that leads nowhere or in a circle, and a name that no file can have or that is no
        valid UTF-8.
    """
    text = str(path)
    if "\0" in text:
        raise InputError(f"the name {shown(text)!r} holds a NUL character, which no file name can; check the name")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(f"the name {shown(text)} is no valid UTF-8, so that no result can record it; rename the file") from None
    path = Path(path)
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        if path.is_symlink():
            raise InputError(f"{path} is a link to {os.readlink(path)}, which is missing; restore it or name the file") from None
        return path
    except OSError as error:
        if path.is_symlink():
            raise InputError(f"{path} is a link that leads nowhere ({error.strerror}); name the file itself") from error
        return path
    kinds = {stat.S_ISFIFO: "a pipe", stat.S_ISSOCK: "a socket", stat.S_ISCHR: "a device", stat.S_ISBLK: "a device"}
    for is_kind, words in kinds.items():
        if is_kind(mode):
            raise InputError(f"{path} is {words}, no regular file; save what it delivers as a file, and name that")
    return path


def check_memory(need: int, what: str) -> None:
    """Check, before memory is taken, that it is there and that the user allows it.

    Parameters
    ----------
    need
        Bytes.
    what
        The file and the array, for the message.

    Raises
    ------
    NotEnoughMemory
        If `need` is above `Limits.max_memory`, or without one above `free_memory`.
    """
    most = allowed().max_memory
    if most is not None and need > most:
        raise NotEnoughMemory(
            f"{what} needs {size_text(need)} of memory, --max-memory allows {size_text(most)}; raise it or crop"
        )
    free = free_memory() if need > SURELY_FREE else None
    if free is not None and need > free:
        raise NotEnoughMemory(
            f"{what} needs {size_text(need)} of memory, {size_text(free)} are free; crop or bin it, or take a larger machine"
        )


def check_claim(what: str, shape: Sequence[int], itemsize: int, stored: int | None, ratio: float = LARGEST_RATIO) -> None:
    """Check the memory that the header of an array asks for, before the array is read.

    Parameters
    ----------
    what
        The file and the array, for the message.
    shape
        Of the array.
    itemsize
        Bytes of a value; values are held as float32 at least.
    stored
        Bytes that the file holds for the array; None if nothing is known.
    ratio
        Times as large as `stored` that the array may be in memory. Above `LARGEST_RATIO` it is one that is read in parts: the
        whole need not fit into memory then.

    Raises
    ------
    InputError
        For an axis below zero.
    NotEnoughMemory
        As `check_memory`; and without `Limits.max_memory` for an array above `ALWAYS_ALLOWED` that is larger than the ratio
        allows.
    """
    need = max(4, itemsize)
    for n in shape:
        if n < 0:
            raise InputError(f"{what} has an axis of {n} values; its header is damaged, copy the file again")
        need *= int(n)
    if allowed().max_memory is None and stored is not None and need > max(ALWAYS_ALLOWED, ratio * stored):
        raise NotEnoughMemory(
            f"{what} needs {size_text(need)} of memory, of which the file holds {size_text(stored)}; its header may be damaged: "
            f"if not, allow it with --max-memory {-(-need // 10**9)}GB"
        )
    if ratio <= LARGEST_RATIO:
        check_memory(need, what)


@contextmanager
def parsing(path: object, form: str) -> Iterator[None]:
    """Turn what a parser raises into an `InputError` that names the file, the reason and the remedy.

    Parameters
    ----------
    path
        The file.
    form
        Its format, in words.

    Raises
    ------
    InputError
        In place of anything that is no `RetrieveError`.
    NotEnoughMemory
        In place of a `MemoryError`.
    """
    try:
        yield
    except InputError as error:
        if Path(str(path)).name in str(error):
            raise
        raise type(error)(f"{shown(path)}: {error}") from error
    except RetrieveError:
        raise
    except MemoryError as error:
        raise NotEnoughMemory(
            f"{shown(path)} does not fit into memory ({_wanted(error)}); crop it, or copy it again if it is damaged"
        ) from error
    except Exception as error:  # parsers of damaged bytes raise anything, third-party ones above all
        reason = (str(error).splitlines() or [""])[0][:160].rstrip(".") or type(error).__name__
        raise InputError(f"{shown(path)} cannot be read as {form}: {shown(reason)}; it may be damaged, copy it again") from error


def _wanted(error: MemoryError) -> str:
    """How much a `MemoryError` was about, as NumPy tells it, and how much is free."""
    match = re.search(r"allocate ([\d.]+ \w+)", str(error))
    free = free_memory()
    words = [f"{match[1]} more are needed"] if match else []
    return ", ".join([*words, "free memory is unknown" if free is None else f"it may take {size_text(free)}"])
