"""Checks of what a solver declares: its class, its options, what the command line makes of them."""

from __future__ import annotations

import dataclasses
import math
import pickle
from collections.abc import Iterator
from typing import Any
from unittest import SkipTest

import click

from ..errors import InputError
from ..plugins.flags import RUN_OPTIONS, flags, given_flags
from ..plugins.options import Option, build, options_of, renamed_options, values_of
from .solver_case import SolverCase
from .trial import check, require


@check("frozen dataclass of options")
def frozen(case: SolverCase) -> None:
    """The class is a frozen dataclass whose fields are options, and nothing else."""
    name = case.kind.__name__
    stray = [key for key, value in vars(case.kind).items() if isinstance(value, dataclasses.Field)]
    require(not stray, f"{name}.{stray[:1]} is an option of no dataclass: put @dataclass(frozen=True) over the class")
    require(dataclasses.is_dataclass(case.kind), f"{name} is no dataclass: put @dataclass(frozen=True) over it")
    for field in dataclasses.fields(case.kind):
        nested = dataclasses.is_dataclass(field.default)
        require(
            "help" in field.metadata or nested,
            f"field {name}.{field.name} is no option: declare it with retrieve.plugins.options.option",
        )


@check("defaults construct")
def constructs(case: SolverCase) -> None:
    """The class can be made without arguments."""
    case.kind()


@check("name, source and docstring")
def named(case: SolverCase) -> None:
    """It tells its name, its source, and in a docstring what it does, as `retrieve solvers` shows it."""
    kind = case.kind
    for attribute, what in (("name", "what the command line calls it"), ("source", "the paper, or who made it")):
        value = getattr(kind, attribute, "")
        require(isinstance(value, str) and value.strip(), f"{kind.__name__}.{attribute} is {value!r}; give {what}")
    own = vars(kind).get("__doc__") or ""
    require(
        own.strip() and not own.startswith(f"{kind.__name__}("),
        f"{kind.__name__} has no docstring; write one line of what it does",
    )


@check("options have range and help")
def declared(case: SolverCase) -> None:
    """Every number has bounds, or choices, every option a sentence of help; what is renamed leads to an option."""
    for option in options_of(case.kind):
        require(option.help.strip(), f"option {option.name} has no help; give one sentence")
        number = option.type in (int, float)
        require(
            option.bounds or option.choices or not number,
            f"option {option.name} is a number without range; give bounds such as gt=0, le=2",
        )
    known = {option.name for option in options_of(case.kind)}
    for old, new in renamed_options(case.kind).items():
        require(new is None or new in known, f"RENAMED maps {old} to {new}, which is no option; give the name of one, or None")


@check("invalid values are refused", constructs)
def refuses_values(case: SolverCase) -> None:
    """A value out of range, or of another type, raises `InputError` when the solver is made."""
    for option in options_of(case.kind, instance=case.solver):
        for bad in _invalid(option):
            try:
                _with(case.solver, option.name, bad)
            except InputError:
                continue
            raise AssertionError(
                f"option {option.name}={bad!r} was taken, though its range is {option.range}; "
                "call super().__post_init__() where the class has a __post_init__ of its own"
            )


def _invalid(option: Option) -> Iterator[Any]:
    yield object()
    if option.choices:
        yield "none of the choices"
    if option.type in (int, float):
        yield "a word"
        if option.bounds:
            yield math.nan
        if option.type is int:
            yield 1.5
        beyond = {"ge": -1, "gt": 0, "le": 1, "lt": 0}
        yield from (bound + beyond[key] for key, bound in option.bounds.items())


def _with(part: Any, name: str, value: Any) -> Any:
    head, _, rest = name.partition(".")
    return dataclasses.replace(part, **{head: _with(getattr(part, head), rest, value) if rest else value})


@check("flags build it", constructs)
def built_from_flags(case: SolverCase) -> None:
    """The flags that the command line makes of the options lead back to the same solver, and hide none of `run`'s own."""
    parameters = flags(case.kind)
    for parameter in parameters:
        clash = RUN_OPTIONS & {*parameter.opts, *parameter.secondary_opts}
        require(not clash, f"flag {', '.join(clash)} is one of `retrieve run`'s own; give the option another name")
    typed = list(_typed(case.solver))
    context = click.Command("solver", params=parameters).make_context("solver", list(typed))
    made = build(case.kind, given_flags(dict(context.params)))
    require(made == case.solver, f"{' '.join(typed)} makes {made}, not {case.solver}")


def _typed(solver: Any) -> Iterator[str]:
    """The command line of a solver's options."""
    values = values_of(solver)
    for option in options_of(type(solver)):
        value = values[option.name]
        if option.type is bool and not option.optional:
            yield option.flag if value else option.flag.replace("--", "--no-", 1)
        else:
            yield f"{option.flag}={'none' if value is None else value}"


@check("pickles", constructs)
def pickles(case: SolverCase) -> None:
    """It passes through pickle unchanged, as it must to reach other processes."""
    if case.kind.__qualname__ != case.kind.__name__:
        raise SkipTest(f"{case.kind.__qualname__} is not at the top of a module, where pickle could find it")
    again = pickle.loads(pickle.dumps(case.solver))
    require(again == case.solver, f"pickled and read again it is {again}, not {case.solver}")


DECLARATION = (frozen, constructs, named, declared, refuses_values, built_from_flags, pickles)
