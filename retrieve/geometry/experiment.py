"""The experiment behind a pattern: energy, distance, pixels, angles of the circles, reflection. Every step keeps it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import InputError
from ..files import short
from .facts import circles_missing, facts_of, lines_of
from .values import check_number, circle_angles, numbers

HC_KEV_NM = 1.2398419843320026
"""Planck's constant times the speed of light, in keV nm."""
SCALARS = ("energy_kev", "distance_m", "lattice_angstrom", "exposure_s")
NEEDED = ("diffractometer", "energy_kev", "distance_m", "pixel_size_um")
KEYS = {"direct_beam": "direct_beam_px"}
"""Fields whose key in meta has the unit that their name lacks."""
UNEVEN = 0.5
"""Share of a step by which the angle of a frame may depart from even steps."""


@dataclass(frozen=True)
class Experiment:
    """What is known of the experiment behind an array of frames. None is unknown.

    Attributes
    ----------
    diffractometer : str, optional
        Name of a setup, such as "34idc", or path of a TOML file.
    energy_kev : float, optional
        Photon energy, keV.
    distance_m : float, optional
        Distance from sample to detector, m.
    pixel_size_um : (float, float), optional
        Length of a pixel along the rows' axis (axis 1 of a scan) and the columns' axis (axis 2), µm. Binning changes it.
    direct_beam : (float, float), optional
        Row and column of the direct beam at detector angles of zero, in pixels of the array. It may lie outside the array.
    angles_deg : mapping of str to float or tuple of float
        Angle of each circle, by the diffractometer's own names, degrees. The scanned circle has one angle a frame.
    hkl : (float, float, float), optional
        Miller indices of the reflection.
    lattice_angstrom : float, optional
        Lattice parameter of a cubic crystal, Å.
    monitor : tuple of float, optional
        Reading of the beam monitor for each frame; 0 for a frame that padding added.
    exposure_s : float, optional
        Exposure of a frame, s.
    nominal : tuple of str
        Names of the fields that are nominal, not measured.
    """

    diffractometer: str | None = None
    energy_kev: float | None = None
    distance_m: float | None = None
    pixel_size_um: tuple[float, float] | None = None
    direct_beam: tuple[float, float] | None = None
    angles_deg: Mapping[str, float | tuple[float, ...]] = field(default_factory=dict)
    hkl: tuple[float, float, float] | None = None
    lattice_angstrom: float | None = None
    monitor: tuple[float, ...] | None = None
    exposure_s: float | None = None
    nominal: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.diffractometer is not None and not isinstance(self.diffractometer, str):
            raise InputError(f"diffractometer={short(self.diffractometer)} is no name; give one such as '34idc'")
        if not isinstance(self.nominal, (list, tuple)) or not all(isinstance(name, str) for name in self.nominal):
            raise InputError(f"nominal={short(self.nominal)} is no list of names; give names of fields that are not measured")
        checked: dict[str, Any] = {
            "pixel_size_um": numbers("pixel_size_um", self.pixel_size_um, 2),
            "direct_beam": numbers("direct_beam", self.direct_beam, 2),
            "angles_deg": circle_angles(self.angles_deg),
            "hkl": numbers("hkl", self.hkl, 3),
            "monitor": numbers("monitor", self.monitor),
            "nominal": tuple(self.nominal),
            **{name: check_number(name, getattr(self, name)) for name in SCALARS},
        }
        if checked["hkl"] == (0.0, 0.0, 0.0):
            raise InputError("hkl=0,0,0 is no reflection; give Miller indices such as 1,1,1")
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        lengths = {name: len(value) for name, value in self.angles_deg.items() if isinstance(value, tuple)}
        lengths |= {"monitor": len(self.monitor)} if self.monitor is not None else {}
        if len(set(lengths.values())) > 1:
            raise InputError(f"values for each frame differ in number: {_pairs(lengths)}; give one a frame")
        unknown = [name for name in self.nominal if name not in FIELDS and name not in self.angles_deg]
        if unknown:
            raise InputError(f"nominal={unknown[0]!r} is no field of the experiment; give names out of {', '.join(FIELDS)}")

    @classmethod
    def from_meta(cls, meta: Mapping[str, Any]) -> Experiment:
        """Read the experiment that a file's meta holds.

        Parameters
        ----------
        meta
            With `experiment`, as `as_meta` writes it, or with single facts such as `energy_keV` and `detector_distance_mm`.

        Returns
        -------
        Experiment
            With None for every unknown field.

        Raises
        ------
        InputError
            For an impossible value, an unknown key of `experiment`, or an energy that contradicts the wavelength.
        """
        own = meta.get("experiment")
        if own is None:
            return cls(**facts_of(meta))
        if not isinstance(own, Mapping):
            raise InputError(f"meta holds experiment={short(own)}, which is no mapping; write it with Experiment.as_meta()")
        fields = {key: name for name, key in KEYS.items()} | {name: name for name in FIELDS}
        unknown = [key for key in own if key not in fields]
        if unknown:
            raise InputError(
                f"meta's experiment holds {short(unknown[0])}, which is unknown; give keys out of {', '.join(FIELDS)}"
            )
        return cls(**{fields[key]: value for key, value in own.items() if value is not None})

    def as_meta(self) -> dict[str, Any]:
        """Return the known fields as JSON-able values, for meta["experiment"]."""
        known = {KEYS.get(name, name): getattr(self, name) for name in FIELDS}
        known["angles_deg"] = {name: list(v) if isinstance(v, tuple) else v for name, v in self.angles_deg.items()}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in known.items() if v is not None and v != () and v != {}}

    def with_options(self, **given: Any) -> Experiment:
        """Return the experiment with the given fields that are not None.

        Parameters
        ----------
        **given
            Fields, as values or as text such as "1,1,1". `angles_deg` adds to the known angles.

        Returns
        -------
        Experiment
            In which a given field is not nominal any more, unless `nominal` names it.

        Raises
        ------
        InputError
            For an impossible value.
        """
        given = {name: value for name, value in given.items() if value is not None}
        given_names = {*given, *given.get("angles_deg", ())}
        nominal = given.pop("nominal", tuple(name for name in self.nominal if name not in given_names))
        if "angles_deg" in given:
            given["angles_deg"] = {**self.angles_deg, **given["angles_deg"]}
        return dataclasses.replace(self, **given, nominal=nominal)

    @property
    def wavelength_nm(self) -> float:
        """The wavelength, nm. Raises `InputError` if the energy is unknown."""
        if self.energy_kev is None:
            raise InputError("the photon energy is unknown; give it, as energy_kev")
        return HC_KEV_NM / self.energy_kev

    @property
    def frame_count(self) -> int | None:
        """How many frames the angles or the monitor count; None if neither does."""
        values = [v for v in (*self.angles_deg.values(), self.monitor) if isinstance(v, tuple)]
        return len(values[0]) if values else None

    @property
    def scanned(self) -> str | None:
        """The circle with one angle a frame; of several, that which turns most."""
        ranges = {name: float(np.ptp(value)) for name, value in self.angles_deg.items() if isinstance(value, tuple)}
        return max(ranges, key=lambda name: ranges[name]) if ranges else None

    @property
    def step_deg(self) -> float:
        """The mean step of the scanned circle from frame to frame, degrees.

        Raises `InputError` if no circle is scanned, if it does not move, or if its steps are uneven.
        """
        name = self.scanned
        angles = np.asarray(self.angles_deg[name] if name else (), dtype=float)
        if angles.size < 2 or np.ptp(angles) == 0:
            raise InputError(f"{name or 'no circle'} has one angle a frame that changes; give the scanned circle's angles")
        step = float((angles[-1] - angles[0]) / (angles.size - 1))
        worst = int(np.abs(angles - angles[0] - step * np.arange(angles.size)).argmax())
        if abs(angles[worst] - angles[0] - step * worst) > UNEVEN * abs(step):
            raise InputError(
                f"{name} steps unevenly: {angles[worst]:g}° at frame {worst} of {angles.size}, {angles[0] + step * worst:g}° "
                "with even steps; mask frames instead of leaving them out, or put the frames in order"
            )
        return step

    def angle(self, name: str) -> float:
        """The angle of a circle, degrees: for one that has several, their mean; 0 for an unknown one."""
        return float(np.mean(self.angles_deg.get(name, 0.0)))

    def crop(self, start: Sequence[int], shape: Sequence[int]) -> Experiment:
        """Return the experiment of a window of the array.

        Parameters
        ----------
        start
            First frame, row and column of the window; negative where it is padded. Two numbers keep all frames.
        shape
            Frames, rows and columns of the window.

        Returns
        -------
        Experiment
            Its angles belong to the window's frames; in added frames they go on by the scan's step.
        """
        whole = self.frame_count or 1
        (first, row, column), (size, _, _) = _three(start, 0), _three(shape, whole)
        kept = self._per_frame(lambda v: _continued(v, first, size), lambda v: _padded(v, first, size))
        beam = None if self.direct_beam is None else (self.direct_beam[0] - row, self.direct_beam[1] - column)
        return dataclasses.replace(kept, direct_beam=beam)

    def bin(self, factors: Sequence[int]) -> Experiment:
        """Return the experiment of the array summed over blocks of `factors` frames, rows and columns; a remainder falls away."""
        frames, rows, columns = _three(factors, 1)
        kept = self._per_frame(lambda v: _blocks(v, frames).mean(axis=1), lambda v: _blocks(v, frames).sum(axis=1))
        size, exposure = self.pixel_size_um, self.exposure_s
        beam = None if self.direct_beam is None else _binned(self.direct_beam, (rows, columns))
        return dataclasses.replace(
            kept,
            pixel_size_um=None if size is None else (size[0] * rows, size[1] * columns),
            direct_beam=beam,
            exposure_s=None if exposure is None else exposure * frames,
        )

    def frames(self, indices: Sequence[int]) -> Experiment:
        """Return the experiment of the frames with these indices, in this order."""
        index = np.asarray(indices, dtype=int)
        return self._per_frame(lambda v: v[index], lambda v: v[index])

    def _per_frame(self, angles: Any, monitor: Any) -> Experiment:
        """The experiment with a function of the angles of a scanned circle, and one of the monitor."""
        changed = {k: tuple(angles(np.asarray(v))) if isinstance(v, tuple) else v for k, v in self.angles_deg.items()}
        readings = None if self.monitor is None else tuple(monitor(np.asarray(self.monitor)))
        return dataclasses.replace(self, angles_deg=changed, monitor=readings)

    def missing(self) -> tuple[str, ...]:
        """Return the names of what voxel vectors and strain still need."""
        return (*(name for name in NEEDED if getattr(self, name) is None), *circles_missing(self))

    def words(self) -> tuple[str, ...]:
        """Return what is known, and what is missing for strain, line by line."""
        return tuple(lines_of(self))


