"""Whether a file holds the finished result of the run that is asked for, so that nothing is done twice."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ..errors import InputError
from ..files import to_json
from ..io.results import Summary, read_summary
from ..numerics.arrays import find_device
from ..problem import Problem
from .run_spec import RunSpec
from .solve import array_hashes

DECIDING = (
    "solver",
    "options",
    "record",
    "starts",
    "seed",
    "hold_out",
    "budget",
    "agree",
    "samples",
    "likelihood",
    "averaging",
    "keep",
    "x0",
)
"""What a user chooses of a run, as the manifest names it."""


def finished(path: Path, spec: RunSpec, problem: Problem) -> Summary | None:
    """Return the summary of the result in `path` if the run that is asked for has made it.

    Parameters
    ----------
    path : Path
        Where the result would be.
    spec : RunSpec
        The run, resolved for the problem.
    problem : Problem
        The problem; its meta names its file.

    Returns
    -------
    Summary or None
        None if there is no result, or one of other options, of other data, or of an interrupted run.

    Raises
    ------
    InputError
        If the result there is of another file.
    """
    found = read_summary(path) if path.exists() else None
    if found is None:
        return None
    before, now = found.manifest.get("input", {}), problem.meta.get("input", {})
    if before.get("sha256") != now.get("sha256"):
        if os.path.abspath(before.get("path", "")) != os.path.abspath(now.get("path", "")):
            raise InputError(f"{path} is the result of {before.get('path')}; give another --out-dir, or move that file away")
        return None
    asked = json.loads(to_json(spec.record()))
    same = all(found.manifest.get(name) == asked[name] for name in DECIDING)
    known = {name: value for name, value in asked["input"].items() if name in before or not name.endswith("_sha256")}
    same = same and {**before, "path": None} == {**known, "path": None}
    device = find_device(spec.device, spec.solver.library).name
    same = same and found.manifest.get("device") == device and found.manifest.get("problem") == array_hashes(problem)
    return found if same and not found.interrupted else None
