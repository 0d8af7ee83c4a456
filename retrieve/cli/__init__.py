"""The command line: one small file a command, loaded when it is called."""

from __future__ import annotations

import errno
import importlib
import os
import re
import sys
import warnings
from pathlib import Path
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
    "plugin": "write, check and list plugins",
    "doctor": "versions, backends, plugins and transform speed",
    "config": "print a file of options, to be edited",
}


DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.ESTALE)
"""Errors of a disk that is full or gone."""
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that steer a terminal, and halves of characters."""


def plain(text: str) -> str:
    """Text of a file, a user or a plugin as a terminal may show it: control characters as their escapes."""
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


ARITHMETIC = re.compile("(divide by zero|overflow|underflow|invalid value) encountered in")
"""The beginning of NumPy's warnings."""
_arithmetic_told: list[str] = []


class Commands(click.Group):
    """A group whose commands are imported only when one is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of their use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import the command called `name`. A name that is not built in is looked for in the plugins."""
        if name in COMMANDS:
            own: click.Command = importlib.import_module(f".{name}", __name__).command
            return own
        from ..plugins.registry import find, registered

        return find("commands", name) if name in registered("commands") else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; an unknown name is answered with the nearest ones."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from ..plugins.options import unknown
            from ..plugins.registry import left_out, registered

            if args[0] not in (known := registered("commands")):
                more = f"to phase a file: retrieve run {args[0]}" if Path(args[0]).is_file() else ""
                ctx.fail(unknown("command", args[0], known, more=more) + left_out("commands"))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them, nor the plugins."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))
        with formatter.section("Commands of plugins"):
            formatter.write_text("`retrieve plugin list --kind command` lists them.")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="retrieve-phase", prog_name="retrieve")
@click.option("--config", type=click.Path(path_type=Path), help="file of options  [default: retrieve.toml, where there is one]")
@click.pass_context
def app(ctx: click.Context, config: Path | None) -> None:
    """Phase retrieval for coherent diffraction imaging."""
    if ctx.invoked_subcommand not in (None, "config") and (config is not None or Path("retrieve.toml").is_file()):
        from .config import options_in

        ctx.default_map = options_in(config, app, ctx)


def main(args: list[str] | None = None) -> Any:
    """Run the command line; errors become one message and an exit code: 1 failed, 2 bad input, 130 interrupted."""
    warnings.showwarning = _print_warning
    _arithmetic_told.clear()
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # as standard error has it: a name may hold any byte
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
        from .usage import usage_words

        _tell(usage_words(error))
        sys.exit(2)
    except click.ClickException as error:
        _tell(f"error: {error.format_message()}")
        sys.exit(error.exit_code)
    except RetrieveError as error:
        _tell(f"error: {error}")
        sys.exit(2 if isinstance(error, InputError) else 1)
    except (MemoryError, RuntimeError, OSError) as error:
        words = _of_the_machine(error)
        if words is None:
            raise
        _tell(f"error: {words}")
        _drop_unwritten_output()
        sys.exit(2)


def _drop_unwritten_output() -> None:
    """Let go of what standard output cannot take: Python would try again at its exit, and end with 120."""
    try:
        sys.stdout.flush()
    except OSError:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _of_the_machine(error: Exception) -> str | None:
    """A want of memory or of disk that no command foresaw, in words; None for other errors."""
    if isinstance(error, OSError):
        if error.errno not in DISK:
            return None
        place = "standard output or a temporary file" if error.filename is None else error.filename
        return f"cannot write {place}: {error.strerror}; free some space, or choose another place (TMPDIR for temporary files)"
    from ..files.enough import memory_words, of_memory

    if not of_memory(error):
        return None
    return f"this does not fit into memory: {memory_words(error)}; crop or bin the data, or take a larger machine"


def _print_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """One plain line: a note where something is written in an older way, else a warning. NumPy's become one line in all.

    A `DeprecationWarning` is for the authors of a library, and is left out.
    """
    if issubclass(category, DeprecationWarning):
        return
    if issubclass(category, RuntimeWarning) and (found := ARITHMETIC.match(str(message))):
        if not _arithmetic_told:
            _arithmetic_told.append(found[1])
            _tell(f"warning: {found[1]} in the arithmetic; values of the input may be extreme, see `retrieve inspect FILE`")
        return
    _tell(f"{'note' if issubclass(category, FutureWarning) else 'warning'}: {message}")


def _tell(text: str) -> None:
    click.echo(plain(text), err=True)
