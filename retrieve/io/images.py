"""Picture formats: TIFF stacks through tifffile, EDF and CBF detector frames through fabio."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..files import allowed, check_claim
from ..files.children import CHILD_MEMORY, within_time
from .dataset_selection import assemble
from .records import INSTALL_DETECTORS, RawFile, Stored

HEAD = 65536
"""Bytes that hold the header of a plain frame."""
CBF_SECTION, CBF_STARTER = b"--CIF-BINARY-FORMAT-SECTION--", b"\x0c\x1a\x04\xd5"
CBF_SIZES = (b"X-Binary-Size-Second-Dimension", b"X-Binary-Size-Fastest-Dimension", b"X-Binary-Size")
FABIO_RATIO = 20
"""Bytes that fabio may take over those of the file: it holds the file, its frames and their stack; some frames are compressed."""
SMALL = 100_000_000
SECONDS = 2.0
SECONDS_A_BYTE = 1e-7
"""Processor time of fabio in a child: fixed, and for a large file."""


def read_tiff(path: Path, key: str | None) -> RawFile:
    """Read a TIFF picture or stack; `key` is the number of a series where the file has several."""
    import tifffile

    with _log_of("tifffile") as log, tifffile.TiffFile(path) as file:
        series = file.series
        if lost := [text for text in log if "page offset" in text]:  # tifffile then leaves out what follows
            raise InputError(f"{path} is damaged ({lost[0][:120]}): its last pictures are lost; copy it again")
        number = _series_number(path, key, [s.shape for s in series])
        if "S" in series[number].axes:
            raise InputError(f"{path} is a colour picture (shape {series[number].shape}); save the intensity as grey values")
        check_claim(str(path), series[number].shape, series[number].dtype.itemsize, path.stat().st_size)
        try:
            data = series[number].asarray()
        except ValueError as error:
            if "imagecodecs" in str(error):
                raise InputError(f"{path} is a compressed TIFF ({error}); {INSTALL_DETECTORS}") from error
            raise
    return assemble(path, {path.stem: Stored(data.shape, data.dtype, lambda: data)}, path.stem)


def _series_number(path: Path, key: str | None, shapes: list[tuple[int, ...]]) -> int:
    if key is None and len(shapes) == 1:
        return 0
    if key is not None and re.fullmatch(r"\d+", key) and int(key) < len(shapes):
        return int(key)
    held = ", ".join(f"{i} ({'×'.join(map(str, shape))})" for i, shape in enumerate(shapes))
    wrong = "holds several series" if key is None else f"has no series {key!r}"
    raise InputError(f"{path} {wrong}: {held}; choose one by its number with --key")


def read_frames(path: Path, key: str | None) -> RawFile:
    """Read the frames of an EDF or CBF file, stacked along axis 0 when there are several."""
    if key is not None:
        raise InputError(f"{path} holds frames without names; leave out --key {key}, take one with --frame")
    try:
        import fabio  # noqa: F401  (a child then has it)
    except ImportError:
        raise InputError(f"{path} needs the package fabio; {INSTALL_DETECTORS}") from None
    frames = _frames(path) if _is_plain(path) else _guarded(path)
    if not frames:
        raise InputError(f"{path} holds no frames; copy it again")
    if len({frame.shape for frame in frames}) > 1:
        raise InputError(f"{path} holds frames of several shapes: {sorted({f.shape for f in frames})}; save those of one shape")
    data = frames[0] if len(frames) == 1 else np.stack(frames)
    return RawFile(data, path.stem, kind="intensity", detector=True, notes=("detector frames taken as intensity",))


def _frames(path: Path) -> list[NDArray[Any]]:
    import fabio

    with _log_of("fabio") as log, fabio.open(str(path)) as file:
        frames = [np.asarray(file.get_frame(i).data) for i in range(file.nframes)]
        if getattr(file, "incomplete_file", False):  # fabio fills a truncated EDF with zeros, and says so here alone
            raise InputError(f"{path} is truncated: its header tells of more data than there is; copy it again")
        if any("Checksum" in text for text in log):
            raise InputError(f"{path} is damaged: its values do not fit their checksum; copy it again")
    return frames


@contextmanager
def _log_of(package: str) -> Iterator[list[str]]:
    """The texts that a package logs, in place of lines on the screen."""
    texts: list[str] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            texts.append(record.getMessage())

    logger, handler = logging.getLogger(package), Keeping(logging.WARNING)
    before, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield texts
    finally:
        logger.removeHandler(handler)
        logger.propagate = before


def _guarded(path: Path) -> list[NDArray[Any]]:
    """The frames of a file that is damaged, or that holds more than one plain frame: fabio can loop, or take all memory."""
    size = path.stat().st_size
    if size <= SMALL and CBF_SECTION in (body := path.read_bytes()) and CBF_STARTER not in body:
        raise InputError(f"{path} is cut short: it ends before its values; copy it again")
    memory = allowed().max_memory or max(CHILD_MEMORY, FABIO_RATIO * size)
    return within_time(SECONDS + SECONDS_A_BYTE * size, str(path), "detector frames", _frames, path, memory=memory)


def _is_plain(path: Path) -> bool:
    """Whether the head of a file tells of one frame that the rest of the file can hold: CBF by bytes, or EDF unpacked."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(HEAD)
    binary = head.find(CBF_SECTION)
    if binary >= 0:
        start = head.find(CBF_STARTER, binary)
        rows, columns, held = (_number(head[binary:start], name) for name in CBF_SIZES)
        return 0 < rows * columns <= held <= size - start - len(CBF_STARTER) if start > 0 else False
    end = head.find(b"}\n")
    header = head[: max(end, 0)]
    rows, columns = (_number(header, name) for name in (b"Dim_1", b"Dim_2"))
    rest = size - end - 2
    plain = b"ompression" not in header.lower() and b"Dim_3" not in header
    return plain and any(0 < rows * columns * itemsize == rest for itemsize in (1, 2, 4, 8))


def _number(header: bytes, name: bytes) -> int:
    """A whole number of a header, 0 if there is none."""
    match = re.search(re.escape(name) + rb"\s*[:=]\s*(\d{1,12})\b", header)
    return int(match[1]) if match else 0
