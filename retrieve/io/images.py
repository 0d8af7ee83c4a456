"""Picture formats: TIFF stacks through tifffile, EDF and CBF detector frames through fabio."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ..errors import InputError
from .dataset_selection import assemble
from .records import INSTALL_DETECTORS, RawFile, Stored


def read_tiff(path: Path, key: str | None) -> RawFile:
    """Read a TIFF picture or stack; `key` is the number of a series where the file has several."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        series = file.series
        number = _series_number(path, key, [s.shape for s in series])
        if "S" in series[number].axes:
            raise InputError(f"{path} is a colour picture (shape {series[number].shape}); save the intensity as grey values")
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
        import fabio
    except ImportError:
        raise InputError(f"{path} needs the package fabio; {INSTALL_DETECTORS}") from None
    with fabio.open(str(path)) as file:
        frames = [np.asarray(file.get_frame(i).data) for i in range(file.nframes)]
        if getattr(file, "incomplete_file", False):  # fabio fills a truncated EDF with zeros, and says so here alone
            raise InputError(f"{path} is truncated: its header tells of more data than there is; copy it again")
    if len({frame.shape for frame in frames}) > 1:
        raise InputError(f"{path} holds frames of several shapes: {sorted({f.shape for f in frames})}; save those of one shape")
    data = frames[0] if len(frames) == 1 else np.stack(frames)
    return RawFile(data, path.stem, kind="intensity", detector=True, notes=("detector frames taken as intensity",))
