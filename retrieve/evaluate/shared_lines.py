"""A file of lines that several processes append to, each under a lock that ends with its process."""

from __future__ import annotations

import errno
import os
import struct
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import NewerVersion, check_writable
from ..files.leftovers import host

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

APPEND, OPEN, CLAIMS = 2**62, 2**62 + 1, 2**62 + 2
"""Bytes, far behind the end of the file, whose locks stand for appending, for a file in use, and for the first claim."""

FLOCK = "hhqqi"
"""The structure of a lock: type, whence, start, length, process."""

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
"""Errors of a file system without locks."""

CHUNK = 1 << 24
"""Bytes that are read at once."""

_in_use: set[str] = set()
"""Files that this process holds: locks are between processes, and closing a second handle would end those of the first."""


class SharedLines:
    """Records, one a line of a file that other processes may extend at the same time.

    The locks are those of POSIX on single bytes. The system ends them when a process dies, on one machine and on NFS, and
    forked workers do not inherit them. A line that cannot be read, as a killed process or a bad disk leaves it, moves to the file
    `damaged` beside this one; blanks take its place. Lines of a newer version stay, unread.

    Parameters
    ----------
    path : path
        The file; it is made if it is not there.
    keep : bool
        True: keep its lines, beside other processes. False: begin anew, alone.
    read : callable
        The record of a line. Raises `InputError` for a line that is none.

    Attributes
    ----------
    path, damaged : Path
        The file, and that of its damaged lines.

    Raises
    ------
    InputError
        For a file that cannot be used, and for one to begin anew that another process uses.

    Warns
    -----
    UserWarning
        On a file system without locks.
    """

    def __init__(self, path: str | Path, keep: bool, read: Callable[[bytes], Any]) -> None:
        self.path, self._record = check_writable(path), read
        self.damaged = self.path.with_suffix(f".damaged{self.path.suffix}")
        self._read, self._lockable = 0, fcntl is not None
        self._name = os.path.realpath(self.path)
        if self._name in _in_use:
            raise InputError(f"this process writes {self.path} already; pass on the Store that holds it")
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
            self._file = os.fdopen(handle, "r+b", buffering=0)
        except OSError as error:
            raise InputError(f"cannot use {self.path}: {error.strerror or error}; choose another place for the JSON") from error
        _in_use.add(self._name)
        try:
            if not keep:
                self._begin_anew()
            self._lock(OPEN, shared=True)
        except BaseException:
            self.close()
            raise
        if not self._lockable:
            warnings.warn(f"{self.path} lies where files cannot be locked; let one process at a time use it", stacklevel=3)

    def close(self) -> None:
        """Close the file. All locks end."""
        _in_use.discard(self._name)
        self._file.close()

    def new(self) -> list[Any]:
        """Records that were added since the last call, by whomever. Raises `OSError`."""
        with self._appending():
            return self._unread()

    def append(self, line: bytes) -> list[Any]:
        """Add a line, and return the records that were added before it since the last call of `new`. Raises `OSError`."""
        with self._appending():
            before = self._unread()
            self._write(line + b"\n")
            self._read += len(line) + 1
        return before

    def claim(self, key: str) -> bool:
        """Claim what a hexadecimal key names. False while another process holds it; a dead process holds nothing."""
        return self._lock(_place(key), wait=False)

    def release(self, key: str) -> None:
        """End a claim."""
        self._unlock(_place(key))

    def _begin_anew(self) -> None:
        if not self._lock(OPEN, wait=False):
            raise InputError(
                f"{self._holder()} is writing {self.path}; add --resume to share its work, wait for its end, "
                "or choose another place for the JSON"
            )
        self._file.truncate(0)

    def _holder(self) -> str:
        """The process that uses the file, in words; Linux says which one it is on this machine."""
        asked = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, OPEN, 1, 0)
        try:
            pid = struct.unpack(FLOCK, fcntl.fcntl(self._file, fcntl.F_GETLK, asked))[-1] if sys.platform == "linux" else 0
        except OSError:
            pid = 0
        return f"process {pid} on {host()}" if pid > 0 else "another run"

    @contextmanager
    def _appending(self) -> Iterator[None]:
        self._lock(APPEND)
        try:
            yield
        finally:
            self._unlock(APPEND)

    def _unread(self) -> list[Any]:
        """The records after the last one read. Nobody is writing: a last line without an end is torn."""
        begin, parts = self._read, []
        self._file.seek(begin)
        while part := self._file.read(CHUNK):
            parts.append(part)
        content = b"".join(parts)
        if content and not content.endswith(b"\n"):
            self._write(b"\n")
            content += b"\n"
        self._read = begin + len(content)
        found, at = [], begin
        for line in content.split(b"\n")[:-1]:
            if line.strip():
                try:
                    found.append(self._record(line))
                except InputError as error:
                    if not isinstance(error, NewerVersion):
                        self._set_aside(line, at, str(error))
            at += len(line) + 1
        return found

    def _set_aside(self, line: bytes, at: int, reason: str) -> None:
        """Move a damaged line, which begins at byte `at`, to the file of damaged lines."""
        with self.damaged.open("ab") as file:
            file.write(line + b"\n")
        self._write(b" " * len(line), at)
        warnings.warn(f"a damaged line of {self.path} moved to {self.damaged}, its trial runs again: {reason:.200}", stacklevel=2)

    def _write(self, content: bytes, at: int | None = None) -> None:
        """Write at a byte, or at the end."""
        self._file.seek(*((0, os.SEEK_END) if at is None else (at, os.SEEK_SET)))
        rest = memoryview(content)
        while rest:
            rest = rest[self._file.write(rest) :]

    def _lock(self, place: int, *, shared: bool = False, wait: bool = True) -> bool:
        """Lock a byte. False if another process has it and this one does not wait."""
        if not self._lockable:
            return True
        how = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
        try:
            fcntl.lockf(self._file, how, 1, place)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                return False
            if error.errno not in NO_LOCKS:
                raise
            self._lockable = False
        return True

    def _unlock(self, place: int) -> None:
        if self._lockable:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, place)

    def __enter__(self) -> SharedLines:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _place(key: str) -> int:
    """The byte whose lock is the claim on a key."""
    return CLAIMS + int(key[:15], 16)
