"""FFTW's plans on disk: a file a shape, checked when it is read, and measured anew if it is damaged.

The first line names the format, the machine and the SHA-256 of the rest, which is FFTW's own text. Files of older versions are
that text alone.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable
from pathlib import Path

import pyfftw

from ...errors import InputError
from ...files import locked, replacing
from ...files.cache import cache_folder

FORMAT = b"retrieve-plans-1"


def machine() -> str:
    """A hash of the processor and of FFTW's version: plans of another one are of no use."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    cpu = sorted({line for line in lines if line.startswith(("model name", "model\t", "flags"))}) or [platform.processor()]
    return hashlib.sha256("\n".join([*cpu, pyfftw.__version__, pyfftw.fftw_version]).encode()).hexdigest()[:12]


def plan_name(shape: tuple[int, ...], real: bool) -> str:
    """The name of one shape's plans."""
    return "x".join(map(str, shape)) + ("-real" if real else "")


def kept_wisdom(name: str, measure: Callable[[], bytes], holds: Callable[[bytes], bool]) -> bytes | None:
    """FFTW's wisdom of this name, the same in all processes; None if it cannot be kept on disk.

    Parameters
    ----------
    name : str
        As `plan_name` gives it.
    measure : callable
        Measures the plans and returns their wisdom. One process at a time does so; the first one's wisdom is kept.
    holds : callable
        Whether a wisdom has all the plans.

    Returns
    -------
    bytes or None
        The wisdom.
    """
    here = machine()
    file = cache_folder() / f"fftw-{here}" / name
    try:
        if (known := _read(file, here, holds)) is not None:
            return known
        file.parent.mkdir(parents=True, exist_ok=True)
        with locked(file, f"measuring {file}", "wait for its end", wait=True):
            known = _read(file, here, holds)
            if known is None:
                known = measure()
                with replacing(file) as partial:
                    partial.write(_head(known, here) + known)
        return known
    except (OSError, InputError):
        return None


def _read(file: Path, here: str, holds: Callable[[bytes], bool]) -> bytes | None:
    """The wisdom in a file; None if there is none, or it is damaged, of another machine, or incomplete."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    head, line, rest = content.partition(b"\n")
    wisdom = rest if head.startswith(FORMAT) else content
    whole = wisdom is content or head + line == _head(wisdom, here)
    return wisdom if whole and holds(wisdom) else None


def _head(wisdom: bytes, here: str) -> bytes:
    return b" ".join([FORMAT, here.encode(), hashlib.sha256(wisdom).hexdigest().encode()]) + b"\n"
