"""Options under older names: taken for one version, with a note of what to write now."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import click
import pytest
from click.testing import CliRunner

from retrieve import cli
from retrieve.errors import OptionError
from retrieve.plugins.flags import flags, given_flags
from retrieve.plugins.options import build, changed, option, renamed_options


@dataclass(frozen=True)
class Inner:
    width: float = option(1.0, "a width", ge=0, lt=5)
    RENAMED: ClassVar[Mapping[str, str | None]] = {"old_width": "width"}


@dataclass(frozen=True)
class Base:
    iterations: int = option(3, "a count", ge=1)
    RENAMED: ClassVar[Mapping[str, str | None]] = {"effort": "iterations"}


@dataclass(frozen=True)
class Settings(Base):
    smooth: bool = option(False, "a switch")
    inner: Inner = Inner()
    RENAMED: ClassVar[Mapping[str, str | None]] = {"fancy_search": None, "soft": "smooth", "length": "inner.width", "seed": None}


@pytest.mark.parametrize(
    ("given", "expected", "note"),
    [
        ({"effort": "7"}, Settings(iterations=7), "option effort is now iterations; write iterations=VALUE, or --iterations"),
        ({"inner.old_width": 2}, Settings(inner=Inner(2.0)), "option inner.old_width is now inner.width"),
        ({"inner.old-width": 2}, Settings(inner=Inner(2.0)), "option inner.old_width is now inner.width"),
        ({"length": "2"}, Settings(inner=Inner(2.0)), "option length is now inner.width"),
        ({"soft": "yes"}, Settings(smooth=True), "option soft is now smooth"),
        ({"fancy-search": 3}, Settings(), "option fancy_search was dropped and does nothing; leave it out"),
        ({"fancy_search": object()}, Settings(), "option fancy_search was dropped"),
    ],
)
def test_an_older_name_is_taken_with_a_note(given, expected, note):
    with pytest.warns(FutureWarning, match=note) as notes:
        assert build(Settings, given) == expected
    assert len(notes) == 1
    assert notes[0].filename == __file__


def test_it_changes_an_instance_too():
    with pytest.warns(FutureWarning, match="effort"):
        assert changed(Settings(smooth=True), {"effort": 9}) == Settings(iterations=9, smooth=True)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_by_two_names_is_an_error():
    with pytest.raises(OptionError, match="options iterations and effort are the same option; give iterations alone"):
        build(Settings, {"iterations": 3, "effort": 3})
    with pytest.raises(OptionError, match="options length and inner.old-width are the same option; give inner.width alone"):
        build(Settings, {"length": 3, "inner.old-width": 3})


def test_an_unknown_name_stays_an_error():
    with pytest.raises(OptionError, match=r"unknown option 'iteratoins' of Settings; did you mean iterations"):
        build(Settings, {"iteratoins": 3})
    with pytest.warns(FutureWarning), pytest.raises(OptionError, match="option iterations=0 is out of range"):
        build(Settings, {"effort": 0})


def test_names_of_bases_and_inner_options_are_listed():
    named = {"fancy_search": None, "soft": "smooth", "length": "inner.width", "seed": None, "effort": "iterations"}
    assert renamed_options(Settings) == named | {"inner.old_width": "inner.width"}


def test_an_option_that_came_back_is_itself():
    @dataclass(frozen=True)
    class Again(Settings):
        effort: int = option(1, "an effort", ge=0)

    assert "effort" not in renamed_options(Again)
    assert build(Again, {"effort": 5}) == Again(effort=5)


@click.command("settings", params=[click.Argument(["file"], required=False)] + flags(Settings))
def command(file, **given):
    click.echo(f"{file} {build(Settings, given_flags(given))}")


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["--effort", "7"], Settings(iterations=7)),
        (["--effort=7"], Settings(iterations=7)),
        (["--soft"], Settings(smooth=True)),
        (["--no-soft", "--length", "2"], Settings(inner=Inner(2.0))),
        (["--inner.old-width", "2"], Settings(inner=Inner(2.0))),
        (["--fancy-search", "12"], Settings()),
        (["--fancy-search", "--iterations", "7"], Settings(iterations=7)),
        (["--no-fancy-search"], Settings()),
    ],
)
def test_older_flags_are_taken_and_hidden(typed, expected):
    with pytest.warns(FutureWarning, match=r"write|leave it out"):
        result = CliRunner().invoke(command, ["FILE", *typed])
    assert result.output == f"FILE {expected}\n"
    shown = CliRunner().invoke(command, ["--help"]).output
    assert "--iterations" in shown
    assert typed[0].partition("=")[0] not in shown


def test_a_flag_that_is_the_commands_own_now_is_not_made():
    assert not any("--seed" in parameter.opts for parameter in flags(Settings))
    assert sum("--inner.width" in parameter.opts for parameter in flags(Settings)) == 1


def test_the_program_says_it_once_in_one_plain_line(monkeypatch, capsys):
    @click.command("build")
    @click.argument("values", nargs=-1)
    def build_all(values):
        for value in values:
            build(Settings, {"effort": value})
        build(Settings, {"effort": 9})

    monkeypatch.setattr(cli, "app", build_all)
    monkeypatch.setattr(warnings, "onceregistry", {}, raising=False)
    with warnings.catch_warnings():
        warnings.resetwarnings()
        cli.main(["5", "5", "6"])
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["note: option effort is now iterations; write iterations=VALUE, or --iterations on the command line"]
