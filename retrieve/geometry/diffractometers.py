"""Diffractometers as data: the circles of sample and detector, and the directions of the detector's rows and columns.

The frame is that of CXI: x outboard, y up, z along the beam. Each setup is a TOML file; a user may write another.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

AXES = {"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}
EXAMPLE = """name = "mine"
sample = [{ name = "eta", axis = "x-" }]
detector = [{ name = "delta", axis = "x-" }]
rows = "y-"
columns = "x+"
"""
KEYS = {"name", "sample", "detector", "rows", "columns", "source", "note"}
CIRCLE_KEYS = {"name", "axis", "also", "optional", "zero_deg"}


@dataclass(frozen=True)
class Circle:
    """A circle of a diffractometer, at angles zero of all others.

    Attributes
    ----------
    name : str
        Its name in `Experiment.angles_deg`.
    axis : (float, float, float)
        Unit vector in the laboratory frame about which a positive angle turns right-handed.
    also : tuple of str
        Other names.
    optional : bool
        True if an unknown angle is that of the zero.
    zero_deg : float
        Angle at which the circle stands as described.
    """

    name: str
    axis: tuple[float, float, float]
    also: tuple[str, ...] = ()
    optional: bool = False
    zero_deg: float = 0.0

    def angle_in(self, angles: Mapping[str, Any]) -> Any:
        """The angle, or the angles of the frames, that a mapping has under one of the names; None without one."""
        return next((angles[name] for name in (self.name, *self.also) if name in angles), None)


@dataclass(frozen=True)
class Diffractometer:
    """The circles of a diffractometer and the directions of its detector.

    Attributes
    ----------
    name : str
        The beamline.
    sample, detector : tuple of Circle
        The circles, the outer one first.
    rows, columns : (float, float, float)
        Directions in the laboratory frame in which the index of a row and that of a column grow, at angles zero.
    source : str
        Origin of the description.
    note : str
        What a user ought to check.
    """

    name: str
    sample: tuple[Circle, ...]
    detector: tuple[Circle, ...]
    rows: tuple[float, float, float]
    columns: tuple[float, float, float]
    source: str = ""
    note: str = ""

    def circle(self, name: str) -> Circle | None:
        """The sample's circle of a name, or of one of its other names."""
        return next((circle for circle in self.sample if name in (circle.name, *circle.also)), None)

    def turned_detector(self, angles: Mapping[str, Any]) -> NDArray[np.float64]:
        """The rotation (3, 3) of the detector arm. Raises `InputError` if an angle is missing."""
        return turn(self.detector, angles)

    def scan_axis(self, name: str, angles: Mapping[str, Any]) -> NDArray[np.float64]:
        """The axis (3,) about which the sample turns when a circle is scanned.

        Raises `InputError` if the sample has no circle of that name, or if the angle of a circle around it is missing.
        """
        scanned = self.circle(name)
        if scanned is None:
            known = ", ".join(circle.name for circle in self.sample)
            raise InputError(f"the sample of {self.name} has no circle {name!r}; give the angles of {known}")
        outer = self.sample[: self.sample.index(scanned)]
        return turn(outer, angles) @ np.asarray(scanned.axis)

    def missing(self, scanned: str | None, angles: Mapping[str, Any]) -> tuple[str, ...]:
        """The names of the circles whose angles a conversion needs and does not have."""
        circle = None if scanned is None else self.circle(scanned)
        outer = self.sample[: self.sample.index(circle)] if circle else ()
        return tuple(c.name for c in (*outer, *self.detector) if not c.optional and c.angle_in(angles) is None)


def turn(circles: Iterable[Circle], angles: Mapping[str, Any]) -> NDArray[np.float64]:
    """The rotation (3, 3) of circles that stand on each other, the outer one first.

    An angle that has one value a frame counts by its mean. Raises `InputError` if one is missing.
    """
    matrix = np.eye(3)
    for circle in circles:
        angle = circle.angle_in(angles)
        if angle is None and not circle.optional:
            raise InputError(f"the angle of {circle.name} is unknown; give it in degrees, as angles_deg")
        if angle is not None:
            matrix = matrix @ rotation(circle.axis, float(np.mean(angle)) - circle.zero_deg)
    return matrix


