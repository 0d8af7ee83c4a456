"""An example plugin: one more solver, a format of results, and a panel of the page, each imported when it is used."""

from __future__ import annotations

from retrieve.plugins.hookspecs import hookimpl


@hookimpl
def register_solvers() -> dict[str, str]:
    """Adds `drap`."""
    return {"drap": f"{__name__}.drap:DRAP"}


@hookimpl
def register_writers() -> dict[str, str]:
    """Adds the ending .npz."""
    return {"npz": f"{__name__}.arrays:WRITER"}


@hookimpl
def register_panels() -> dict[str, str]:
    """Adds the pace of `drap`."""
    return {"drap-pace": f"{__name__}.pace:PANEL"}
