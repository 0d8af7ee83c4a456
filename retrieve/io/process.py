"""image_1/process_1 of a result: program, options and scores of the object, where viewers, PyNX and cdiutils look for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..files import to_json
from .cxi import add_group, version
from .history import number_of

if TYPE_CHECKING:
    import h5py


def write_process(image: h5py.Group, manifest: Mapping[str, Any], operator: str, results: Mapping[str, float | None]) -> None:
    """Write how an object was made.

    Parameters
    ----------
    image : h5py.Group
        image_1 of an entry with its `end_time`.
    manifest : mapping
        What replays the run.
    operator : str
        The operators of the problem, in words.
    results : mapping
        Scores and costs; NaN is written for None.
    """
    process = add_group(image, "process_1", "NXprocess")
    process["program"], process["version"] = "retrieve", version()
    process["date"] = image.parent["end_time"][()]
    note = add_group(process, "note_1", "NXnote")
    note["type"], note["description"], note["data"] = "application/json", "manifest: replays the run", to_json(manifest)
    configuration = add_group(process, "configuration", "NXcollection")
    configuration["forward_operator"] = operator
    for name, value in manifest.items():
        configuration[name] = value if isinstance(value, (str, bool, int, float)) else to_json({name: value})
    group = add_group(process, "results", "NXcollection")
    for name, number in results.items():
        group[name] = number_of(number)
