"""Public docstrings are numpydoc: every parameter, return value and error is described."""

import dataclasses
import inspect

import pytest
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import validate

import retrieve
from retrieve.solvers import Solver

CODES = {
    "GL01",  # text starts on the line of the opening quotes or below it
    "GL07",  # sections in the order of the standard
    "GL08",  # there is no docstring
    "PR01",  # a parameter is not documented
    "PR02",  # a documented parameter does not exist
    "PR03",  # parameters in the wrong order
    "RT01",  # the return value is not documented
    "SS01",  # no summary
    "SS03",  # the summary does not end with a period
    "SS04",  # the summary begins with spaces
    "YD01",  # what is yielded is not documented
}
NAMES = sorted(
    {f"retrieve.{name}" for name in retrieve.__all__} | {f"retrieve.solvers.{name}" for name in retrieve.solvers.__all__}
)
MODULES = {"retrieve.solvers", "retrieve.operators"}
METHODS = ("retrieve.Problem.from_arrays", "retrieve.Result.save")


def faults(name):
    """The codes that a name offends against. A solver's parameters stand in the generated reference, with ranges and defaults."""
    thing = retrieve
    for part in name.split(".")[1:]:
        thing = getattr(thing, part)
    if not (inspect.isclass(thing) or inspect.isroutine(thing)) or not getattr(thing, "__module__", "").startswith("retrieve"):
        return []
    fields = set(getattr(thing, "_fields", ()))
    if dataclasses.is_dataclass(thing):
        fields = {field.name for field in dataclasses.fields(thing)}
    described = {name.strip() for entry in NumpyDocString(inspect.getdoc(thing))["Attributes"] for name in entry.name.split(",")}
    options = inspect.isclass(thing) and (
        issubclass(thing, Solver) or (dataclasses.is_dataclass(thing) and declares_options(thing))
    )
    codes = CODES - {"PR01"} if options or (fields and fields <= described) else CODES
    return [f"{code}: {text}" for code, text in validate(f"{thing.__module__}.{thing.__qualname__}")["errors"] if code in codes]


def declares_options(kind):
    return any("help" in field.metadata for field in dataclasses.fields(kind))


@pytest.mark.parametrize("name", [*NAMES, *METHODS])
def test_a_public_docstring_is_numpydoc(name):
    if name in MODULES:
        return
    assert faults(name) == []


def test_a_docstring_that_is_not_is_found():
    def wrong(a, b):
        """Does a thing"""

    wrong.__module__, wrong.__qualname__ = __name__, "wrong"
    globals()["wrong"] = wrong
    codes = {code for code, _ in validate(f"{__name__}.wrong")["errors"]}
    assert {"PR01", "SS03"} <= codes
