"""What a run was, in a form that does it again."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..numerics import fast
from ..numerics.arrays import Device
from ..plugins.options import values_of

if TYPE_CHECKING:
    from ..problem import Problem
    from ..solvers.base import Solver

RECORDED = ("retrieve-phase", "numpy", "scipy", "array-api-compat", "h5py", "torch", "cupy", "safetensors", "numba", "pyfftw")
CUPY = ("cupy-cuda12x", "cupy-cuda13x")
"""Its wheels."""


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that decide a result; those not installed are left out."""
    found = {name: _version(name) for name in (*RECORDED, *CUPY)}
    return {"python": platform.python_version(), **{name: version for name, version in found.items() if version is not None}}


@lru_cache(maxsize=32)
def _version(name: str) -> str | None:
    """The version of an installed package: reading all of them takes as long as a short solve."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def manifest_of(solver: Solver, problem: Problem, seed: int, device: Device, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Every option, seed, version and the input's hash, ready for JSON."""
    return {
        "solver": solver.name,
        "options": values_of(solver),
        "record": solver.record(),
        "seed": seed,
        **settings,
        "likelihood": {"name": type(problem.likelihood).__name__.lower(), **values_of(problem.likelihood)},
        "device": device.name,
        "transform": fast.describe(tuple(problem.shape)) if device.name == "cpu" else device.describe(),
        "versions": versions(),
        "machine": f"{platform.system()} {platform.machine()}",
        "input": dict(problem.meta.get("input", {})),
    }
