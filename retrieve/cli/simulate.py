"""``retrieve simulate``: objects with known truth and their measurements, as files."""

from __future__ import annotations

import re
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.progress import track

from ..errors import InputError
from ..plugins.flags import flags, given_flags
from ..plugins.options import build, changed, options_of, renamed_options, values_of
from .console import PlainConsole
from .dry_run import tell_files
from .options import dry_run_option, print_options, quiet_option, verbose_option, with_options
from .outputs import check_outputs, chosen_name, force_option, out_option, replacing_result, writing

if TYPE_CHECKING:
    from ..simulate import ObjectSet

OUTPUT_FORMATS = ("cxi", "npz")

_simulate_options = with_options(
    click.option("--count", type=click.IntRange(1), default=1, show_default=True, help="objects to make"),
    click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="seed of objects and noise"),
    click.option("--first", type=click.IntRange(0), default=0, show_default=True, help="number of the first object"),
    out_option("a directory, or one .cxi or .npz file  [default: NAME, numbered if its files are there]"),
    force_option,
    click.option(
        "--format",
        "kind",
        type=click.Choice(OUTPUT_FORMATS),
        help="cxi: a file for each object; npz: all in one  [default: as --out ends, else cxi]",
    ),
    dry_run_option,
    verbose_option,
    quiet_option,
)


class SetCommand(click.Command):
    """The command of one set; a number alone is not taken for the number of objects."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, and name the option that a lone number wants."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if found := re.fullmatch(r"Got unexpected extra argument \((\d+)\)", error.message):
                raise click.UsageError(
                    f"{found[1]}: not expected here; for so many objects write --count {found[1]}", ctx
                ) from error
            raise


class Sets(click.Group):
    """A group with a command for each named set, which takes the options of the set and of the noise."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the sets."""
        from ..simulate import set_names

        return [*set_names(), "pulses"]

    def get_command(self, ctx: click.Context, name: str) -> click.Command:
        """The command of one set, or of pulse trains. Raises InputError for an unknown name."""
        from ..simulate import Noise, object_set

        if name == "pulses":
            from .simulate_pulses import command

            return command

        chosen = object_set(name)
        changes = ", ".join(f"{key}={value}" for key, value in _own(chosen).items())
        doc = (type(chosen).__doc__ or "").split("\n\n")[0].strip()
        text = f"{doc}\n\n{name} sets {changes} unless given." if changes else doc
        made = click.command(name, cls=SetCommand, help=text, short_help=changes or doc)(
            _simulate_options(partial(simulate, name))
        )
        made.params += flags(type(chosen)) + flags(Noise)
        return made


@click.command("simulate", cls=Sets, short_help="objects with known truth, and their measurements")
def command() -> None:
    """Make objects of the set NAME and measure them; every file holds its truth.

    Object k of a seed is always the same. Seeds from 1000000 on are for training, from 2000000 for
    tuning and from 3000000 for tests and benchmarks. `retrieve simulate NAME --help` lists the options.
    `retrieve simulate pulses` makes the raw frames of a pulse train.
    """


def simulate(
    name: str,
    count: int,
    seed: int,
    first: int,
    out: Path | None,
    kind: str | None,
    force: bool,
    quiet: bool,
    dry_run: bool,
    verbose: bool,
    **given: Any,
) -> None:
    """Make, measure and write objects `first` to `first + count − 1`."""
    from ..io.result import write_problem
    from ..simulate import Noise, object_set
    from ..simulate.stack import write_stack

    console = PlainConsole(quiet=quiet)
    asked = given_flags(given)
    measured = {option.name for option in options_of(Noise)} | set(renamed_options(Noise))
    noise = build(Noise, {key: text for key, text in asked.items() if key in measured})
    chosen = changed(object_set(name), {key: text for key, text in asked.items() if key not in measured})
    numbered = range(first, first + count)
    target, kind = _target(name, numbered, out, kind, force)
    begun = time.perf_counter()
    one = chosen.problem(first, seed, noise)  # refuses what cannot be measured before anything is written
    if verbose:
        print_options({"count": count, "seed": seed, "first": first, **values_of(chosen), **values_of(noise)}, console)
    if dry_run:
        seconds, shape = count * (time.perf_counter() - begun), "×".join(map(str, one.amplitude.shape))
        console.print(f"dry run: {count} object(s) of {name}, {shape}, about {seconds:.2g} s, from the first", markup=False)
        tell_files([target], console)
        return
    numbers = track(numbered, name, console=console, disable=quiet)
    if kind == "npz":
        with writing(target, force=force), replacing_result(target):
            write_stack([chosen.problem(number, seed, noise) for number in numbers], target)
    elif target.suffix == ".cxi":
        with writing(target, force=force), replacing_result(target):
            write_problem(one, target)
    else:
        from ..files import make_folder

        make_folder(target)
        files = {number: target / _file(name, number) for number in numbered}
        ends = {files[numbered[0]], files[numbered[-1]]}  # of two processes with numbers in common one meets an end of the other
        with writing(*ends, force=force):
            for number in numbers:
                held = nullcontext() if files[number] in ends else writing(files[number], force=force)
                with held, replacing_result(files[number]):
                    write_problem(chosen.problem(number, seed, noise), files[number])
    console.print(f"written: {count} of {name}, seed {seed}, in {target}", markup=False)


def _own(chosen: ObjectSet) -> dict[str, Any]:
    """The options of a set that differ from the defaults."""
    usual = values_of(type(chosen)())
    return {key: value for key, value in values_of(chosen).items() if value != usual[key]}


def _target(name: str, numbers: range, out: Path | None, kind: str | None, force: bool) -> tuple[Path, str]:
    """The file or directory to write and its format, checked to be writable before any work."""
    count = len(numbers)
    ending = out.suffix[1:] if out is not None and out.suffix[1:] in OUTPUT_FORMATS else None
    kind = kind or ending or "cxi"

    def files_of(out: Path) -> list[Path]:
        single = kind == "npz" or out.suffix == ".cxi"
        return [out] if single or (out.exists() and not out.is_dir()) else [out / _file(name, number) for number in numbers]

    out = chosen_name(out, Path(f"{name}.npz" if kind == "npz" else name), files_of, force)
    if ending not in (None, kind) or (kind == "npz" and out.suffix != ".npz"):
        raise InputError(
            f"--out {out} does not go with --format {kind}; {'end it in .npz' if kind == 'npz' else 'leave one out'}"
        )
    if kind == "cxi" and out.suffix == ".cxi" and count > 1:
        raise InputError(f"--out {out} is one file and --count {count} objects make as many; name a directory, or an .npz file")
    if kind == "cxi" and out.suffix != ".cxi" and out.exists():
        if not out.is_dir():
            raise InputError(f"--out {out} is a file; name a directory, or a file that ends in .cxi or .npz")
        check_outputs(files_of(out), force=force)
    else:
        check_outputs([out], force=force)
    return out, kind


def _file(name: str, number: int) -> str:
    return f"{name}-{number:05d}.cxi"
