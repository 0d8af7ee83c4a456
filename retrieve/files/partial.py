"""A file under way: whoever writes to it never sees a failure, so that no library crashes on one."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from typing import Any

KEPT = 2**20  # bytes; larger blocks are arrays, which no library reads back while it writes
NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)


class PartialFile(io.RawIOBase):
    """A binary file that takes every write, and raises the first failure when it is finished.

    HDF5 flushes again at the end of the process after a failed write, and crashes the interpreter. `torch.save` and `zipfile`
    raise errors of other kinds, or print them. Here the libraries end in their usual way, then `finish` raises the error.
    After a failure small blocks stay in memory, for the library to read back.

    Parameters
    ----------
    path : path
        The file to make.

    Raises
    ------
    OSError
        If the file cannot be made.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666)
        self._at = self._size = 0
        self._lost: list[tuple[int, bytes]] = []
        self.failure: OSError | None = None

    def readable(self) -> bool:
        """True."""
        return True

    def writable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to `offset` from the beginning, the present place or the end. Return the place."""
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        """The present place."""
        return self._at

    def truncate(self, size: int | None = None) -> int:
        """Set the size, by default to the present place. Return it."""
        self._size = self._at if size is None else size
        if self.failure is None:
            try:
                os.ftruncate(self._file, self._size)
            except OSError as error:
                self.failure = error
        return self._size

    def write(self, data: Any) -> int:
        """Write all bytes of `data` at the present place, if the disk still takes them. Return their number."""
        block = memoryview(data).cast("B")
        done = 0
        try:
            while self.failure is None and done < len(block):
                os.lseek(self._file, self._at + done, os.SEEK_SET)
                done += os.write(self._file, block[done:])
        except OSError as error:
            self.failure = error
        if self.failure is not None and len(block) < KEPT:
            self._lost.append((self._at, bytes(block)))
        self._at += len(block)
        self._size = max(self._size, self._at)
        return len(block)

    def readinto(self, buffer: Any) -> int:
        """Read from the present place into `buffer`. Return the number of bytes; what was lost reads as zeros."""
        count = max(0, min(len(buffer), self._size - self._at))
        os.lseek(self._file, self._at, os.SEEK_SET)
        found = bytearray(os.read(self._file, count).ljust(count, b"\x00"))
        for at, block in self._lost:
            first, last = max(at, self._at), min(at + len(block), self._at + count)
            if first < last:
                found[first - self._at : last - self._at] = block[first - at : last - at]
        buffer[:count] = found
        self._at += count
        return count

    def finish(self) -> None:
        """Put everything on the disk. Raises the first `OSError` of any write."""
        if self.failure is not None:
            raise self.failure
        try:
            os.fsync(self._file)
        except OSError as error:
            if error.errno not in NO_SYNC:  # as of pipes and some network drives
                raise

    def close(self) -> None:
        """Close the file, without a word about what was lost."""
        if not self.closed:
            os.close(self._file)
        super().close()
