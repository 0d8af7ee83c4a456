"""``retrieve compare``: any number of solvers on files or on a locked benchmark, on equal budgets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from ..errors import InputError
from ..plugins.flags import complete_solver, solver_from
from .console import PlainConsole
from .dry_run import tell_comparison, tell_files
from .live import live_option, live_page
from .options import dry_run_option, quiet_option, threads_option, verbose_option
from .outputs import check_outputs, chosen_name, force_option, refuse_present, writing
from .progress import progress_bar
from .signals import stopping
from .source import Reading, data_options

if TYPE_CHECKING:
    from ..evaluate.compare import CompareCase, Competitor
    from ..evaluate.comparison import Row
    from ..evaluate.store import Store


@click.command("compare", short_help="solvers side by side on files or a benchmark")
@click.argument("files", nargs=-1)
@click.option(
    "--benchmark",
    metavar="NAME[:OPTION=VALUE,...]",
    help="a locked benchmark, or a set of simulated objects with its options, such as domains2d:domains=30",
)
@click.option("--list", "list_", is_flag=True, help="list benchmarks and sets with their sizes, noise and budget, and end")
@click.option(
    "--solver",
    "solvers",
    multiple=True,
    metavar="[LABEL=]NAME[:OPTION=VALUE,...]",
    shell_complete=complete_solver,
    help="repeat for each solver",
)
@click.option("--result", "results", multiple=True, metavar="LABEL=FILE[:CONVENTION]", help="another program's reconstruction")
@click.option("--truth", metavar="FILE[:CONVENTION]", help="the object that FILE was measured of")
@click.option("--ramp", is_flag=True, help="let the alignment with the truth remove a phase ramp, as fits measured patterns")
@click.option("--noise", metavar="σ,σ,...", help="levels of the amplitude noise  [the benchmark's]")
@click.option("--objects", type=click.IntRange(1), help="objects of each set  [the benchmark's]")
@click.option(
    "--starts", type=click.IntRange(1), help="random starts; with --seconds, at most so many at once  [the benchmark's, else 8]"
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="seed of starts and held-out pixels")
@click.option("--ffts", type=click.IntRange(1), help="transforms a start may take  [no limit]")
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    help="seconds a solver spends on an object, on as many starts as fit  [the benchmark's without --ffts, else no limit]",
)
@click.option(
    "--hold-out",
    type=click.FloatRange(0, 0.5, max_open=True),
    default=0.03,
    show_default=True,
    help="share of measured pixels kept from the solvers; they choose among the starts",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N, torch or torch:cuda:N")
@threads_option
@click.option("--workers", type=click.IntRange(1), help="workers that share the work  [the cores; 1 on a card]")
@click.option(
    "--executor",
    metavar="NAME[:WHERE]",
    help="what works: serial, threads, processes, or a plugin's, as dask:ADDRESS  [processes; serial with one worker]",
)
@click.option("--metric", "metrics", multiple=True, help="shown in the table; repeat for more  [complex_correlation]")
@click.option("--json", "--out", "-o", "json_", type=click.Path(path_type=Path), help="write everything as JSON")
@click.option("--resume", is_flag=True, help="go on from what an earlier run kept beside the JSON, in NAME.rows.jsonl")
@click.option("--csv", "csv_", type=click.Path(path_type=Path), help="write a line a row")
@click.option("--report", type=click.Path(path_type=Path), help="write a page, one HTML file")
@force_option
@live_option("a button Stop, and the report at its end  [report: comparison.html]")
@dry_run_option
@verbose_option
@quiet_option
@data_options
def command(files: tuple[str, ...], quiet: bool, reading: Reading, **given: Any) -> None:
    """Compare solvers on FILES, or on a locked benchmark, with the same starts, held-out pixels and budget.

    With --seconds each solver runs starts, one block after the other, until its seconds on an object are spent. On a CPU they
    are processor time of one worker. A note names each solver that the budget stopped before its own end.

    The tables give for each solver a single start and the best of all by R_free. They add the success rate against the truth
    with its 95 % interval, an exact paired test, and the cost. Conventions of --result: retrieve, cohere, pynx, plain. Exit
    code 1 if something failed; its reason stands below the table.
    """
    from ..driver.solve import Budget
    from ..evaluate.compare import compare
    from ..numerics.arrays import cores, find_device
    from .compare_tables import print_benchmarks, print_settings, print_tables, write_files

    console = PlainConsole(quiet=quiet)
    if given["list_"]:
        print_benchmarks(console)
        return
    if given["live"] and given["report"] is None:
        given["report"] = chosen_name(None, Path("comparison.html"), lambda page: [page], given["force"])
    _check(files, given)
    competitors = competitors_of(given["solvers"], given["results"])
    shown = _metrics(given["metrics"])
    device = find_device(given["device"]).name
    cases, count, about = _cases(files, given, reading, competitors, console)
    total = count * len(competitors)
    workers = given["workers"] or (cores() if device == "cpu" and given["executor"] != "serial" else 1)
    workers = min(workers, total)
    timed = given["seconds"] is not None and device == "cpu"  # by the processor time of a process of one thread
    executor = given["executor"] or ("processes" if workers > 1 or timed else "serial")
    where = f"{workers} worker(s) of {executor}" if workers > 1 or given["executor"] else "1 process"
    budget = f"{given['starts']} start(s)" if given["seconds"] is None else f"{given['seconds']:g} s an object"
    console.print(f"{len(competitors)} competitors on {count} problems, {budget}, {where} on {device}")
    if given["verbose"]:
        print_settings(competitors, given, console)
    if given["dry_run"]:
        tell_comparison(competitors, next(iter(cases)).problem, count, given, workers, console)
        tell_files([given["json_"], given["csv_"], given["report"]], console)
        return
    outputs = () if given["resume"] else (given["csv_"], given["report"])  # processes that resume write the same
    title = given["benchmark"] or ", ".join(files)
    with writing(*outputs), stopping() as request, live_page(given["live"], title, request, quiet, ("stop",)) as live:
        with _store(given) as store, progress_bar(console, quiet) as bar:
            task = bar.add_task("comparing", total=total, words="")
            watch = None if live is None else live.comparison(competitors, total, f"{count} problems, {budget}, {where}")

            def tell(rows: list[Row]) -> None:
                bar.update(task, advance=1, words=rows[-1].solver)
                if watch is not None:
                    watch.rows(rows)

            comparison = compare(
                competitors,
                cases,
                starts=given["starts"],
                seed=given["seed"],
                budget=Budget(ffts=given["ffts"]),
                seconds=given["seconds"],
                hold_out=given["hold_out"],
                device=given["device"],
                ramp=given["ramp"],
                workers=workers,
                executor=executor,
                store=store,
                on_rows=tell,
                on_picture=None if watch is None else watch.picture,
                about=about,
            )
        if store is not None and store.taken:
            console.print(f"{store.taken} of {total} were taken from {store.path}", markup=False)
        print_tables(comparison, shown, console)
        if live is not None:
            live.screen.rest("the trials are done; tables and the page are written")
        written = write_files(comparison, given)
        if written:
            console.print("written: " + ", ".join(map(str, written)), markup=False)
        if live is not None:
            live.end("written: " + ", ".join(map(str, written)), given["report"])
    if comparison.settings["interrupted"]:
        raise SystemExit(130)
    raise SystemExit(1 if any(row.failure for row in comparison.rows) else 0)


def competitors_of(solvers: Sequence[str], results: Sequence[str]) -> dict[str, Competitor]:
    """Solvers and external results by label; a label before the first ``=`` that precedes any ``:``.

    ``hio:beta=0.8`` is its own label, ``soft=hio:beta=0.8`` is labelled soft. Raises `InputError`.
    """
    from ..io.external import ExternalResult

    competitors: dict[str, Competitor] = {}
    for text in solvers:
        label, spec = split_label(text)
        _add(competitors, label or spec, solver_from(spec, {}))
    for text in results:
        label, equals, file = text.partition("=")
        if not equals or not label.strip() or not file:
            raise InputError(f"--result {text!r} names no file; write LABEL=FILE or LABEL=FILE:CONVENTION")
        _add(competitors, label.strip(), ExternalResult.named(file))
    if not competitors:
        raise InputError("nothing to compare; give --solver NAME for each solver (see `retrieve solvers`)")
    return competitors


def split_label(text: str) -> tuple[str, str]:
    """``"soft=hio:beta=0.8"`` → ("soft", "hio:beta=0.8"); without a label the first is empty."""
    head = text.partition(":")[0]
    label, equals, _ = head.partition("=")
    return (label.strip(), text.partition("=")[2].strip()) if equals else ("", text.strip())


def _add(competitors: dict[str, Competitor], label: str, competitor: Competitor) -> None:
    if label in competitors:
        raise InputError(f"two competitors are labelled {label!r}; give one another label, as OTHER=NAME:OPTION=VALUE")
    competitors[label] = competitor


def _check(files: tuple[str, ...], given: dict[str, Any]) -> None:
    """What can be refused before any work."""
    from ..driver.executors import factory

    if bool(files) == bool(given["benchmark"]):
        raise click.UsageError("give either FILES or --benchmark NAME; --list shows the names")
    for name in ("noise", "objects"):
        if files and given[name] is not None:
            raise click.UsageError(f"--{name} goes with --benchmark; files are compared as they are")
    for name, what in (("truth", given["truth"]), ("result", given["results"])):
        if what and len(files) != 1:
            raise click.UsageError(f"--{name} goes with exactly one FILE, {len(files)} are given")
    if given["resume"] and given["json_"] is None:
        raise click.UsageError("--resume goes with --json FILE, beside which a run keeps what is done")
    if given["executor"] is not None:
        factory(given["executor"])
    kept = given["force"] or given["resume"]
    check_outputs((given["json_"], given["csv_"], given["report"]), files, force=kept)
    if given["json_"] is not None and not kept:
        refuse_present([_rows(given["json_"])], "--resume to go on from it, or ")


def _metrics(names: Sequence[str]) -> list[str]:
    from ..evaluate.metrics import metrics
    from ..plugins.options import unknown

    known = metrics()
    for name in names:
        if name not in known:
            raise InputError(unknown("metric", name, known))
    return list(names) or ["complex_correlation"]


def _cases(
    files: tuple[str, ...], given: dict[str, Any], reading: Reading, competitors: dict[str, Competitor], console: Console
) -> tuple[Iterable[CompareCase], int, dict[str, Any]]:
    """The problems, how many, and what the settings tell of them; completes starts and budget in `given`."""
    if files:
        given["starts"] = given["starts"] or 8
        cases = [_from_file(file, given, reading, competitors, console) for file in files]
        hashes = [case.problem.meta.get("input", {}).get("sha256") for case in cases]
        return cases, len(cases), {"files": list(files), "sha256": hashes, "truth": given["truth"]}
    from ..evaluate import benchmarks

    chosen = benchmarks.benchmark(given["benchmark"])
    noise = list(chosen.noise) if given["noise"] is None else _levels(given["noise"])
    objects = given["objects"] or chosen.objects
    given["starts"] = given["starts"] or chosen.starts
    if given["ffts"] is None:
        given["seconds"] = given["seconds"] or chosen.seconds
    about = {"benchmark": given["benchmark"], "noise": noise, "objects": objects}
    return chosen.cases(noise, objects), len(chosen.sets) * len(noise) * objects, about


def _levels(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--noise {text!r} is not a list of numbers; write it like 0,0.05,0.2") from None


def _from_file(
    file: str, given: dict[str, Any], reading: Reading, competitors: dict[str, Competitor], console: Console
) -> CompareCase:
    from ..evaluate.compare import CompareCase
    from ..io.external import ExternalResult, truth_for

    problem = reading.problem(file)
    for note in problem.meta.get("notes", ()):
        console.print(f"  {note}", markup=False)
    if given["truth"]:
        problem, warning = truth_for(problem, ExternalResult.named(given["truth"]))
        if warning:
            console.print(f"warning: {warning}", markup=False)
    for competitor in competitors.values():
        if isinstance(competitor, ExternalResult):
            competitor.check(problem.shape)
    return CompareCase(file, None, 0, problem)


def _store(given: dict[str, Any]) -> AbstractContextManager[Store | None]:
    """What is done is kept beside the JSON, where one is asked for."""
    from ..evaluate.store import Store

    path = given["json_"]
    return nullcontext() if path is None else Store(_rows(path), resume=given["resume"])


def _rows(path: Path) -> Path:
    """The file beside the JSON that keeps what is done."""
    return path.with_suffix(".rows.jsonl")
