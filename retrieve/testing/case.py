"""Named checks of one subject: each runs once, after those that it needs, and a skipped one says why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple
from unittest import SkipTest

import numpy as np

from ..errors import InputError
from ..numerics.arrays import Device, find_device
from ..plugins.options import unknown

NOT_ASKED = "not asked, since"
LIBRARIES = {"array-api-strict": "strict", "torch": "torch", "CuPy": "cuda"}
"""Array libraries beside NumPy, and the devices that stand for them."""


@dataclass(frozen=True)
class Check:
    """One property that a subject must have.

    function: takes the subject; raises where the property is missing, `unittest.SkipTest` where it does not apply.
    needs: checks that must pass first; where one of them fails, this one is skipped.
    """

    name: str
    function: Callable[..., None]
    needs: tuple[Check, ...] = ()


class Checks(dict[str, Check]):
    """The checks of one kind of subject by name, in the order in which they were added.

    make: turns a subject, as the user gives it, into the argument of the checks.
    """

    def __init__(self, make: Callable[..., Any] = lambda subject: subject, first: Mapping[str, Check] | None = None) -> None:
        super().__init__(first or {})
        self.make = make

    def add(self, name: str, *needs: Check) -> Callable[[Callable[..., None]], Check]:
        """Turn the function below into the check called `name`."""

        def added(function: Callable[..., None]) -> Check:
            self[name] = Check(name, function, needs)
            return self[name]

        return added


class CheckOutcome(NamedTuple):
    """The outcome of a check. reason: why it failed or was skipped."""

    subject: str
    check: str
    status: Literal["passed", "failed", "skipped"]
    reason: str = ""
    error: Exception | None = None


class Case:
    """A subject and its checks, each run at most once.

    Parameters
    ----------
    label
        Name of the subject in reports.
    make
        Makes the argument of the checks; called once.
    checks
        The checks by name.
    excused
        Reasons, by the name of a check, why the subject need not pass it; its failure counts as skipped.

    Raises
    ------
    InputError
        If `excused` names no check.
    """

    def __init__(
        self, label: str, make: Callable[[], Any], checks: Mapping[str, Check], excused: Mapping[str, str] | None = None
    ) -> None:
        self.label, self.make, self.checks, self.excused = label, make, checks, excused or {}
        for name in self.excused:
            if name not in checks:
                raise InputError(unknown("check", name, checks))
        self._outcomes: dict[str, CheckOutcome] = {}

    @cached_property
    def subject(self) -> Any:
        """The argument of the checks."""
        return self.make()

    def outcomes(self) -> Iterator[CheckOutcome]:
        """The outcomes of all checks, one after the other."""
        return map(self.outcome, self.checks)

    def outcome(self, name: str) -> CheckOutcome:
        """Run the check called `name`, or return its outcome of before."""
        if name not in self._outcomes:
            self._outcomes[name] = self._run(self.checks[name])
        return self._outcomes[name]

    def require(self, name: str) -> None:
        """Raise what the check called `name` raises: AssertionError or the subject's own error, SkipTest if skipped."""
        found = self.outcome(name)
        if found.status == "skipped":
            raise SkipTest(found.reason)
        if found.error is not None:
            raise found.error

    def _run(self, check: Check) -> CheckOutcome:
        for needed in check.needs:
            before = self.outcome(needed.name)
            if before.reason.startswith(NOT_ASKED):
                return before._replace(check=check.name)
            if before.status == "failed":
                return CheckOutcome(self.label, check.name, "skipped", f"{NOT_ASKED} {needed.name!r} fails")
        try:
            check.function(self.subject)
        except SkipTest as skip:
            return CheckOutcome(self.label, check.name, "skipped", str(skip))
        except Exception as error:  # whatever a foreign subject raises is its failure, not the kit's
            if check.name in self.excused:
                return CheckOutcome(self.label, check.name, "skipped", f"excused: {self.excused[check.name]}")
            name = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
            return CheckOutcome(self.label, check.name, "failed", " ".join(f"{name}{error}".split()), error)
        return CheckOutcome(self.label, check.name, "passed")


def require(truth: Any, message: str) -> None:
    """Raise AssertionError with the message unless `truth`."""
    if not truth:
        raise AssertionError(message)


def device_for(name: str) -> Device:
    """The device called `name`; skips the check where it is missing."""
    try:
        return find_device(name)
    except InputError as error:
        raise SkipTest(str(error)) from None
    except ImportError as error:
        raise SkipTest(f"{error.name} is not installed; pip install {(error.name or name).replace('_', '-')}") from None


def distance(a: Any, b: Any) -> float:
    """‖a − b‖/‖b‖, the plain norm of a where b is zero."""
    a, b = np.asarray(a), np.asarray(b)
    return float(np.linalg.norm(a - b) / (np.linalg.norm(b) or 1.0))
