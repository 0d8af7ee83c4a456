"""Phase retrieval for coherent diffraction imaging.

::

    import retrieve as rt
    problem = rt.read("scan.cxi")
    result = rt.solve(rt.solvers.Recipe(), problem, starts=4, seed=0)
    result.save("out.cxi"); rt.plot(result)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import operators, solvers
    from .driver.solve import Budget, Progress, solve
    from .errors import InputError, OptionError, PluginError, RetrieveError, SolverError
    from .evaluate.verdict import judge
    from .io import load, read
    from .io.result import Cost, Result, Verdict
    from .io.results import read_result
    from .problem import Gaussian, Poisson, Problem
    from .problem.scoring import Score
    from .report.result_picture import picture, plot
    from .simulate import example

_PUBLIC = {
    "errors": ("InputError", "OptionError", "PluginError", "RetrieveError", "SolverError"),
    "io": ("load", "read"),
    "io.result": ("Cost", "Result", "Verdict"),
    "io.results": ("read_result",),
    "problem": ("Gaussian", "Poisson", "Problem"),
    "problem.scoring": ("Score",),
    "report.result_picture": ("picture", "plot"),
    "simulate": ("example",),
    "evaluate.verdict": ("judge",),
    "driver.solve": ("Budget", "Progress", "solve"),
}
_WHERE = {name: module for module, names in _PUBLIC.items() for name in names}

__all__ = [
    "Budget",
    "Cost",
    "Gaussian",
    "InputError",
    "OptionError",
    "PluginError",
    "Poisson",
    "Problem",
    "Progress",
    "Result",
    "RetrieveError",
    "Score",
    "SolverError",
    "Verdict",
    "example",
    "judge",
    "load",
    "operators",
    "picture",
    "plot",
    "read",
    "read_result",
    "solve",
    "solvers",
]


def __getattr__(name: str) -> Any:
    """Load public names when first used, so that importing the package stays instant."""
    if name in ("solvers", "operators"):
        return importlib.import_module(f".{name}", __name__)
    if name in _WHERE:
        value = getattr(importlib.import_module(f".{_WHERE[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'retrieve' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
