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
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..operators import PartialCoherence
from ..plugins.options import values_of
from .cxi_reader import DETECTOR, FACTS
from .result import Result

if TYPE_CHECKING:
    from ..problem import Problem

LOG_SCALE = json.dumps({"signal_scale_type": "log"})  # silx and h5web open the pattern on this scale
CXI_VERSION = 150
KERNEL = "coherence_kernel"


def check_writable(path: str | Path) -> Path:
    """The path, if a file can be written there; call it before long work. Raises `InputError` otherwise."""
    path = Path(path)
    folder = path.parent
    if path.is_dir():
        raise InputError(f"{path} is a directory; give the name of a file in it, such as {path / 'result.cxi'}")
    if not folder.is_dir():
        raise InputError(f"cannot write {path}: there is no directory {folder}; make it (mkdir -p) or choose another place")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"cannot write {path}: the directory {folder} is not writable by this user; choose another place")
    return path


@contextmanager
def replacing(path: str | Path) -> Iterator[h5py.File]:
    """An HDF5 file that takes its place only when it is complete; on any failure nothing is left."""
    path = check_writable(path)
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        with h5py.File(partial, "w") as file:
            yield file
        os.replace(partial, path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}; free some space or choose another place") from error
    finally:
        partial.unlink(missing_ok=True)


def write_problem(problem: Problem, path: str | Path) -> Path:
    """Write a measurement with what is known of it; `load` reads it back without loss. Returns the path."""
    with replacing(path) as file:
        entry = _entry(file)
        _write_measurement(entry, problem)
        _link_data(entry, f"{DETECTOR}/data")
        entry.attrs["default"] = "diffraction"
    return Path(path)


def write_result(result: Result, path: str | Path) -> Path:
    """Write a result with every start, the measurement and the manifest. Returns the path.

    Raises `InputError` when the place cannot be written; a file already there is then left as it was.
    """
    with replacing(path) as file:
        entry = _entry(file, result.cost.seconds)
        _write_measurement(entry, result.problem)
        _write_image(entry, result)
        _link_data(entry, "image_1/data")
        _write_starts(entry, result)
        for name, array in (("held", result.held), ("spread", result.spread)):
            if array is not None:
                _array(entry, name, array)
        entry["manifest"] = to_json(result.manifest)
        entry["account"] = json.dumps(result.account, ensure_ascii=False)
        if result.verdict is not None:
            entry["verdict"] = to_json(result.verdict.record())
        entry.attrs["default"] = "amplitude"
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


def _entry(file: h5py.File, seconds: float = 0.0) -> h5py.Group:
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
    entry = _group(file, "entry_1", "NXentry")
    entry["program_name"] = f"retrieve {version()}"
    entry["start_time"] = (now - datetime.timedelta(seconds=seconds)).isoformat(timespec="seconds")
    entry["end_time"] = now.isoformat(timespec="seconds")
    return entry


def _write_measurement(entry: h5py.Group, problem: Problem) -> None:
    """The measured intensity (√ of its float32 square is exact, so no amplitude changes), and what was known."""
    valid = np.fft.fftshift(np.asarray(problem.valid))
    intensity = np.fft.fftshift(np.asarray(problem.amplitude, np.float32)) ** 2
    _group(entry, "instrument_1", "NXinstrument")
    detector = _group(entry, DETECTOR, "NXdetector")
    _array(detector, "data", intensity).attrs["note"] = "intensity, peak at N//2; 0 where masked"
    _array(detector, "mask", (~valid).astype(np.uint8)).attrs["note"] = "CXI convention: 0 = good, 1 = not measured"
    _plot(entry, "diffraction", detector["data"], "measured intensity").attrs["SILX_style"] = LOG_SCALE
    if isinstance(problem.detector, PartialCoherence):
        kernel = _array(entry, KERNEL, np.fft.fftshift(np.asarray(problem.detector.kernel)))
        kernel.attrs["note"] = "the measured intensity is the coherent one convolved with this; centred at N//2, sum 1"
    for name, array, dtype in (("support", problem.support, np.uint8), ("truth", problem.truth, np.complex64)):
        if array is not None:
            _array(entry, name, np.asarray(array).astype(dtype)).attrs["note"] = "known beforehand, centred at N//2"
    likelihood = {"name": type(problem.likelihood).__name__.lower(), **values_of(problem.likelihood)}
    entry["meta"] = to_json({**problem.meta, "likelihood": likelihood})
    for name, place in FACTS.items():
        if isinstance(problem.meta.get(name), (int, float)):
            entry[place] = float(problem.meta[name])
            entry[place].attrs["units"] = name.rpartition("_")[2]


