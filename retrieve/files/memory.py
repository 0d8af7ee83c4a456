"""Memory that this process can still take: of the machine, of its cgroup, of its own limit."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

CGROUPS = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
)
"""Files of a cgroup, version 2 and 1: the limit, the use, and the part of the use that the kernel can drop."""


def free_memory() -> int | None:
    """Bytes that this process can still take: of the machine, of its cgroup and of its own limit. None if none is known."""
    known = [free for free in (_of_machine(), *_of_cgroups(), _of_process()) if free is not None]
    return max(0, min(known)) if known else None


def _number(text: str, name: str) -> int | None:
    match = re.search(rf"^{name}:?\s+(\d+)", text, re.MULTILINE)
    return int(match[1]) if match else None


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError):
        return ""


def _of_machine() -> int | None:
    available = _number(_text("/proc/meminfo"), "MemAvailable")
    if available is not None:
        return 1024 * available
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows
        return None


def _of_cgroups() -> Iterator[int]:
    """The rest of each cgroup that this process is in, the outer ones included."""
    own = [line.split(":", 2)[2].strip("/") for line in _text("/proc/self/cgroup").splitlines() if line.count(":") >= 2]
    for limit_name, use_name, spare_name in CGROUPS:
        places = {Path(p) for group in [*own, ""] for p in (group, *map(str, Path(group).parents))}
        for place in places:
            head, _, leaf = limit_name.rpartition("/")
            folder = Path("/sys/fs/cgroup") / head / place
            limit, use = _text(folder / leaf).strip(), _text(folder / use_name.rpartition("/")[2]).strip()
            if limit.isdigit() and use.isdigit() and int(limit) < 2**60:
                yield int(limit) - int(use) + (_number(_text(folder / "memory.stat"), spare_name) or 0)


def used_addresses() -> int | None:
    """Bytes of addresses that this process has, which RLIMIT_AS counts; None where this is not known."""
    size = _number(_text("/proc/self/status"), "VmSize")
    return None if size is None else 1024 * size


def _of_process() -> int | None:
    if sys.platform == "win32":
        return None
    import resource

    limit, used = resource.getrlimit(resource.RLIMIT_AS)[0], used_addresses()
    return None if limit == resource.RLIM_INFINITY or used is None else limit - used


def size_text(size: float) -> str:
    """Bytes in words, such as 3.3 GB."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            return f"{size:.3g} {unit}"
        size /= 1000
    raise AssertionError
