"""Single facts in a file's meta, as older files and other programs have them, and the experiment in words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ..errors import InputError
from ..files import short
from .diffractometers import named
from .values import RANGES, number, numbers

ELEMENTARY_CHARGE = 1.602176634e-19
HC_KEV_NM = 1.2398419843320026
SCAN = re.compile(r"\b([A-Za-z]\w*)\s+(-?[\d.]+(?:e-?\d+)?)\s*\.\.\s*(-?[\d.]+(?:e-?\d+)?)\s+in\s+(\d+)\s+steps")
PIXEL = re.compile(r"pixel\s*(?:size)?\s*=?\s*([\d.]+)\s*(?:um|µm|μm)")
EXPOSURE = re.compile(r"([\d.]+)\s*s\s*/\s*pt")
LATTICE = re.compile(r"\ba\s*=\s*([\d.]+)\s*A\b")
REFLECTION = re.compile(r"\b(\d)(\d)(\d)\s+(?:Bragg|reflection|peak)")
BEAMLINES = {"34-id-c": "34idc"} | {name: name for name in ("id01", "p10", "nanomax", "sixs", "cristal", "id27")}
"""Names of beamlines in texts, and of their setups."""
CIRCLES = {"th": "theta"}
"""Short names of circles in texts, and the names that the setups have."""
ANGLES = ("theta", "chi", "phi", "mu", "eta", "omega", "om", "nu", "delta", "gamma", "del", "gam")
"""Circles whose angles older files have as single facts, with _deg after the name."""
MOST_DIGITS = 6
"""Of the number of steps in the text of a scan; more are not of a scan."""
LONG = 1.005
"""Ratio of an energy to that of the wavelength beside it, from which they contradict each other."""

ENERGIES: Mapping[str, Callable[[float], float]] = {
    "energy_keV": lambda v: v,
    "energy_eV": lambda v: v / 1e3,
    "energy_J": lambda v: v / ELEMENTARY_CHARGE / 1e3,
    "wavelength_m": lambda v: HC_KEV_NM / (v * 1e9),
    "wavelength_nm": lambda v: HC_KEV_NM / v,
    "wavelength_A": lambda v: HC_KEV_NM / (v / 10),
}
"""Keys of the energy, each with the way to keV."""


def facts_of(meta: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an `Experiment` out of single facts and texts. Raises `InputError` for impossible values."""
    found: dict[str, Any] = {"energy_kev": _energy(meta)}
    for field, scales in (
        ("distance_m", {"detector_distance_m": 1.0, "detector_distance_mm": 1e-3}),
        ("pixel_size_um", {"pixel_size_m": 1e6, "pixel_size_um": 1.0}),
        ("lattice_angstrom", {"lattice_angstrom": 1.0, "lattice_A": 1.0}),
        ("exposure_s", {"exposure_s": 1.0}),
    ):
        key = next((key for key in scales if meta.get(key) is not None), None)
        if key is not None:
            values = numbers(key, meta[key]) or ()
            scaled = tuple(value * scales[key] for value in values)
            found[field] = scaled[0] if len(scaled) == 1 else scaled
    found |= {name: meta[name] for name in ("hkl", "direct_beam", "monitor") if meta.get(name) is not None}
    angles = {name: meta[f"{name}_deg"] for name in ANGLES if meta.get(f"{name}_deg") is not None}
    return {key: value for key, value in _texts(meta, found, angles).items() if value is not None}


def _energy(meta: Mapping[str, Any]) -> float | None:
    """The energy, keV. Raises `InputError` for an impossible one, or for two that contradict each other."""
    energies: dict[str, float] = {}
    for key, convert in ENERGIES.items():
        if meta.get(key) is not None:
            value = number(key, meta[key])
            low, high = RANGES["energy_kev"][:2]
            if value <= 0 or not low <= convert(value) <= high:
                kev = f", {convert(value):.3g} keV," if value > 0 else ""
                raise InputError(f"{key}={value:g}{kev} is impossible; correct its unit, or leave it out if it is unknown")
            energies[key] = convert(value)
    if energies and max(energies.values()) > LONG * min(energies.values()):
        said = " but ".join(f"{key}={short(meta[key])} is {kev:.5g} keV" for key, kev in energies.items())
        raise InputError(f"{said}; correct one of them, or leave it out")
    return next(iter(energies.values()), None)


