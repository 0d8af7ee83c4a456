"""34-ID-C, APS: ``34idc:FILE.spec#54``, with the folder of tif frames that ends in the number of the scan.

The SPEC file holds motors (Theta, Chi, Phi, Delta, Gamma), energy (keV), distance (camdist, mm), monitor (column Monitor),
detector (#UIMDET) and its region (#UIMR5: first column, columns, first row, rows). The folder, such as SAMPLE_S0054, lies beside
the SPEC file, one folder below, or is named with --key. The seam between the chips of the 34idcTIM2 is inserted, unmeasured.

Sources: cohere-ui 4.5 (`aps_34idc`: headers, names of folders and frames, seam of four columns and five rows), bcdi 0.3
(`Loader34ID`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from retrieve.errors import InputError
from retrieve.geometry.experiment import Experiment
from retrieve.io.counts import shape_text
from retrieve.prepare import Frames, FrameStack, Loader
from retrieve.prepare.order import in_natural_order

from .pairing import paired
from .samples import write_34idc
from .spec import SpecScan, read_spec

CIRCLES = {
    "theta": ("Theta", "th"),
    "chi": ("Chi", "chi"),
    "phi": ("Phi", "phi"),
    "delta": ("Delta", "delta"),
    "gamma": ("Gamma", "gamma"),
}
PIXEL_UM = {"34idcTIM1": 55.0, "34idcTIM2": 55.0}
SEAM = {"34idcTIM2": (256, 5, 4)}
"""First row and column behind the seam of a detector, rows and columns between its chips."""


@contextmanager
def open_34idc(path: Path, scan: str, key: str | None) -> Iterator[Frames]:
    """Open a scan of a SPEC file. `key` names the folder of the frames if it is elsewhere.

    Raises `InputError` for a scan or frames that are not there, and for a frame that is missing among others.
    """
    spec = read_spec(path, scan)
    folder = Path(key) if key else _folder(path, spec.number)
    ordered = in_natural_order(sorted(file for file in folder.iterdir() if file.suffix.lower() in (".tif", ".tiff")))
    if not ordered.files:
        raise InputError(f"{folder} holds no tif frames; name their folder with --key")
    notes = [*spec.notes, f"frames in {folder}", *([ordered.note] * bool(ordered.note))]
    count, points = len(ordered.files), len(spec.rows)
    count = paired(count, points, "points in the SPEC file", str(path), notes) if points else count
    size = tifffile.imread(ordered.files[0]).shape
    if len(size) != 2:
        raise InputError(f"{ordered.files[0]} has {shape_text(size)} values; one frame a file is needed")
    region = _region(spec, size)
    rows, columns = (_seams(first, n, spec.detector, axis) for axis, (first, n) in enumerate(zip(region, size, strict=True)))
    mask = np.outer(rows >= 0, columns >= 0)
    if not mask.all():
        notes.append(f"seam of {spec.detector} inserted: {shape_text(mask.shape)} pixels instead of {shape_text(size)}")
    files = ordered.files[:count]

    def read(part: slice) -> NDArray[Any]:
        raw = np.stack([_frame(file, size) for file in files[part]])
        return np.where(mask, raw[:, rows][:, :, columns], 0) if not mask.all() else raw

    first = tifffile.imread(files[0])
    stack = FrameStack(str(folder), (count, *mask.shape), first.dtype, read, 1, None if mask.all() else mask)
    experiment = _experiment(spec, count, notes)
    meta = {"experiment": experiment.as_meta(), "beamline": "34idc", "scan": spec.command, "detector": spec.detector}
    yield Frames((stack,), stack.mask, {k: v for k, v in meta.items() if v}, tuple(notes), ordered.gap)


def _frame(file: str, size: tuple[int, ...]) -> NDArray[Any]:
    frame: NDArray[Any] = tifffile.imread(file)
    if frame.shape != size:
        raise InputError(f"{file} has {shape_text(frame.shape)} pixels, the first frame {shape_text(size)}; copy it again")
    return frame


def _folder(path: Path, number: int) -> Path:
    """The folder whose name ends in the scan's number, beside the SPEC file or one folder below."""
    beside = [folder for folder in path.parent.iterdir() if folder.is_dir()]
    below = [folder for parent in beside for folder in parent.iterdir() if folder.is_dir()]
    for places in (beside, below):
        found = [f for f in places if (m := re.search(r"(\d+)$", f.name)) and int(m[1]) == number]
        named = [f for f in found if f.name.startswith(path.stem)]
        found = named or found
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(str(folder) for folder in found[:4])
            raise InputError(f"{path}: several folders may hold the frames of scan {number}: {names}; name one with --key")
    raise InputError(
        f"{path}: there is no folder of frames of scan {number} beside it, whose name ends in {number:04d}; name it with --key"
    )


def _region(spec: SpecScan, size: tuple[int, ...]) -> tuple[int, int]:
    """First row and first column of the detector in a frame; zeros if the SPEC file's region is not that of the frames."""
    numbers = [int(word) for word in spec.header("UIMR5").split() if word.lstrip("-").isdigit()]
    if len(numbers) < 4 or (numbers[3], numbers[1]) != size:
        return 0, 0
    return numbers[2], numbers[0]


def _seams(first: int, size: int, detector: str, axis: int) -> NDArray[np.intp]:
    """The pixel of the frame for each place along an axis, −1 in a seam."""
    places = np.arange(size)
    if detector not in SEAM:
        return places
    behind, *lengths = SEAM[detector]
    at = behind - first
    return np.insert(places, at, [-1] * lengths[axis]) if 0 < at < size else places


def _experiment(spec: SpecScan, count: int, notes: list[str]) -> Experiment:
    angles: dict[str, float | tuple[float, ...]] = {}
    for circle, names in CIRCLES.items():
        column = next((spec.column(name) for name in names if spec.column(name) is not None), None)
        motor = next((spec.motors[name] for name in names if name in spec.motors), None)
        if column is not None and len(column) > 1:
            angles[circle] = tuple(map(float, column[:count]))
        elif motor is not None:
            angles[circle] = motor
    if not any(isinstance(angle, tuple) for angle in angles.values()):
        notes.append(f"no circle of {', '.join(CIRCLES)} is a column of the SPEC file: the scanned one is unknown")
    motors: Mapping[str, float] = spec.motors
    energy = next((motors[name] for name in ("Energy", "energy") if motors.get(name)), None)
    distance = next((motors[name] for name in ("camdist", "detdist") if motors.get(name)), None)
    pixel = PIXEL_UM.get(spec.detector)
    monitor = next((spec.column(name) for name in ("Monitor", "monitor") if spec.column(name) is not None), None)
    if monitor is not None:
        notes.append("monitor: column Monitor")
    return Experiment(
        diffractometer="34idc",
        energy_kev=energy if energy is None or energy < 1000 else energy / 1e3,
        distance_m=None if distance is None else distance / 1e3,
        pixel_size_um=None if pixel is None else (pixel, pixel),
        angles_deg=angles,
        monitor=None if monitor is None or len(monitor) < count else tuple(map(float, np.maximum(monitor[:count], 0))),
    )


LOADER = Loader("34idc", "FILE.spec#54", open_34idc, write_34idc)
