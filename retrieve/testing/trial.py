"""Named checks of one subject: each runs once, after those that it needs, and a skipped one says why."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from ctypes import c_ulong, py_object, pythonapi
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple
from unittest import SkipTest

import numpy as np

from ..errors import InputError
from ..numerics.arrays import Device, find_device
from ..plugins.options import unknown

NOT_ASKED = "not asked, since"


@dataclass(frozen=True)
class Check:
    """One property that a subject must have.

    function: of the case; it raises where the property is missing, `unittest.SkipTest` where it cannot be asked.
    needs: checks without which the answer would mean nothing; where one of them fails, this one is skipped.
    """

    name: str
    function: Callable[[Any], None]
    needs: tuple[Check, ...] = ()


def check(name: str, *needs: Check) -> Callable[[Callable[[Any], None]], Check]:
    """Turn a function of a case into the check called `name`."""
    return lambda function: Check(name, function, needs)


class Outcome(NamedTuple):
    """What a check found. reason: why it failed or was skipped."""

    subject: str
    check: str
    status: Literal["passed", "failed", "skipped"]
    reason: str = ""
    error: Exception | None = None


class Trial:
    """The checks of one case, each run at most once.

    label: what the subject is called.  case: what the checks are handed.
    excused: by the name of a check, why the subject need not pass it; where it fails, that is told as a skip.
    Raises `InputError` where there is no check of such a name.
    """

    def __init__(self, label: str, case: Any, checks: Sequence[Check], excused: Mapping[str, str] | None = None) -> None:
        self.label, self.case, self.checks, self.excused = label, case, tuple(checks), dict(excused or {})
        for name in self.excused:
            if name not in (known := [one.name for one in checks]):
                raise InputError(unknown("check", name, known))
        self._found: dict[str, Outcome] = {}

    def __iter__(self) -> Iterator[BoundCheck]:
        return (BoundCheck(self, one) for one in self.checks)

    def outcome(self, one: Check) -> Outcome:
        """Run a check, or tell what it found before."""
        if one.name not in self._found:
            self._found[one.name] = self._run(one)
        return self._found[one.name]

    def _run(self, one: Check) -> Outcome:
        for needed in one.needs:
            before = self.outcome(needed)
            if before.reason.startswith(NOT_ASKED):
                return before._replace(check=one.name)
            if before.status == "failed":
                return Outcome(self.label, one.name, "skipped", f"{NOT_ASKED} {needed.name!r} fails")
        found = self._tried(one)
        if found.status == "failed" and one.name in self.excused:
            return Outcome(self.label, one.name, "skipped", f"excused: {self.excused[one.name]}")
        return found

    def _tried(self, one: Check) -> Outcome:
        try:
            one.function(self.case)
        except SkipTest as skip:
            return Outcome(self.label, one.name, "skipped", str(skip))
        except AssertionError as error:
            return Outcome(self.label, one.name, "failed", str(error), error)
        except Exception as error:  # whatever a foreign subject raises is its failure, not the kit's
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            return Outcome(self.label, one.name, "failed", reason, error)
        return Outcome(self.label, one.name, "passed")


@dataclass(frozen=True)
class BoundCheck:
    """A check and the trial it belongs to; calling it raises what was found."""

    trial: Trial
    check: Check

    @property
    def name(self) -> str:
        """The check's name."""
        return self.check.name

    def outcome(self) -> Outcome:
        """What the check finds, as a value."""
        return self.trial.outcome(self.check)

    def __call__(self) -> None:
        """Raise AssertionError (or what the subject raised) where the check fails, `unittest.SkipTest` where it is skipped."""
        found = self.outcome()
        if found.status == "skipped":
            raise SkipTest(found.reason)
        if found.error is not None:
            raise found.error


def require(truth: Any, message: str) -> None:
    """Raise AssertionError with the message unless `truth`."""
    if not truth:
        raise AssertionError(message)


def device_for(name: str) -> Device:
    """The device called `name`; skips the check where it is not to be had."""
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


class _Stopped(BaseException):
    """Raised inside code that ran out of its time."""


def within(seconds: float, function: Callable[[], Any]) -> Any:
    """The function's value; raises TimeoutError where it takes longer.

    It runs in a thread, which is told to stop at the next line of Python when its time is over.
    """
    done: dict[str, Any] = {}

    def run() -> None:
        try:
            done["value"] = function()
        except _Stopped:
            pass
        except BaseException as error:  # carried over to the caller
            done["error"] = error

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        pythonapi.PyThreadState_SetAsyncExc(c_ulong(thread.ident or 0), py_object(_Stopped))
        thread.join(1.0)
        raise TimeoutError(f"not done after {seconds:g} s")
    if "error" in done:
        raise done["error"]
    return done["value"]
