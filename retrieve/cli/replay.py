"""``retrieve run --replay``: run again what a result's manifest says, and compare."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ..errors import InputError
from .solving import run_spec
from .source import Reading


def replayed(path: Path, out: Path | None, console: Console, quiet: bool) -> int:
    """Run the manifest of the result in `path`; 0 when the object comes out bit for bit, 1 when not.

    Raises `InputError` when the input is gone or has changed.
    """
    from ..driver.run_spec import RunSpec
    from ..files import check_writable
    from ..io.results import read_result
    from ..provenance import versions

    if out is not None:
        check_writable(out)
    before = read_result(path)
    manifest = before.manifest
    _check_input(path, manifest["input"])
    try:
        spec = RunSpec.from_record(manifest)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if spec.x0 is not None and before.x0 is None:
        raise InputError(
            f"{path} does not hold the array x0 that its starts began with; replay it in Python: run(spec, …, x0=x0)"
        )
    changed = [
        f"{name} {was} now {versions().get(name)}" for name, was in manifest["versions"].items() if versions().get(name) != was
    ]
    if changed:
        console.print("versions differ from the first run: " + ", ".join(changed), markup=False)
    if before.interrupted and spec.stopped is None:
        console.print("the file does not say where the run was interrupted; this one goes to the end, and will differ")
    problem = Reading.from_record(spec.input, spec.likelihood).problem(spec.input["path"])
    result = run_spec(spec, problem, console, quiet, x0=before.x0)
    if out is not None:
        result.save(out)
    if result.manifest["transform"] != manifest.get("transform", result.manifest["transform"]):
        console.print(f"transforms differ: {manifest['transform']} then, {result.manifest['transform']} now", markup=False)
    same = np.array_equal(result.object, before.object)
    difference = float(np.abs(result.object - before.object).max())
    console.print("identical, bit for bit" if same else f"differs by at most {difference:.3g}", markup=False)
    return 0 if same else 1


def _check_input(path: Path, source: Mapping[str, Any]) -> None:
    """Raise `InputError` unless the measurement is there as it was."""
    from ..provenance import sha256

    if not source.get("path"):
        raise InputError(f"{path}: its manifest names no input file; only a result of a file replays")
    if "sha256" in source:
        if not Path(source["path"]).is_file():
            raise InputError(f"{path}: its input {source['path']} is gone; put it back to replay")
        if sha256(source["path"]) != source["sha256"]:
            raise InputError(f"{path}: its input {source['path']} has changed since (SHA-256 differs); put the old one back")
