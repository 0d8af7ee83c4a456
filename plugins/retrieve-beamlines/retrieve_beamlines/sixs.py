"""SIXS, SOLEIL: ``sixs:FILE.nxs``, one file a scan.

Frames are the array of three axes in com/scan_data, the scanned mu is actuator_1_1 (since 2022) or named by `long_name`. Other
circles in com/SIXS/i14-c-cx1-ex-med-v-dif-group.1/{circle}/position (2019: com/SIXS/{circle}/position_pre), the energy (keV) in
com/SIXS/i14-c-c02-op-mono. Monitor imon0, imon1 or intensity, by `long_name`. Transmission of n filters: att_coef⁻ⁿ.

Sources: cdiutils 0.2 (`io/sixs.py`), bcdi 0.3 (`LoaderSIXS`, `ReadNxs3`), binoculars-ng (paths of energy and wavelength).
"""

from __future__ import annotations

from functools import partial

import h5py

from retrieve.prepare import Loader

from .hdf5 import Floats, Found, first, values
from .layout import Layout, named_group, open_scan
from .samples import write_sixs
from .soleil import named, scanned_actuator

CIRCLES = ("mu", "omega", "gamma", "delta")


def only_group(file: h5py.File, scan: str) -> h5py.Group:
    """The scan's group: `com`, or the only one."""
    return (
        file["com"]
        if not scan and isinstance(file.get("com"), h5py.Group)
        else named_group(file, scan, str.__eq__, "such as com")
    )


def monitor(group: h5py.Group) -> Found | None:
    """The beam monitor before the sample."""
    return named(group, r"imon[01]|/intensity")


def transmission(group: h5py.Group) -> Floats | None:
    """The transmission of the filters for each frame; None if the file does not tell it."""
    coefficient, filters = (
        first(group, ("SIXS/i14-c-c00-ex-config-att/att_coef",)),
        named(group, r"att\w*filters|/attenuation|att_sbs\w*"),
    )
    if coefficient is None or filters is None or not (factor := values(coefficient.item)).size or factor[0] <= 0:
        return None
    found: Floats = factor[0] ** -values(filters.item)
    return found


LAYOUT = Layout(
    setup="sixs",
    group=only_group,
    frames=("scan_data/{detector}",),
    circles={
        name: (f"SIXS/i14-c-cx1-ex-med-v-dif-group.1/*{name}*/position", f"SIXS/i14-c-cx1-ex-{name}-med-v/position*")
        for name in CIRCLES
    },
    energy=(
        "SIXS/i14-c-c02-op-mono/energy [keV]",
        "SIXS/Monochromator/energy [keV]",
        "SIXS/i14-c-c02-op-mono/lambda [angstrom]",
        "SIXS/Monochromator/wavelength [angstrom]",
    ),
    exposure=("SIXS/i14-c-c00-ex-config-publisher/integration_time",),
    title=("scan_config/name",),
    scanned=partial(scanned_actuator, circles=CIRCLES, default="mu"),
    monitored=monitor,
    transmitted=transmission,
)

LOADER = Loader("sixs", "FILE.nxs", partial(open_scan, LAYOUT), write_sixs)
