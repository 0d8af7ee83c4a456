"""A solver with one planted fault at a time fails the checks that are meant for it, and no other."""

import random
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch

from retrieve.numerics.arrays import like, namespace
from retrieve.plugins.options import option
from retrieve.solvers import Solver, Step
from retrieve.testing import run_checks
from retrieve.testing.case import NOT_ASKED


@dataclass(frozen=True)
class Sound(Solver):
    """Error reduction under a known or guessed support; faults are planted in what follows."""

    name: ClassVar[str] = "sound"
    source: ClassVar[str] = "Fienup 1982"
    iterations: int = option(8, "iterations", ge=1)
    share: float = option(0.9, "share of the step", gt=0, le=1)

    def data(self, problem, x):
        return problem.fit_modulus(x)

    def shown(self, x, rng):
        return x

    def steps(self, problem, x, rng):
        xp = namespace(x)
        support = xp.ones_like(xp.real(x)) > 0 if problem.support is None else problem.support[None, ...]
        for _ in range(self.iterations):
            x = xp.where(support, x + self.share * (self.data(problem, x) - x), xp.zeros_like(x))
            yield Step(self.shown(x, rng))

    @property
    def total(self):
        return self.iterations


class WritesIntoTheProblem(Sound):
    """Brightens a row of the data at every iteration."""

    def data(self, problem, x):
        problem.amplitude[1, ...] *= 1.01
        return problem.fit_modulus(x)


class IgnoresTheMask(Sound):
    """Takes unmeasured pixels for measured ones."""

    def data(self, problem, x):
        f = problem.operator.forward(x)
        return problem.operator.adjoint(f * (problem.amplitude / (namespace(x).abs(f) + 1e-20)))


class DrawsFromTheGlobalGenerator(Sound):
    """Adds noise of numpy.random."""

    def shown(self, x, rng):
        return x + like(1e-2 * np.random.normal(size=x.shape).astype(np.float32), namespace(x).real(x))  # noqa: NPY002


class HasAnotherShape(Sound):
    """Loses a row."""

    def shown(self, x, rng):
        return x[:, 1:]


class GivesNaN(Sound):
    """Divides by nothing."""

    def shown(self, x, rng):
        return x * float("nan")


@dataclass(frozen=True)
class HasNoRange(Sound):
    """Has an option without bounds."""

    more: float = option(0.5, "a number of any size")


class IgnoresTheSeed(Sound):
    """Adds noise of a generator of its own."""

    def shown(self, x, rng):
        return x + like(1e-2 * np.random.default_rng().normal(size=x.shape).astype(np.float32), namespace(x).real(x))


class CouplesStarts(Sound):
    """Mixes the starts of a batch."""

    def data(self, problem, x):
        m = problem.fit_modulus(x)
        return m + 0.2 * namespace(x).mean(m, axis=0, keepdims=True)


class HasAnotherDtype(Sound):
    """Goes over to double precision."""

    def shown(self, x, rng):
        xp = namespace(x)
        return xp.astype(x, xp.complex128)


class Hangs(Sound):
    """Never shows its first step."""

    def shown(self, x, rng):
        while True:
            pass


FAULTS = {
    WritesIntoTheProblem: "leaves the problem alone",
    IgnoresTheMask: "masked pixels have no say",
    DrawsFromTheGlobalGenerator: "no global random state",
    HasAnotherShape: "shape of the steps",
    GivesNaN: "finite",
    HasNoRange: "options have range and help",
    IgnoresTheSeed: "same seed, same result",
    CouplesStarts: "starts one by one",
    HasAnotherDtype: "dtype of the steps",
    Hangs: "finishes",
}


class WritesIntoTheMask(Sound):
    """Calls every pixel measured."""

    def data(self, problem, x):
        problem.valid[...] = True
        return problem.fit_modulus(x)


class StartsFromMaskedPixels(Sound):
    """Begins with whatever is stored."""

    def start(self, problem, rng):
        xp = namespace(problem.amplitude)
        x = super().start(problem, rng)
        return x * xp.max(problem.amplitude) / 40


class DrawsFromRandom(Sound):
    """Scales by a number of Python's own generator."""

    def shown(self, x, rng):
        return x * (1 + 1e-3 * random.random())


class DrawsFromTorch(Sound):
    """Scales by a number of torch's own generator."""

    def shown(self, x, rng):
        return x * (1 + 1e-3 * float(torch.rand(())))


class SeedsTheGlobalGenerator(Sound):
    """Draws nothing that varies, and disturbs everybody else."""

    def shown(self, x, rng):
        np.random.seed(0)  # noqa: NPY002
        return x


class CouplesStartsByTheirMaximum(Sound):
    """Cuts every start at a share of the largest value of all."""

    def data(self, problem, x):
        xp = namespace(x)
        m = problem.fit_modulus(x)
        return xp.where(xp.abs(m) > 0.1 * xp.max(xp.abs(m)), m, xp.zeros_like(m))


class IsReal(Sound):
    """Shows the real part alone, as a real array."""

    def shown(self, x, rng):
        return namespace(x).real(x)


class SleepsInItsStart(Sound):
    """Waits for somebody."""

    def start(self, problem, rng):
        time.sleep(3)
        return super().start(problem, rng)


VARIANTS = {
    WritesIntoTheMask: "leaves the problem alone",
    StartsFromMaskedPixels: "masked pixels have no say",
    DrawsFromRandom: "no global random state",
    DrawsFromTorch: "no global random state",
    SeedsTheGlobalGenerator: "no global random state",
    CouplesStartsByTheirMaximum: "starts one by one",
    IsReal: "dtype of the steps",
    SleepsInItsStart: "finishes",
}


APART = ("runs on CuPy", "runs on array-api-strict", "starts alike where it says so")
"""Checks that ask nothing of most solvers, or need what is not installed."""


def found(subject, **settings):
    return {outcome.check: outcome for outcome in run_checks(subject, **settings)}


def failing(outcomes):
    return [outcome.check for outcome in outcomes.values() if outcome.status == "failed"]


def test_the_sound_solver_passes_everything():
    outcomes = found(Sound())
    assert failing(outcomes) == []
    skipped = {name: outcome.reason for name, outcome in outcomes.items() if outcome.status == "skipped"}
    assert set(skipped) <= {*APART, "posterior samples"}
    assert all(skipped.values())


@pytest.mark.parametrize("fault", [*FAULTS, *VARIANTS], ids=lambda cls: cls.__name__)
def test_a_fault_fails_its_own_check_alone(fault):
    check = {**FAULTS, **VARIANTS}[fault]
    outcomes = found(fault(), seconds=1 if check == "finishes" else 60)
    assert failing(outcomes) == [check]
    for outcome in outcomes.values():
        if outcome.status == "skipped":
            apart = "no posterior samples" in outcome.reason or outcome.check in APART
            assert apart or outcome.reason == f"{NOT_ASKED} {check!r} fails"
