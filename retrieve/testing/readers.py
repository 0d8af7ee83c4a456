"""Checks of readers: their own files are recognised and read, others and damaged ones are not."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import SkipTest

import numpy as np

from ..io.records import RawFile, Reader
from .trial import Check, check, require, within

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


@dataclass(frozen=True)
class Case:
    """A reader under test; its `sample` writes the files."""

    subject: Reader

    @contextmanager
    def file(self, content: bytes | None = None) -> Iterator[Path]:
        """A file of the reader's suffix with so much content, or with its sample. Skips the check where there is none."""
        if content is None and self.subject.sample is None:
            raise SkipTest("it has no sample; give Reader(…, sample=function) that writes (path, intensity)")
        suffix = self.subject.suffixes[0] if self.subject.suffixes else ".dat"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, f"measured{suffix}")
            if content is None:
                assert self.subject.sample is not None
                self.subject.sample(path, INTENSITY.copy())
            else:
                path.write_bytes(content)
            yield path

    def sniff(self, path: Path) -> bool:
        """What the reader says of a file."""
        return bool(self.subject.sniff(path.read_bytes()[:1024], path))


@check("name and suffixes")
def named(case: Case) -> None:
    """It has a name, and suffixes in lower case with their dot."""
    require(isinstance(case.subject.name, str) and case.subject.name.strip(), f"name is {case.subject.name!r}; give one")
    for suffix in case.subject.suffixes:
        require(suffix.startswith(".") and suffix == suffix.lower(), f"suffix {suffix!r}; write it in lower case with its dot")


@check("recognises its own files")
def recognises(case: Case) -> None:
    """`sniff` says yes to the sample, or its suffix leads to the reader."""
    with case.file() as path:
        require(
            case.sniff(path) or path.suffix in case.subject.suffixes,
            f"sniff says no to its own {path.name}, and it has no suffix; without either it is never chosen",
        )


@check("refuses other files")
def refuses_others(case: Case) -> None:
    """`sniff` says no to other formats, text, noise and nothing, whatever the suffix, and does not raise."""
    with case.file() as own:
        magic = own.read_bytes()[:4]
    for what, content in FOREIGN.items():
        if content()[:4] == magic:
            continue  # the reader's own format
        with case.file(content()) as path:
            require(not case.sniff(path), f"sniff says yes to {what}; test the first bytes of the format")


@check("reads what was written")
def reads(case: Case) -> None:
    """The sample comes back as a `RawFile` with the intensity in it."""
    with case.file() as path:
        raw: Any = within(SECONDS, lambda: case.subject.read(path, None))
    require(isinstance(raw, RawFile), f"read gives {type(raw).__name__}; give retrieve.io.RawFile")
    data = np.asarray(raw.data)
    require(data.dtype.kind in "iuf", f"data has dtype {data.dtype}; give real numbers")
    require(data.shape == INTENSITY.shape, f"data has shape {data.shape}, written was {INTENSITY.shape}")
    power = 2 if raw.kind == "amplitude" else 1
    require(np.allclose(data.astype(float) ** power, INTENSITY, rtol=1e-3, atol=0.5), "data is not what was written")


@check("refuses truncated files", reads)
def refuses_truncated(case: Case) -> None:
    """A file cut short raises an error, and does not give what is left of it or hang."""
    with case.file() as path:
        whole = path.read_bytes()
        for share in (0.05, 0.4, 0.9):
            path.write_bytes(whole[: max(1, int(share * len(whole)))])
            try:
                within(SECONDS, lambda: case.subject.read(path, None))
            except TimeoutError:
                raise AssertionError(f"a file cut to {share:.0%} keeps it busy for more than {SECONDS:g} s") from None
            except Exception:  # any error is told to the user as one of a damaged file
                continue
            raise AssertionError(f"a file cut to {share:.0%} is read without an error; compare its size with its header")


CHECKS: tuple[Check, ...] = (named, recognises, refuses_others, reads, refuses_truncated)


def label(subject: Any) -> str:
    """What a reader is called in reports."""
    return f"reader {subject.name}"
