"""The conformance kit: what a solver, operator, prior, metric or reader must do to live in `retrieve`.

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
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..errors import InputError
from ..evaluate.metrics import Metric
from ..io.records import Reader
from ..operators import Operator
from ..solvers.base import Solver
from .trial import BoundCheck, Check, Outcome, Trial

BASES: dict[str, type] = {"solvers": Solver, "operators": Operator, "metrics": Metric, "readers": Reader}
"""What the kinds are told by; each has its checks in the module of its name, as priors have, which are told by `denoise`."""

__all__ = ["BoundCheck", "Check", "Outcome", "Trial", "checks_of", "parametrize_with_checks", "run_checks", "trial_of"]


def trial_of(
    subject: Any, *, kind: str = "", label: str = "", excused: Mapping[str, str] | None = None, **settings: Any
) -> Trial:
    """The checks of a subject: a solver, operator, prior, metric, reader or executor's factory.

    subject: an instance; of a solver, operator or prior also the class, of a prior any function that makes one.
    kind: ``solvers``, ``operators``, ``priors``, ``metrics``, ``readers`` or ``executors``, where it is not to be told from
    the subject, as the last cannot be.
    label: what reports call it.
    excused: by the name of a check, why the subject need not pass it.
    settings: for a solver, ``problems`` to run it on and ``seconds`` that a run may take (60).
    Raises `InputError` for anything else.
    """
    cls = subject if isinstance(subject, type) else type(subject)
    kind = kind or next((kind for kind, base in BASES.items() if issubclass(cls, base)), "")
    kind = kind or ("priors" if hasattr(subject, "denoise") else "")
    if kind not in (*BASES, "priors", "executors"):
        raise InputError(
            f"the kit knows no {kind or cls.__name__}; give a Solver, Operator, Metric, Reader, or a prior with `denoise`"
        )
    if settings and kind != "solvers":
        raise InputError(f"settings {', '.join(settings)} are for solvers; {cls.__name__} takes none")
    checks = importlib.import_module(f".{kind}", __name__)
    return Trial(label or checks.label(subject), checks.Case(subject, **settings), checks.CHECKS, excused)


def checks_of(subject: Any, **settings: Any) -> Iterator[tuple[str, BoundCheck]]:
    """Pairs of a check's name and the check, which raises when called where the subject fails it; see `trial_of`."""
    return ((bound.name, bound) for bound in trial_of(subject, **settings))


def run_checks(subject: Any, **settings: Any) -> list[Outcome]:
    """What every check found, without pytest; see `trial_of`."""
    return [bound.outcome() for bound in trial_of(subject, **settings)]


def parametrize_with_checks(subjects: Iterable[Any], **settings: Any) -> Any:
    """A pytest mark that calls a test once for each check of each subject, with the argument ``check`` to be called.

    Settings as in `trial_of`. A check that cannot be asked is skipped, with the reason.
    """
    import pytest

    trials = [trial_of(subject, **settings) for subject in subjects]
    return pytest.mark.parametrize(
        "check", [pytest.param(bound, id=f"{trial.label}: {bound.name}") for trial in trials for bound in trial]
    )
