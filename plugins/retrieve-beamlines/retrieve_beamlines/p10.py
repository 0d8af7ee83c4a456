"""P10, PETRA III: ``p10:SAMPLE_00063``, the folder of a scan.

SAMPLE_00063.fio holds motors, energy (fmbenergy, eV), distance (_distance, mm) and monitor (curpetra or ipetra). The frames are
in {detector}/SAMPLE_00063_master.h5 (e4m), whose data files the master file links. It also holds the detector's mask, pixel size
and direct beam. EH2 has the circles samth and e2_t02.

Sources: cdiutils 0.2 (`io/p10.py`), bcdi 0.3 (`LoaderP10`), cohere-ui 4.5 (`Petra3_P10`: _distance, _ccd), DECTRIS'
documentation of the master file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from retrieve.errors import InputError
from retrieve.geometry.experiment import Experiment
from retrieve.prepare import Frames, Loader, frames_of

from .fio import Fio, read_fio
from .hdf5 import KEV, METRES, first, opened, quantity, values
from .pairing import paired
from .samples import write_p10

CIRCLES = {"mu": ("mu",), "om": ("om", "samth"), "chi": ("chi",), "phi": ("phi",), "gam": ("gam",), "del": ("del", "e2_t02")}
MONITORS = ("curpetra", "ipetra")
DETECTOR = "entry/instrument/detector"


@contextmanager
def open_p10(path: Path, scan: str, key: str | None) -> Iterator[Frames]:
    """Open the scan in a folder. `key` names the detector's folder where there are several.

    Raises `InputError` for a folder without a .fio file or a master file.
    """
    folder = path.parent if path.suffix == ".fio" else path
    if scan:
        folder = folder / f"{folder.name}_{int(scan):05d}" if scan.isdigit() else folder / scan
    fio = read_fio(_only(folder, "*.fio", "the motors"))
    master = _master(folder, key)
    with frames_of([master]) as frames:
        notes = [*frames.notes]
        frames, angles = _paired(frames, fio, notes)
        experiment = _experiment(master, fio, angles, frames.shape[0], notes)
        meta = {**frames.meta, "experiment": experiment.as_meta(), "beamline": "p10", "scan": fio.command}
        yield replace(frames, meta=meta, notes=tuple(notes))


def _only(folder: Path, pattern: str, what: str) -> Path:
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}; name the folder of the scan, such as p10:SAMPLE_00063")
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        names = ", ".join(str(file.relative_to(folder)) for file in found[:4]) or "none"
        raise InputError(f"{folder} holds {len(found)} files {pattern} with {what} ({names}); one is needed")
    return found[0]


def _master(folder: Path, key: str | None) -> Path:
    """The master file of the detector."""
    found = sorted(folder.glob(f"{key or '*'}/*_master.h5")) or sorted(folder.glob("*_master.h5"))
    if len(found) == 1:
        return found[0]
    names = ", ".join(str(file.relative_to(folder)) for file in found[:4]) or "none"
    raise InputError(f"{folder} holds {len(found)} master files ({names}); one is needed: name the detector's folder with --key")


def _paired(frames: Frames, fio: Fio, notes: list[str]) -> tuple[Frames, dict[str, float | tuple[float, ...]]]:
    """The frames that have a position, and the angles of the circles, degrees."""
    angles: dict[str, float | tuple[float, ...]] = {}
    count, rows = frames.shape[0], len(fio.rows)
    if rows and rows != count:
        count = paired(count, rows, f"rows in {fio.path.name}", str(fio.path), notes)
        frames = _first(frames, count)
    for circle, names in CIRCLES.items():
        column = next((fio.column(name) for name in names if fio.column(name) is not None), None)
        parameter = next((fio.number(name) for name in names if fio.number(name) is not None), None)
        if column is not None and len(column) > 1 and max(column) != min(column):
            angles[circle] = tuple(map(float, column[:count]))
        elif column is not None and len(column):
            angles[circle] = float(column[0])
        elif parameter is not None:
            angles[circle] = parameter
    if not any(isinstance(angle, tuple) for angle in angles.values()):
        notes.append(f"no circle of {', '.join(CIRCLES)} is a column of {fio.path.name}: the scanned one is unknown")
    return frames, angles


def _first(frames: Frames, count: int) -> Frames:
    """The first frames."""
    stacks, left = [], count
    for stack in frames.stacks:
        if left > 0:
            stacks.append(stack._replace(shape=(min(left, stack.shape[0]), *stack.shape[1:])))
            left -= stack.shape[0]
    mask = frames.mask
    return replace(frames, stacks=tuple(stacks), mask=mask[:count] if mask is not None and mask.ndim == 3 else mask)


def _experiment(master: Path, fio: Fio, angles: dict[str, float | tuple[float, ...]], count: int, notes: list[str]) -> Experiment:
    with opened(master) as file:
        rows, columns = (quantity(file, (f"{DETECTOR}/{axis}_pixel_size [m]",), METRES) for axis in "yx")
        beam = [first(file, (f"{DETECTOR}/beam_center_{axis}",)) for axis in "yx"]
        centre = [values(found.item) if found else np.empty(0) for found in beam]
        distance = quantity(file, (f"{DETECTOR}/detector_distance [m]",), METRES)
        energy = quantity(file, ("entry/instrument/beam/incident_wavelength [angstrom]",), KEV)
        times = first(file, (f"{DETECTOR}/count_time",))
        exposure = values(times.item) if times else np.empty(0)
    of_fio, far = fio.number("fmbenergy"), fio.number("_distance")
    known = all(len(c) for c in centre) and any(float(c[0]) for c in centre)
    monitor = next((fio.column(name) for name in MONITORS if fio.column(name) is not None), None)
    if monitor is not None and len(monitor) >= count and min(monitor[:count]) >= 0:
        notes.append("monitor: the ring's current, " + next(name for name in MONITORS if fio.column(name) is not None))
    else:
        monitor = None
    return Experiment(
        diffractometer="p10",
        energy_kev=of_fio / 1e3 if of_fio else energy,
        distance_m=far / 1e3 if far else distance,
        pixel_size_um=None if rows is None or columns is None else (rows * 1e6, columns * 1e6),
        direct_beam=(float(centre[0][0]), float(centre[1][0])) if known else None,
        angles_deg=angles,
        monitor=None if monitor is None else tuple(map(float, monitor[:count])),
        exposure_s=float(exposure[0]) if len(exposure) and exposure[0] > 0 else None,
    )


LOADER = Loader("p10", "SAMPLE_00063", open_p10, write_p10)
