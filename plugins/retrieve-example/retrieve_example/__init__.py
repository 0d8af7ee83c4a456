"""An example plugin: one more solver, imported when it is used."""

from __future__ import annotations

from retrieve.plugins.hookspecs import hookimpl


@hookimpl
def register_solvers() -> dict[str, str]:
    """Adds `drap`."""
    return {"drap": f"{__name__}.drap:DRAP"}