def _write_image(entry: h5py.Group, result: Result) -> None:
    """The chosen object as CXI prescribes, and pictures of its amplitude and phase."""
    image = _group(entry, "image_1", "NXdata")
    image.attrs["signal"] = "data"
    _array(image, "data", result.object.astype(np.complex64))
    image["data_type"], image["data_space"], image["is_fft_shifted"] = "electron density", "real", 0
    if result.support is not None:
        support = _array(image, "support", result.support.astype(np.uint8))
        support.attrs["note"] = "1 = inside; image_1/mask is the same array, where PyNX looks for it"
        image["mask"] = support
    _plot(entry, "amplitude", np.abs(result.object).astype(np.float32), "amplitude of the object")
    _plot(entry, "phase", np.angle(result.object).astype(np.float32), "phase of the object (rad)")
    process = _group(image, "process_1", "NXprocess")
    process["program"], process["version"] = "retrieve", version()
    process["date"] = entry["end_time"][()]
    note = _group(process, "note_1", "NXnote")
    note["type"], note["description"], note["data"] = "application/json", "manifest: replays the run", to_json(result.manifest)
    configuration = _group(process, "configuration", "NXcollection")
    configuration["forward_operator"] = _describe(result.problem)
    for name, value in result.manifest.items():
        configuration[name] = value if isinstance(value, (str, bool, int, float)) else to_json({name: value})
    results = _group(process, "results", "NXcollection")
    score, cost = result.score, result.cost
    for name, number in {
        "chi2": score.chi2,
        "free": _number(score.free),
        "nll": score.nll,
        "chosen": result.chosen,
        "combined": result.combined is not None,
        "interrupted": result.interrupted,
        "ffts": cost.ffts,
        "network_evaluations": cost.network_evaluations,
        "seconds": cost.seconds,
        "steps": cost.steps,
    }.items():
        results[name] = number


def _describe(problem: Problem) -> str:
    """The operators of a problem in words, "FarField" for a plain one."""

    def name(operator: Any) -> str:
        inner = getattr(operator, "inner", None)
        return type(operator).__name__ if inner is None else f"{name(operator.outer)} @ {name(inner)}"

    detector = getattr(problem, "detector", None)
    return name(problem.operator) + (f", detector {name(detector)}" if detector is not None else "")


def _write_starts(entry: h5py.Group, result: Result) -> None:
    starts = _group(entry, "starts", "NXcollection")
    _array(starts, "objects", result.estimates.astype(np.complex64))
    if result.supports is not None:
        _array(starts, "supports", result.supports.astype(np.uint8))
    if result.samples is not None:
        _array(starts, "samples", result.samples.astype(np.complex64))
    for name in ("chi2", "free", "nll"):
        starts[f"score_{name}"] = np.array([_number(getattr(score, name)) for score in result.scores])
    starts.create_dataset("failure", data=[score.failure or "" for score in result.scores], dtype=h5py.string_dtype())
    history = _group(starts, "history", "NXcollection")
    for i, columns in enumerate(result.history):
        one = _group(history, f"{i:05d}", "NXcollection")
        for name, values in columns.items():
            one[name] = np.array([_number(v) for v in values])


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _link_data(entry: h5py.Group, target: str) -> None:
    """data_1, where older tools look for the main array."""
    data = _group(entry, "data_1", "NXdata")
    data.attrs["signal"] = "data"
    data["data"] = h5py.SoftLink(f"{entry.name}/{target}")


def _group(parent: h5py.Group, name: str, nexus: str) -> h5py.Group:
    group = parent.create_group(name)
    group.attrs["NX_class"] = nexus
    return group


def _plot(entry: h5py.Group, name: str, array: NDArray[Any] | h5py.Dataset, title: str) -> h5py.Group:
    """An NXdata group that h5web and silx draw by themselves; a dataset is linked, not copied."""
    group = _group(entry, name, "NXdata")
    group.attrs["signal"] = "data"
    group["title"] = title
    if isinstance(array, h5py.Dataset):
        group["data"] = array
    else:
        _array(group, "data", array)
    if array.ndim == 2:
        group["data"].attrs["interpretation"] = "image"
    return group


def _array(parent: h5py.Group, name: str, array: NDArray[Any]) -> h5py.Dataset:
    """A compressed dataset; a chunk is one 2D slice of one start, what viewers and readers of one start ask for."""
    chunks = (1,) * (array.ndim - 2) + array.shape[-2:]
    return parent.create_dataset(name, data=array, chunks=chunks, compression="gzip", compression_opts=2, shuffle=True)
