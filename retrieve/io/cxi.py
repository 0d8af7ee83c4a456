"""The skeleton of a CXI 1.5 file with NeXus default plots: places, groups, times, JSON.

Under entry_1:

- image_1: the chosen object, its support, and how it was made, under the names that PyNX and cdiutils look for
- amplitude, phase, diffraction: pictures of the object and of the measurement
- instrument_1/detector_1: the measurement, peak at N//2, mask 0 = good; `intensity` in a result, `data` in a measurement,
  because PyNX takes a file with `data` there for a measurement alone
- coherence_kernel: the kernel of partial coherence, known or found
- starts: every start
- held, spread, support, truth: held-out pixels, spread of the starts, what was known beforehand
- uncertainty: a map of where the object is not determined, and its summary as JSON
- meta, manifest, account, verdict: JSON

`retrieve.io.result` writes it, `retrieve.io.cxi_reader` and `retrieve.io.results` read it.
"""

from __future__ import annotations

import datetime
import importlib.metadata
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..files import digest

if TYPE_CHECKING:
    import h5py  # at run time where a file is written: it takes 13 MB

CXI_VERSION = 150
IMAGE = "image_1"
DETECTOR = "instrument_1/detector_1"
MEASURED = f"{DETECTOR}/intensity"
"""The measurement in a result. In older results it is `data` there."""
KERNEL = "coherence_kernel"
SUM = "sha256"
"""The attribute of a text with its SHA-256. Arrays have the checksum of HDF5 itself."""
SMALL_SUM = "sha256_of_small_values"
"""The attribute of entry_1 with the SHA-256 of `SMALL`."""
SMALL = ("image_1/process_1/results", "image_1/process_1/configuration/forward_operator", "starts/history", "starts/failure")
"""Places of numbers, columns and texts that have no checksum of their own."""
FACTS = {
    "energy_J": "instrument_1/source_1/energy",
    "wavelength_m": "instrument_1/beam_1/incident_wavelength",
    "detector_distance_m": f"{DETECTOR}/distance",
    "pixel_size_m": f"{DETECTOR}/x_pixel_size",
}
"""Facts of the experiment, in SI units: their names in our meta, and their places in CXI."""


def version() -> str:
    """The installed version of retrieve."""
    try:
        return importlib.metadata.version("retrieve-phase")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def new_entry(file: h5py.File, seconds: float = 0.0) -> h5py.Group:
    """The root's attributes and entry_1 with its times."""
    import h5py

    now = datetime.datetime.now(datetime.UTC)
    file["cxi_version"] = CXI_VERSION
    file.attrs.update(
        {
            "NX_class": "NXroot",
            "default": "entry_1",
            "creator": "retrieve",
            "creator_version": version(),
            "file_time": now.isoformat(timespec="seconds"),
        }
    )
    entry = add_group(file, "entry_1", "NXentry")
    file["entry_last"] = h5py.SoftLink("/entry_1")  # where PyNX and cdiutils look for the last run
    entry["program_name"] = f"retrieve {version()}"
    entry["start_time"] = (now - datetime.timedelta(seconds=seconds)).isoformat(timespec="seconds")
    entry["end_time"] = now.isoformat(timespec="seconds")
    return entry


def add_text(group: h5py.Group, name: str, text: str) -> None:
    """Write a text with its SHA-256."""
    group[name] = text
    group[name].attrs[SUM] = digest(text)


def sum_of_small(entry: h5py.Group, read: Callable[[h5py.Dataset], Any]) -> str:
    """The SHA-256 of all that is in the places of `SMALL`.

    Parameters
    ----------
    entry : h5py.Group
        The entry of a result.
    read : callable
        Returns the values of a dataset.
    """
    import h5py

    found: list[str | np.ndarray] = []

    def see(item: Any) -> None:
        if isinstance(item, h5py.Group):
            for name in sorted(item):
                see(item.get(name))
        elif isinstance(item, h5py.Dataset):
            values = np.asarray(read(item))
            found.extend((item.name, repr(values.tolist()) if values.dtype.hasobject else values))

    for place in SMALL:
        see(entry.get(place))
    return digest(*found)


def link_data(entry: h5py.Group, target: str) -> None:
    """data_1, where older tools look for the main array."""
    data = add_group(entry, "data_1", "NXdata")
    data.attrs["signal"] = "data"
    import h5py

    data["data"] = h5py.SoftLink(f"{entry.name}/{target}")


def add_group(parent: h5py.Group, name: str, nexus: str) -> h5py.Group:
    """Create a group of a NeXus class."""
    group = parent.create_group(name)
    group.attrs["NX_class"] = nexus
    return group


def describe_operators(operator: Any, detector: Any = None) -> str:
    """The operators of a problem in words, "FarField" for a plain one."""

    def name(operator: Any) -> str:
        inner = getattr(operator, "inner", None)
        return type(operator).__name__ if inner is None else f"{name(operator.outer)} @ {name(inner)}"

    return name(operator) + (f", detector {name(detector)}" if detector is not None else "")
