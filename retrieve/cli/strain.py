"""``retrieve strain``: displacement and strain of a phased Bragg crystal, in nanometres."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from ..errors import InputError
from ..plugins.flags import flags, given_flags
from ..plugins.options import build, values_of
from ..strain.options import Measure
from .console import PlainConsole
from .dry_run import tell_files
from .experiment import experiment_from, experiment_options
from .options import dry_run_option, limit_options, print_options, quiet_option, verbose_option
from .outputs import check_outputs, chosen_name, force_option, out_option, replacing_result, writing

if TYPE_CHECKING:
    from ..strain.record import Strain

ROUNDING = 1e-8


@click.command("strain", short_help="displacement and strain of a phased Bragg crystal")
@click.argument("file", metavar="RESULT", type=click.Path(path_type=Path))
@experiment_options
@limit_options
@out_option("the maps, CXI  [default: RESULT's name with .strain.cxi, numbered if that is there]")
@force_option
@click.option("--vti", type=click.Path(path_type=Path), help="the maps for ParaView  [default: beside them, .vti]")
@click.option("--json", "table", type=click.Path(path_type=Path), help="the figures, JSON  [default: beside the maps, .json]")
@click.option("--picture", type=click.Path(path_type=Path), help="the picture  [default: beside the maps, .png]")
@click.option("--report", type=click.Path(path_type=Path), help="a self-contained HTML page with the crystal in 3D")
@click.option("--no-picture", is_flag=True, help="draw no picture")
@dry_run_option
@verbose_option
@quiet_option
def command(file: Path, **given: Any) -> None:
    """Measure displacement and strain along Q of the crystal in RESULT, which `retrieve run` wrote from a rocking scan.

    Facts of the experiment come from RESULT; options replace them. With several starts, every map and figure has a spread.
    """
    from ..files.memory import size_text
    from ..io.results import read_result
    from ..strain.files import write_cxi, write_json, write_paraview
    from ..strain.measure import check_measurable, strain_of

    options: Measure = build(Measure, given_flags(given))
    out, vti, table, picture = _targets(file, given)
    report: Path | None = given["report"]
    console = PlainConsole(quiet=given["quiet"])
    targets = (out, vti, table, picture, report)
    with writing(*targets, force=given["force"]):
        with console.status("reading"):
            result = read_result(file)
            experiment = experiment_from(result.problem.meta, given, result.object.shape[0])
        if given["verbose"]:
            print_options(values_of(options), console)
        if given["dry_run"]:
            check_measurable(result, experiment)
            shape, size = "×".join(map(str, result.object.shape)), size_text(result.estimates.nbytes)
            console.print(f"dry run: {len(result.estimates)} start(s) of {shape}, {size}", markup=False)
            tell_files(targets, console)
            return
        with console.status("measuring"):
            strain = strain_of(result, experiment, options)
        with replacing_result(out, drawn=[picture, report]):
            write_cxi(strain, out)
        write_paraview(strain, vti)
        write_json(strain, table)
        if picture is not None:
            from ..report.strain_picture import strain_picture

            strain_picture(strain, picture)
        if report is not None:
            from ..report.page import write_page

            write_page(strain, report)
    _print(strain, "by the histogram" if options.isosurface is None else "as asked", console)
    console.print("written: " + ", ".join(str(path) for path in targets if path is not None), markup=False)


command.params[-1:-1] = flags(Measure)


def _targets(file: Path, given: dict[str, Any]) -> tuple[Path, Path, Path, Path | None]:
    """The places of maps, VTK image, table and picture, checked before any work."""
    from ..report.figure import check_picture

    def of(out: Path) -> tuple[Path, Path, Path, Path | None]:
        vti, table = given["vti"] or out.with_suffix(".vti"), given["table"] or out.with_suffix(".json")
        return out, vti, table, None if given["no_picture"] else given["picture"] or out.with_suffix(".png")

    def by_default(out: Path) -> list[Path | None]:
        return [target for target in of(out) if target not in (given["vti"], given["table"], given["picture"])]

    default = Path(file.name.removesuffix(".cxi").removesuffix(".retrieved") + ".strain.cxi")
    out, vti, table, picture = of(chosen_name(given["out"], default, by_default, given["force"]))
    named = [path for path in (out, vti, table, picture, given["report"]) if path is not None]
    if len(set(named)) < len(named):
        raise InputError(f"--out, --vti, --json, --picture and --report must differ; they are {', '.join(map(str, named))}")
    if picture is not None:
        check_picture(picture)
    check_outputs(named, [file], given["force"])
    return out, vti, table, picture


def _print(strain: Strain, chosen: str, console: Console) -> None:
    """The figures; chosen: how the isosurface was."""
    facts = strain.facts
    size = " × ".join(f"{length:.0f}" for length in facts["size_nm"])
    console.print(f"crystal of {size} nm along {', '.join(strain.axis_names)}, voxel {strain.voxel_nm:.3g} nm", markup=False)
    share = facts["isosurface_share_of_bulk"]
    console.print(f"isosurface at amplitude {strain.threshold:.4g}, {share:.0%} of the bulk's, {chosen}", markup=False)
    table = Table("", *strain.table)
    for name in next(iter(strain.table.values())):
        table.add_row(name.replace("_", " "), *(_figure(figures.get(name)) for figures in strain.table.values()))
    console.print(table)
    for facet in strain.facets:
        index = "" if facet.hkl is None else f"  ({' '.join(map(str, facet.hkl))}), {facet.off_deg:.1f}° off"
        inside = "" if facet.strain is None else f", strain {facet.strain:.2e}"
        console.print(f"facet of {facet.area_nm2:.0f} nm², {facet.share:.0%} of the surface{inside}{index}", markup=False)
    for note in strain.notes:
        console.print(f"  {note}", markup=False)


def _figure(figure: Any) -> str:
    """A value ± its spread. What is zero but for rounding is shown as 0, and a spread by rounding not at all."""
    if figure is None:
        return ""
    value, spread = figure["value"], figure["spread"]
    if abs(value) < ROUNDING:
        return "0"
    said = f"{value:{'.6g' if abs(value) > 1 else '.3g'}}"
    return said if spread is None or spread < ROUNDING * abs(value) else f"{said} ± {spread:.2g}"
