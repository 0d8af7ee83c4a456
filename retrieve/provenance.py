"""Provenance: versions of what decides a result, and hashes of files."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np

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


@lru_cache(maxsize=1)
def processor() -> str:
    """The model of the processor: transforms and sums may round differently on another one."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return (models or [platform.processor() or platform.machine()])[0]


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_array(array: np.ndarray) -> str:
    """The SHA-256 of an array, its type and shape included, in hexadecimal."""
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


@lru_cache(maxsize=32)
def source_sha256(package: str) -> str | None:
    """The SHA-256 of all .py and .json files of an imported top-level package, or of a module's one file.

    None for what has no file, such as a notebook, and for packages whose version a manifest records.
    """
    module = sys.modules.get(package)
    folders = [Path(place) for place in getattr(module, "__path__", ())]
    files = [(path.relative_to(place), path) for place in folders for end in ("py", "json") for path in place.rglob(f"*.{end}")]
    if not folders and getattr(module, "__file__", None):
        files = [(Path(package), Path(str(module.__file__)))]  # type: ignore[union-attr]
    if not files or package in RECORDED:
        return None
    digest = hashlib.sha256()
    for name, path in sorted(files):
        content = path.read_bytes()
        digest.update(f"{name.as_posix()}:{len(content)};".encode() + content)
    return digest.hexdigest()
