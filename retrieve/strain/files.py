"""The files of a strain: CXI with NeXus plots in nanometres, VTI, and the table as JSON."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..files import json_value, replacing, to_json, write_text
from ..io.cxi import add_group, new_entry
from ..io.result import add_array
from ..io.vti import write_vti
from .record import UNITS, Strain

if TYPE_CHECKING:
    import h5py

TITLES = {
    "amplitude": "amplitude",
    "phase": "phase of the object, ramp and offset removed (rad)",
    "displacement": "displacement along Q (nm)",
    "strain": "strain along Q",
    "tilt_1": "tilt of the planes in the first direction across Q (deg)",
    "tilt_2": "tilt of the planes in the second direction across Q (deg)",
    "d_spacing": "spacing of the planes (Å)",
    "lattice": "lattice parameter (Å)",
}


def write_cxi(strain: Strain, path: str | Path) -> Path:
    """Write a strain as a CXI file with one NeXus plot a map, axes in nm.

    Parameters
    ----------
    strain : Strain
        The strain.
    path : path-like
        The file; an older one is replaced.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    InputError
        If the place cannot be written.
    """
    import h5py

    with replacing(path) as place, h5py.File(place, "w") as file:
        entry = new_entry(file)
        entry.attrs["default"] = "strain"
        _write_image(entry, strain)
        axes = _write_axes(entry, strain)
        for name, values in strain.maps.items():
            _write_map(entry, strain, name, values, axes)
        for name in ("support", "surface", "bulk"):
            add_array(entry, name, getattr(strain, name).astype(np.uint8))
        record = record_of(strain)
        entry["table"], entry["facets"] = to_json(record["table"]), json.dumps(record["facets"])
        entry["notes"] = json.dumps(list(strain.notes), ensure_ascii=False)
        entry["meta"] = to_json(strain.meta)
        facts = add_group(entry, "facts", "NXcollection")
        for name, value in strain.facts.items():
            if value is not None:
                facts[name] = value
        for name, array, units in (("q", strain.q, "1/nm"), ("axes", strain.axes, ""), ("across", strain.across, "")):
            facts[name] = array
            facts[name].attrs["units"] = units
        facts["frame"], facts["members"], facts["kind"] = strain.frame, strain.members, strain.kind
        facts["histogram_counts"], facts["histogram_edges"] = strain.histogram
        if strain.hkl is not None:
            facts["hkl"] = strain.hkl
    return Path(path)


def _write_image(entry: h5py.Group, strain: Strain) -> None:
    """The object upright, amplitude and phase, as CXI has a reconstruction."""
    image = add_group(entry, "image_1", "NXdata")
    image.attrs["signal"] = "data"
    phase = np.nan_to_num(strain.maps["phase"])
    add_array(image, "data", (strain.maps["amplitude"] * np.exp(1j * phase)).astype(np.complex64))
    image["mask"] = entry.file.create_dataset(None, data=strain.support.astype(np.uint8))
    image["data_type"], image["data_space"], image["is_fft_shifted"] = "electron density", "real", 0
    image["image_size"] = np.array([n * strain.voxel_nm * 1e-9 for n in strain.shape])
    image["image_size"].attrs["units"] = "m"


def _write_axes(entry: h5py.Group, strain: Strain) -> dict[str, Any]:
    """The positions along each axis, nm, which every map links to."""
    group = add_group(entry, "positions", "NXcollection")
    for name, values in zip(strain.axis_names, strain.coordinates, strict=True):
        group[name] = values
        group[name].attrs.update({"units": "nm", "long_name": f"{name} (nm)"})
    return {name: group[name] for name in strain.axis_names}


def _write_map(entry: h5py.Group, strain: Strain, name: str, values: NDArray, axes: dict[str, Any]) -> None:
    """A map as a plot with its spread as errors."""
    group = add_group(entry, name, "NXdata")
    group.attrs["signal"], group.attrs["axes"] = name, list(axes)
    for at, (axis, positions) in enumerate(axes.items()):
        group[axis] = positions
        group.attrs[f"{axis}_indices"] = at
    group["title"] = TITLES[name]
    add_array(group, name, values).attrs.update({"units": UNITS[name], "long_name": TITLES[name]})
    if name in strain.spread:
        spread = add_array(group, f"{name}_errors", strain.spread[name])
        spread.attrs.update({"units": UNITS[name], "note": f"standard deviation over {strain.members} {strain.kind}"})


def write_paraview(strain: Strain, path: str | Path) -> Path:
    """Write the maps, their spread and the masks as VTK image data in nm; 0 outside the crystal.

    x, y and z of the image are the array axes: those of the laboratory or, in the crystal's frame, z along Q.

    Parameters
    ----------
    strain : Strain
        The strain.
    path : path-like
        The file.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    InputError
        If the place cannot be written.
    """
    arrays = {**strain.maps, **{f"{name}_spread": values for name, values in strain.spread.items()}}
    arrays |= {name: getattr(strain, name) for name in ("support", "surface", "bulk")}
    return write_vti(path, arrays, [strain.voxel_nm] * 3, [positions[0] for positions in strain.coordinates])


def record_of(strain: Strain) -> dict[str, Any]:
    """The figures of a strain as JSON has them: table, facts, facets and the angles between them, notes."""
    facets = [dataclasses.asdict(facet) for facet in strain.facets]
    names = [facet.hkl for facet in strain.facets]
    return {
        "table": strain.table,
        "facts": {
            **strain.facts,
            "q_per_nm": strain.q,
            "axes": strain.axes,
            "axis_names": strain.axis_names,
            "frame": strain.frame,
            "hkl": strain.hkl,
            "members": strain.members,
            "kind": strain.kind,
        },
        "facets": json_value(facets, 6),
        "facet_angles_deg": {"hkl": names, "angles": strain.angles_deg},
        "histogram": {"counts": strain.histogram[0], "edges": strain.histogram[1], "isosurface": strain.threshold},
        "notes": strain.notes,
    }


def write_json(strain: Strain, path: str | Path) -> Path:
    """Write the figures of a strain as JSON.

    Parameters
    ----------
    strain : Strain
        The strain.
    path : path-like
        The file.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    InputError
        If the place cannot be written.
    """
    return write_text(path, json.dumps(json_value(record_of(strain), 6), indent=1, ensure_ascii=False) + "\n")
