"""``retrieve run --replay``: run again what a result's manifest says, and compare."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from ..errors import InputError
from .outputs import check_outputs, replacing_result, writing
from .signals import stopping
from .solving import run_spec
from .source import Reading

if TYPE_CHECKING:
    from ..io.result import Result


def replayed(
    path: Path, out: Path | None, console: Console, quiet: bool, named: Collection[Any] = (), force: bool = False
) -> int:
    """Run the manifest of the result in `path`; 0 when all objects come out bit for bit, 1 when not.

    named: values and files that the user named, besides the result. A file alone chooses no code, and no file to read but
    those whose SHA-256 it knows.
    force: replace what is in `out`.
    Raises `InputError` when the input is gone or has changed, or the manifest chooses more than it may.
    """
    from ..driver.conditions import changed_arrays
    from ..driver.run_spec import RunSpec
    from ..driver.solve import array_hashes
    from ..io.results import read_result
    from ..io.writers import check_ending

    check_ending(out)
    check_outputs([out], [path], force)
    before = read_result(path)
    manifest = before.manifest
    _check_input(path, manifest["input"], named)
    for name, value in manifest.get("options", {}).items():
        if isinstance(value, str):
            _check_drive(path, f"option {name}", value)
    console.print(f"input: {manifest['input']['path']}")
    try:
        spec = RunSpec.from_record(manifest, named)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if spec.x0 is not None and before.x0 is None:
        raise InputError(
            f"{path} does not hold the array x0 that its starts began with; replay it in Python: run(spec, …, x0=x0)"
        )
    if before.interrupted and spec.stopped is None:
        console.print("the file does not say where the run was interrupted; this one goes to the end, and will differ")
    problem = Reading.from_record(spec.input, spec.likelihood).problem(spec.input["path"])
    if changed := changed_arrays(manifest, array_hashes(problem)):
        names = " and ".join(f"another {name}" for name in changed)
        raise InputError(f"{path}: its input {spec.input['path']} now gives {names}; {REMEDY}")
    with writing(out, force=force), stopping():
        result = run_spec(spec, problem, console, quiet, x0=before.x0)
        if out is not None:
            with replacing_result(out):
                result.save(out)
    for line in compared(before, result):
        console.print(line, markup=False, soft_wrap=True)
    return 0 if same(before, result) else 1


REMEDY = "put back the files that --mask, --support and links in the input name"
COMPARED = ("object", "estimates", "supports", "samples")
"""Arrays of a result that a replay compares."""


def same(before: Result, now: Result) -> bool:
    """Whether all arrays are equal to the bit."""
    return all(_equal(getattr(before, name), getattr(now, name)) for name in COMPARED)


def compared(before: Result, now: Result) -> list[str]:
    """The outcome of a replay in lines: which arrays differ and by how much, from which step on, and why."""
    from ..driver.conditions import changed_conditions

    if same(before, now):
        return ["identical, bit for bit"]
    lines = [f"differs by at most {_difference(before.object, now.object)}"]
    others = [name for name in COMPARED[1:] if not _equal(getattr(before, name), getattr(now, name))]
    if others:
        lines.append("different arrays beside the object: " + ", ".join(others))
    lines += _first_difference(before, now)
    reasons = changed_conditions(before.manifest, now.manifest)
    none = "everything that the manifest records is the same: the file was edited, or a library that it does not record differs"
    return [*lines, *(f"reason: {reason}" for reason in reasons or [none])]


def _equal(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    return one is other if one is None or other is None else np.array_equal(one, other)


def _difference(one: np.ndarray, other: np.ndarray) -> str:
    return f"{np.abs(one - other).max():.3g}" if one.shape == other.shape else f"its shape, {one.shape} then, {other.shape} now"


def _first_difference(before: Result, now: Result) -> list[str]:
    """The first step at which the scores of a start differ. Scores are kept every few steps."""
    if len(before.history) != len(now.history):
        return [f"{len(before.history)} starts then, {len(now.history)} now"]
    for start, (was, found) in enumerate(zip(before.history, now.history, strict=True)):
        for k, (step, r) in enumerate(zip(was.get("step", ()), was.get("r", ()), strict=True)):
            if k >= len(found["step"]) or found["step"][k] != step:
                return [f"start {start} ends at step {was['step'][-1]:.0f} then, at step {found['step'][-1]:.0f} now"]
            now_r = found["r"][k]
            if now_r != r and not (np.isnan(now_r) and np.isnan(r)):
                return [f"start {start} differs first at step {step:.0f}, of those scored: R {r:.9g} then, {now_r:.9g} now"]
    return []


def _check_input(path: Path, source: Mapping[str, Any], named: Collection[Any]) -> None:
    """Raise `InputError` unless the measurement, its mask and its support are there as they were. Nothing is parsed."""
    from ..io.external import ExternalResult
    from ..io.registry import split_key

    if not source.get("path"):
        raise InputError(f"{path}: its manifest names no input file; only a result of a file replays")
    if not source["path"].startswith("example:"):
        _check_file(path, "input", source["path"], source.get("sha256"), trusted=False)
    for role in ("mask", "support"):
        if source.get(role):
            file, digest = str(split_key(source[role])[0]), source.get(f"{role}_sha256")
            if role == "support" and not Path(file).is_file():  # a folder of results, or a file with its convention
                file = str(ExternalResult.named(source[role]).path)
            _check_file(path, role, file, digest, trusted=source[role] in named)


def _check_file(path: Path, role: str, file: str, digest: str | None, trusted: bool) -> None:
    """Raise `InputError` unless a file that a manifest names is the recorded one.

    trusted: the user named the file, too; a manifest of an older version may then lack its SHA-256.
    """
    from ..provenance import sha256

    _check_drive(path, role, file)
    if not Path(file).is_file():
        raise InputError(f"{path}: its {role} {file} is gone; put it back to replay")
    if digest is None and not trusted:
        remedy = "only a result of a file replays" if role == "input" else f"if it is the right one, add --{role} {file}"
        raise InputError(f"{path} names the {role} {file} without its SHA-256; {remedy}")
    if digest is not None and sha256(file) != digest:
        raise InputError(f"{path}: its {role} {file} has changed since (SHA-256 differs); put the old one back")


def _check_drive(path: Path, role: str, file: str) -> None:
    """Raise `InputError` for a share of another machine than that of the result: to ask for it would log in there."""
    drive = PureWindowsPath(file).drive
    if drive.startswith("\\\\") and drive != PureWindowsPath(path.resolve()).drive:
        raise InputError(f"{path}: its {role} {file} lies on another machine; copy the file here and run it anew")
