"""Checks of sets, benchmarks and commands: sound ones pass, each fault fails the check meant for it."""

from dataclasses import dataclass, replace

import click
import numpy as np
import pytest

from retrieve import Benchmark, ObjectSet, option
from retrieve.evaluate.benchmarks import BENCHMARKS
from retrieve.simulate import object_set
from retrieve.testing import run_checks


@dataclass(frozen=True)
class Boxes(ObjectSet):
    """A box of random phase; what is wrong with it is an option."""

    fault: str = option("", "the fault")

    @property
    def shape(self):
        """The shape of one object."""
        return (32,) if self.fault == "axes" else (32, 32)

    def generate(self, seed, numbers):
        """One box after the other."""
        x = np.zeros((len(numbers), 32, 32), np.complex128 if self.fault == "type" else np.complex64)
        for one, number in zip(x, numbers, strict=True):
            if self.fault == "global":
                rng = np.random.default_rng()
            else:
                rng = np.random.default_rng({"seed": [number], "number": [seed]}.get(self.fault, [seed, number]))
            one[10:20, 12:18] = np.exp(1j * rng.normal(size=(10, 6))) * (100 if self.fault == "peak" else 1)
        if self.fault == "neighbours":
            x *= np.exp(1j * len(numbers))
        support = np.zeros_like(x, bool) if self.fault == "support" else x != 0
        if self.fault == "nan":
            x[0, 15, 15] = np.nan
        return x, support


def failing(subject, **settings):
    return [outcome.check for outcome in run_checks(subject, **settings) if outcome.status == "failed"]


@pytest.mark.parametrize(
    "subject", [Boxes(), Boxes, object_set("domains2d"), object_set("films2d"), object_set("crystal2d"), object_set("crystals2d")]
)
def test_sound_sets_pass(subject):
    assert [outcome.status for outcome in run_checks(subject)] == ["passed"] * 3


@pytest.mark.parametrize("fault", ["axes", "type", "peak", "support", "nan"])
def test_a_set_of_another_form(fault):
    assert failing(Boxes(fault)) == ["shape, type, support"]


@pytest.mark.parametrize("fault", ["global", "seed", "number", "neighbours"])
def test_a_set_whose_objects_depend_on_something_else(fault):
    assert "seed and number decide" in failing(Boxes(fault))


@dataclass(frozen=True)
class Odd(Boxes):
    """Its problems hold no truth."""

    def problem(self, number, seed, noise=None):
        """Without truth."""
        return replace(super().problem(number, seed, noise), truth=None)


def test_a_set_that_cannot_be_measured():
    assert failing(Odd()) == ["can be measured"]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_benchmarks_that_are_built_in(name):
    assert failing(BENCHMARKS[name]) == []


@pytest.mark.parametrize(
    ("benchmark", "check"),
    [
        (Benchmark(()), "sets are known"),
        (Benchmark(("nobodys",)), "sets are known"),
        (Benchmark(("crystal2d",), noise=()), "budget"),
        (Benchmark(("crystal2d",), seconds=0), "budget"),
        (Benchmark(("crystal2d",), noise=(2.0,)), "problems can be made"),
    ],
)
def test_faults_of_benchmarks(benchmark, check):
    assert check in failing(benchmark)


def command(*params, help="what it does", name="acme"):
    return click.Command(name, params=list(params), callback=lambda **given: None, help=help)


class Lenient(click.Command):
    """It takes whatever it is given."""

    def parse_args(self, ctx, args):
        return super().parse_args(ctx, [arg for arg in args if arg == "--help"])


class HelpFails(click.Command):
    """Its help cannot be printed."""

    def format_help(self, ctx, formatter):
        raise RuntimeError("no help")


def test_a_sound_command_passes():
    sound = click.Group("acme", [command(click.Option(["--bins"], help="ranges"))], help="a group")
    assert [outcome.status for outcome in run_checks(sound)] == ["passed"] * 3


@pytest.mark.parametrize(
    ("subject", "check"),
    [
        (command(help=None), "says what it does"),
        (command(click.Option(["--bins"])), "says what it does"),
        (click.Group("acme", [command(help=None, name="inner")], help="a group"), "says what it does"),
        (HelpFails("acme", help="help"), "--help ends well"),
        (Lenient("acme", help="help", callback=lambda: None), "refuses unknown options"),
    ],
)
def test_faults_of_commands(subject, check):
    assert failing(subject) == [check]
