"""Checks of writers, panels and preparations: sound ones pass, each fault fails the check meant for it."""

import io
import itertools
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

import retrieve as rt
from retrieve.testing import run_checks

COUNT = itertools.count()


def failing(subject):
    return [outcome.check for outcome in run_checks(subject) if outcome.status == "failed"]


def write(result, file):
    np.save(file, result.object)


WRITER = rt.Writer("acme", (".acme",), write, read=np.load)


def closes(result, file):
    write(result, file)
    file.close()


def changes(result, file):
    write(result, file)
    result.object[:] = 1


@pytest.mark.parametrize("writer", [WRITER, replace(WRITER, axes=(3,)), replace(WRITER, read=lambda path: np.abs(np.load(path)))])
def test_sound_writers_pass(writer):
    assert [outcome.status for outcome in run_checks(writer)] == ["passed"] * 4


def test_a_writer_without_read_is_not_asked():
    assert [outcome.status for outcome in run_checks(replace(WRITER, read=None))] == ["passed"] * 3 + ["skipped"]


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ({"name": " "}, "name, endings and axes"),
        ({"suffixes": ()}, "name, endings and axes"),
        ({"suffixes": (".cxi",)}, "name, endings and axes"),
        ({"axes": ()}, "name, endings and axes"),
        ({"axes": (4,)}, "name, endings and axes"),
        ({"target": lambda result, file: None}, "writes a result"),
        ({"target": lambda result, file: 1 / 0}, "writes a result"),
        ({"target": closes}, "writes a result"),
        ({"target": changes}, "leaves the result alone"),
        ({"read": lambda path: np.load(path).T}, "reads back what was written"),
        ({"read": lambda path: 2 * np.load(path)}, "reads back what was written"),
    ],
)
def test_faults_of_writers(fault, check):
    assert check in failing(replace(WRITER, **fault))


def text(result):
    return f"R = {result.score.r:.3g}"


def mutates(result):
    result.estimates[:] = 0
    return "zero"


PANEL = rt.Panel("Acme", text)


def test_sound_panels_pass():
    assert [outcome.status for outcome in run_checks(PANEL)] == ["passed"] * 4


def test_a_panel_that_shows_nothing_needs_a_sample():
    only = rt.Panel("Acme", lambda result: "samples" if result.samples is not None else None)
    assert [outcome.status for outcome in run_checks(only)] == ["passed", "skipped", "passed", "passed"]

    def sample():
        result = rt.solve("er:iterations=3", rt.example("crystal2d"), starts=1, verdict=False)
        return replace(result, samples=result.estimates)

    assert [outcome.status for outcome in run_checks(replace(only, sample=sample))] == ["passed"] * 4


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ({"title": ""}, "title"),
        ({"title": "two\nlines"}, "title"),
        ({"target": lambda result: 3}, "fits on a page"),
        ({"target": lambda result: 1 / 0}, "fits on a page"),
        ({"target": lambda result: str(result.supports[1].sum())}, "fits on a page"),  # with one start there is no such support
        ({"target": mutates}, "leaves the result alone"),
        ({"target": lambda result: f"call {next(COUNT)}"}, "same result, same content"),
    ],
)
def test_faults_of_panels(fault, check):
    assert check in failing(replace(PANEL, **fault))


@dataclass(frozen=True)
class Faulty(rt.Preparation):
    """Subtract a level; and a fault."""

    name: ClassVar[str] = "faulty"
    fault: str = rt.option("", "what is wrong with it")
    level: float = rt.option(0.5, "counts to subtract", ge=0)

    def apply(self, counts, experiment):
        values, valid = (counts.values - self.level).clip(min=0), counts.valid
        match self.fault:
            case "shape":
                return rt.Counts(values[1:], valid[1:])
            case "negative":
                return rt.Counts(values - 1, valid)
            case "unmasks":
                return rt.Counts(values, np.ones_like(valid))
            case "raises":
                raise rt.InputError("never")
            case "global":
                values = np.random.poisson(values)  # noqa: NPY002
            case "stops":
                while True:
                    pass
            case "geometry":
                values = values * experiment.step_deg / experiment.step_deg
        return rt.Counts(values, valid)


def bare(**more):
    """A preparation whose class lacks something."""
    return type("Bare", (Faulty,), {"name": "bare", "__doc__": "What it does.", **more})


@pytest.mark.parametrize("subject", [Faulty(), Faulty, Faulty("geometry")])
def test_sound_preparations_pass(subject):
    assert [outcome.status for outcome in run_checks(subject)] == ["passed"] * 4


@pytest.mark.parametrize("fault", ["shape", "negative", "unmasks", "raises"])
def test_a_preparation_that_breaks_the_scan(fault):
    assert failing(Faulty(fault)) == ["counts and mask of the same scan"]


def test_a_preparation_that_asks_the_global_generator():
    assert failing(Faulty("global")) == ["same scan, same counts"]


@pytest.mark.parametrize(
    ("subject", "check"),
    [
        (bare(), "frozen dataclass of options"),
        (dataclass(frozen=True)(bare(more=1, __annotations__={"more": int})), "frozen dataclass of options"),
        (
            dataclass(frozen=True)(bare(more=rt.option(1, "a number"), __annotations__={"more": int})),
            "frozen dataclass of options",
        ),
        (dataclass(frozen=True)(bare(more=rt.option(1, "", ge=0), __annotations__={"more": int})), "frozen dataclass of options"),
        (dataclass(frozen=True)(bare(name=" ")), "name and docstring"),
        (dataclass(frozen=True)(bare(__doc__="")), "name and docstring"),
    ],
)
def test_a_preparation_that_declares_too_little(subject, check):
    assert failing(subject) == [check]


def test_it_does_not_wait_for_ever(monkeypatch):
    from retrieve.testing import preparations

    monkeypatch.setattr(preparations, "SECONDS", 0.3)
    assert failing(Faulty("stops")) == ["counts and mask of the same scan"]


def test_the_file_of_a_writer_is_any_binary_file():
    file = io.BytesIO()
    result = rt.solve("er:iterations=3", rt.example("crystal2d"), starts=1, verdict=False)
    WRITER.write(result, file)
    file.seek(0)
    np.testing.assert_array_equal(np.load(file), result.object)
