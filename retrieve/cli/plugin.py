"""``retrieve plugin``: write a new plugin, check an installed one, or list what plugins add."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from pathlib import Path

import click
from rich.table import Table

from .console import PlainConsole

SCAFFOLD_KINDS = (
    "solver",
    "operator",
    "prior",
    "metric",
    "reader",
    "loader",
    "preparation",
    "writer",
    "panel",
    "likelihood",
    "set",
    "command",
    "executor",
)


@click.group("plugin", short_help="write, check and list plugins")
def command() -> None:
    """Write a new plugin, check an installed one, or list what plugins add."""


@command.command("new", short_help="write a package with one worked file")
@click.argument("name")
@click.option("--kind", type=click.Choice(SCAFFOLD_KINDS), default="solver", show_default=True, help="what it adds")
@click.option("--into", type=click.Path(path_type=Path), default=".", show_default=True, help="the folder it is written into")
def new(name: str, kind: str, into: Path) -> None:
    """Write the package NAME, with one worked file, its test and its entry point: ready to install and to change."""
    from ..testing.scaffold import new_plugin

    folder = new_plugin(name, kind, into)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        click.echo(path)
    place = folder if folder.is_absolute() else f"./{folder}"  # pip takes a bare name for one of the index
    click.echo(f"next: pip install -e {place}, then retrieve plugin check {name}")


@command.command("check", short_help="run the conformance kit on an installed plugin")
@click.argument("package")
@click.option(
    "--seconds",
    type=click.FloatRange(1),
    default=60.0,
    show_default=True,
    help="limit of the import, and of each run of a solver",
)
def check(package: str, seconds: float) -> None:
    """Run every check on everything that the installed PACKAGE registers, and print the reasons of failures.

    Exit code 1 if a check failed, 2 if no such plugin is installed.
    """
    from ..testing.package import check_package

    console = PlainConsole()
    counts: Counter[str] = Counter()
    for subject, outcomes in groupby(check_package(package, seconds), key=lambda found: found.subject):
        table = Table("check", "result", "reason", title=subject, title_justify="left", box=None, pad_edge=False)
        for found in outcomes:
            counts[found.status] += 1
            table.add_row(found.check, found.status, found.reason)
        console.print(table, "")
    console.print(", ".join(f"{counts[status]} {status}" for status in ("passed", "failed", "skipped")))
    raise SystemExit(1 if counts["failed"] else 0)


@command.command("list", short_help="list what installed plugins add")
@click.option("--kind", help="one kind, such as command or solver  [all]")
def list_(kind: str | None) -> None:
    """List everything that installed plugins register: kind, name and plugin."""
    from ..errors import InputError
    from ..plugins.loading import OWN
    from ..plugins.options import unknown
    from ..plugins.registry import PLUGIN_KINDS, registered

    kinds = {name.removesuffix("s"): name for name in PLUGIN_KINDS}
    if kind is not None and kind.removesuffix("s") not in kinds:
        raise InputError(unknown("kind", kind, kinds))
    table = Table("kind", "name", "plugin", box=None, pad_edge=False)
    for one, plural in kinds.items():
        if kind is None or one == kind.removesuffix("s"):
            for name, (_, plugin) in registered(plural).items():
                if plugin != OWN:
                    table.add_row(one, name, plugin)
    console = PlainConsole()
    console.print(table if table.row_count else "no plugin adds any; see `retrieve plugin new --help`")
