"""Checks of the numbers of an experiment: finite, in a range that exists, as many as needed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..errors import InputError
from ..files import short

RANGES = {
    "energy_kev": (1e-3, 1e3, "keV", "1 eV to 1 MeV"),
    "distance_m": (1e-3, 1e3, "m", "1 mm to 1 km"),
    "pixel_size_um": (1e-2, 1e4, "µm", "10 nm to 1 cm"),
    "lattice_angstrom": (0.5, 1e4, "Å", "0.5 Å to 1 µm"),
    "exposure_s": (0.0, 1e9, "s", "above 0 s"),
}
"""Least, largest, unit and range in words of each quantity."""


def are_several(value: Any) -> bool:
    """Whether a value holds others, as a list, a mapping or an array with axes does, and a text does not."""
    return hasattr(value, "__len__") and not isinstance(value, (str, bytes)) and getattr(value, "ndim", 1) > 0


def number(name: str, value: Any) -> float:
    """A finite number, out of a number or its text. Raises `InputError` with the name for anything else."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if isinstance(value, bool) or not math.isfinite(found):
        raise InputError(f"{name}={short(value)} is no finite number; give a number, or leave it out if it is unknown")
    return found


def check_number(name: str, value: Any) -> float | None:
    """A number in the range of its quantity, or None. Raises `InputError` for one outside it."""
    if value is None:
        return None
    found = number(name, value)
    low, high, unit, words = RANGES[name]
    if not low <= found <= high or found <= 0:
        raise InputError(f"{name}={found:g} {unit} is impossible; give a value in {unit}, {words}")
    return found


def numbers(name: str, value: Any, count: int | None = None) -> tuple[float, ...] | None:
    """Finite numbers as a tuple, out of a sequence or text such as "1,1,1". One number stands for all of a pixel's lengths.

    Raises `InputError` for another count, or for values that cannot be.
    """
    if value is None:
        return None
    if isinstance(value, str):
        value = value.replace(",", " ").split()
    parts = list(value) if are_several(value) else [value]
    found = tuple(number(name, part) for part in parts)
    if name == "pixel_size_um":
        found = found * 2 if len(found) == 1 else found
        for one in found:
            check_number(name, one)
    if count is not None and len(found) != count:
        raise InputError(f"{name}={short(value)} has {len(found)} numbers; give {count}, such as {','.join('1' * count)}")
    if name == "monitor" and (not found or min(found) < 0):
        raise InputError("monitor has no or negative readings; give one a frame, 0 or more")
    return found


def circle_angles(value: Mapping[str, Any]) -> dict[str, float | tuple[float, ...]]:
    """The angles of the circles: a number, or a tuple of one a frame. Raises `InputError` for impossible angles."""
    if not isinstance(value, Mapping):
        raise InputError(f"angles_deg={short(value)} is no mapping; give circles and angles, such as {{'theta': 12.5}}")
    found: dict[str, float | tuple[float, ...]] = {}
    for name, angle in value.items():
        several = are_several(angle)
        angles = numbers(f"angles_deg[{name!r}]", angle if several else [angle])
        if not angles or max(abs(a) for a in angles) > 720:
            raise InputError(f"angles_deg[{name!r}]={short(angle)} is impossible; give degrees, −720 to 720")
        found[str(name)] = angles if several else angles[0]
    return found
