"""One short name for everything that decides a result."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..provenance import source_sha256

INDIFFERENT = ("meta", "workers")
"""Attributes on which no result depends: where data came from, and threads."""


def fingerprint(*values: Any) -> str:
    """SHA-256, in hexadecimal, over numbers, text, arrays and what is made of them, such as a `Problem`.

    Of an object count its class and its public attributes, of a dataclass its fields. The class of a plugin counts by the
    plugin's sources.
    """
    digest = hashlib.sha256()
    _feed(digest, values)
    return digest.hexdigest()


def source_of(thing: Any) -> str:
    """A class or function by its full name, with the SHA-256 of its plugin's sources where it is none of ours."""
    thing = thing if hasattr(thing, "__qualname__") else type(thing)  # a callable object
    package = thing.__module__.partition(".")[0]
    code = None if package == "retrieve" else source_sha256(package)
    return f"{thing.__module__}.{thing.__qualname__}:{code}"


def _feed(digest: Any, value: Any) -> None:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        digest.update(f"{value.dtype.str}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, Mapping):
        digest.update(f"mapping{len(value)}".encode())
        for name in sorted(value):
            _feed(digest, (name, value[name]))
    elif isinstance(value, (list, tuple)):
        digest.update(f"sequence{len(value)}".encode())
        for one in value:
            _feed(digest, one)
    elif value is None or isinstance(value, (str, bytes, bool, int, float, slice, Path)):
        digest.update(f"{type(value).__name__}{value!r};".encode())
    else:
        digest.update(source_of(type(value)).encode())
        names = [field.name for field in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else vars(value)
        kept = [name for name in names if name not in INDIFFERENT and not name.startswith("_")]
        _feed(digest, {name: getattr(value, name) for name in kept})
