"""The layout that BLISS writes at the ESRF: a group {sample}_{scan}.1 or {scan}.1 for each scan.

Sources: the BLISS documentation of its Nexus writer, cdiutils 0.2 (`io/id01.py`, `io/id27.py`), bcdi 0.3 (`LoaderID01BLISS`).
"""

from __future__ import annotations

import re

import h5py

from .layout import named_group


def bliss_group(file: h5py.File, scan: str) -> h5py.Group:
    """The group of a scan: 12 is `…_12.1` or `12.1`; a whole name such as `S1_12.2` is itself."""

    def fits(name: str, scan: str) -> bool:
        return name == scan or re.fullmatch(rf"(?:.*_)?0*{re.escape(scan)}\.1", name) is not None

    return named_group(file, scan, fits, "SAMPLE_N.1 or N.1")
