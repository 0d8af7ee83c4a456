"""The types of the keys of a meta that are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from annotated_types import Ge, Le, Predicate
from typing_extensions import TypedDict

from ..errors import InputError
from ..files import checked, clean, short


def _is_noise(value: Any) -> bool:
    """Whether a value can be the record of a likelihood, or of one a frame."""
    return value is None or isinstance(value, Mapping) or (isinstance(value, list) and all(map(_is_noise, value)))


class Input(TypedDict, total=False):
    """The measurement's file, and the options by which it was read."""

    __pydantic_config__ = {"extra": "allow"}  # type: ignore[misc]  # pydantic's way to keep keys that are not named here
    path: str
    sha256: str
    key: str | None
    mask: str | None
    support: str | None
    kind: str
    centred: str
    frame: int | None
    mask_convention: str
    experiment: dict[str, Any] | None
    bad_pixels: str


class Alien(TypedDict):
    """Pixels of a second grain that were left out, and their share of the counts."""

    __pydantic_config__ = {"extra": "allow"}  # type: ignore[misc]
    pixels: Annotated[int, Ge(0)]
    share: Annotated[float, Ge(0), Le(1)]


class MetaRecord(TypedDict, total=False):
    """The keys of a meta that are read. Lengths and `experiment` have checks of their own, and texts may be anything."""

    __pydantic_config__ = {"extra": "allow"}  # type: ignore[misc]
    notes: list[str] | None
    steps: list[str] | None
    input: Input | None
    prepare: dict[str, Any] | None
    alien: Alien | None
    likelihood: Annotated[Any, Predicate(_is_noise)]
    experiment: dict[str, Any] | None


def typed(meta: Any) -> dict[str, Any]:
    """A copy of a meta in which every key that is read has its type, and every text can be written.

    Raises `InputError` for anything else.
    """
    if meta is None:
        return {}
    if not isinstance(meta, Mapping):
        raise InputError(f"meta={short(meta)} is no mapping; give names and values, such as {{'energy_keV': 9.0}}")
    made = clean(meta, "meta")
    if isinstance(notes := made.get("notes"), str):
        made["notes"] = [notes]
    return dict(checked(made, MetaRecord, "meta", "correct it, or leave it out"))
