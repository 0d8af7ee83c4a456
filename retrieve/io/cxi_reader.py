"""Reading CXI: our own files, PyNX's data files, and the refusal of files that hold only a reconstruction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py

from ..errors import InputError
from .cxi import DETECTOR, FACTS, IMAGE, MEASURED
from .dataset_selection import parse_meta, read_numbers
from .hdf5 import as_text, meta_of, open_hdf5, read_hdf5, read_values, stored_dataset
from .masks import measured_mask
from .records import RawFile

PLACES = (MEASURED, f"{DETECTOR}/data", f"{IMAGE}/data", "data_1/data")


def read_cxi(path: Path, key: str | None) -> RawFile:
    """Read the measurement of a CXI file.

    "support" and "mask" as keys name a reconstruction's support and the detector's mask; any other key
    is looked up as in a plain HDF5 file. Raises `InputError` when the file holds a reconstruction only.
    """
    with open_hdf5(path) as file:
        entry = entry_of(file)
        if entry is None:
            return read_hdf5(path, key)
        if key in ("support", "mask"):
            leaves = ("support", "image_1/support", "image_1/mask") if key == "support" else (f"{DETECTOR}/mask",)
            key = next((f"{entry.name}/{leaf}" for leaf in leaves if leaf in entry), key)
        if key is not None:
            return read_hdf5(path, key)
        return _measurement(path, file, entry)


def entry_of(file: h5py.File) -> h5py.Group | None:
    """The entry that the file's `default` names, else entry_1, else the first one."""
    default = as_text(file.attrs.get("default", "entry_1")).strip("/").partition("/")[0]
    names = [default, "entry_1", *(n for n in file if n.startswith("entry"))]
    return next((file[n] for n in names if isinstance(file.get(n), h5py.Group)), None)


def _measurement(path: Path, file: h5py.File, entry: h5py.Group) -> RawFile:
    found = [p for p in PLACES if isinstance(entry.get(p), h5py.Dataset)]
    real = [p for p in found if not stored_dataset(entry[p]).complex and not _reconstructed(entry, p)]
    if not real and found:
        raise InputError(
            f"{path} holds a reconstruction ({entry[found[0]].name}), not a measurement; give the data file it was made from, "
            f"or this one as --support"
        )
    if not real:
        return read_hdf5(path, None)
    item = entry[real[0]]
    ours = as_text(file.attrs.get("creator", "")) == "retrieve"
    notes = ["written by retrieve: intensity, centred"] if ours else [f"CXI data at {item.name}"]
    data = read_numbers(path, item.name, stored_dataset(item))
    mask, said = _mask(entry, real[0], item.shape)
    own, told = parse_meta(entry["meta"][()] if "meta" in entry else None), tuple[str, ...]()
    if not ours:
        own, told = meta_of(file, item.name.strip("/"), item.shape, own)
    support, truth = (read_values(entry[name]) if ours and name in entry else None for name in ("support", "truth"))
    if ours and support is None and "image_1/support" in entry:
        notes.append(f"the result's support is not used; to use it, give --support {path}:{entry.name}/image_1/support")
    shifted = entry["image_1/is_fft_shifted"][()] if real[0] == "image_1/data" and "image_1/is_fft_shifted" in entry else None
    return RawFile(
        data,
        item.name.strip("/"),
        mask=mask,
        support=support,
        truth=truth,
        meta=own if ours else {**_facts(entry), **own},
        kind="intensity" if ours or "detector" in item.name else None,
        centred=True if ours else None if shifted is None else not shifted,
        notes=(*notes, *said, *told),
        detector=not ours,
        mask_convention="" if ours else "masked",
    )


def _reconstructed(entry: h5py.Group, place: str) -> bool:
    """True for an image in real space, and for data_1 where it is a link to one."""
    group = entry.get("image_1")
    if group is None or place.startswith("instrument") or place == "data_1/data" and entry[place] != group.get("data"):
        return False
    space = group["data_space"][()] if "data_space" in group else group.attrs.get("data_space", "")
    return as_text(space) == "real"


def _mask(entry: h5py.Group, place: str, shape: tuple[int, ...]) -> tuple[Any, list[str]]:
    group = DETECTOR if place != "image_1/data" else "image_1"
    item = entry.get(f"{group}/mask")
    if not isinstance(item, h5py.Dataset):
        return None, []
    if item.shape != shape[-len(item.shape) :]:
        return None, [f"mask {item.name!r} left out: its shape {item.shape} does not fit the data's {shape}"]
    mask, _, said = measured_mask(item.name, read_values(item))
    return mask, [said]


def _facts(entry: h5py.Group) -> dict[str, float]:
    """What CXI says of the experiment in SI units, under the older keys of meta."""
    return {
        name: float(entry[place][()])
        for name, place in FACTS.items()
        if isinstance(entry.get(place), h5py.Dataset) and entry[place].shape == () and entry[place][()]
    }
