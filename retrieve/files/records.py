"""One boundary for our own formats: a record has a name, a version and types, and is checked whole before anything uses it.

A record is a JSON object whose `format` is "retrieve NAME VERSION". One without `format` is of version 0, from before there were
versions. Importing this module needs no pydantic; the first check does.
"""

from __future__ import annotations

import hashlib
import json
import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import InputError

MAX_BYTES = 1 << 26
"""Longest JSON text of a record, bytes. Nesting is limited to 200 levels by the parser."""

MAX_DEPTH = 32
"""Deepest nesting of a mapping that the user gives."""

ESCAPE = re.compile(r"\\(?:u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|(u[dD][89a-fA-F][\da-fA-F]{2})|.)", re.DOTALL)
"""An escape of JSON; its group is half of a pair of surrogates."""

FORMAT, SUM = "format", "sha256"
SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxother = SHORT.maxlong = 58


class NewerVersion(InputError):
    """A record that a newer version of this package wrote."""


@dataclass(frozen=True)
class Schema:
    """One format of ours.

    Attributes
    ----------
    name : str
        What the record is, such as "comparison".
    type : type
        What pydantic checks and makes: a TypedDict, a dataclass, or any annotation.
    remedy : str
        What the user does with a record that cannot be used.
    version : int
        The version that is written. Every older one is read.
    migrate : callable, optional
        (record, its version) → the record as `version` has it.
    checksum : bool
        Whether the record carries the SHA-256 of its content.
    max_bytes : int
        Longest JSON text, bytes.
    """

    name: str
    type: Any
    remedy: str
    version: int = 1
    migrate: Callable[[dict[str, Any], int], dict[str, Any]] = lambda record, version: record
    checksum: bool = False
    max_bytes: int = MAX_BYTES

    @property
    def format(self) -> str:
        """Name and version, as a file has them."""
        return f"retrieve {self.name} {self.version}"

    def version_of(self, said: Any, what: str) -> int:
        """The version in a `format`, 0 for None. Raises `InputError` for another format, and for a newer version."""
        if said is None:
            return 0
        name, _, version = str(said).removeprefix("retrieve ").rpartition(" ")
        if name != self.name or not re.fullmatch(r"\d{1,6}", version):
            raise InputError(f"{what} has format={short(said)}, where {self.format!r} is needed; {self.remedy}")
        if int(version) > self.version:
            raise NewerVersion(
                f"{what} was written by a newer retrieve: it is {self.name} {version}, this one reads up to {self.version}; "
                "update retrieve"
            )
        return int(version)


def read_record(text: str | bytes, schema: Schema, what: str) -> Any:
    """Read a record: parse, check version and checksum, migrate, check every field.

    Parameters
    ----------
    text : str or bytes
        A JSON object.
    schema : Schema
        Its format.
    what : str
        The file and the place in it, for messages.

    Returns
    -------
    value
        Of the schema's type.

    Raises
    ------
    InputError
        For anything else. It names `what`, the field and its value.
    """
    return from_record(parse_json(text, what, schema.max_bytes, schema.remedy), schema, what)


def from_record(record: Any, schema: Schema, what: str) -> Any:
    """Read a record whose JSON is parsed; see `read_record`."""
    if not isinstance(record, dict):
        raise InputError(f"{what} holds {short(record)}, not a mapping; {schema.remedy}")
    record = dict(record)
    version = schema.version_of(record.pop(FORMAT, None), what)
    said = record.pop(SUM, None) if schema.checksum else None
    if said is not None and said != _sum_of(record):
        raise InputError(f"{what} differs from its checksum: it was damaged or edited; {schema.remedy}")
    return checked(schema.migrate(record, version), schema.type, what, schema.remedy)


def write_record(value: Mapping[str, Any], schema: Schema) -> str:
    """A mapping as the text of a record on one line, with format and checksum. NumPy values become numbers and lists."""
    record = json.loads(to_json(value))
    return to_json({FORMAT: schema.format, **({SUM: _sum_of(record)} if schema.checksum else {}), **record})


def _sum_of(record: Mapping[str, Any]) -> str:
    return digest(json.dumps(record, sort_keys=True))


def to_json(value: Any) -> str:
    """A value as JSON text that can always be written; NumPy values become numbers and lists, anything else its str."""

    def plain(inner: Any) -> Any:
        if isinstance(inner, np.generic):
            return inner.item()
        return inner.tolist() if isinstance(inner, np.ndarray) else str(inner)

    value = dict(value) if isinstance(value, Mapping) else value
    return clean_text(json.dumps(value, default=plain, ensure_ascii=False))


