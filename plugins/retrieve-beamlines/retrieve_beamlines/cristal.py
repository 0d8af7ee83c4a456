"""CRISTAL, SOLEIL: ``cristal:FILE.nxs#12``, or without a number if the file holds one scan.

Frames are the array of three axes in exp_NNNN/scan_data; the scanned omega or phi is actuator_1_1, named by scan_config/name.
Other circles in CRISTAL/…/position, the energy (keV) in CRISTAL/Monochromator. The monitor's place changes from file to file: it
is read if `long_name` says imon or intensity.

Sources: cdiutils 0.2 (`io/cristal.py`), bcdi 0.3 (`LoaderCRISTAL`: upper and lower case, angles in 10⁻⁶ degrees).
"""

from __future__ import annotations

import re
from functools import partial

import h5py

from retrieve.prepare import Loader

from .layout import Layout, named_group, open_scan
from .samples import write_cristal
from .sixs import monitor
from .soleil import scanned_actuator


def experiment_group(file: h5py.File, scan: str) -> h5py.Group:
    """The group of a scan: 12 is `exp_0012`, or another name that ends in the number."""

    def fits(name: str, scan: str) -> bool:
        return name == scan or re.fullmatch(rf"\D*0*{re.escape(scan)}", name) is not None

    return named_group(file, scan, fits, "such as exp_0012")


LAYOUT = Layout(
    setup="cristal",
    group=experiment_group,
    frames=("scan_data/{detector}",),
    circles={
        "omega": ("CRISTAL/i06-c-c07-ex-mg_omega/position*",),
        "phi": ("CRISTAL/i06-c-c07-ex-mg_phi/position*",),
        "gamma": ("CRISTAL/Diffractometer/i06-c-c07-ex-dif-gamma/position*",),
        "delta": ("CRISTAL/Diffractometer/i06-c-c07-ex-dif-delta/position*",),
    },
    energy=("CRISTAL/Monochromator/energy [keV]", "CRISTAL/Monochromator/lambda [angstrom]"),
    title=("scan_config/name",),
    scanned=partial(scanned_actuator, circles=("omega", "phi"), default="omega"),
    monitored=monitor,
)

LOADER = Loader("cristal", "FILE.nxs#12", partial(open_scan, LAYOUT), write_cristal)