FIELDS = tuple(f.name for f in dataclasses.fields(Experiment))


def _three(values: Sequence[int], absent: int) -> tuple[int, int, int]:
    """Frame, row, column; of two values, the frame is `absent`."""
    found = tuple(int(v) for v in values)
    if len(found) not in (2, 3):
        raise InputError(f"{found} has {len(found)} numbers; give frame, row, column, or row, column")
    return (absent, *found) if len(found) == 2 else found  # type: ignore[return-value]


def _pairs(lengths: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in lengths.items())


def _continued(values: Any, start: int, size: int) -> Any:
    """Values at indices from `start` on; outside they go on by the mean step."""
    n = len(values)
    step = (values[-1] - values[0]) / (n - 1) if n > 1 else 0.0
    index = np.arange(start, start + size)
    inside = np.clip(index, 0, n - 1)
    return values[inside] + step * (index - inside)


def _padded(values: Any, start: int, size: int) -> Any:
    """Values at indices from `start` on, zero outside."""
    index = np.arange(start, start + size)
    return np.where((index >= 0) & (index < len(values)), values[np.clip(index, 0, len(values) - 1)], 0.0)


def _binned(place: Sequence[float], factors: Sequence[int]) -> tuple[float, float]:
    """A place in pixels, in pixels of bins, whose middle is the mean of the middles of their pixels."""
    row, column = ((p - (f - 1) / 2) / f for p, f in zip(place, factors, strict=True))
    return row, column


def _blocks(values: Any, factor: int) -> Any:
    n = len(values) // factor
    return values[: n * factor].reshape(n, factor)
