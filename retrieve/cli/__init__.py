"""The command line: one small file a command, loaded when it is called."""

from __future__ import annotations

import importlib
import sys
import warnings
from typing import Any

import click

from ..errors import InputError, RetrieveError

COMMANDS = {
    "run": "phase a diffraction pattern",
    "compare": "solvers side by side on files or a benchmark",
    "prepare": "detector frames to a pattern",
    "inspect": "what is in a file, and what to expect of it",
    "strain": "displacement and strain of a phased Bragg crystal",
    "analyze": "what the starts or samples of results say together",
    "reproduce": "the figures of the paper, ours beside its numbers",
    "simulate": "objects with known truth, and their measurements",
    "train": "train a prior, or a network that inverts patterns",
    "weights": "list the weights that ship, or show the card of a file",
    "solvers": "list the solvers, or the options of one",
    "plugin": "write a new plugin, or check an installed one",
    "doctor": "versions, backends, plugins and transform speed",
}


class Commands(click.Group):
    """A group whose commands are imported only when one is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of their use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import the command called `name`."""
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f".{name}", __name__).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="retrieve-phase", prog_name="retrieve")
def app() -> None:
    """Phase retrieval for coherent diffraction imaging."""


def main(args: list[str] | None = None) -> Any:
    """Run the command line; errors become one message and an exit code: 1 failed, 2 bad input, 130 interrupted."""
    warnings.showwarning = _print_warning
    warnings.simplefilter("once", FutureWarning, append=True)
    from .signals import ending

    try:
        with ending():
            return app(args=(sys.argv[1:] if args is None else args) or ["--help"], prog_name="retrieve", standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(130)
    except click.UsageError as error:
        hint = f" (see `{error.ctx.command_path} --help`)" if error.ctx else ""
        click.echo(f"error: {error.format_message()}{hint}", err=True)
        sys.exit(2)
    except click.ClickException as error:
        click.echo(f"error: {error.format_message()}", err=True)
        sys.exit(error.exit_code)
    except RetrieveError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2 if isinstance(error, InputError) else 1)


def _print_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """One plain line: a note where something is written in an older way, else a warning."""
    click.echo(f"{'note' if issubclass(category, FutureWarning) else 'warning'}: {message}", err=True)
