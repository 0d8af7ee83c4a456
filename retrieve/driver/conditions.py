"""What a manifest records beside the run: sources, and the processor; and how two of them differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..numerics.arrays import cores
from ..provenance import processor, source_sha256


def conditions(*parts: object) -> dict[str, Any]:
    """The SHA-256 of the sources of this package and of the parts of a run, and the processor, ready for JSON."""
    packages = {"retrieve", *(type(part).__module__.partition(".")[0] for part in parts if part is not None)}
    sources = {package: source_sha256(package) for package in sorted(packages)}
    return {
        "sources": {package: sha for package, sha in sources.items() if sha is not None},
        "processor": f"{processor()}, {cores()} core(s)",
    }


def changed_arrays(manifest: Mapping[str, Any], now: Mapping[str, str]) -> list[str]:
    """The arrays of a problem that are not those of the manifest, by their hashes; none for one of an older version."""
    before, words = manifest.get("problem", now), {"amplitude": "intensity", "valid": "mask", "support": "support"}
    changed = [word for name, word in words.items() if before.get(name) != now.get(name)]
    return [word for word in changed if word != "intensity" or "mask" not in changed]  # it is 0 where it is masked


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
