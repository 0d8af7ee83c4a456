"""What a run was, in a form that does it again."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

from ..numerics import fast
from ..numerics.arrays import Device
from ..plugins.options import values_of
from ..problem import Problem
from ..provenance import versions
from ..solvers.base import Solver


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
