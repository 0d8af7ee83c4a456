"""``retrieve reproduce``: the figures of the paper, ours beside its numbers."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from .console import PlainConsole
from .options import quiet_option

WHAT = ("fig2", "fig3", "fig4", "fig5", "fig6", "speed")


@click.command("reproduce", short_help="the figures of the paper, ours beside its numbers")
@click.argument("what", type=click.Choice([*WHAT, "all"]), metavar="|".join([*WHAT, "all"]))
@click.option("--quick", is_flag=True, help="few objects and short runs: a look at each within minutes, no results")
@click.option(
    "--objects", type=click.IntRange(1), help="of each set and noise level, in fig2, fig3 and fig6  [40, quick: 2, 3D: 1]"
)
@click.option("--samples", type=click.IntRange(2), help="of the posterior, in fig5  [100, quick: 12]")
@click.option("--workers", type=click.IntRange(1), help="processes that share the objects  [the cores]")
@click.option(
    "--out", "-o", type=click.Path(path_type=Path, file_okay=False), default=Path("reproduced"), show_default=True, help="folder"
)
@click.option("--resume", is_flag=True, help="go on from the runs that an earlier call kept in the folder, in runs.jsonl")
@quiet_option
def command(
    what: str, quick: bool, objects: int | None, samples: int | None, workers: int | None, out: Path, resume: bool, quiet: bool
) -> None:
    """Make a figure of Lee et al. (2026), or all of them, with this package.

    Each writes NAME.png and NAME.json into the folder. The page index.html shows all figures of the folder, our numbers
    beside the paper's, and reasons for differences. The paper's films and pulse train are not public; simulated ones stand
    in. The folder keeps the runs of solvers; --resume goes on from them.
    """
    from ..evaluate.store import Store
    from ..files import check_writable, make_folder
    from ..numerics.arrays import cores
    from ..reproduce import COMPARED, QUICK, Effort, reproduce, write_overview

    effort = QUICK if quick else Effort()
    asked: dict[str, Any] = {} if objects is None else {"objects": objects, "volumes": objects}
    asked |= {} if samples is None else {"samples": samples}
    effort = effort._replace(**asked, workers=workers or cores())
    check_writable(make_folder(out) / "index.html")
    console = PlainConsole(quiet=quiet)
    given = [f"--{name} {value}" for name, value in (("objects", objects), ("samples", samples)) if value is not None]
    names = WHAT if what == "all" else (what,)
    with Store(out / "runs.jsonl", resume) if set(names) & set(COMPARED) else nullcontext() as store:
        for name in names:
            words = " ".join(["retrieve reproduce", name, *["--quick"] * quick, *given])
            with console.status(f"{name}: running"):
                content = reproduce(name, effort, out, words, store)
            _show(content, console)
    page = write_overview(out)
    console.print(f"written: {page}, and a picture and a JSON file of each", markup=False)


def _show(content: dict[str, Any], console: Console) -> None:
    shown = Table("", "here", "paper", title=f"{content['title']}, {content['seconds']:.0f} s", title_justify="left")
    for line in content["lines"]:
        theirs = line["paper"]
        shown.add_row(line["what"], f"{line['ours']:.4g}", "" if theirs is None else str(theirs))
    console.print(shown)
