"""``retrieve train``: the weights of a denoiser, or of a network that inverts patterns."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from ..errors import InputError, RetrieveError
from ..plugins.flags import flags, given_flags, split_spec
from ..plugins.options import options_of, unknown
from .solving import Interrupt
from .train_progress import live_training

if TYPE_CHECKING:
    from ..priors.training.loop import ProgressMessage, Task
    from ..priors.training.objects import Source

TRAINING_KINDS = {
    "diffusion": "a denoiser, the prior of the diffusion solvers",
    "unet": "a network that inverts a pattern in one pass",
}
DEFAULT = "films2d"

_OPTIONS = (
    click.argument("source", default=DEFAULT),
    click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FOLDER", help="of all that is written"),
    click.option("--name", help="of the weights, FOLDER/NAME.safetensors  [default: SOURCE-KIND]"),
    click.option("--init", metavar="WEIGHTS", help="weights to begin with, a name or a file; the network is then theirs"),
    click.option("--data-seed", type=click.IntRange(0), help="of simulated objects  [default: 1000000, or that of before]"),
    click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True, help="a CPU or card"),
    click.option("--threads", type=click.IntRange(1), help="of a CPU  [default: its cores]"),
    click.option("--quiet", "-q", is_flag=True, help="print nothing but errors"),
)


class Trainings(click.Group):
    """A group with a command for each kind of network, which takes the options of the network and of the training."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The kinds of network."""
        return list(TRAINING_KINDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command of one kind."""
        if name not in TRAINING_KINDS:
            return None
        from ..priors.training.settings import DenoiserOptions, Training, UNetOptions

        network = {"diffusion": DenoiserOptions, "unet": UNetOptions}[name]
        text = (
            f"Train {TRAINING_KINDS[name]}, on SOURCE: the name of a simulated set (see `retrieve simulate --help`), with its "
            f"options as NAME:OPTION=VALUE,..., or a folder of objects (npz, npy, cxi; ./NAME for a folder that is called "
            f"like a set). The same command again goes on where it was left; options that are not given are then those of "
            f"before, and a larger --minutes or --objects trains on. --objects alone sets no limit of time.  "
            f"[SOURCE: {DEFAULT}]"
        )
        run: Callable[..., None] = partial(train, name, network)
        for option in reversed(_OPTIONS):
            run = option(run)
        made = click.command(name, help=text, short_help=TRAINING_KINDS[name])(run)
        made.params += flags(network) + flags(Training)
        return made


@click.command("train", cls=Trainings, short_help="train a prior, or a network that inverts patterns")
def command() -> None:
    """Train a network on simulated objects or your own; writes weights with a card that tells what they are.

    For several cards: torchrun --nproc-per-node N -m retrieve train ...
    """


def train(kind: str, network: Any, source: str, out: Path, name: str | None, init: str | None, quiet: bool, **given: Any) -> None:
    """Train, or go on with, what is in `out`, and write its weights."""
    import torch

    from ..numerics.arrays import cores
    from ..priors.training import loop as training
    from ..priors.training.parallel import rank
    from ..priors.training.state import read_checkpoint
    from ..priors.weights import card_of, load_partial_state, path_of, save, sha256

    first = rank() == 0
    console = Console(quiet=quiet or not first, highlight=False)
    torch.set_num_threads(given.pop("threads") or max(1, cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))
    device = _device(given.pop("device"))
    before = read_checkpoint(out, look=True)
    objects = _source(source, given.pop("data_seed"), before)
    asked = given_flags(given)
    settings = _changed(_settings(before), asked, "minutes" if "objects" in asked and "minutes" not in asked else None)
    likeness = before.get("card", before) if before is not None else card_of(init) if init else None
    options = _changed(network() if likeness is None else network.of(likeness), asked)
    task = _task(kind, options, objects, settings.seed)
    if init and before is None:
        load_partial_state(task.module, init)
    data = task.card()["data"]
    name = _file_name(name or f"{data.get('set') or data['folder']}-{options.kind}")
    size = sum(p.numel() for p in task.module.parameters())
    console.print(f"{options.kind} of {size / 1e6:.2f} M weights for {source}, on {device}", markup=False)
    if before is not None:
        done = settings.progress(before["objects"], before["seconds"])
        told = "is finished; a larger --minutes or --objects would go on" if done >= 1 else f"goes on at {int(100 * done)}%"
        console.print(f"{out} {told}: {_so_far(before['objects'], before['seconds'])}", markup=False)
    del before
    with Interrupt() as interrupt, live_training(console, quiet or not first) as show:

        def on_step(told: ProgressMessage) -> bool:
            show(told)
            return interrupt.asked

        try:
            module = training.train(task, settings, out, device=device, on_step=on_step)
        except KeyboardInterrupt:
            console.print(f"stopped; the same command goes on where {out / 'checkpoint.pt'} was left", markup=False)
            raise
        except torch.OutOfMemoryError as error:
            raise RetrieveError(
                f"the card's memory is too small for batches of {settings.batch}; give a smaller --batch"
            ) from error
    if not first:
        return
    begun = {"init_sha256": sha256(path_of(init))} if init else {}
    card = {
        "name": name,
        **task.card(),
        "training": training.training_record(settings, show.last, module, device) | begun,
        "licence": "BSD-3-Clause",
        "version": _version(),
    }
    path = save(module, card, out / f"{name}.safetensors")
    told = _so_far(show.last.objects, show.last.seconds)
    console.print(f"written: {path} ({path.stat().st_size / 1e6:.1f} MB), {told}", markup=False)


def _device(asked: str) -> str:
    import torch

    there = torch.cuda.is_available()
    if asked == "cuda" and not there:
        raise InputError("--device cuda: torch sees no CUDA card; give --device cpu")
    return "cuda" if there and asked != "cpu" else "cpu"


def _source(text: str, seed: int | None, before: dict[str, Any] | None) -> Source:
    """A folder's objects, or a named set's, with its options changed. Raises `InputError` for neither."""
    from ..priors.training.objects import Folder, Simulated
    from ..simulate import TRAIN_SEED, object_set, set_names

    name = text.partition(":")[0]
    if name in set_names():
        if seed is None:
            seed = (before or {}).get("card", {}).get("data", {}).get("seed", TRAIN_SEED)
        return Simulated(_changed(object_set(name), split_spec(text)[1], every=True), seed, name=name)
    if Path(text).is_dir():
        return Folder(text)
    if Path(text).exists() or "/" in text:
        raise InputError(f"{text} is no folder; give a folder of objects, or the name of a simulated set")
    raise InputError(f"{unknown('set', name, set_names())}; or give a folder of objects")


def _settings(before: dict[str, Any] | None) -> Any:
    """The settings of the training that is gone on with, else the defaults."""
    from ..priors.training.settings import Training

    known = {option.name for option in options_of(Training)}
    return Training(**{key: value for key, value in (before or {"settings": {}})["settings"].items() if key in known})


def _changed(instance: Any, asked: dict[str, Any], without: str | None = None, *, every: bool = False) -> Any:
    """The options with those that were asked for, and the one called `without` set to none. `every`: no others may be asked."""
    known = {option.name: option for option in options_of(type(instance))}
    if every and (others := set(asked) - set(known)):
        raise InputError(unknown("option", min(others), known, of=type(instance).__name__))
    values: dict[str, Any] = {key: known[key].parse(text) for key, text in asked.items() if key in known}
    return dataclasses.replace(instance, **values, **({without: None} if without else {}))


def _task(kind: str, options: Any, objects: Source, seed: int) -> Task:
    """What is trained, its weights drawn from the seed."""
    import torch

    from ..priors.weights import build_module

    torch.manual_seed(seed)
    module: Any = build_module(options.architecture(objects.shape, objects.reach, objects.kinds))
    if kind == "unet":
        from ..priors.training.unet_task import UNetTask

        return UNetTask(module, objects, **options.task())
    from ..priors.training.diffusion_task import DiffusionTask

    return DiffusionTask(module, objects, **options.task())


def _file_name(name: str) -> str:
    if not name or name.startswith(".") or "/" in name or os.sep in name:
        raise InputError(f"--name {name!r} is no name of a file; give one such as films2d, its folder is --out")
    return name.removesuffix(".safetensors")


def _so_far(objects: int, seconds: float) -> str:
    return f"{objects} objects in {seconds / 60:.1f} min"


def _version() -> str:
    import importlib.metadata

    return f"retrieve-phase {importlib.metadata.version('retrieve-phase')}"
