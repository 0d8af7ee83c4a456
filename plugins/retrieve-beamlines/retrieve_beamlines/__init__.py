"""Loaders for rocking scans of Bragg peaks, by beamline: one short module each."""

from __future__ import annotations

from retrieve.plugins.hookspecs import hookimpl

MODULES = {
    "34idc": "aps34idc",
    "cristal": "cristal",
    "id01": "id01",
    "id27": "id27",
    "nanomax": "nanomax",
    "p10": "p10",
    "sixs": "sixs",
}
"""The module of each loader."""


@hookimpl
def register_loaders() -> dict[str, str]:
    """Adds the loaders; each is imported when it is used."""
    return {name: f"{__name__}.{module}:LOADER" for name, module in MODULES.items()}
