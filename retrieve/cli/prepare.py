"""``retrieve prepare``: detector frames to a pattern that `retrieve run` reads."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TimeRemainingColumn

from ..errors import InputError
from ..plugins.flags import flags, given_flags, split_spec
from ..plugins.options import build, options_of, values_of
from ..plugins.registry import available, find
from ..prepare.pulses import Pulses
from ..prepare.scan import Scan
from .console import PlainConsole, Words
from .dry_run import tell_files
from .experiment import experiment_options, given_experiment
from .options import dry_run_option, limit_options, print_options, quiet_option, verbose_option, with_options
from .outputs import check_outputs, chosen_name, force_option, out_option, replacing_result, writing
from .source import MASK_CONVENTION

if TYPE_CHECKING:
    from ..prepare import Frames
    from ..problem import Problem

PREPARED_FORMATS = (".cxi", ".npz")

_prepare_options = with_options(
    click.argument("files", nargs=-1, required=True, metavar="FILE..."),
    click.option("--key", help="which array or dataset of the file; of a beamline's scan the detector"),
    click.option(
        "--axis",
        type=click.IntRange(0, 2),
        help="which axis of the array counts the frames  [default: 0, which is refused where it seems wrong]",
    ),
    click.option("--dark", metavar="FILE", help="dark image in raw units, FILE or FILE.h5:/dataset; a stack is averaged"),
    click.option("--gain", metavar="FILE", help="raw units a count"),
    click.option("--flat", metavar="FILE", help="flat field; dead and weak pixels of it are not measured"),
    click.option("--background", metavar="FILE", help="counts of a frame without object, subtracted"),
    click.option("--mask", metavar="FILE", help="mask (1 measured)"),
    MASK_CONVENTION,
    click.option(
        "--bad-pixels",
        type=click.Choice(["error", "mask"]),
        default="error",
        show_default=True,
        help="NaN where other frames have none: refuse, or leave out",
    ),
    experiment_options,
    limit_options,
    out_option(".cxi or .npz; several patterns are numbered  [default: FILE.prepared.cxi, numbered if that is there]"),
    force_option,
    click.option("--picture", type=click.Path(path_type=Path), help="before and after  [default: beside the pattern, .png]"),
    click.option("--no-picture", is_flag=True, help="draw no picture"),
    dry_run_option,
    verbose_option,
    quiet_option,
)


@click.group("prepare", short_help="detector frames to a pattern")
def command() -> None:
    """Turn detector frames into a pattern that `retrieve run` reads. Its file and a picture show the steps.

    `retrieve prepare pulses --help` and `retrieve prepare scan --help` list the options.
    """


@command.command("pulses", short_help="sums over the good frames of a pulse train")
@_prepare_options
def pulses(files: tuple[str, ...], quiet: bool, **given: Any) -> None:
    """Sum the frames in FILE... of a pulse train that resemble their mean.

    In order: dark, gain, flat field and background; selection; sums over ranges; padding; downsampling. Files may be
    larger than the memory.
    """
    from ..prepare import prepare_pulses, read_calibration
    from ..report.frames_picture import train_picture

    console = PlainConsole(quiet=quiet)
    options: Pulses = build(Pulses, given_flags(given))
    _print_options(options, given, console)
    count = len(options.slices())
    targets, picture = _targets(files, given, count)
    with writing(*targets, force=given["force"]):
        with _opened(files, given, console, quiet) as ((frames, *more), settings):
            if given["dry_run"]:
                _tell([frames, *more], [*targets, picture], console)
                return
            if more:
                raise InputError(f"{len(more) + 1} scans are no pulse train; give one of them, or `retrieve prepare scan`")
            calibration = read_calibration(frames.shape, frames.always, **_calibration(given))
            train = prepare_pulses(frames, options, calibration, **settings)
        with replacing_result(*targets, drawn=[picture, _shared_picture(targets)]):
            for problem, target in zip(train.problems, targets, strict=True):
                _write(problem, target)
        if picture is not None:
            train_picture(train, picture)
    _report(train.steps, [*targets, picture], console)
    for problem, target in zip(train.problems, targets, strict=True):
        console.print(f"{target}: {_facts(problem)}", markup=False)


pulses.params += flags(Pulses)


class ScanCommand(click.Command):
    """`prepare scan`, which tells of an option of a preparation where it belongs."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; an unknown option that a preparation has is answered with the way to give it."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            name = error.option_name.removeprefix("--").replace("-", "_")
            for step, kind in available("preparations").items():
                if name in {option.name for option in options_of(kind)}:
                    known = f"but of the step {step}; write --apply {step}:{name}=VALUE"
                    raise click.UsageError(f"{error.option_name} is no option of prepare scan, {known}", ctx) from error
            raise


