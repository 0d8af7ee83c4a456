"""Writing CXI 1.5 with NeXus default plots; `results` reads ours back.

Layout, all under entry_1: image_1 (the chosen object, its support, how it was made), amplitude and
phase (pictures of it), instrument_1/detector_1 (the measurement, peak at N//2, mask 0 = good),
coherence_kernel (where one was known or found), diffraction (a picture of the measurement), starts
(every start), held, spread, support and truth (what was known beforehand), meta, manifest, account
(what was done) and verdict (what to think of it), these four in JSON.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ..files import replacing
from ..operators import PartialCoherence
from ..plugins.options import values_of
from ..problem import Problem
from .cxi_reader import DETECTOR, FACTS

LOG_SCALE = json.dumps({"signal_scale_type": "log"})  # silx and h5web open the pattern on this scale
CXI_VERSION = 150
KERNEL = "coherence_kernel"


def write_problem(problem: Problem, path: str | Path) -> Path:
    """Write a measurement with what is known of it; `load` reads it back without loss. Returns the path."""
    with replacing(path) as beside, h5py.File(beside, "w") as file:
        entry = new_entry(file)
        write_measurement(entry, problem)
        link_data(entry, f"{DETECTOR}/data")
        entry.attrs["default"] = "diffraction"
    return Path(path)


def to_json(values: Mapping[str, Any]) -> str:
    """A mapping as JSON text; NumPy values become numbers and lists, anything else its str."""

    def plain(value: Any) -> Any:
        if isinstance(value, np.generic):
            return value.item()
        return value.tolist() if isinstance(value, np.ndarray) else str(value)

    return json.dumps(dict(values), default=plain, ensure_ascii=False)


def version() -> str:
    """The installed version of retrieve."""
    try:
        return importlib.metadata.version("retrieve-phase")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def new_entry(file: h5py.File, seconds: float = 0.0) -> h5py.Group:
    """The root's attributes and entry_1 with its times."""
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
    entry["program_name"] = f"retrieve {version()}"
    entry["start_time"] = (now - datetime.timedelta(seconds=seconds)).isoformat(timespec="seconds")
    entry["end_time"] = now.isoformat(timespec="seconds")
    return entry


def write_measurement(entry: h5py.Group, problem: Problem) -> None:
    """The measured intensity (√ of its float32 square is exact, so no amplitude changes), and what was known."""
    valid = np.fft.fftshift(np.asarray(problem.valid))
    intensity = np.fft.fftshift(np.asarray(problem.amplitude, np.float32)) ** 2
    add_group(entry, "instrument_1", "NXinstrument")
    detector = add_group(entry, DETECTOR, "NXdetector")
    add_array(detector, "data", intensity).attrs["note"] = "intensity, peak at N//2; 0 where masked"
    add_array(detector, "mask", (~valid).astype(np.uint8)).attrs["note"] = "CXI convention: 0 = good, 1 = not measured"
    add_plot(entry, "diffraction", detector["data"], "measured intensity").attrs["SILX_style"] = LOG_SCALE
    if isinstance(problem.detector, PartialCoherence):
        kernel = add_array(entry, KERNEL, np.fft.fftshift(np.asarray(problem.detector.kernel)))
        kernel.attrs["note"] = "the measured intensity is the coherent one convolved with this; centred at N//2, sum 1"
    for name, array, dtype in (("support", problem.support, np.uint8), ("truth", problem.truth, np.complex64)):
        if array is not None:
            add_array(entry, name, np.asarray(array).astype(dtype)).attrs["note"] = "known beforehand, centred at N//2"
    likelihood = {"name": type(problem.likelihood).__name__.lower(), **values_of(problem.likelihood)}
    entry["meta"] = to_json({**problem.meta, "likelihood": likelihood})
    for name, place in FACTS.items():
        if isinstance(problem.meta.get(name), (int, float)):
            entry[place] = float(problem.meta[name])
            entry[place].attrs["units"] = name.rpartition("_")[2]


def link_data(entry: h5py.Group, target: str) -> None:
    """data_1, where older tools look for the main array."""
    data = add_group(entry, "data_1", "NXdata")
    data.attrs["signal"] = "data"
    data["data"] = h5py.SoftLink(f"{entry.name}/{target}")


def add_group(parent: h5py.Group, name: str, nexus: str) -> h5py.Group:
    """Create a group of a NeXus class."""
    group = parent.create_group(name)
    group.attrs["NX_class"] = nexus
    return group


def add_plot(entry: h5py.Group, name: str, array: NDArray[Any] | h5py.Dataset, title: str) -> h5py.Group:
    """An NXdata group that h5web and silx draw by themselves; a dataset is linked, not copied."""
    group = add_group(entry, name, "NXdata")
    group.attrs["signal"] = "data"
    group["title"] = title
    if isinstance(array, h5py.Dataset):
        group["data"] = array
    else:
        add_array(group, "data", array)
    if array.ndim == 2:
        group["data"].attrs["interpretation"] = "image"
    return group


def add_array(parent: h5py.Group, name: str, array: NDArray[Any]) -> h5py.Dataset:
    """A compressed dataset; a chunk is one 2D slice of one start, what viewers and readers of one start ask for."""
    chunks = (1,) * (array.ndim - 2) + array.shape[-2:]
    return parent.create_dataset(name, data=array, chunks=chunks, compression="gzip", compression_opts=2, shuffle=True)
