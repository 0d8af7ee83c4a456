import math
from dataclasses import dataclass

import pytest

from retrieve.errors import InputError, OptionError
from retrieve.plugins.options import build, option, options_of, unknown, validate, values_of


@dataclass(frozen=True)
class Inner:
    width: float = option(1.0, "a width", ge=0, lt=5)
    kind: str = option("max", "a kind", choices=("max", "rms"))

    def __post_init__(self):
        validate(self)


@dataclass(frozen=True)
class Outer:
    name = "outer"
    count: int = option(3, "a count", ge=1)
    rate: float | None = option(None, "a rate", gt=0, le=2, source="Somebody 1999")
    really: bool = option(False, "a switch")
    label: str = option("x", "any text")
    no_option: int = 7
    inner: Inner = Inner()

    def __post_init__(self):
        validate(self)


def declared(name):
    return {o.name: o for o in options_of(Outer)}[name]


def test_options_are_listed_nested_ones_with_dots():
    assert [o.name for o in options_of(Outer)] == ["count", "rate", "really", "label", "inner.width", "inner.kind"]
    rate = declared("rate")
    assert (rate.type, rate.optional, rate.default, rate.help, rate.source) == (float, True, None, "a rate", "Somebody 1999")
    assert declared("inner.width").flag == "--inner.width"
    assert {o.name: o.flag for o in options_of(Under)}["two_words"] == "--two-words"


@dataclass(frozen=True)
class Under:
    two_words: int = option(1, "x")
    low: float = option(0.0, "x", gt=-1)
    high: float = option(0.0, "x", lt=1.5)
    open: float = option(0.0, "x", gt=-1, lt=1)
    maybe: str | None = option(None, "x", choices=("a", "b"))


@pytest.mark.parametrize(
    ("cls", "name", "text"),
    [
        (Outer, "count", "[1, inf)"),
        (Outer, "rate", "(0, 2] or none"),
        (Outer, "really", "true, false"),
        (Outer, "label", "str"),
        (Outer, "inner.width", "[0, 5)"),
        (Outer, "inner.kind", "max, rms"),
        (Under, "two_words", "int"),
        (Under, "low", "(-1, inf)"),
        (Under, "high", "(-inf, 1.5)"),
        (Under, "open", "(-1, 1)"),
    ],
)
def test_ranges_in_words(cls, name, text):
    assert {o.name: o for o in options_of(cls)}[name].range == text


GOOD = [
    ("count", "5", 5),
    ("count", 5, 5),
    ("rate", "0.5", 0.5),
    ("rate", 1, 1),
    ("rate", "2", 2.0),
    ("rate", "none", None),
    ("rate", "OFF", None),
    ("rate", None, None),
    ("really", "yes", True),
    ("really", "0", False),
    ("really", True, True),
    ("label", "none", "none"),
    ("inner.width", "0", 0.0),
    ("inner.kind", "rms", "rms"),
]


@pytest.mark.parametrize(("name", "given", "value"), GOOD)
def test_good_values(name, given, value):
    parsed = values_of(build(Outer, {name: given}))[name]
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize("value", [math.inf, "inf", math.nan])
def test_a_number_is_finite(value):
    with pytest.raises(OptionError, match=r"option low=(inf|nan) is out of range"):
        build(Under, {"low": value})


BAD = [
    ("count", "0", r"option count=0 is out of range; give a value in \[1, inf\)"),
    ("count", "1.5", "option count='1.5' is not of type int"),
    ("count", 1.5, "option count=1.5 is not of type int"),
    ("count", math.inf, "option count=inf is not of type int"),
    ("count", True, "option count=True is not of type int"),
    ("count", None, "option count=None is not of type int"),
    ("rate", 0, r"option rate=0 is out of range; give a value in \(0, 2\] or none"),
    ("rate", "2.1", "option rate=2.1 is out of range"),
    ("rate", "nan", "option rate=nan is out of range"),
    ("rate", "fast", "option rate='fast' is not of type float"),
    ("really", "perhaps", "option really='perhaps' is not of type bool; give true, false"),
    ("really", 1, "option really=1 is not of type bool"),
    ("label", 3, "option label=3 is not of type str"),
    ("inner.width", "5", r"option inner.width=5.0 is out of range; give a value in \[0, 5\)"),
    ("inner.kind", "min", "option inner.kind='min' is unknown; give one of max, rms"),
    ("cuont", 1, "unknown option 'cuont' of outer; did you mean count?"),
    ("zzz", 1, "unknown option 'zzz' of outer; known: count, inner.kind, inner.width, label, rate, really"),
    ("inner.widht", 1, r"unknown option 'inner.widht' of outer; did you mean inner.width"),
    ("inner", 1, "unknown option 'inner' of outer"),
    ("no_option", 1, "unknown option 'no_option' of outer"),
]


@pytest.mark.parametrize(("name", "given", "message"), BAD)
def test_bad_values(name, given, message):
    with pytest.raises(OptionError, match=message) as error:
        build(Outer, {name: given})
    assert isinstance(error.value, InputError)


def test_construction_checks_too():
    with pytest.raises(OptionError, match="count=0"):
        Outer(count=0)
    with pytest.raises(OptionError, match="width=7"):
        Outer(inner=Inner(width=7))


def test_a_whole_float_is_an_int():
    assert build(Outer, {"count": 5.0}).count == 5


def test_dashes_and_nesting():
    made = build(Outer, {"inner.kind": "rms", "inner.width": "2", "count": 2})
    assert made == Outer(count=2, inner=Inner(2.0, "rms"))
    assert build(Under, {"two-words": "4"}).two_words == 4


def test_values_make_the_same_again():
    made = Outer(count=2, rate=0.1, really=True, inner=Inner(3.0))
    assert build(Outer, values_of(made)) == made
    assert "no_option" not in values_of(made)


def test_unknown_names_the_nearest_or_all():
    assert unknown("solver", "hoi", ["hio", "er"]) == "unknown solver 'hoi'; did you mean hio?"
    assert unknown("solver", "xyz", ["hio", "er"]) == "unknown solver 'xyz'; known: er, hio"
