"""A beamline's HDF5 layout as data, and the scan that it leads to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from retrieve.errors import InputError
from retrieve.geometry.diffractometers import named
from retrieve.geometry.experiment import Experiment
from retrieve.io.counts import shape_text
from retrieve.io.hdf5 import readable
from retrieve.io.hdf5_parts import gone_words
from retrieve.prepare import Frames, FrameStack

from .detectors import chip_gaps, pixel_um
from .hdf5 import KEV, METRES, Floats, Found, first, matches, opened, quantity, text, values
from .pairing import paired

Paths = tuple[str, ...]
Scanned = Callable[[h5py.Group], tuple[str, Floats] | None]


@dataclass(frozen=True)
class Layout:
    """Where a beamline's HDF5 file holds a scan.

    Paths begin at the scan's group. * stands for any text, {detector} for the detector, which other paths may repeat. Of several
    paths, the first one that is there counts. A quantity has its unit in brackets.

    Parameters
    ----------
    setup
        Name of the diffractometer in `retrieve.geometry`.
    group
        Finds the scan's group in the file, from the text after #.
    frames
        Paths of the frames, (frames, rows, columns).
    circles
        Paths of each circle's angle, by the diffractometer's names, degrees; the scanned one has one angle a frame.
    energy, distance, pixel_rows, pixel_columns
        Paths of quantities; pixel_rows is the length of a pixel from row to row. An energy may be a wavelength.
    beam_row, beam_column
        Paths of the direct beam, pixels.
    monitor
        Paths of one reading a frame, proportional to the photons of the beam.
    exposure
        Paths of the exposure of a frame, s.
    title
        Paths of the scan's command.
    scanned
        Finds the scanned circle and its angles where no path of a circle leads to them.
    monitored
        Finds the monitor where no path leads to it.
    transmitted
        Computes the transmission of the attenuators for each frame, by which the monitor's readings are multiplied.
    """

    setup: str
    group: Callable[[h5py.File, str], h5py.Group]
    frames: Paths
    circles: Mapping[str, Paths]
    energy: Paths = ()
    distance: Paths = ()
    pixel_rows: Paths = ()
    pixel_columns: Paths = ()
    beam_row: Paths = ()
    beam_column: Paths = ()
    monitor: Paths = ()
    exposure: Paths = ()
    title: Paths = ()
    scanned: Scanned = field(default=lambda group: None)
    monitored: Callable[[h5py.Group], Found | None] = field(default=lambda group: None)
    transmitted: Callable[[h5py.Group], Floats | None] = field(default=lambda group: None)


@contextmanager
def open_scan(layout: Layout, path: Path, scan: str, key: str | None) -> Iterator[Frames]:
    """Open a scan of a layout. `key` names the detector where there are several.

    Raises `InputError` for a scan or frames that are not there, or that lie in a missing file.
    """
    with opened(path) as file:
        group = layout.group(file, scan)
        found = _frames(layout, group, path, key)
        item = readable(found.item)
        notes: list[str] = []
        angles, count = _angles(layout, group, item.shape[0], notes)
        mask, said = chip_gaps(item.shape[1:])
        notes += [said] * bool(said)
        experiment = _experiment(layout, group, found, angles, count, notes)
        chunk = item.chunks[0] if item.chunks else 1
        shape = (count, *item.shape[1:])
        name = item.name.strip("/")
        stack = FrameStack(f"{path}:/{name}", shape, item.dtype, lambda part: np.asarray(item[part]), chunk, mask)
        command = first(group, layout.title)
        meta = {"experiment": experiment.as_meta(), "beamline": layout.setup, "scan": text(command.item if command else None)}
        yield Frames((stack,), mask, {k: v for k, v in meta.items() if v}, tuple(notes))


def named_group(file: h5py.File, scan: str, fits: Callable[[str, str], bool], kind: str) -> h5py.Group:
    """The scan's group: the one whose name fits the text after #, or without a text the only one.

    kind: the form of a name, for the message.
    """
    names = [name for name in file if isinstance(file.get(name, getlink=True), h5py.HardLink | h5py.ExternalLink | h5py.SoftLink)]
    found = [name for name in names if not scan or fits(name, scan)]
    if len(found) == 1:
        try:
            return file[found[0]]
        except (KeyError, OSError):
            link = file.get(found[0], getlink=True)
            target = getattr(link, "filename", "another place")
            raise InputError(
                f"{file.filename}: scan {found[0]!r} is a link to {target}, which is missing; copy it beside"
            ) from None
    some = ", ".join(names[:8]) + f" and {len(names) - 8} more" * (len(names) > 8)
    if not found:
        raise InputError(f"{file.filename} holds no scan {scan!r} (a group {kind}); there are {some or 'none'}")
    which = "several scans" if not scan else f"several scans {scan!r}: {', '.join(found[:4])}"
    raise InputError(f"{file.filename} holds {which}; write one behind #, out of {some}")


def _frames(layout: Layout, group: h5py.Group, path: Path, key: str | None) -> Found:
    gone: dict[str, str] = {}
    there = [found for pattern in layout.frames for found in matches(group, pattern, gone)]
    there = [found for found in there if found.item.ndim == 3 and found.item.dtype.kind in "iuf"]
    if key is not None:
        wanted = key.strip("/").lower()
        chosen = [
            f for f in there if wanted in (f.parts.get("detector", "").lower(), f.name.lower(), f.item.name.strip("/").lower())
        ]
    else:
        chosen = there
    if len(chosen) == 1:
        return chosen[0]
    names = ", ".join(f"{f.parts.get('detector', f.name)} ({shape_text(f.item.shape)})" for f in there)
    where = f"{path}: scan {group.name.strip('/')}"
    if chosen or (there and key is not None):
        problem = f"has no detector {key!r}" if not chosen else "has several detectors"
        raise InputError(f"{where} {problem}; name one with --key, out of {names}")
    if gone:
        raise InputError(f"{where}: {gone_words(path, gone)}")
    raise InputError(
        f"{where} holds no frames (looked for {' and '.join(layout.frames)}, three axes); check the number of the scan"
    )


def _angles(layout: Layout, group: h5py.Group, frames: int, notes: list[str]) -> tuple[dict[str, float | tuple[float, ...]], int]:
    """The angles of the circles, and how many frames have one of the scanned circle."""
    found: dict[str, Floats] = {}
    for circle, paths in layout.circles.items():
        item = first(group, paths)
        angle = values(item.item) if item else np.empty(0)
        if angle.size:
            found[circle] = angle
    special = layout.scanned(group)
    if special is not None:
        found[special[0]] = special[1]
    scanned = [circle for circle, angle in found.items() if angle.size > 1]
    count = frames
    for circle in scanned:
        count = min(count, paired(frames, found[circle].size, f"positions of {circle}", str(group.file.filename), notes))
    if not scanned:
        notes.append(f"no circle of {', '.join(layout.circles)} has one angle a frame: the scanned one is unknown")
    setup = named(layout.setup)
    optional = {circle.name for circle in (*setup.sample, *setup.detector) if circle.optional}
    lost = [circle for circle in layout.circles if circle not in found and circle not in optional]
    if lost:
        notes.append(f"angles that the file does not hold: {', '.join(lost)}")
    return {c: tuple(map(float, a[:count])) if a.size > 1 else float(a[0]) for c, a in found.items()}, count


def _experiment(
    layout: Layout,
    group: h5py.Group,
    frames: Found,
    angles: Mapping[str, float | tuple[float, ...]],
    count: int,
    notes: list[str],
) -> Experiment:
    detector = frames.parts.get("detector", "")

    def own(paths: Paths) -> Paths:
        return tuple(path.replace("{detector}", detector) for path in paths)

    def number(paths: Paths) -> float | None:
        item = first(group, own(paths))
        found = values(item.item) if item else np.empty(0)
        return float(found[0]) if found.size else None

    rows, columns = (quantity(group, own(paths), METRES) for paths in (layout.pixel_rows, layout.pixel_columns))
    nominal = []
    size = None if rows is None or columns is None else (rows * 1e6, columns * 1e6)
    if size is None and (pixel := pixel_um(frames.item.shape[1:])) is not None:
        size = (pixel, pixel)
        nominal.append("pixel_size_um")
        notes.append(f"pixels of {pixel:g} µm, by the detector's {shape_text(frames.item.shape[1:])} pixels")
    row, column = number(layout.beam_row), number(layout.beam_column)
    return Experiment(
        diffractometer=layout.setup,
        energy_kev=quantity(group, own(layout.energy), KEV),
        distance_m=quantity(group, own(layout.distance), METRES),
        pixel_size_um=size,
        direct_beam=None if row is None or column is None or (row, column) == (0, 0) else (row, column),
        angles_deg=angles,
        monitor=_monitor(layout, group, count, notes),
        exposure_s=number(layout.exposure) or None,
        nominal=tuple(nominal),
    )


def _monitor(layout: Layout, group: h5py.Group, count: int, notes: list[str]) -> tuple[float, ...] | None:
    """Readings for each frame, proportional to the photons on the sample; None if there are none."""
    found = layout.monitored(group) or first(group, layout.monitor)
    readings: NDArray | None = None
    if found is not None and found.item.ndim == 1 and found.item.shape[0] >= count:
        readings = np.nan_to_num(np.asarray(found.item[:count], dtype=float))
        if readings.min() < 0:
            notes.append(f"monitor {found.name} has negative readings: not used")
            readings = None
        else:
            notes.append(f"monitor: {found.name}")
    attenuators = layout.transmitted(group)
    if attenuators is not None and attenuators.size >= count and np.ptp(attenuators[:count]) > 0:
        readings = attenuators[:count] * (1.0 if readings is None else readings)
        notes.append(
            f"attenuators move: transmissions from {attenuators.min():.3g} to {attenuators.max():.3g} are in the monitor"
        )
    return None if readings is None else tuple(map(float, readings))