def parse_json(text: str | bytes, what: str, max_bytes: int = MAX_BYTES, remedy: str = "write it again") -> Any:
    """Parse JSON of bounded size and nesting; half a surrogate pair becomes U+FFFD. Raises `InputError` for anything else."""
    from pydantic_core import from_json

    if len(text) > max_bytes:
        raise InputError(f"{what} is {len(text)} bytes of JSON, more than {max_bytes}; {remedy}")
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else clean_text(text)
    if "\\ud" in text.lower():
        text = ESCAPE.sub(lambda found: r"\ufffd" if found[1] else found[0], text)
    try:
        return from_json(text)
    except ValueError as error:
        raise InputError(f"{what} is no JSON that can be read ({error}); {remedy}") from error


def checked(value: Any, kind: Any, what: str, remedy: str) -> Any:
    """Return a value as pydantic makes it of a type. Raises `InputError` that names `what`, the first wrong field, its value."""
    from pydantic import ValidationError

    try:
        return _adapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).removeprefix(".")
        if first["type"] == "missing":
            raise InputError(f"{what} lacks {place}; {remedy}") from error
        wanted = first["msg"].removeprefix("Input should be ")
        wrong = {"predicate_failed": "which cannot be", "extra_forbidden": "which is unknown"}.get(first["type"], f"not {wanted}")
        said = f"holds {place}={short(first['input'])}" if place else f"is {short(first['input'])}"
        raise InputError(f"{what} {said}, {wrong}; {remedy}") from error


@lru_cache(maxsize=64)
def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def check_array(
    array: np.ndarray, what: str, kinds: str, shape: tuple[int | None, ...] | None, remedy: str, finite: bool = True
) -> np.ndarray:
    """Return an array of a file after a look at its type, its shape and its values.

    Parameters
    ----------
    array : ndarray
        The values.
    what : str
        File and name, for messages.
    kinds : str
        Letters of `numpy.dtype.kind` that are right.
    shape : tuple of int or None, optional
        What it must be; None for an axis of any length.
    remedy : str
        What the user does otherwise.
    finite : bool
        Whether NaN and infinity are wrong.

    Raises
    ------
    InputError
        For another array.
    """
    if array.dtype.kind not in kinds:
        raise InputError(f"{what} has type {array.dtype}, which cannot be; {remedy}")
    fits = shape is None or (len(shape) == array.ndim and all(n in (None, m) for n, m in zip(shape, array.shape, strict=True)))
    if not fits or (array.size == 0 and shape != array.shape):
        wanted = (
            "" if shape is None else f", where {'×'.join('any' if n is None else str(n) for n in shape) or 'one number'} fits"
        )
        raise InputError(f"{what} has shape {array.shape}{wanted}; {remedy}")
    if finite and array.dtype.kind in "fc" and not np.isfinite(array).all():
        raise InputError(f"{what} holds values that are not finite; {remedy}")
    return array


def digest(*parts: str | np.ndarray) -> str:
    """The SHA-256 of texts and arrays, types and shapes included, in hexadecimal."""
    found = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            found.update(part.encode("utf-8", "surrogatepass"))
        else:
            found.update(f"{part.dtype.str}{part.shape}".encode())
            found.update(np.ascontiguousarray(part).data)
    return found.hexdigest()


def clean_text(text: str) -> str:
    """The text without halves of surrogate pairs, so that it can be written as UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8") if not text.isascii() else text


def clean(value: Any, what: str, depth: int = MAX_DEPTH) -> Any:
    """A value with plain keys and texts that can be written. Raises `InputError` for nesting deeper than `depth`."""
    if isinstance(value, str):
        return clean_text(value)
    if not isinstance(value, (Mapping, list, tuple)):
        return value
    if depth == 0:
        raise InputError(f"{what} is nested deeper than {MAX_DEPTH} levels; flatten it")
    if isinstance(value, Mapping):
        return {clean_text(str(key)): clean(inner, what, depth - 1) for key, inner in value.items()}
    return type(value)(clean(inner, what, depth - 1) for inner in value) if type(value) in (list, tuple) else value


def short(value: Any) -> str:
    """A value in a message, in at most 60 characters."""
    try:
        text = SHORT.repr(value)
    except ValueError:  # a whole number of thousands of digits
        text = f"a {type(value).__name__} too long to show"
    return text if len(text) <= 60 else text[:57] + "…"
