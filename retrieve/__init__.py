"""Phase retrieval for coherent diffraction imaging.

Phase a pattern::

    import retrieve as rt
    problem = rt.read("scan.cxi")
    result = rt.solve("auto", problem, seed=0)
    result.save("out.cxi"); rt.plot(result)

Write a plugin: one import gives a plugin author's names::

    from retrieve import Array, InputError, Problem, Solver, Step, Streams, hookimpl, namespace, option
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import operators, solvers
    from .cli.progress import progress
    from .driver.run_spec import RunSpec
    from .driver.solve import Budget, Progress, run
    from .errors import InputError, OptionError, PluginError, RetrieveError, SolverError
    from .evaluate.analyze import Analysis, analyze
    from .evaluate.benchmarks import Benchmark
    from .evaluate.by_name import compare, solve
    from .evaluate.comparison import Comparison
    from .evaluate.metrics import Metric, metric
    from .evaluate.uncertainty import uncertainty_of
    from .evaluate.verdict import judge
    from .geometry.experiment import Experiment
    from .io import RawFile, Reader, load, read
    from .io.counts import Counts
    from .io.result import Cost, Result
    from .io.results import read_result
    from .io.uncertainty import Uncertainty
    from .io.verdict import Verdict
    from .io.writers import Writer
    from .numerics.arrays import Array, Device, like, namespace
    from .operators import Operator
    from .plugins.hookspecs import hookimpl
    from .plugins.options import option
    from .prepare.frames import Frames, FrameStack
    from .prepare.loaders import Loader
    from .prepare.preparation import Preparation
    from .problem import Gaussian, Likelihood, Poisson, Problem
    from .problem.scoring import Score
    from .report.added_panels import Panel
    from .report.panels import ChartCurve, CurvePanel
    from .report.result_picture import plot
    from .report.result_picture import result_picture as picture
    from .report.tables import Column, TablePanel
    from .simulate import example
    from .simulate.base import ObjectSet
    from .solvers.base import Solver, Step, Streams
    from .solvers.coefficients import Coefficients
    from .solvers.constraint import Constraint
    from .solvers.iterative import Iterative, first_support

_WHERE = {
    "Analysis": ("evaluate.analyze", "Analysis"),
    "Array": ("numerics.arrays", "Array"),
    "Benchmark": ("evaluate.benchmarks", "Benchmark"),
    "Budget": ("driver.solve", "Budget"),
    "ChartCurve": ("report.panels", "ChartCurve"),
    "Coefficients": ("solvers.coefficients", "Coefficients"),
    "Column": ("report.tables", "Column"),
    "Comparison": ("evaluate.comparison", "Comparison"),
    "Constraint": ("solvers.constraint", "Constraint"),
    "Cost": ("io.result", "Cost"),
    "Counts": ("io.counts", "Counts"),
    "CurvePanel": ("report.panels", "CurvePanel"),
    "Device": ("numerics.arrays", "Device"),
    "Experiment": ("geometry.experiment", "Experiment"),
    "FrameStack": ("prepare.frames", "FrameStack"),
    "Frames": ("prepare.frames", "Frames"),
    "Gaussian": ("problem", "Gaussian"),
    "InputError": ("errors", "InputError"),
    "Iterative": ("solvers.iterative", "Iterative"),
    "Likelihood": ("problem", "Likelihood"),
    "Loader": ("prepare.loaders", "Loader"),
    "Metric": ("evaluate.metrics", "Metric"),
    "ObjectSet": ("simulate.base", "ObjectSet"),
    "Operator": ("operators", "Operator"),
    "OptionError": ("errors", "OptionError"),
    "Panel": ("report.added_panels", "Panel"),
    "PluginError": ("errors", "PluginError"),
    "Poisson": ("problem", "Poisson"),
    "Preparation": ("prepare.preparation", "Preparation"),
    "Problem": ("problem", "Problem"),
    "Progress": ("driver.solve", "Progress"),
    "RawFile": ("io", "RawFile"),
    "Reader": ("io", "Reader"),
    "Result": ("io.result", "Result"),
    "RetrieveError": ("errors", "RetrieveError"),
    "RunSpec": ("driver.run_spec", "RunSpec"),
    "Score": ("problem.scoring", "Score"),
    "Solver": ("solvers.base", "Solver"),
    "SolverError": ("errors", "SolverError"),
    "Step": ("solvers.base", "Step"),
    "Streams": ("solvers.base", "Streams"),
    "TablePanel": ("report.tables", "TablePanel"),
    "Uncertainty": ("io.uncertainty", "Uncertainty"),
    "Verdict": ("io.verdict", "Verdict"),
    "Writer": ("io.writers", "Writer"),
    "analyze": ("evaluate.analyze", "analyze"),
    "compare": ("evaluate.by_name", "compare"),
    "example": ("simulate", "example"),
    "first_support": ("solvers.iterative", "first_support"),
    "hookimpl": ("plugins.hookspecs", "hookimpl"),
    "judge": ("evaluate.verdict", "judge"),
    "like": ("numerics.arrays", "like"),
    "load": ("io", "load"),
    "metric": ("evaluate.metrics", "metric"),
    "namespace": ("numerics.arrays", "namespace"),
    "option": ("plugins.options", "option"),
    "picture": ("report.result_picture", "result_picture"),
    "plot": ("report.result_picture", "plot"),
    "progress": ("cli.progress", "progress"),
    "read": ("io", "read"),
    "read_result": ("io.results", "read_result"),
    "run": ("driver.solve", "run"),
    "solve": ("evaluate.by_name", "solve"),
    "uncertainty_of": ("evaluate.uncertainty", "uncertainty_of"),
}
"""Where each public name is defined: module and attribute."""

__all__ = [
    "Analysis",
    "Array",
    "Benchmark",
    "Budget",
    "ChartCurve",
    "Coefficients",
    "Column",
    "Comparison",
    "Constraint",
    "Cost",
    "Counts",
    "CurvePanel",
    "Device",
    "Experiment",
    "FrameStack",
    "Frames",
    "Gaussian",
    "InputError",
    "Iterative",
    "Likelihood",
    "Loader",
    "Metric",
    "ObjectSet",
    "Operator",
    "OptionError",
    "Panel",
    "PluginError",
    "Poisson",
    "Preparation",
    "Problem",
    "Progress",
    "RawFile",
    "Reader",
    "Result",
    "RetrieveError",
    "RunSpec",
    "Score",
    "Solver",
    "SolverError",
    "Step",
    "Streams",
    "TablePanel",
    "Uncertainty",
    "Verdict",
    "Writer",
    "analyze",
    "compare",
    "example",
    "first_support",
    "hookimpl",
    "judge",
    "like",
    "load",
    "metric",
    "namespace",
    "operators",
    "option",
    "picture",
    "plot",
    "progress",
    "read",
    "read_result",
    "run",
    "solve",
    "solvers",
    "uncertainty_of",
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