@command.command("scan", cls=ScanCommand, short_help="a rocking scan, cleaned, centred and binned")
@_prepare_options
@click.option("--scans", "separate", is_flag=True, help="each file is a scan of the same reflection: align and sum them")
@click.option(
    "--apply",
    "applied",
    multiple=True,
    metavar="NAME[:OPTION=VALUE,...]",
    help="a preparation step of a plugin, after hot and dead pixels; several run in this order",
)
def scan(files: tuple[str, ...], quiet: bool, **given: Any) -> None:
    """Make the pattern of the rocking scan in FILE..., a stack of frames or one file a frame, or of several scans.

    FILE may be a beamline's scan, such as id01:FILE.h5#12, which tells motors, energy and monitor. Several scans are summed.

    In order: dark, gain, flat field and background; hot and dead pixels; exposure, alignment and sum of scans; steps of
    plugins; alien spots; centring; crop or padding; binning; threshold.
    """
    from ..prepare import prepare_scan, read_calibration
    from ..report.frames_picture import scan_picture

    console = PlainConsole(quiet=quiet)
    options: Scan = build(Scan, given_flags(given))
    _print_options(options, given, console)
    applied = [build(find("preparations", name), stated) for name, stated in (split_spec(s, "--apply") for s in given["applied"])]
    [target], picture = _targets(files, given, 1)
    with writing(target, force=given["force"]):
        with _opened(files, given, console, quiet) as (scans, settings):
            if given["dry_run"]:
                _tell(scans, [target, picture], console)
                return
            calibration = read_calibration(scans[0].shape, scans[0].ever, **_calibration(given))
            made = prepare_scan(scans, options, calibration, applied=applied, **settings)
        with replacing_result(target, drawn=[picture]):
            _write(made.problem, target)
        if picture is not None:
            scan_picture(made, picture)
    _report(made.steps, [target, picture], console)
    console.print(f"{target}: {_facts(made.problem)}", markup=False)


scan.params += flags(Scan)


def _print_options(options: Pulses | Scan, given: dict[str, Any], console: Console) -> None:
    """With -v every option in force."""
    if given["verbose"]:
        own = ("key", "axis", "dark", "gain", "flat", "background", "mask", "mask_convention", "bad_pixels")
        print_options({**{name: given[name] for name in own}, **values_of(options)}, console)


@contextmanager
def _opened(
    files: Sequence[str], given: dict[str, Any], console: Console, quiet: bool
) -> Iterator[tuple[tuple[Frames, ...], Any]]:
    """The scans in the files, and the arguments of their preparation besides its options."""
    from ..prepare import scans_of, source_of

    separate, experiment = given.get("separate", False), given_experiment(given)
    whole = "separate" in given  # pulse trains are read frame by frame
    with (
        scans_of(files, given["key"], given["axis"], given["mask_convention"], separate, experiment, whole) as scans,
        _progress(console, quiet) as on_block,
    ):
        for frames in scans:
            number = "1 frame" if frames.shape[0] == 1 else f"{frames.shape[0]} frames"
            console.print("{} of {}×{} px in {}".format(number, *frames.shape[1:], frames.source), markup=False)
        check_axes = given["axis"] is None and not source_of(files[0]).loader
        yield scans, {"bad_pixels": given["bad_pixels"], "check_axes": check_axes, "on_block": on_block}


def _calibration(given: dict[str, Any]) -> dict[str, Any]:
    return {role: given[role] for role in ("dark", "gain", "flat", "background", "mask", "mask_convention")}


def _targets(files: Sequence[str], given: dict[str, Any], count: int) -> tuple[list[Path], Path | None]:
    """The places of patterns and picture, checked before any work."""
    from ..prepare import source_of
    from ..report.figure import check_picture

    sources = [source_of(file) for file in files]

    def targets_of(out: Path) -> list[Path]:
        return [out] if count == 1 else [out.with_name(f"{out.stem}-{k}{out.suffix}") for k in range(1, count + 1)]

    def picture_of(out: Path) -> Path | None:
        return None if given["no_picture"] else given["picture"] or out.with_suffix(".png")

    def by_default(out: Path) -> list[Path | None]:
        return [*targets_of(out), None if given["picture"] else picture_of(out)]

    out = chosen_name(given["out"], Path(sources[0].stem + ".prepared.cxi"), by_default, given["force"])
    if out.suffix not in PREPARED_FORMATS:
        raise InputError(f"--out {out}: a pattern is written as CXI or npz; end it in .cxi or .npz")
    targets, picture = targets_of(out), picture_of(out)
    if picture is not None:
        check_picture(picture)
    check_outputs([*targets, picture], [source.path for source in sources], given["force"])
    return targets, picture


def _shared_picture(targets: Sequence[Path]) -> Path:
    """The default place of the picture that several patterns share; beside a single one."""
    first = targets[0]
    return first.with_name(first.stem.removesuffix("-1") + ".png") if len(targets) > 1 else first.with_suffix(".png")


def _write(problem: Problem, target: Path) -> None:
    from ..io.numpy_files import write_npz
    from ..io.result import write_problem

    (write_npz if target.suffix == ".npz" else write_problem)(problem, target)


def _tell(scans: Sequence[Frames], targets: Sequence[Path | None], console: Console) -> None:
    """What would be read and written, and the time to read it, from one frame."""
    from ..files.memory import size_text

    for frames in scans:
        begun = time.perf_counter()
        numbers, _ = next(iter(frames.blocks()))  # of a file that is larger than the memory, a part of it
        seconds = (time.perf_counter() - begun) * frames.shape[0] / max(1, numbers.stop - numbers.start)
        size = size_text(4 * math.prod(frames.shape))
        console.print(
            f"dry run: {frames.shape[0]} frames, {size} in single precision, about {seconds:.2g} s to read", markup=False
        )
    tell_files(targets, console)


def _report(steps: Sequence[str], written: Sequence[Path | None], console: Console) -> None:
    for step in steps:
        console.print(f"  {step}", markup=False)
    console.print("written: " + ", ".join(str(path) for path in written if path is not None), markup=False)


def _facts(problem: Problem) -> str:
    shape = "×".join(map(str, problem.amplitude.shape))
    return f"{shape}, {float(problem.power):.4g} counts, {problem.valid.mean():.1%} measured"


@contextmanager
def _progress(console: Console, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A line for each stage: frames done, their total, and the time left."""
    columns = (
        Words("{task.description}"),
        BarColumn(24),
        Words("{task.completed}/{task.total}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=quiet) as bar:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done)

        yield show