def _texts(meta: Mapping[str, Any], found: dict[str, Any], angles: dict[str, Any]) -> dict[str, Any]:
    """The fields with what the texts on scan, detector, sample and beamline add."""
    text = {
        name: value if isinstance(value := meta.get(name), str) else "" for name in ("scan", "detector", "sample", "beamline")
    }
    if (scan := SCAN.search(text["scan"])) and len(scan[4]) <= MOST_DIGITS:
        name, *ends, steps = scan.groups()
        first, last = (number(f"scan, {name}", end) for end in ends)
        points = np.linspace(first, last, int(steps) + 1)
        angles.setdefault(CIRCLES.get(name, name), tuple(points.tolist()))
    for field, pattern, where in (
        ("exposure_s", EXPOSURE, "scan"),
        ("pixel_size_um", PIXEL, "detector"),
        ("lattice_angstrom", LATTICE, "sample"),
    ):
        if match := pattern.search(text[where]):
            found.setdefault(field, number(where, match[1]))
    if reflection := REFLECTION.search(text["sample"]):
        found.setdefault("hkl", tuple(float(digit) for digit in reflection.groups()))
    beamline = next((setup for name, setup in BEAMLINES.items() if name in text["beamline"].lower()), None)
    return {"diffractometer": beamline, **found, "angles_deg": angles}


def circles_missing(experiment: Any) -> list[str]:
    """The circles without an angle, and the scanned one if no circle has an angle a frame."""
    absent = [] if experiment.scanned else ["angles_deg of the scanned circle"]
    if experiment.diffractometer is None:
        return absent
    circles = named(experiment.diffractometer).missing(experiment.scanned, experiment.angles_deg)
    return [*absent, *(f"angles_deg of {name}" for name in circles)]


def lines_of(experiment: Any) -> Iterator[str]:
    """What is known of the experiment, and what is missing for strain, line by line."""
    e = experiment

    def said(name: str, text: str) -> str:
        return text + (" (nominal)" if name in e.nominal else "")

    if e.diffractometer:
        yield said("diffractometer", f"diffractometer {e.diffractometer}")
    if e.energy_kev is not None:
        yield said("energy_kev", f"energy {e.energy_kev:.6g} keV, wavelength {e.wavelength_nm:.6g} nm")
    if e.distance_m is not None:
        yield said("distance_m", f"detector at {e.distance_m:.6g} m")
    if e.pixel_size_um is not None:
        yield said("pixel_size_um", f"pixels of {e.pixel_size_um[0]:g} × {e.pixel_size_um[1]:g} µm")
    if e.direct_beam is not None:
        yield said("direct_beam", f"direct beam at row {e.direct_beam[0]:.2f}, column {e.direct_beam[1]:.2f}")
    for name, angle in e.angles_deg.items():
        many = isinstance(angle, tuple)
        yield said(name, f"{name} {_span(angle)}" if many else f"{name} {angle:.6g}°")
    if e.hkl is not None:
        yield said("hkl", "reflection " + " ".join(f"{index:g}" for index in e.hkl))
    if e.lattice_angstrom is not None:
        yield said("lattice_angstrom", f"lattice parameter {e.lattice_angstrom:.6g} Å")
    if e.monitor is not None:
        yield f"monitor {np.mean(e.monitor):.4g} a frame, from {min(e.monitor):.4g} to {max(e.monitor):.4g}"
    if e.exposure_s is not None:
        yield said("exposure_s", f"exposure {e.exposure_s:g} s a frame")
    if missing := e.missing():
        yield "missing for strain: " + ", ".join(missing)
    elif e.direct_beam is None:
        yield "the direct beam is unknown: the detector angles are taken as those of the peak, which is nominal"


def _span(angles: tuple[float, ...]) -> str:
    return f"{angles[0]:.6g}° to {angles[-1]:.6g}° in {len(angles)} frames"
