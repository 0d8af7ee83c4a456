"""``retrieve simulate pulses``: a train of raw, weak frames with known truth, as `retrieve prepare pulses` takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..errors import InputError
from ..plugins.flags import flags, given_flags
from ..plugins.options import build, values_of
from ..simulate.pulses import PulseTrain
from .console import PlainConsole
from .dry_run import tell_files
from .options import dry_run_option, print_options, quiet_option, verbose_option
from .outputs import check_outputs, chosen_name, force_option, out_option, replacing_result, writing


@click.command("pulses", short_help="raw frames of a pulse train, some of them bad")
@click.option("--set", "name", default="crystal2d", show_default=True, help="the set of the object, square and in 2D")
@click.option("--object", "number", type=click.IntRange(0), default=0, show_default=True, help="number of the object")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="seed of object and train")
@out_option("an HDF5 file  [default: pulses.h5, numbered if that is there]")
@force_option
@dry_run_option
@verbose_option
@quiet_option
def command(
    name: str, number: int, seed: int, out: Path | None, force: bool, quiet: bool, dry_run: bool, verbose: bool, **given: Any
) -> None:
    """Make a train of raw detector frames of one object, with calibration, stray light, gaps and planted bad pulses.

    The file holds frames, dark, gain, flat, background and mask. Under known/ are truth, support, and the good pulses.
    """
    from ..simulate import object_set
    from ..simulate.pulses import record, write_recording

    out = chosen_name(out, Path("pulses.h5"), lambda path: [path], force)
    if out.suffix not in (".h5", ".hdf5"):
        raise InputError(f"--out {out}: a train is written as HDF5; end it in .h5")
    check_outputs([out], force=force)
    console = PlainConsole(quiet=quiet)
    train = build(PulseTrain, given_flags(given))
    if verbose:
        print_options({"set": name, "object": number, "seed": seed, **values_of(train)}, console)
    if dry_run:
        console.print(f"dry run: {train.frames} pulses of object {number} of {name}", markup=False)
        tell_files([out], console)
        return
    with writing(out, force=force), console.status(f"{train.frames} pulses"):
        made = record(object_set(name), train, seed, number)
        with replacing_result(out):
            write_recording(made, out)
    bad = int((~made.good).sum())
    pulses = f"{train.frames} pulses of object {number} of {name}, seed {seed}, {bad} of them bad"
    console.print(f"written: {pulses}, in {out}", markup=False)


command.params += flags(PulseTrain)
