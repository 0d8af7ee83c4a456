"""Files under construction: their names, and the removal of those whose process is dead."""

from __future__ import annotations

import itertools
import os
import re
import socket
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

LONGEST = 120
"""Bytes of a file's name that the name of its partial file repeats; the whole stays below the 255 of a file system."""
PARTIAL = re.compile(r"\..*\.partial-(?P<host>[^-]+)-(?P<pid>\d+)-\d+")

_count = itertools.count()
_seen: dict[str, int] = {}
"""By folder its time of change when nothing in it was under construction."""


@lru_cache(maxsize=1)
def host() -> str:
    """The name of this machine, with letters, digits, dots and underscores alone."""
    return re.sub(r"[^\w.]", "_", socket.gethostname())[:60] or "unknown"


def partial_name(name: str) -> str:
    """A name for a file that will become `name`. It says which process of which machine writes it."""
    begin = os.fsencode(name)[:LONGEST].decode(errors="ignore")
    return f".{begin}.partial-{host()}-{os.getpid()}-{next(_count)}"


def remove_leftovers(folder: str | Path) -> list[Path]:
    """Remove the partial files that dead processes of this machine left in a folder.

    Files of other machines stay, since nothing here says whether their processes live.

    Parameters
    ----------
    folder : str or Path
        The folder. Its subfolders are left alone.

    Returns
    -------
    list of Path
        The removed files.
    """
    removed, living = [], False
    try:
        changed = os.stat(folder).st_mtime_ns
        if _seen.get(str(folder)) == changed:
            return []
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.startswith(".")]
    except OSError:
        return []
    for name in names:
        found = PARTIAL.fullmatch(name)
        if not found or found["host"] != host():
            continue
        if alive(int(found["pid"])):
            living = True
            continue
        with suppress(OSError):  # another process removes it, too, or it is another user's
            (Path(folder) / name).unlink()
            removed.append(Path(folder) / name)
    if not living:
        _seen[str(folder)] = changed
    return removed


def alive(pid: int) -> bool:
    """Whether a process of this machine runs. One that has ended and waits for its parent does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return True
    return state not in "ZX"
