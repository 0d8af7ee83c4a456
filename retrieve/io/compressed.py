"""Files that are compressed as a whole, such as a.edf.gz: any format inside gzip, bzip2 or xz."""

from __future__ import annotations

import importlib
import shutil
import tempfile
from pathlib import Path

from ..errors import InputError
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
        try:
            with importlib.import_module(module).open(path, "rb") as packed, plain.open("wb") as made:
                shutil.copyfileobj(packed, made, 2**20)
        except Exception as error:  # OSError, EOFError, and those of zlib and lzma
            raise InputError(f"{path} cannot be unpacked ({error}); it may be damaged, copy it again") from error
        try:
            return read_file(plain, key, readers())
        except InputError as error:
            raise InputError(str(error).replace(str(plain), str(path))) from error
