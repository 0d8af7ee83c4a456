"""``retrieve analyze``: agreement, modes and resolution of the starts or samples of results."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from ..errors import InputError
from .console import PlainConsole
from .dry_run import tell_files
from .options import dry_run_option, limit_options, print_options, quiet_option, verbose_option
from .outputs import check_outputs, chosen_name, force_option, out_option, replacing_result, writing

OF_CHOICES = ("auto", "starts", "samples")


@click.command("analyze", short_help="what the starts or samples of results say together")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RESULT...")
@click.option(
    "--of",
    type=click.Choice(OF_CHOICES),
    default="auto",
    show_default=True,
    help="auto: the samples, where all results have some",
)
@click.option(
    "--modes", type=click.IntRange(1, 10), default=2, show_default=True, help="of amplitude (NMF) and phase (circular SVD)"
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1, min_open=True),
    help="mean correlation within a group that counts as one solution  [default: where groups stand apart, if they do]",
)
@out_option("the figures, JSON  [default: RESULT's name with .analysis.json, numbered if that is there]")
@force_option
@click.option("--picture", type=click.Path(path_type=Path), help="the picture  [default: beside the figures, .png]")
@click.option(
    "--report", type=click.Path(path_type=Path), help="a self-contained HTML page  [default: beside the figures, .html]"
)
@limit_options
@dry_run_option
@verbose_option
@quiet_option
def command(
    files: tuple[Path, ...],
    of: str,
    modes: int,
    threshold: float | None,
    out: Path | None,
    force: bool,
    picture: Path | None,
    report: Path | None,
    dry_run: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Analyse the ensemble in RESULT..., files that `retrieve run` wrote with several --starts or --samples, of one shape.

    It prints the correlations of pairs, the fit, the number of solutions, the modes of amplitude and phase, and the
    resolution.
    """
    from ..evaluate.analysis_summary import summary, write_summary
    from ..evaluate.analyze import analyze
    from ..evaluate.verdict import choice_lines
    from ..files.memory import size_text
    from ..io.results import read_result
    from ..report.analysis_picture import analysis_picture as draw
    from ..report.figure import check_picture
    from ..report.page import write_page

    default = Path(files[0].name.removesuffix(".cxi").removesuffix(".retrieved") + ".analysis.json")

    def targets_of(out: Path) -> tuple[Path, Path, Path]:
        return out, picture or out.with_suffix(".png"), report or out.with_suffix(".html")

    def by_default(out: Path) -> list[Path | None]:
        return [target for target in targets_of(out) if target not in (picture, report)]

    targets = targets_of(chosen_name(out, default, by_default, force))
    if len(set(targets)) < 3:
        raise InputError(f"--out, --picture and --report must differ; they are {', '.join(map(str, targets))}")
    check_picture(targets[1])
    check_outputs(targets, files, force)
    console = PlainConsole(quiet=quiet)
    with writing(*targets, force=force):
        with console.status("reading"):
            results = [read_result(file) for file in files]
        if verbose:
            print_options({"of": of, "modes": modes, "threshold": threshold}, console)
        if dry_run:
            starts, size = sum(len(one.estimates) for one in results), size_text(sum(one.estimates.nbytes for one in results))
            console.print(f"dry run: {starts} starts of {len(results)} file(s), {size}", markup=False)
            tell_files(targets, console)
            return
        with console.status("analysing"):
            made = analyze(results, [file.name for file in files], of=of, modes=modes, threshold=threshold)
        with replacing_result(targets[0], drawn=targets[1:]):
            write_summary(made, targets[0])
        draw(made, targets[1])
        write_page(made, targets[2])
    _print(summary(made), console)
    for file, result in zip(files, results, strict=True):
        for line in choice_lines(result):
            console.print(f"{file}: {line}", markup=False)
    console.print("written: " + ", ".join(map(str, targets)), markup=False)


def _print(figures: dict, console: Console) -> None:
    left_out = f", {figures['left_out']} failed and left out" * bool(figures["left_out"])
    console.print(f"{figures['members']} {figures['kind']}{left_out}", markup=False)
    table = Table("", "median", "mean", "5 %", "95 %")
    rows = {f"{name} correlation of pairs": values for name, values in figures["pairwise"].items()}
    rows |= {"diffraction error": figures["errors"]["chi2_diffraction"], "R (fitted pixels)": figures["errors"]["r"]}
    for name, values in rows.items():
        table.add_row(name, *(f"{values[key]:.4g}" for key in ("median", "mean", "from", "to")))
    console.print(table)
    between = figures["between_files"] or {}
    if between:
        means = ", ".join(f"{name} {matrix[0][1]:.3g}" for name, matrix in between.items())
        console.print(f"first file against second, means: {means}", markup=False)
    for name, what in (("nmf", "amplitude modes, NMF"), ("circular_svd", "phase modes, circular SVD")):
        shares = ", ".join(f"{share:.1%}" for share in figures[name]["fractions"])
        console.print(f"{what}: {shares}; together {figures[name]['explained']:.1%}", markup=False)
    for curve in figures["curves"]:
        console.print(f"{curve['resolution']['how']} ({curve['of']})", markup=False)
    console.print(figures["verdict"], markup=False)
