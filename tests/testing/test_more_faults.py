"""Every check of how a solver behaves, seen to fail: the fault, and the words that name it."""

import time

import numpy as np
import pytest
from faulty import Plain, failing

from retrieve.errors import InputError
from retrieve.numerics.arrays import namespace
from retrieve.solvers import Step
from retrieve.testing import case_of, run_checks
from retrieve.testing.problems import small


class NoSteps(Plain):
    """Nothing is shown."""

    def steps(self, problem, x, rng):
        return iter(())


class AnotherTotal(Plain):
    """It tells fewer steps than it takes."""

    @property
    def total(self):
        return 3


class NoEnd(Plain):
    """It goes on and on, and shows it."""

    def steps(self, problem, x, rng):
        while True:
            yield Step(x)


class Raises(Plain):
    """It fails."""

    def steps(self, problem, x, rng):
        raise ZeroDivisionError("nothing to divide")
        yield


class GetsWorse(Plain):
    """It ends far from the data."""

    def steps(self, problem, x, rng):
        for step in super().steps(problem, x, rng):
            yield step._replace(x=step.x * 40)


class AllAtOnce(Plain):
    """It does all its work before it shows anything."""

    def steps(self, problem, x, rng):
        return iter(list(super().steps(problem, x, rng)))


class TwoAxesAlone(Plain):
    """It fails in three dimensions."""

    def steps(self, problem, x, rng):
        assert x.ndim == 3, "two axes are wanted"
        return super().steps(problem, x, rng)


class RefusesWhileItRuns(Plain):
    """It refuses three dimensions too late."""

    def steps(self, problem, x, rng):
        if x.ndim == 4:
            raise InputError("two axes are wanted")
        return super().steps(problem, x, rng)


class NeedsASupport(Plain):
    """It fails without a support."""

    def steps(self, problem, x, rng):
        for step in super().steps(problem, x, rng):
            xp = namespace(x)
            yield Step(xp.where(problem.support[None, ...], step.x, xp.zeros_like(x)))


class DividesByTheData(Plain):
    """It divides by each amplitude."""

    def steps(self, problem, x, rng):
        for step in super().steps(problem, x, rng):
            dark = float(np.min(np.abs(np.asarray(problem.amplitude)[np.asarray(problem.valid)])))
            yield Step(step.x * (dark / dark if dark else float("nan")))


class SamplesOfAnotherShape(Plain):
    """Its samples lose a row."""

    def samples(self, problem, x, rng):
        yield Step(x[:, 1:])


class SamplesFromNowhere(Plain):
    """Its samples know no seed."""

    def samples(self, problem, x, rng):
        yield Step(x * np.random.default_rng().random())


class SaysItIsDeterministic(Plain):
    """Its starts are random all the same."""

    deterministic = True


class NumPyAlone(Plain):
    """It is not written in the array API."""

    def steps(self, problem, x, rng):
        for step in super().steps(problem, x, rng):
            yield Step(np.where(step.support, step.x, 0))


FAULTS = {
    NoSteps: ("finishes", "it yields no step"),
    AnotherTotal: ("finishes", "it tells a total of 3 steps and takes 6"),
    NoEnd: ("finishes", "it has no end, and tells no `total`"),
    Raises: ("finishes", "ZeroDivisionError: nothing to divide"),
    SaysItIsDeterministic: ("starts alike where it says so", "starts 0 and 1 differ"),
    GetsWorse: ("beats its start", "R inside the support goes from"),
    AllAtOnce: ("stops when asked", "its first step costs as many transforms as all 6"),
    TwoAxesAlone: ("three axes, or a clear refusal", "two axes are wanted"),
    RefusesWhileItRuns: ("three axes, or a clear refusal", "refuse in `check`, before any work"),
    NeedsASupport: ("unknown support, or a clear refusal", "TypeError"),
    SamplesOfAnotherShape: ("posterior samples", "a sample has shape (1, 31, 28)"),
    SamplesFromNowhere: ("posterior samples", "two samples of one seed differ"),
    DividesByTheData: ("finite on dark data", "values are NaN or infinite"),
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda cls: cls.__name__)
def test_a_fault_fails_its_own_check(fault):
    check, words = FAULTS[fault]
    found = failing(fault, seconds=1 if fault is NoEnd else 60)
    assert list(found) == [check]
    assert words in found[check]


def test_numpy_alone_fails_everywhere_else():
    found = failing(NumPyAlone())
    assert found
    assert set(found) <= {"runs on torch", "runs on array-api-strict", "runs on CuPy"}


def test_one_that_claims_torch_alone_is_not_asked_about_others():
    class TorchAlone(Plain):
        """Claims torch."""

        library = "torch"

    found = {outcome.check: outcome for outcome in run_checks(TorchAlone())}
    assert not [outcome for outcome in found.values() if outcome.status == "failed"]
    assert found["runs on array-api-strict"].reason == "it claims library 'torch' alone"
    assert found["pickles"].status == "skipped"  # the class is inside a function
    assert "not at the top of a module" in found["pickles"].reason


class RefusesAll(Plain):
    """It wants something else."""

    def check(self, problem):
        raise InputError("seven axes are wanted")


def test_one_that_refuses_every_problem_is_skipped_with_its_reason():
    found = {outcome.check: outcome for outcome in run_checks(RefusesAll())}
    assert found["finishes"].status == "skipped"
    assert "it accepts none of the problems tried (seven axes are wanted); give the kit problems=[" in found["finishes"].reason
    assert found["pickles"].status == "passed"
    assert not [outcome for outcome in found.values() if outcome.status == "failed"]


class WantsLarge(Plain):
    """It wants 40 px."""

    def check(self, problem):
        if problem.shape != (40, 40):
            raise InputError("40 × 40 px are wanted")


def test_problems_of_ones_own():
    found = {outcome.check: outcome for outcome in run_checks(WantsLarge(), problems=[small((40, 40))])}
    assert found["finishes"].status == found["two axes, or a clear refusal"].status == "passed"
    assert found["three axes, or a clear refusal"].reason == "refused: 40 × 40 px are wanted"


class TooLong(Plain):
    """It takes its time, and tells how many steps there are."""

    def steps(self, problem, x, rng):
        for step in super().steps(problem, x, rng):
            time.sleep(0.02)
            yield step

    @property
    def total(self):
        return self.iterations


def test_a_long_run_is_no_hang():
    case = case_of(TooLong(iterations=100), seconds=1)
    found = case.outcome("finishes")
    assert found.status == "skipped"
    assert "of 100 steps took 0.8 s; give the kit fewer iterations or more seconds" in found.reason
    assert case.outcome("shape of the steps").status == case.outcome("beats its start").status == "passed"
