"""Scans of SPEC files, read through silx."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from retrieve.errors import InputError


class SpecScan(NamedTuple):
    """A scan.  motors: positions before it.  labels: of the columns.  rows: float (points, columns).  headers: its #-lines."""

    number: int
    command: str
    motors: Mapping[str, float]
    labels: tuple[str, ...]
    rows: NDArray[np.float64]
    headers: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def detector(self) -> str:
        """The detector's name, from #UIMDET; empty if it is not there."""
        return self.header("UIMDET").split(" ")[0].rstrip(":")

    def header(self, name: str) -> str:
        """The text of a header line; empty if there is none."""
        return next((line[len(name) + 1 :].strip() for line in self.headers if line.startswith(f"#{name} ")), "")

    def column(self, label: str) -> NDArray[np.float64] | None:
        """The values of a column (points,); None if there is none."""
        return self.rows[:, self.labels.index(label)] if label in self.labels and len(self.rows) else None


def read_spec(path: Path, scan: str) -> SpecScan:
    """Read a scan. "54" is the last scan 54 of the file; "54.1" the first one.

    Raises `InputError` for a file that is none of SPEC, and for a scan that is not in it.
    """
    from silx.io.specfile import SpecFile, is_specfile

    if not path.is_file():
        raise InputError(f"there is no file {path}; check the name and the folder")
    if not is_specfile(str(path)):
        raise InputError(f"{path} is no SPEC file; name the SPEC file of the scans, such as 34idc:FILE.spec#54")
    file = SpecFile(str(path))
    try:
        keys = list(file.keys())
        found = [key for key in keys if key == scan or key.partition(".")[0] == scan]
        if not found:
            some = ", ".join(key.removesuffix(".1") for key in keys[:8]) + f" and {len(keys) - 8} more" * (len(keys) > 8)
            raise InputError(f"{path} holds no scan {scan!r}; write one behind #, out of {some}")
        key = found[-1]
        notes = (f"scan {scan} is {len(found)} times in {path.name}: the last one, {key}, is taken",) if len(found) > 1 else ()
        one = file[key]
        motors = dict(zip(one.motor_names, map(float, one.motor_positions), strict=False))
        points = np.asarray(one.data, dtype=float).T  # silx has a row for each column of the file
        headers = (*one.file_header, *one.scan_header)
        command = next((line.partition(" ")[2] for line in headers if line.startswith("#S ")), "")
        return SpecScan(int(key.partition(".")[0]), command, motors, tuple(one.labels), points, headers, notes)
    finally:
        file.close()
