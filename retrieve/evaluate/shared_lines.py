"""A file of lines that several processes append to, each under a lock that ends with its process."""

from __future__ import annotations

import errno
import os
import struct
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import check_writable
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

_in_use: set[str] = set()
"""Files that this process holds: locks are between processes, and closing a second handle would end those of the first."""


class SharedLines:
    """Whole lines of a file that other processes may extend at the same time.

    The locks are those of POSIX on single bytes. The system ends them when a process dies, on one machine and on NFS, and
    forked workers do not inherit them. A line that a killed process tore is ended by the next reader.

    Parameters
    ----------
    path : path
        The file; it is made if it is not there.
    keep : bool
        True: keep its lines, beside other processes. False: begin anew, alone.

    Raises
    ------
    InputError
        For a file that cannot be used, and for one to begin anew that another process uses.

    Warns
    -----
    UserWarning
        On a file system without locks.
    """

    def __init__(self, path: str | Path, keep: bool) -> None:
        self.path = check_writable(path)
        self._read, self._lockable = 0, fcntl is not None
        self._name = os.path.realpath(self.path)
        if self._name in _in_use:
            raise InputError(f"this process writes {self.path} already; pass on the Store that holds it")
        try:
            self._file = self.path.open("a+b", buffering=0)
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

    def new(self) -> Iterator[bytes]:
        """Whole lines that were added since the last call, by whomever."""
        with self._appending():
            return iter(self._unread())

    def append(self, line: bytes) -> list[bytes]:
        """Add a line, and return those that were added before it since the last call of `new`. Raises `OSError`."""
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

    def _unread(self) -> list[bytes]:
        """The lines after the last one read. Nobody is writing: a last line without an end is torn."""
        parts, end = [], os.fstat(self._file.fileno()).st_size
        self._file.seek(self._read)
        while self._read < end and (part := self._file.read(end - self._read)):
            parts.append(part)
            self._read += len(part)
        content = b"".join(parts)
        if content and not content.endswith(b"\n"):
            self._write(b"\n")
            self._read += 1
        return content.splitlines()

    def _write(self, content: bytes) -> None:
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
