"""``retrieve solvers``: the list, or one solver's options."""

from __future__ import annotations

import click
from rich.table import Table

from ..plugins.flags import complete_solver
from ..plugins.loading import loaded
from ..plugins.options import options_of
from ..plugins.registry import find, registered, summaries
from .console import PlainConsole


@click.command("solvers", short_help="list the solvers, or the options of one")
@click.argument("name", required=False, shell_complete=complete_solver)
def command(name: str | None) -> None:
    """List the solvers; with NAME show its options, their ranges and defaults, and the source."""
    console = PlainConsole()
    if name is None:
        table = Table("solver", "what it does", "from", box=None, pad_edge=False)
        origin = registered("solvers", wait=False)
        for key, line in sorted(summaries("solvers").items()):
            table.add_row(key, line, origin[key][1])
        console.print(table)
        if waiting := loaded().waiting:
            console.print(f"still loading: {', '.join(waiting)}; its names are found once it is loaded")
        return
    solver = find("solvers", name)
    console.print(f"{name}: {(solver.__doc__ or '').strip()}\n", markup=False)
    if solver.source:
        console.print(f"Source: {solver.source}\n", markup=False)
    table = Table("option", "default", "range", "meaning", box=None, pad_edge=False)
    for opt in options_of(solver):
        table.add_row(opt.flag, str(opt.default), opt.range, opt.help)
    console.print(table)
