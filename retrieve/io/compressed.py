"""Files that are compressed as a whole, such as a.edf.gz: any format inside gzip, bzip2 or xz."""

from __future__ import annotations

import importlib
import shutil
import tempfile
from pathlib import Path

from ..errors import InputError
from ..files import NotEnoughMemory, allowed
from ..files.limits import ALWAYS_ALLOWED, LARGEST_RATIO
from ..files.memory import size_text
from .records import RawFile
from .registry import PACKED, read_file, readers


def read_compressed(path: Path, key: str | None) -> RawFile:
    """Read a compressed file by the format inside. It is unpacked into a temporary folder, which needs the space."""
    with path.open("rb") as file:
        start = file.read(8)
    module = next((module for head, module in PACKED.items() if start.startswith(head)), None)
    if module is None:
        raise InputError(f"{path} is not compressed as its name says; take {path.suffix} off its name")
    with tempfile.TemporaryDirectory(prefix="retrieve-") as folder:
        plain = Path(folder) / path.stem
        _unpack(path, module, plain, shutil.disk_usage(folder).free)
        with plain.open("rb") as file:
            if file.read(8).startswith(tuple(PACKED)):
                raise InputError(f"{path} is compressed twice; unpack it once")
        try:
            return read_file(plain, key, readers())
        except InputError as error:
            raise type(error)(str(error).replace(str(plain), str(path))) from error


def _unpack(path: Path, module: str, plain: Path, free: int) -> None:
    """Unpack a file, as far as its size, the limits and the free space of the disk allow."""
    ratio = allowed().max_memory or max(ALWAYS_ALLOWED, LARGEST_RATIO * path.stat().st_size)
    most = min(ratio, free)
    done = 0
    try:
        with importlib.import_module(module).open(path, "rb") as packed, plain.open("wb") as made:
            while (part := packed.read(2**20)) and (done := done + len(part)) <= most:
                made.write(part)
    except Exception as error:  # OSError, EOFError, and those of zlib and lzma
        raise InputError(f"{path} cannot be unpacked ({error}); it may be damaged, copy it again") from error
    if done > most and most == free:
        raise InputError(
            f"{path} unpacks to more than the {size_text(free)} that {plain.parent} has; set TMPDIR to a larger place"
        )
    if done > most:
        raise NotEnoughMemory(
            f"{path} ({size_text(path.stat().st_size)}) unpacks to more than {size_text(most)}; if it is not damaged, allow it "
            "with --max-memory 8GB, or more"
        )
