"""NanoMAX, MAX IV: ``nanomax:000012.h5``, one file a scan.

Frames in entry/measurement/{detector}/frames, the scanned gonphi or gontheta in entry/measurement. Other motors, the energy (eV)
and the detector's distance (radius, mm) in entry/snapshots/post_scan, pre_scan or, in older files, entry/snapshot. Monitor alba2.

Sources: cdiutils 0.2 (`io/nanomax.py`), bcdi 0.3 (`LoaderNANOMAX`), xsocs' converter of NanoMAX files (radius).
"""

from __future__ import annotations

from functools import partial

import h5py

from retrieve.errors import InputError
from retrieve.prepare import Loader

from .layout import Layout, Paths, open_scan
from .samples import write_nanomax

SNAPSHOTS = ("snapshots/post_scan", "snapshots/pre_scan", "snapshot")


def entry(file: h5py.File, scan: str) -> h5py.Group:
    """The only group, whose file is the scan."""
    group = file.get("entry")
    if not isinstance(group, h5py.Group):
        raise InputError(f"{file.filename} has no group 'entry', as files of NanoMAX have; check the file")
    return group


def snapshot(name: str) -> Paths:
    """Where a value is that does not change during a scan."""
    return tuple(f"{place}/{name}" for place in SNAPSHOTS)


LAYOUT = Layout(
    setup="nanomax",
    group=entry,
    frames=("measurement/{detector}/frames", "measurement/{detector}/data"),
    circles={
        "gontheta": ("measurement/gontheta", *snapshot("gontheta")),
        "gonphi": ("measurement/gonphi", *snapshot("gonphi")),
        "gamma": snapshot("gamma"),
        "delta": snapshot("delta"),
    },
    energy=tuple(f"{path} [eV]" for path in (*snapshot("energy"), *snapshot("energy_raw"))),
    distance=tuple(f"{path} [mm]" for path in snapshot("radius")),
    monitor=("measurement/alba2",),
    title=("description",),
)

LOADER = Loader("nanomax", "000012.h5", partial(open_scan, LAYOUT), write_nanomax)
