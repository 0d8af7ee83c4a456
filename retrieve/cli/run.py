"""``retrieve run``: files in, results and pictures out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from ..plugins.flags import SolverCommand, complete_solver, given_flags, solver_from
from ..plugins.options import values_of
from . import plain
from .console import PlainConsole
from .dry_run import tell
from .live import live_option, live_page
from .one_file import AVERAGES, FileRun, Row, Targets
from .options import dry_run_option, print_options, quiet_option, threads_option, verbose_option
from .outputs import chosen_name, force_option, out_option, refuse_present, writing
from .signals import stopping
from .solving import Workers, run_spec
from .source import Reading, data_options

if TYPE_CHECKING:
    from ..io.result import Result

SPECIFIED = ("starts", "seed", "hold_out", "agree", "samples", "device", "averaging", "keep")
"""Options of the command that are fields of a `RunSpec`."""
OPTIONS = {"averaging": "average"}
"""Their names on the command line, where they differ."""

STDOUT = "-"
BESIDE = ""
"""Values of --json and --report that are given without one."""


@click.command("run", cls=SolverCommand, renamed={"--combine": "--average"}, short_help="phase a diffraction pattern")
@click.argument("files", nargs=-1, metavar="FILE...")
@click.option(
    "--solver",
    default="auto",
    show_default=True,
    metavar="NAME[:OPTION=VALUE,...]",
    shell_complete=complete_solver,
    help="see `retrieve solvers`; --recipe auto, default or 'N ALGORITHM + ...' without --solver chooses auto or recipe",
)
@click.option(
    "--start",
    "beginning",
    metavar="FILE[:CONVENTION]",
    help="begin with the object in a result, in place of a random one; CONVENTION: retrieve, cohere, pynx or plain",
)
@click.option("--starts", type=click.IntRange(1), help="independent random starts  [the solver's own number]")
@click.option(
    "--agree",
    type=click.FloatRange(0, 1),
    help="run no more starts once the two best correlate by this; 0 for never  [0.95 for diffusion and auto, 0 for others]",
)
@click.option(
    "--samples",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="draws from the posterior around the best start, by solvers that can; the spread is then theirs",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="seed of starts and held-out pixels")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N, torch or torch:cuda:N")
@click.option(
    "--hold-out",
    type=click.FloatRange(0, 0.5, max_open=True),
    default=0.03,
    show_default=True,
    help="share of measured pixels kept from the solver; they choose among the starts",
)
@click.option(
    "--average",
    "averaging",
    type=click.Choice(list(AVERAGES)),
    help="best: the start with the lowest R_free; agreeing: the mean of those that agree, weighted by score; mean: of all; "
    "common-mode: scatter and filter  [agreeing with auto, best with others]",
)
@click.option("--keep", type=click.IntRange(2), help="starts that --average common-mode keeps, by mean-to-maximum [half of them]")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="stop each start after this time")
@click.option("--ffts", type=click.IntRange(1), help="stop each start after this number of Fourier transforms")
@threads_option
@click.option("--workers", type=click.IntRange(1), help="workers that share the starts  [1; the cores with --executor]")
@click.option(
    "--executor",
    metavar="NAME[:WHERE]",
    help="what shares the starts: serial, threads, processes, or a plugin's, as dask:ADDRESS  [processes with more workers]",
)
@click.option(
    "--out-dir", type=click.Path(path_type=Path), help="phase many files into this folder; what is finished there is kept"
)
@out_option(
    "the result, a CXI file; the ending of a plugin's writer adds a file in its format  "
    "[default: FILE's name with .retrieved.cxi, numbered if that is there]"
)
@force_option
@click.option(
    "--picture", type=click.Path(path_type=Path), help="the picture, of many files a folder  [default: beside the result, .png]"
)
@click.option("--no-picture", is_flag=True, help="write no picture")
@click.option(
    "--report",
    is_flag=False,
    flag_value=BESIDE,
    metavar="[PAGE]",
    help="a self-contained HTML page of the result, of many files a folder  [without a value: beside the result, .html]",
)
@click.option(
    "--json",
    "json_",
    is_flag=False,
    flag_value=STDOUT,
    metavar="[FILE]",
    help="write scores, verdicts and failures as one JSON document  [without a value: to standard output, and nothing else]",
)
@click.option("--replay", type=click.Path(path_type=Path), help="run again what made this result, and compare bit for bit")
@click.option("--require", type=click.Choice(["solved"]), help="exit with status 1 unless the verdict is this")
@live_option("buttons Stop and Keep, and the report at its end")
@dry_run_option
@verbose_option
@quiet_option
@data_options
def command(files: tuple[str, ...], solver: str, replay: Path | None, quiet: bool, reading: Reading, **given: Any) -> None:
    """Phase the pattern in FILE (npz, npy, tif, mat, HDF5/NeXus, CXI, edf, cbf), or example:crystal3d.

    With --out-dir phase many: several FILES, or a quoted pattern such as 'scans/*.cxi'. A file that fails is named in the
    table at the end, with exit code 1, and the others go on. The same command again runs only what is not finished.

    Options of the chosen solver follow those of the command.
    """
    from ..driver.run_spec import Budget, RunSpec
    from .many_files import check_rows, run_many
    from .planning import is_pattern
    from .usage import check_files

    console = PlainConsole(quiet=quiet or given["json_"] == STDOUT)
    if replay is not None:
        from .replay import replayed

        if given["live"]:
            raise click.UsageError("--live goes with a run, not with --replay; leave it out")
        named = {reading.mask, reading.support}
        if click.get_current_context().get_parameter_source("solver") == click.core.ParameterSource.COMMANDLINE:
            named |= set(values_of(solver_from(solver, given_flags(given))).values())
        raise SystemExit(replayed(replay, given["out"], console, quiet, named, given["force"]))
    if not files:
        raise click.UsageError("name a FILE, an example such as example:crystal3d, or --replay RESULT")
    check_files(files, click.get_current_context())
    check_rows(given["json_"])
    if given["live"] and given["report"] is None:
        given["report"] = BESIDE
    chosen = solver_from(solver, given_flags(given))
    budget = Budget(seconds=given["seconds"], ffts=given["ffts"])
    spec = RunSpec(chosen, budget=budget, **{name: given[name] for name in SPECIFIED})
    if given["dry_run"] and (given["out_dir"] is not None or len(files) > 1):
        raise click.UsageError("--dry-run takes one FILE, without --out-dir; try one of the files")
    if given["out_dir"] is not None:
        raise SystemExit(run_many(files, spec, reading, given, console))
    if len(files) > 1 or is_pattern(files[0]):
        raise click.UsageError("many files go into a folder; add --out-dir DIR")
    if given["verbose"]:
        own = {OPTIONS.get(name, name): given[name] for name in (*SPECIFIED, "seconds", "ffts", "workers", "executor")}
        print_options({**values_of(spec.solver), **own}, console)
    one = FileRun(files[0], spec, reading, _targets(files[0], given), given["beginning"])
    if given["dry_run"]:
        opened = one.open()
        workers = Workers.of(given["executor"], given["workers"], opened.spec).number
        tell(*opened, workers, str(one.targets), console)
        return
    with writing(one.targets.result, force=given["force"]):
        _phase(one, given, console)


def _phase(one: FileRun, given: dict[str, Any], console: Console) -> None:
    """Phase one file, and exit with the code of what comes out."""
    from .many_files import write_rows

    opened = one.open()
    workers = Workers.of(given["executor"], given["workers"], opened.spec)
    for note in opened.problem.meta.get("notes", ()):
        console.print(f"  {note}", markup=False)
    with stopping() as request, live_page(given["live"], one.file, request, console.quiet) as live:
        result = run_spec(opened.spec, opened.problem, console, console.quiet, workers, opened.x0, live=live)
        one.targets.write(result)
        told = "interrupted; what there was is in " if result.interrupted else "kept: " if request.keeps else "written: "
        if live is not None:
            live.end(told + str(one.targets), one.targets.page)
    console.print(told + str(one.targets), markup=False)
    _summary(result, console, request.keeps)
    write_rows([Row.of(one.file, result, one.targets)], given["json_"])
    if result.interrupted:
        raise SystemExit(130)
    if given["require"] and result.verdict is not None and result.verdict.label != given["require"]:
        click.echo(
            f"--require {given['require']}: the verdict is {result.verdict.label}: {plain(result.verdict.words)}", err=True
        )
        raise SystemExit(1)


def _targets(file: str, given: dict[str, Any]) -> Targets:
    """The places to write to, checked before any work."""
    from ..io.writers import check_ending, is_cxi

    name = Path(file.replace("example:", "example-")).name
    page = given["report"]
    check_ending(given["out"])

    def of(out: Path) -> Targets:
        picture = None if given["no_picture"] else given["picture"] or out.with_suffix(".png")
        drawn = picture, None if page is None else Path(page) if page != BESIDE else out.with_suffix(".html")
        return Targets(out, *drawn) if is_cxi(out) else Targets(out.with_suffix(".cxi"), *drawn, out)

    def by_default(out: Path) -> list[Path | None]:
        named = (given["picture"], None if page is None else Path(page))
        return [target for target in of(out) if target not in named]

    out = chosen_name(given["out"], Path(Path(name).stem + ".retrieved.cxi"), by_default, given["force"])
    targets = of(out)
    targets.check(file, given["force"])
    if given["json_"] not in (None, STDOUT) and not given["force"]:
        refuse_present([Path(given["json_"])])
    return targets


def _summary(result: Result, console: Console, kept: bool) -> None:
    from ..evaluate.verdict import account_lines

    deviances = {
        title: [getattr(score, name) for score in result.scores]
        for name, title in (("deviance", "deviance"), ("deviance_free", "free\ndeviance"))
        if any(getattr(score, name) is not None for score in result.scores)
    }
    table = Table(pad_edge=False)
    for title in ("start", "R", "R_free", "R_free\n/ R", *deviances, "support"):
        table.add_column(title, no_wrap=True)
    table.add_column("")
    for k, score in enumerate(result.scores):
        ratio = "" if score.r_free is None or score.r <= 0 else f"{score.r_free / score.r:.2f}"
        filled = "" if result.supports is None else f"{result.supports[k].mean():.2%}"
        free = "" if score.r_free is None else f"{score.r_free:.4g}"
        mark = score.failure or ("chosen" if k == result.chosen and result.averaging is None else "")
        shown = ("" if column[k] is None else f"{column[k]:.3g}" for column in deviances.values())
        table.add_row(str(k), f"{score.r:.4g}", free, ratio, *shown, filled, mark)
    console.print(table)
    explained = "; deviance 1: noise explains the misfit" * bool(deviances)
    console.print(f"R on fitted, R_free on held-out pixels{explained}")
    if result.averaging is not None:
        free = "" if result.score.r_free is None else f", R_free {result.score.r_free:.4g}"
        deviance = "" if result.score.deviance is None else f", deviance {result.score.deviance:.3g} per pixel"
        console.print(f"the object is the {result.averaging} of the starts: R {result.score.r:.4g}{free}{deviance}")
    for line in account_lines(result):
        console.print(f"  {line}", markup=False)
    cost = result.cost
    networks = f", {cost.network_evaluations} network evaluations" * bool(cost.network_evaluations)
    console.print(f"{cost.seconds:.1f} s, {cost.steps} steps, {cost.ffts} transforms{networks}")
    if result.samples is not None:
        console.print(f"{len(result.samples)} posterior samples; the spread is theirs")
    elif kept:
        console.print(f"kept as it was, after {len(result.scores)} of {result.manifest['starts']} start(s)")
    elif len(result.scores) < result.manifest["starts"] and not result.interrupted:
        console.print(f"the best starts agree; {result.manifest['starts'] - len(result.scores)} of the starts were not needed")
    if result.uncertainty is not None:
        console.print(f"uncertainty: {result.uncertainty.words}", markup=False)
    if result.verdict is None:
        return
    console.print(f"verdict: {result.verdict.headline}", style="bold", markup=False)
    console.print(f"  {result.verdict.words}", markup=False)
    if result.verdict.advice:
        console.print(f"  next: {result.verdict.advice}", markup=False)
    for warning in result.verdict.warnings:
        console.print(f"  warning: {warning}", markup=False)
