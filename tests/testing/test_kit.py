"""The kit itself: pairs, marks, excuses, the watch, what is not touched."""

import time
from dataclasses import dataclass
from typing import ClassVar
from unittest import SkipTest

import numpy as np
import pytest

from retrieve.errors import InputError
from retrieve.operators import FarField
from retrieve.plugins.options import option
from retrieve.solvers import ER
from retrieve.testing import case_of, checks_of, parametrize_with_checks, run_checks
from retrieve.testing.case import NOT_ASKED
from retrieve.testing.watch import within
from retrieve.testing.watched_solver import WatchedSolver


@dataclass(frozen=True)
class Calm(ER):
    """A few iterations of error reduction."""

    name: ClassVar[str] = "calm"
    iterations: int = option(5, "iterations", ge=1)


class Worse(Calm):
    """It ends far from the data."""

    def steps(self, problem, x, rng):
        for step in super().steps(problem, x, rng):
            yield step._replace(x=step.x * 40)


class Fails(Calm):
    """It divides by nothing."""

    def steps(self, problem, x, rng):
        raise ZeroDivisionError("nothing to divide")


class HangsInCheck(Calm):
    """It never says whether it can."""

    def check(self, problem):
        while True:
            pass


def test_an_excuse_is_told_where_the_check_fails_and_only_there():
    found = {o.check: o for o in run_checks(Worse(), excused={"beats its start": "on purpose", "finite": "never needed"})}
    assert (found["beats its start"].status, found["beats its start"].reason) == ("skipped", "excused: on purpose")
    assert found["finite"].status == "passed"
    with pytest.raises(InputError, match="unknown check 'beats'; known|unknown check 'beats'; did you mean"):
        run_checks(Worse(), excused={"beats": "x"})


def test_pairs_of_a_name_and_a_check_work_without_pytest():
    pairs = dict(checks_of(Worse()))
    pairs["finite"]()
    with pytest.raises(AssertionError, match="R inside the support goes from"):
        pairs["beats its start"]()
    with pytest.raises(SkipTest, match="claims library|No module|not installed|no CUDA"):
        pairs["runs on CuPy"]()
    with pytest.raises(SkipTest, match=f"{NOT_ASKED} 'finishes' fails"):
        dict(checks_of(Fails()))["finite"]()
    with pytest.raises(ZeroDivisionError):
        dict(checks_of(Fails()))["finishes"]()


def test_the_mark_names_subject_and_check():
    mark = parametrize_with_checks([Calm()])
    names = [parameter.id for parameter in mark.args[1]]
    assert "solver calm: finishes" in names
    assert len(set(names)) == len(names) == len(case_of(Calm()).checks)


@pytest.mark.parametrize(
    ("subject", "settings", "words"),
    [
        (3, {}, "the kit knows no int; give a Solver"),
        (object, {}, "the kit knows no object"),
        (Calm(), {"kind": "samplers"}, "the kit knows no samplers"),
        (FarField((8, 8)), {"seconds": 3}, "settings seconds are for solvers; FarField takes none"),
    ],
)
def test_what_the_kit_does_not_know(subject, settings, words):
    with pytest.raises(InputError, match=words):
        case_of(subject, **settings)


def test_within_returns_raises_and_stops():
    assert within(5, lambda: 3) == 3
    with pytest.raises(KeyError, match="x"):
        within(5, lambda: {}["x"])
    ticks = []

    def forever():
        while True:
            ticks.append(1)

    with pytest.raises(TimeoutError, match=r"not done after 0.1 s"):
        within(0.1, forever)
    before = len(ticks)
    time.sleep(0.05)
    assert len(ticks) == before  # it was stopped, not left alone


def test_global_generators_are_given_back():
    np.random.seed(5)  # noqa: NPY002
    wanted = np.random.random()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    run_checks(Calm())
    assert np.random.random() == wanted  # noqa: NPY002


class SleepsOnce(Calm):
    """Outlives its time in a call that no exception interrupts."""

    def start(self, problem, rng):
        time.sleep(2)
        return super().start(problem, rng)


def test_a_run_that_outlives_its_time_does_not_give_them_back_late():
    with pytest.raises(TimeoutError):
        WatchedSolver(SleepsOnce(), seconds=0.2).run()
    np.random.seed(5)  # noqa: NPY002
    wanted = np.random.random()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    time.sleep(1.5)
    assert np.random.random() == wanted  # noqa: NPY002


def test_a_check_that_hangs_is_one_of_those_that_do_not_finish():
    found = {o.check: o for o in run_checks(HangsInCheck(), seconds=0.5)}
    assert [name for name, o in found.items() if o.status == "failed"] == ["finishes"]
    assert "it hangs: no end within 0.5 s" in found["finishes"].reason
