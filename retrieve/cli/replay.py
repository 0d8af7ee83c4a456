"""``retrieve run --replay``: do again what a result's manifest says, and compare."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console

from ..errors import InputError
from ..plugins.options import build
from ..plugins.registry import find
from .solving import run_solver
from .source import FLAGS, problem_from


def replayed(path: Path, out: Path | None, console: Console, quiet: bool) -> int:
    """Run the manifest of the result in `path`; 0 when the object comes out bit for bit, 1 when not.

    Raises `InputError` when the input is gone or has changed.
    """
    from ..files import check_writable
    from ..io.measurement import stored_likelihood
    from ..io.results import read_result
    from ..provenance import sha256, versions

    if out is not None:
        check_writable(out)
    before = read_result(path)
    manifest = dict(before.manifest)
    source = manifest["input"]
    if not source.get("path"):
        raise InputError(f"{path}: its manifest names no input file; only results of `retrieve run` replay")
    if "sha256" in source:
        if not Path(source["path"]).is_file():
            raise InputError(f"{path}: its input {source['path']} is gone; put it back to replay")
        if sha256(source["path"]) != source["sha256"]:
            raise InputError(f"{path}: its input {source['path']} has changed since (SHA-256 differs); put the old one back")
    changed = [f"{k} {v} now {versions().get(k)}" for k, v in manifest["versions"].items() if versions().get(k) != v]
    if changed:
        console.print("versions differ from the first run: " + ", ".join(changed), markup=False)
    if before.interrupted:
        console.print("that run was interrupted; this one goes to the end, and will differ")
    given = {name: source.get(name) for name in FLAGS} | {
        "kind": source.get("kind", "auto"),
        "centred": source.get("centred", "auto"),
        "bad_pixels": source.get("bad_pixels", "error"),
        "seconds": None,
        "combine": manifest.get("combine", "best"),
        "keep": manifest.get("keep"),
    }
    given |= {name: manifest[name] for name in ("starts", "seed", "device", "hold_out")}
    given |= {"agree": manifest.get("agree", 0.0), "samples": manifest.get("samples", 0)}
    given |= {"executor": "serial" if manifest.get("shared") else None, "workers": 1}  # where it ran makes no difference
    solver = build(find("solvers", manifest["solver"]), manifest["options"])
    if solver.record() != manifest.get("record", {}):
        raise InputError(f"{path}: the weights {manifest['options'].get('weights')} have changed since; put the old ones back")
    result = run_solver(
        solver, problem_from(source["path"], given, stored_likelihood(manifest["likelihood"])), given, console, quiet
    )
    if out is not None:
        result.save(out)
    if result.manifest["transform"] != manifest.get("transform", result.manifest["transform"]):
        console.print(f"transforms differ: {manifest['transform']} then, {result.manifest['transform']} now", markup=False)
    same = np.array_equal(result.object, before.object)
    difference = float(np.abs(result.object - before.object).max())
    console.print("identical, bit for bit" if same else f"differs by at most {difference:.3g}", markup=False)
    return 0 if same else 1