def rotation(axis: Sequence[float], degrees: float) -> NDArray[np.float64]:
    """The right-handed rotation (3, 3) about a unit vector, by Rodrigues' formula."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.deg2rad(degrees)
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)


def names() -> tuple[str, ...]:
    """The names of the setups that come with the package."""
    folder = files(__package__) / "setups"
    return tuple(sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml")))


def named(name: str) -> Diffractometer:
    """The diffractometer of a name, or of a user's own TOML file.

    Parameters
    ----------
    name
        A setup, in any spelling such as "34-ID-C" or "34idc", or the path of a TOML file.

    Returns
    -------
    Diffractometer
        The circles and directions.

    Raises
    ------
    InputError
        For an unknown name, or a file that describes no diffractometer.
    """
    if str(name).endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise InputError(f"{path} does not exist; give the TOML file of a diffractometer, or one of {', '.join(names())}")
        try:
            return from_toml(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path} is no TOML file in UTF-8: {error}; write it like\n{EXAMPLE}") from error
    plain = re.sub(r"[^a-z0-9]", "", str(name).lower()).replace("bliss", "").replace("spec", "")
    if plain not in names():
        near = difflib.get_close_matches(plain, names(), 1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise InputError(f"diffractometer {name!r} is unknown{hint}; give one of {', '.join(names())}, or your own TOML file")
    return from_toml((files(__package__) / "setups" / f"{plain}.toml").read_text(encoding="utf-8"), plain)


def from_toml(text: str, source: str) -> Diffractometer:
    """The diffractometer that TOML text describes. Raises `InputError` with the source, the fault and the remedy."""
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{source} is no TOML: {error}; write it like\n{EXAMPLE}") from error
    absent = {"name", "sample", "detector", "rows", "columns"} - set(table)
    unknown = set(table) - KEYS
    if absent or unknown:
        fault = f"lacks {', '.join(sorted(absent))}" if absent else f"has unknown keys {', '.join(sorted(unknown))}"
        raise InputError(f"{source} {fault}; write it like\n{EXAMPLE}")
    rows, columns = (_direction(table[key], f"{source}: {key}") for key in ("rows", "columns"))
    if abs(np.dot(rows, columns)) > 1e-6:
        raise InputError(
            f"{source}: rows {table['rows']!r} and columns {table['columns']!r} are not at right angles; correct them"
        )
    try:
        circles = {key: tuple(_circle(entry, f"{source}: {key}") for entry in table[key]) for key in ("sample", "detector")}
    except (TypeError, ValueError) as error:
        raise InputError(f"{source}: its circles are not understood ({error}); write it like\n{EXAMPLE}") from error
    return Diffractometer(
        table["name"], circles["sample"], circles["detector"], rows, columns, table.get("source", ""), table.get("note", "")
    )


def _circle(entry: Any, where: str) -> Circle:
    if not isinstance(entry, dict) or not {"name", "axis"} <= set(entry) <= CIRCLE_KEYS:
        raise InputError(f'{where} holds {entry!r}; write each circle like {{ name = "eta", axis = "x-" }}')
    axis = _direction(entry["axis"], f"{where}, {entry['name']}")
    return Circle(
        str(entry["name"]),
        axis,
        tuple(entry.get("also", ())),
        bool(entry.get("optional", False)),
        float(entry.get("zero_deg", 0)),
    )


def _direction(value: Any, where: str) -> tuple[float, float, float]:
    """A unit vector, out of "x+" and its like, or out of three numbers."""
    if isinstance(value, str) and re.fullmatch(r"[xyz][+-]", value):
        return tuple((1.0 if value[1] == "+" else -1.0) * c + 0.0 for c in AXES[value[0]])  # type: ignore[return-value]
    try:
        vector = np.array(value, dtype=float)
    except (TypeError, ValueError):
        vector = np.zeros(0)
    length = float(np.linalg.norm(vector)) if vector.shape == (3,) else 0.0
    if not np.isfinite(length) or length == 0:
        raise InputError(f"{where}: {value!r} is no direction; give x+, x-, y+, y-, z+, z- or three numbers")
    return tuple((vector / length).tolist())
