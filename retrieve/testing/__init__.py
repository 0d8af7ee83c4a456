"""The conformance kit: what everything that a plugin registers must do to live in `retrieve`.

A plugin's whole test file::

    from retrieve.testing import parametrize_with_checks
    from my_solver import MySolver

    @parametrize_with_checks([MySolver()])
    def test_conforms(check):
        check()

`retrieve plugin check PACKAGE` runs the same checks on everything that an installed package registers.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import click

from ..errors import InputError
from ..evaluate.benchmarks import Benchmark
from ..evaluate.metrics import Metric
from ..io.records import Reader
from ..io.writers import Writer
from ..operators import Operator
from ..prepare.loaders import Loader
from ..prepare.preparation import Preparation
from ..problem.likelihood import Likelihood
from ..report.added_panels import Panel
from ..simulate.base import ObjectSet
from ..solvers.base import Solver
from .case import Case, Check, CheckOutcome

BASES: dict[str, type] = {
    "solvers": Solver,
    "operators": Operator,
    "metrics": Metric,
    "readers": Reader,
    "loaders": Loader,
    "preparations": Preparation,
    "writers": Writer,
    "panels": Panel,
    "likelihoods": Likelihood,
    "sets": ObjectSet,
    "benchmarks": Benchmark,
    "commands": click.Command,
}
"""The base class of each kind that has one. The checks of a kind are in the module of its name."""

__all__ = ["Case", "Check", "CheckOutcome", "case_of", "checks_of", "parametrize_with_checks", "run_checks"]


def case_of(subject: Any, *, kind: str = "", label: str = "", excused: Mapping[str, str] | None = None, **settings: Any) -> Case:
    """A subject with the checks of its kind.

    Parameters
    ----------
    subject
        Whatever a plugin can register. Of a solver, operator, likelihood, preparation, set or prior also the class; of a
        prior any function that makes one.
    kind
        One of `retrieve.plugins.registry.PLUGIN_KINDS`. Only executors need it.
    label
        Name in reports. By default the kind and the subject's own name.
    excused
        Reasons, by the name of a check, why the subject need not pass it.
    **settings
        For a solver: ``problems`` to run it on, and ``seconds`` that a run may take (60).

    Raises
    ------
    InputError
        For anything else, and where `excused` names no check.
    """
    cls = subject if isinstance(subject, type) else type(subject)
    kind = kind or next((kind for kind, base in BASES.items() if issubclass(cls, base)), "")
    kind = kind or ("priors" if hasattr(subject, "denoise") else "")
    if kind not in (*BASES, "priors", "executors"):
        raise InputError(
            f"the kit knows no {kind or cls.__name__}; give a {', '.join(base.__name__ for base in BASES.values())}, "
            "a prior with `denoise`, or an executor with kind='executors'"
        )
    if settings and kind != "solvers":
        raise InputError(f"settings {', '.join(settings)} are for solvers; {cls.__name__} takes none")
    checks = importlib.import_module(f".{kind}", __name__).checks
    name = getattr(subject, "name", "") or getattr(subject, "__name__", cls.__name__)
    return Case(label or f"{kind[:-1]} {name}", partial(checks.make, subject, **settings), checks, excused)


def checks_of(subject: Any, **settings: Any) -> Iterator[tuple[str, Callable[[], None]]]:
    """Pairs of a check's name and a function that raises where the subject fails the check; see `case_of`."""
    case = case_of(subject, **settings)
    return ((name, partial(case.require, name)) for name in case.checks)


def run_checks(subject: Any, **settings: Any) -> list[CheckOutcome]:
    """The outcomes of all checks of a subject, without pytest; see `case_of`."""
    return list(case_of(subject, **settings).outcomes())


def parametrize_with_checks(subjects: Iterable[Any], **settings: Any) -> Any:
    """A pytest mark that calls a test once for each check of each subject, with the argument ``check`` to be called.

    Settings as in `case_of`. A check that does not apply is skipped, with the reason.
    """
    import pytest

    cases = [case_of(subject, **settings) for subject in subjects]
    return pytest.mark.parametrize(
        "check", [pytest.param(partial(case.require, name), id=f"{case.label}: {name}") for case in cases for name in case.checks]
    )
