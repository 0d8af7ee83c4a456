"""The experiment in CXI and NeXus files: the places of energy, distance, pixels, angles, reflection and monitor, with units."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..geometry.experiment import HC_KEV_NM, Experiment
from ..geometry.facts import BEAMLINES, ELEMENTARY_CHARGE

if TYPE_CHECKING:
    import h5py

UNITS = {
    "m": {"m": 1.0, "mm": 1e-3, "cm": 1e-2, "um": 1e-6, "µm": 1e-6, "μm": 1e-6, "micron": 1e-6, "nm": 1e-9, "a": 1e-10},
    "keV": {"kev": 1.0, "ev": 1e-3, "j": 1 / ELEMENTARY_CHARGE / 1e3, "joule": 1 / ELEMENTARY_CHARGE / 1e3},
    "deg": {
        "deg": 1.0,
        "degree": 1.0,
        "degrees": 1.0,
        "°": 1.0,
        "rad": 180 / np.pi,
        "radian": 180 / np.pi,
        "radians": 180 / np.pi,
    },
    "s": {"s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "min": 60.0},
}
"""Factors to each unit of ours, by the units of files in lower case."""
LONG_NAMES = {"angstrom": "a", "å": "a", "meter": "m", "metre": "m", "millimeter": "mm", "micrometer": "um", "microns": "um"}
GUESSES = {
    "energy": ((1e-18, 1e-12, "j"), (0.2, 199, "kev"), (199, 1e6, "ev")),
    "wavelength": ((1e-13, 1e-7, "m"), (0.01, 100, "a")),
}
"""Units by the size of a number, where the file gives none: from, to, unit. All other quantities are in SI units then."""
MOST_NUMBERS = 10_000_000
"""Values of a dataset that may be angles or readings, one a frame; a larger one is none."""
CIRCLES = {"alpha", "beta", "chi", "del", "delta", "eta", "gam", "gamma", "mu", "nu", "om", "omega", "phi", "th", "theta"}
"""Names of circles in files."""
SHORT = {"th": "theta"}
ENERGY_PLACES = ("source_1/energy", "beam_1/incident_energy", "beam/incident_energy", "monochromator/energy")
WAVE_PLACES = ("beam_1/incident_wavelength", "beam/incident_wavelength", "monochromator/wavelength")


class _Facts:
    """Numbers of a group by their place, and a note for each unit that was assumed."""

    def __init__(self, group: h5py.Group) -> None:
        self.group, self.notes = group, list[str]()

    def numbers(self, places: Any, kind: str, unit: str, group: Any = None) -> np.ndarray | None:
        """The first numbers at these places, in `unit`."""
        import h5py

        for place in places:
            item = _get(self.group if group is None else group, place)
            if not isinstance(item, h5py.Dataset) or item.shape is None or item.size > MOST_NUMBERS:
                continue
            if item.dtype.kind in "iuf" and len(item.shape) < 2:
                values = np.atleast_1d(np.asarray(item[()], dtype=float))
                if values.size and (values.any() or not kind):  # detectors write 0 for unknown
                    return values * self._factor(item, values, kind, unit)
        return None

    def number(self, places: Any, kind: str, unit: str, group: Any = None) -> float | None:
        """The one number at these places, or the mean of equal ones; None for several."""
        values = self.numbers(places, kind, unit, group)
        if values is None or (len(values) > 1 and not np.ptp(values) <= 1e-4 * abs(values[0])):
            return None
        return float(values[0])

    def _factor(self, item: h5py.Dataset, values: np.ndarray, kind: str, unit: str) -> float:
        given = _text(item.attrs.get("units", "")).strip().lower()
        given = LONG_NAMES.get(given, given)
        if given in UNITS.get(unit, {}):
            return UNITS[unit][given]
        guess = next((u for low, high, u in GUESSES.get(kind, ()) if low <= abs(values[0]) < high), None)
        if guess is not None:
            self.notes.append(f"{item.name} = {values[0]:g} has no unit, taken as {guess.replace('ev', 'eV')}")
            return UNITS[unit][guess]
        return 1.0


def experiment_of_file(file: h5py.File, name: str, frames: int) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The fields of an `Experiment` that a CXI or NeXus file holds beside its array called `name`, and the assumptions.

    Values are not checked. Those of another number of frames than the array has are left out, with a note.
    """
    entry = _entry(file, name)
    if entry is None:
        return {}, ()
    instrument = _child(entry, "instrument", "NXinstrument") or entry
    facts, detector = _Facts(instrument), _detector(file, instrument, name)
    found: dict[str, Any] = {"energy_kev": _energy(facts, entry)}
    if detector is not None:
        found |= _of_detector(facts, detector)
    sample = _child(entry, "sample", "NXsample")
    angles: dict[str, Any] = {}
    for place in (
        detector,
        _child(sample, "transformations", ""),
        _child(sample, "goniometer", ""),
        _child(instrument, "positioners", ""),
    ):
        angles |= {} if place is None else _angles(facts, place)
    if sample is not None:
        found["hkl"] = facts.numbers(("hkl",), "", "", sample)
        cell = facts.numbers(("unit_cell",), "cell", "", sample)
        if cell is not None and len(cell) == 6 and np.ptp(cell[:3]) < 1e-3 * cell[0] and (abs(cell[3:] - 90) < 0.1).all():
            found["lattice_angstrom"] = float(cell[0])  # NeXus has it in ångströms
    monitor = _child(entry, "control", "NXmonitor") or _child(entry, "monitor", "NXmonitor")
    found["monitor"] = None if monitor is None else facts.numbers(("data",), "monitor", "", monitor)
    per_frame = {**angles, "monitor": found["monitor"]}
    for one, values in per_frame.items():
        if isinstance(values, np.ndarray) and len(values) != frames:
            facts.notes.append(f"{one} has {len(values)} values for {frames} frame(s): not taken")
            (found if one == "monitor" else angles)[one] = None
    found["angles_deg"] = {one: _plain(values) for one, values in angles.items() if values is not None} or None
    found["diffractometer"] = _setup(instrument)
    return {one: _plain(value) for one, value in found.items() if value is not None}, tuple(facts.notes)


