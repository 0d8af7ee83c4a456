"""Options and checks that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import click
from rich.console import Console

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

quiet_option: Decorator = click.option("--quiet", "-q", is_flag=True, help="print nothing but errors")
verbose_option: Decorator = click.option("--verbose", "-v", is_flag=True, help="also print every option in force")
dry_run_option: Decorator = click.option(
    "--dry-run", "-n", is_flag=True, help="tell what would run, how long and in how much memory, and the files; write nothing"
)


def print_options(values: Mapping[str, Any], console: Console) -> None:
    """Print every option with its value in force; None, which leaves it open, is left out."""
    for name, value in values.items():
        if value is not None:
            console.print(f"  --{name.replace('_', '-')} {value}", markup=False)


def with_options(*options: Decorator) -> Decorator:
    """Decorate a command with options, listed in their order."""

    def decorated(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorated


def _limit(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Let a limit of what is read hold until the command ends."""
    if value:
        from ..files import limited

        ctx.with_resource(limited(**{str(param.name): value}))


limit_options: Decorator = with_options(
    click.option(
        "--max-memory",
        metavar="SIZE",
        expose_value=False,
        callback=_limit,
        help="memory that an array of a file may take, such as 8GB  [what is free; at most 100 times what the file holds of it]",
    ),
    click.option(
        "--follow-links",
        is_flag=True,
        expose_value=False,
        callback=_limit,
        help="read what links of an HDF5 file name outside its folder, and its external storage: if you trust the file",
    ),
)


def _threads(ctx: click.Context, param: click.Parameter, value: int | None) -> None:
    """Let the number hold, for this process and those it starts, until the command ends."""
    if value is None:
        return
    before = os.environ.get("RETRIEVE_THREADS")
    os.environ["RETRIEVE_THREADS"] = str(value)

    def put_back() -> None:
        os.environ.pop("RETRIEVE_THREADS", None)
        if before is not None:
            os.environ["RETRIEVE_THREADS"] = before

    ctx.call_on_close(put_back)


threads_option: Decorator = click.option(
    "--threads",
    type=click.IntRange(1),
    expose_value=False,
    callback=_threads,
    help="processors to use  [OMP_NUM_THREADS, else all that this process may use]",
)
