"""Checks of commands: their help can be read, and every option has a meaning."""

from __future__ import annotations

from collections.abc import Iterator

import click
from click.testing import CliRunner

from .case import Checks, require

checks = Checks()


def _all(command: click.Command) -> Iterator[click.Command]:
    """The command, and those below it."""
    yield command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            if (inner := command.get_command(context, name)) is not None:
                yield from _all(inner)


@checks.add("says what it does")
def told(command: click.Command) -> None:
    """It has a docstring or help, and so has each of its options."""
    for one in _all(command):
        require(one.get_short_help_str().strip(), f"command {one.name} has no help; write a docstring")
        for option in one.params:
            if isinstance(option, click.Option):
                require((option.help or "").strip(), f"option {option.opts[-1]} of {one.name} has no help; give one sentence")


@checks.add("--help ends well")
def helps(command: click.Command) -> None:
    """`--help` prints and ends with 0, for every command below, too."""
    for one in _all(command):
        done = CliRunner().invoke(one, ["--help"])
        require(done.exit_code == 0, f"{one.name} --help ends with {done.exit_code}: {done.exception!r}")


@checks.add("refuses unknown options", helps)
def refuses(command: click.Command) -> None:
    """A flag that does not exist is an error of usage, 2."""
    code = CliRunner().invoke(command, ["--no-flag-of-anybody"]).exit_code
    require(code == 2, f"--no-flag-of-anybody ends with {code}; let click parse the options, so that it ends with 2")