def _setup(instrument: h5py.Group) -> str | None:
    """The diffractometer by the instrument's name, if it is a known one."""
    told = _get(instrument, "name")
    text = "" if told is None or hasattr(told, "keys") else _text(told[()]).strip()
    return next((setup for name, setup in BEAMLINES.items() if name in text.lower() or text == setup), None)


def _energy(facts: _Facts, entry: h5py.Group) -> float | None:
    energy = facts.number(ENERGY_PLACES, "energy", "keV")
    if energy is not None:
        return energy
    wave = facts.number(WAVE_PLACES, "wavelength", "m")
    if wave is None:
        wave = facts.number(("sample/beam/incident_wavelength", "sample_1/beam/incident_wavelength"), "wavelength", "m", entry)
    return None if wave is None or wave <= 0 else HC_KEV_NM / (wave * 1e9)


def _of_detector(facts: _Facts, detector: h5py.Group) -> dict[str, Any]:
    """The fields that the detector's group holds. NeXus and CXI have x along columns and y along rows."""
    found: dict[str, Any] = {
        "distance_m": facts.number(("distance", "detector_distance"), "length", "m", detector),
        "exposure_s": facts.number(("count_time", "frame_time"), "time", "s", detector),
    }
    columns = facts.number(("x_pixel_size",), "length", "m", detector)
    rows = facts.number(("y_pixel_size",), "length", "m", detector)
    if columns is not None or rows is not None:
        columns, rows = (columns if columns is not None else rows), (rows if rows is not None else columns)
        found["pixel_size_um"] = (rows * 1e6, columns * 1e6)  # type: ignore[operator]
    column, row = (facts.number((name,), "", "", detector) for name in ("beam_center_x", "beam_center_y"))
    if column is not None and row is not None and (row, column) != (0.0, 0.0):
        lengths = [_text(detector[name].attrs.get("units", "")).strip().lower() for name in ("beam_center_y", "beam_center_x")]
        sizes = found.get("pixel_size_um")
        in_length = [UNITS["m"].get(LONG_NAMES.get(unit, unit)) for unit in lengths]
        if None not in in_length and sizes is not None:
            row, column = (v * f / (p * 1e-6) for v, f, p in zip((row, column), in_length, sizes, strict=True))  # type: ignore[operator]
        found["direct_beam"] = (row, column)
    return found


def _angles(facts: _Facts, group: h5py.Group) -> dict[str, Any]:
    """The angles of circles in a group: datasets by the circles' names, or NeXus positioners with `value`."""
    found = {}
    for leaf in group:
        circle = re.sub(r"_(set|rbv|start)$", "", leaf.lower())
        if circle not in CIRCLES:
            continue
        values = facts.numbers((leaf, f"{leaf}/value", f"{leaf}/data"), "", "deg", group)
        if values is not None:
            found[SHORT.get(circle, circle)] = float(values[0]) if len(values) == 1 else values
    return found


