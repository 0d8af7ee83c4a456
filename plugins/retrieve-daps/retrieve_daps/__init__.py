"""Decoupled annealing posterior sampling as a solver, imported when it is used."""

from __future__ import annotations

from retrieve.plugins.hookspecs import hookimpl


@hookimpl
def register_solvers() -> dict[str, str]:
    """Adds `daps`."""
    return {"daps": f"{__name__}.sampler:DAPS"}
