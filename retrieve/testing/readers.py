"""Checks of readers: their own files are recognised and read, others and damaged ones are not."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import SkipTest

import numpy as np

from ..io.records import RawFile, Reader
from .case import Checks, require
from .watch import within

SECONDS = 20.0


def _npy() -> bytes:
    file = io.BytesIO()
    np.save(file, INTENSITY)
    return file.getvalue()


INTENSITY = np.round(np.random.default_rng(0).uniform(1, 1000, (20, 24))).astype(np.float32)
"""The measurement that a reader's sample holds, whole counts."""

FOREIGN: dict[str, Callable[[], bytes]] = {
    "an npy file": _npy,
    "the head of an npz file": lambda: b"PK\x03\x04" + bytes(60),
    "the head of an HDF5 file": lambda: b"\x89HDF\r\n\x1a\n" + bytes(600),
    "the head of a TIFF file": lambda: b"II*\x00" + bytes(60),
    "the head of a CBF file": lambda: b"###CBF: VERSION 1.5\r\n",
    "plain text": lambda: b"The quick brown fox jumps over the lazy dog.\n" * 20,
    "noise": lambda: np.random.default_rng(0).bytes(1024),
    "nothing": lambda: b"",
}
"""Contents that are of other formats."""


checks = Checks()


@contextmanager
def _file(reader: Reader, content: bytes | None = None) -> Iterator[Path]:
    """A file of the reader's suffix with this content, or with its sample. Skips the check where it has no sample."""
    if content is None and reader.sample is None:
        raise SkipTest("it has no sample; give Reader(…, sample=function) that writes (path, intensity)")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"measured{reader.suffixes[0] if reader.suffixes else '.dat'}")
        if content is not None:
            path.write_bytes(content)
        elif reader.sample is not None:
            reader.sample(path, INTENSITY.copy())
        yield path


def _sniffs(reader: Reader, path: Path) -> bool:
    """Whether the reader says that the file is of its format."""
    return bool(reader.sniff(path.read_bytes()[:1024], path))


@checks.add("name and suffixes")
def named(reader: Reader) -> None:
    """It has a name, and suffixes in lower case with their dot."""
    require(isinstance(reader.name, str) and reader.name.strip(), f"name is {reader.name!r}; give one")
    for suffix in reader.suffixes:
        require(suffix.startswith(".") and suffix == suffix.lower(), f"suffix {suffix!r}; write it in lower case with its dot")


@checks.add("recognises its own files")
def recognises(reader: Reader) -> None:
    """`sniff` says yes to the sample, or its suffix leads to the reader."""
    with _file(reader) as path:
        require(
            _sniffs(reader, path) or path.suffix in reader.suffixes,
            f"sniff says no to its own {path.name}, and it has no suffix; without either it is never chosen",
        )


@checks.add("refuses other files")
def refuses_others(reader: Reader) -> None:
    """`sniff` says no to other formats, text, noise and nothing, whatever the suffix, and does not raise."""
    with _file(reader) as own:
        magic = own.read_bytes()[:4]
    for what, content in FOREIGN.items():
        if content()[:4] == magic:
            continue  # the reader's own format
        with _file(reader, content()) as path:
            require(not _sniffs(reader, path), f"sniff says yes to {what}; test the first bytes of the format")


@checks.add("reads what was written")
def reads(reader: Reader) -> None:
    """The sample comes back as a `RawFile` with the intensity in it."""
    with _file(reader) as path:
        raw: Any = within(SECONDS, lambda: reader.read(path, None))
    require(isinstance(raw, RawFile), f"read gives {type(raw).__name__}; give retrieve.io.RawFile")
    data = np.asarray(raw.data)
    require(data.dtype.kind in "iuf", f"data has dtype {data.dtype}; give real numbers")
    require(data.shape == INTENSITY.shape, f"data has shape {data.shape}, written was {INTENSITY.shape}")
    power = 2 if raw.kind == "amplitude" else 1
    require(np.allclose(data.astype(float) ** power, INTENSITY, rtol=1e-3, atol=0.5), "data is not what was written")


@checks.add("refuses truncated files", reads)
def refuses_truncated(reader: Reader) -> None:
    """A file cut short raises an error, and does not give what is left of it or hang."""
    with _file(reader) as path:
        whole = path.read_bytes()
        for share in (0.05, 0.4, 0.9):
            path.write_bytes(whole[: max(1, int(share * len(whole)))])
            try:
                within(SECONDS, lambda: reader.read(path, None))
            except TimeoutError:
                raise AssertionError(f"a file cut to {share:.0%} keeps it busy for more than {SECONDS:g} s") from None
            except Exception:  # any error is told to the user as one of a damaged file
                continue
            raise AssertionError(f"a file cut to {share:.0%} is read without an error; compare its size with its header")
