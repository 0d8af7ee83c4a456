"""What the files of SOLEIL's beamlines share: scan_data holds arrays under numbers, which `long_name` explains.

Sources: bcdi 0.3 (`ReadNxs3`, `LoaderCRISTAL`), cdiutils 0.2 (`io/sixs.py`, `io/cristal.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import h5py
import numpy as np

from .hdf5 import Floats, Found, attribute, first, matches, text, values

ACTUATOR = ("scan_data/actuator_1_1",)
TOO_LARGE = 720.0
"""Degrees above which angles are in the units of 10⁻⁶ degrees that older files have."""


def named(group: h5py.Group, pattern: str) -> Found | None:
    """The first dataset of scan_data whose long_name ends with a pattern."""
    for found in matches(group, "scan_data/*"):
        if re.search(rf"(?:{pattern})$", attribute(found.item, "long_name"), re.IGNORECASE):
            return found
    return None


def scanned_actuator(group: h5py.Group, circles: Iterable[str], default: str) -> tuple[str, Floats] | None:
    """The circle of the first actuator, by its long_name or the scan's name, and its angles in degrees; else the default one."""
    found = first(group, ACTUATOR)
    if found is None:
        return None
    config = first(group, ("scan_config/name",))
    words = f"{attribute(found.item, 'long_name')} {text(config.item if config else None)}".lower()
    circle = next((name for name in circles if re.search(rf"(?:^|[^a-z]){name}(?:[^a-z]|$)", words)), default)
    return circle, degrees(values(found.item))


def degrees(angles: Floats) -> Floats:
    """Angles in degrees, also those that a file has in 10⁻⁶ degrees."""
    return angles / 1e6 if angles.size and np.abs(angles).max() > TOO_LARGE else angles
