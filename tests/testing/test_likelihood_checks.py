"""Checks of likelihoods: sound ones pass, each fault fails the check meant for it."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from retrieve import Gaussian, Poisson
from retrieve.problem import Likelihood
from retrieve.testing import run_checks


@dataclass(frozen=True)
class Mine(Gaussian):
    """The normal noise, by another name."""

    name: ClassVar[str] = "mine"

    def scaled(self, factor):
        """σ·factor."""
        return type(self)(self.sigma * factor)


class Nameless(Mine):
    """No name of its own."""


class Shifted(Mine):
    """A constant too much."""

    name: ClassVar[str] = "mine"

    def nll(self, p, y):
        """One more."""
        return super().nll(p, y) + 1


class Steep(Mine):
    """Twice the slope."""

    name: ClassVar[str] = "mine"

    def derivative(self, p, y):
        """Twice."""
        return 2 * super().derivative(p, y)


class Stays(Mine):
    """It never moves."""

    name: ClassVar[str] = "mine"

    def proximal(self, v, y, r):
        """The same."""
        return v


class Unscaled(Mine):
    """The same noise in all units."""

    name: ClassVar[str] = "mine"

    def scaled(self, factor):
        """Itself."""
        return self


@pytest.mark.parametrize("one", [Gaussian(), Gaussian(0.1), Poisson(), Poisson(3.0), Mine(), Mine])
def test_sound_ones_pass(one):
    assert [outcome.status for outcome in run_checks(one)] == ["passed"] * 5


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        (Nameless, "name"),
        (Shifted, "perfect fit costs nothing"),
        (Steep, "derivative"),
        (Stays, "proximal map"),
        (Unscaled, "units"),
    ],
)
def test_a_fault_fails_its_check(fault: type[Likelihood], check):
    assert [outcome.check for outcome in run_checks(fault()) if outcome.status == "failed"] == [check]