def _entry(file: h5py.File, name: str) -> h5py.Group | None:
    """The top group of an array, if it is an entry."""
    import h5py

    group = _get(file, name.strip("/").partition("/")[0])
    return group if isinstance(group, h5py.Group) else None


def _child(group: h5py.Group | None, name: str, nexus: str) -> h5py.Group | None:
    """A group's child by its name, also with a number behind it, or by its NeXus class."""
    import h5py

    if group is None:
        return None
    for leaf in sorted(group):
        item = _get(group, leaf)
        if isinstance(item, h5py.Group) and (
            re.fullmatch(rf"{name}(_\d+)?", leaf) or (nexus and _text(item.attrs.get("NX_class", "")) == nexus)
        ):
            return item
    return None


def _detector(file: h5py.File, instrument: h5py.Group, name: str) -> h5py.Group | None:
    """The detector of an array: the group that holds it, else the only one of the instrument."""
    import h5py

    item = _get(file, name)
    home = item.name if isinstance(item, h5py.Dataset) else f"/{name}"
    groups = [g for g in (_get(instrument, leaf) for leaf in instrument) if isinstance(g, h5py.Group)]
    detectors = [
        g for g in groups if _text(g.attrs.get("NX_class", "")) == "NXdetector" or "detector" in g.name.rpartition("/")[2]
    ]
    own = [g for g in detectors if f"{home}/".startswith(f"{g.name}/")]
    leaf = home.rpartition("/")[2]
    named = [g for g in groups if g.name.rpartition("/")[2] == leaf]  # BLISS: measurement/NAME is instrument/NAME/data
    return next(iter(own or named or (detectors if len(detectors) == 1 else [])), None)


def _get(group: h5py.Group, name: str) -> Any:
    """A member of a group; None where a link leads nowhere."""
    try:
        return group.get(name)
    except OSError:
        return None


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else list(value) if isinstance(value, tuple) else value


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size else ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def merged(meta: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """The meta with the fields of an experiment, where its own text tells nothing of them."""
    if not fields:
        return dict(meta)
    own = Experiment.from_meta(meta).as_meta()
    own = {**own, **({"direct_beam": own.pop("direct_beam_px")} if "direct_beam_px" in own else {})}
    angles = {**fields.get("angles_deg", {}), **own.get("angles_deg", {})}
    return {**meta, "experiment": {**fields, **own, **({"angles_deg": angles} if angles else {})}}


def write_experiment(entry: h5py.Group, experiment: Experiment) -> None:
    """Write the experiment where CXI and NeXus have it, with units, into an entry that has instrument_1/detector_1."""
    instrument, detector = entry["instrument_1"], entry["instrument_1/detector_1"]

    def put(group: h5py.Group, name: str, value: Any, unit: str = "") -> None:
        if value is not None:
            group[name] = value
            if unit:
                group[name].attrs["units"] = unit

    def group(parent: h5py.Group, name: str, nexus: str) -> h5py.Group:
        made = parent.require_group(name)
        made.attrs["NX_class"] = nexus
        return made

    e = experiment
    put(instrument, "name", e.diffractometer)
    if e.energy_kev is not None:
        put(group(instrument, "source_1", "NXsource"), "energy", e.energy_kev * 1e3 * ELEMENTARY_CHARGE, "J")
        put(group(instrument, "beam_1", "NXbeam"), "incident_wavelength", e.wavelength_nm * 1e-9, "m")
    put(detector, "distance", e.distance_m, "m")
    for axis, size, centre in zip("yx", e.pixel_size_um or (None, None), e.direct_beam or (None, None), strict=True):
        put(detector, f"{axis}_pixel_size", None if size is None else size * 1e-6, "m")
        put(detector, f"beam_center_{axis}", centre, "pixel")
    put(detector, "count_time", e.exposure_s, "s")
    for circle, angle in e.angles_deg.items():
        put(group(instrument, "positioners_1", "NXcollection"), circle, angle, "deg")
    if e.hkl is not None or e.lattice_angstrom is not None:
        sample = group(entry, "sample_1", "NXsample")
        put(sample, "hkl", e.hkl)
        a = e.lattice_angstrom
        put(sample, "unit_cell", None if a is None else (a, a, a, 90.0, 90.0, 90.0), "angstrom, deg")
    if e.monitor is not None:
        put(group(entry, "control", "NXmonitor"), "data", e.monitor)
