"""Every check of what a solver declares, seen to fail: the fault, and the words that name it."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import pytest
from faulty import Plain, failing

from retrieve.plugins.options import option


class NoDataclass(Plain):
    """An option that no dataclass has read."""

    more: float = option(0.5, "more", ge=0)


@dataclass(frozen=True)
class NoOption(Plain):
    """A field beside the options."""

    cache: dict = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class NoDefault(Plain):
    """An option whose default is out of its own range."""

    more: float = option(0.0, "more", gt=0)


class NoName(Plain):
    """Without a name."""

    name = ""


class NoSource(Plain):
    """Without a source."""

    source = " "


class NoDocstring(Plain):
    pass


@dataclass(frozen=True)
class NoHelp(Plain):
    """An option without help."""

    more: bool = option(False, " ")


class RenamedToNothing(Plain):
    """It renames an option to one that is not there."""

    RENAMED: ClassVar = {"part": "shrae"}


class TakesAnything(Plain):
    """Its options are not checked."""

    def __post_init__(self):
        pass


@dataclass(frozen=True)
class TakesAFlagOfRun(Plain):
    """An option that `retrieve run` has itself."""

    starts: int = option(1, "starts", ge=1)


@dataclass(frozen=True)
class NotBuiltFromFlags(Plain):
    """It changes what it is given."""

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "share", self.share / 2)


class NoPickle(Plain):
    """It cannot be brought to another process."""

    def __reduce__(self):
        raise TypeError("not today")


class LosesInPickle(Plain):
    """It comes out of a pickle as another one."""

    def __reduce__(self):
        return LosesInPickle, (1,)


FAULTS = {
    NoDataclass: ("frozen dataclass of options", "put @dataclass(frozen=True) over the class"),
    NoOption: ("frozen dataclass of options", "field NoOption.cache is no option"),
    NoDefault: ("defaults construct", "option more=0.0 is out of range"),
    NoName: ("name, source and docstring", "NoName.name is ''"),
    NoSource: ("name, source and docstring", "NoSource.source is ' '"),
    NoDocstring: ("name, source and docstring", "NoDocstring has no docstring"),
    NoHelp: ("options have range and help", "option more has no help"),
    RenamedToNothing: ("options have range and help", "RENAMED maps part to shrae, which is no option"),
    TakesAnything: ("invalid values are refused", "was taken, though its range is"),
    TakesAFlagOfRun: ("flags build it", "flag --starts is one of `retrieve run`'s own"),
    NotBuiltFromFlags: ("flags build it", "--share=0.5"),
    NoPickle: ("pickles", "TypeError: not today"),
    LosesInPickle: ("pickles", "pickled and read again it is LosesInPickle(iterations=1"),
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda cls: cls.__name__)
def test_a_fault_fails_its_own_check(fault):
    check, words = FAULTS[fault]
    found = failing(fault)
    assert list(found) == [check]
    assert words in found[check]
