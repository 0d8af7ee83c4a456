"""ID01, ESRF, files of BLISS: ``id01:FILE.h5#12``.

Frames in measurement/{detector} (mpx1x4, mpxgaas, eiger2M, …), motors and energy in instrument/positioners, calibration of the
detector in instrument/{detector}, monitor imon.

Sources: cdiutils 0.2 (`io/id01.py`), bcdi 0.3 (`LoaderID01BLISS`: mu, imon), tools of the beamline (monochromator/WaveLength, m).
"""

from __future__ import annotations

from functools import partial

from retrieve.prepare import Loader

from .bliss import bliss_group
from .layout import Layout, open_scan
from .samples import write_id01

CIRCLES = ("mu", "eta", "phi", "nu", "delta")

LAYOUT = Layout(
    setup="id01",
    group=bliss_group,
    frames=("measurement/{detector}",),
    circles={name: (f"instrument/positioners/{name}", f"measurement/{name}") for name in CIRCLES},
    energy=(
        "instrument/monochromator/WaveLength [m]",
        "instrument/positioners/mononrj [keV]",
        "instrument/positioners/nrj [keV]",
    ),
    distance=("instrument/{detector}/distance [m]",),
    pixel_rows=("instrument/{detector}/y_pixel_size [m]",),
    pixel_columns=("instrument/{detector}/x_pixel_size [m]",),
    beam_row=("instrument/{detector}/beam_center_y",),
    beam_column=("instrument/{detector}/beam_center_x",),
    monitor=("measurement/imon",),
    exposure=("instrument/{detector}/acq_parameters/acq_expo_time", "instrument/{detector}/acq_expo_time"),
    title=("title",),
)

LOADER = Loader("id01", "FILE.h5#12", partial(open_scan, LAYOUT), write_id01)
