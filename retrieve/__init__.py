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
    from .report.result_picture import plot
    from .report.result_picture import result_picture as picture
    from .simulate import example

_WHERE = {
    "Budget": ("driver.solve", "Budget"),
    "Cost": ("io.result", "Cost"),
    "Gaussian": ("problem", "Gaussian"),
    "InputError": ("errors", "InputError"),
    "OptionError": ("errors", "OptionError"),
    "PluginError": ("errors", "PluginError"),
    "Poisson": ("problem", "Poisson"),
    "Problem": ("problem", "Problem"),
    "Progress": ("driver.solve", "Progress"),
    "Result": ("io.result", "Result"),
    "RetrieveError": ("errors", "RetrieveError"),
    "Score": ("problem.scoring", "Score"),
    "SolverError": ("errors", "SolverError"),
    "Verdict": ("io.result", "Verdict"),
    "example": ("simulate", "example"),
    "judge": ("evaluate.verdict", "judge"),
    "load": ("io", "load"),
    "picture": ("report.result_picture", "result_picture"),
    "plot": ("report.result_picture", "plot"),
    "read": ("io", "read"),
    "read_result": ("io.results", "read_result"),
    "solve": ("driver.solve", "solve"),
}
"""Where each public name is defined: module and attribute."""

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
        module, attribute = _WHERE[name]
        value = getattr(importlib.import_module(f".{module}", __name__), attribute)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'retrieve' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
