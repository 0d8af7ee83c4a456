"""``retrieve inspect``: the contents of a file, and the prospects of phasing it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from .console import PlainConsole
from .source import Reading, data_options

if TYPE_CHECKING:
    from ..problem import Problem


@click.command("inspect", short_help="what is in a file, and what to expect of it")
@click.argument("file")
@data_options
def command(file: str, reading: Reading) -> None:
    """Print the contents of FILE: shape, counts, oversampling, experiment, warnings; of a result also its scores."""
    from ..problem.diagnostics import diagnose, facts

    console = PlainConsole()
    problem = reading.problem(file)
    for note in problem.meta.get("notes", ()):
        console.print(f"  {note}", markup=False)
    for name, value in facts(problem).items():
        console.print(f"{name:24} {value}", markup=False)
    for line in _experiment(problem):
        console.print(f"  {line}", markup=False)
    for warning in diagnose(problem):
        console.print(f"warning: {warning}", markup=False)
    _result(file, console)


def _experiment(problem: Problem) -> tuple[str, ...]:
    """What is known of the experiment, and of a scan also what strain still needs."""
    from ..problem.meta import experiment_of

    lines = experiment_of(problem.meta).words()
    return lines if problem.amplitude.ndim == 3 else tuple(line for line in lines if not line.startswith("missing"))


def _result(file: str, console: Console) -> None:
    """Print scores and settings, if the file is a result of `retrieve`."""
    import h5py

    from ..io.hdf5 import open_hdf5

    if file.startswith("example:") or not h5py.is_hdf5(file):
        return
    with open_hdf5(Path(file)) as handle:
        if "entry_1/manifest" not in handle or "entry_1/starts" not in handle:
            return
    from ..io.results import read_result

    result = read_result(file)
    manifest = result.manifest
    settings = f"{manifest.get('solver')}, seed {manifest.get('seed')}, {len(result.scores)} start(s)"
    console.print(f"{'result of':24} {settings}", markup=False)
    for k, score in enumerate(result.scores):
        free = "" if score.r_free is None else f", R_free {score.r_free:.4g}"
        mark = " (chosen)" if k == result.chosen else ""
        deviance = "" if score.deviance is None else f", deviance {score.deviance:.3g} per pixel"
        console.print(f"{'start ' + str(k):24} R {score.r:.4g}{free}{deviance}{mark}", markup=False)
