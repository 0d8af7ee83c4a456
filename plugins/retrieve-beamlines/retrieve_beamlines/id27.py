"""ID27, ESRF, files of BLISS: ``id27:FILE.h5#12``.

Frames in measurement/eiger, the circle nath in instrument/positioners, the wavelength (Å) in instrument/calibration. The detector
stands still; the file's calibration of it is not reliable, so distance and direct beam must be given.

Source: cdiutils 0.2 (`io/id27.py`).
"""

from __future__ import annotations

from functools import partial

from retrieve.prepare import Loader

from .bliss import bliss_group
from .layout import Layout, open_scan
from .samples import write_id27

LAYOUT = Layout(
    setup="id27",
    group=bliss_group,
    frames=("measurement/{detector}",),
    circles={"nath": ("instrument/positioners/nath", "measurement/nath")},
    energy=("instrument/calibration/wavelength [angstrom]",),
    exposure=("instrument/{detector}/acq_parameters/acq_expo_time", "instrument/{detector}/acq_expo_time"),
    title=("title",),
)

LOADER = Loader("id27", "FILE.h5#12", partial(open_scan, LAYOUT), write_id27)
