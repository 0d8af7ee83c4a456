"""What a manifest records beside the run: sources, the arrays of the problem, and the processor; and how two of them differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..numerics.arrays import cores, to_numpy
from ..problem import Problem
from ..provenance import processor, sha256_of_array, source_sha256
from .run_spec import RunSpec

ARRAYS = {"amplitude": "intensity", "valid": "mask", "support": "support"}
"""Arrays of a problem that decide a result, in words."""


def conditions(spec: RunSpec, problem: Problem) -> dict[str, Any]:
    """The SHA-256 of the sources and of the problem's arrays, and the processor, ready for JSON."""
    parts = (spec.solver, spec.likelihood, problem.operator, problem.detector)
    packages = {"retrieve", *(type(part).__module__.partition(".")[0] for part in parts if part is not None)}
    sources = {package: source_sha256(package) for package in sorted(packages)}
    return {
        "sources": {package: sha for package, sha in sources.items() if sha is not None},
        "problem": array_hashes(problem),
        "processor": f"{processor()}, {cores()} core(s)",
    }


def array_hashes(problem: Problem) -> dict[str, str]:
    """The SHA-256 of each array that the problem has."""
    arrays = {name: getattr(problem, name) for name in ARRAYS}
    return {name: sha256_of_array(np.asarray(to_numpy(array))) for name, array in arrays.items() if array is not None}


def changed_arrays(manifest: Mapping[str, Any], problem: Problem) -> list[str]:
    """The arrays of a problem, in words, that are not those of the manifest; none for a manifest of an older version."""
    if "problem" not in manifest:
        return []
    before, now = manifest["problem"], array_hashes(problem)
    changed = [words for name, words in ARRAYS.items() if before.get(name) != now.get(name)]
    return [words for words in changed if words != "intensity" or "mask" not in changed]  # it is 0 where it is masked


def changed_conditions(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Each condition in which two manifests differ, with both values; those that an older one lacks are left out."""
    found = []
    for name in ("device", "transform", "machine", "processor"):
        if before.get(name, now[name]) != now[name]:
            found.append(f"{name} {before[name]!r} then, {now[name]!r} now")
    for name, was in before.get("versions", {}).items():
        if now["versions"].get(name) != was:
            found.append(f"version of {name} {was} then, {now['versions'].get(name, 'none')} now")
    for package, sha in before.get("sources", {}).items():
        if now["sources"].get(package) != sha:
            found.append(f"the source of {package} has changed")
    return found
