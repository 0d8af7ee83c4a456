"""``retrieve train``: the weights of a denoiser, or of a network that inverts patterns."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..driver.stopping import Request, must_keep, must_stop
from ..errors import InputError, RetrieveError
from ..plugins.flags import flags, given_flags
from ..plugins.options import build, changed, options_of, unknown, values_of
from .console import PlainConsole
from .live import live_option, live_page
from .options import dry_run_option, print_options, quiet_option, verbose_option
from .signals import stopping
from .train_progress import live_training

if TYPE_CHECKING:
    from ..priors.training.objects import Source
    from ..priors.training.state import ProgressMessage

TRAINING_KINDS = {
    "diffusion": "a denoiser, the prior of the diffusion solvers",
    "unet": "a network that inverts a pattern in one pass",
}
DEFAULT = "films2d"

_OPTIONS = (
    click.argument("source", default=DEFAULT),
    click.option("--out", "-o", type=click.Path(path_type=Path), required=True, metavar="FOLDER", help="of all that is written"),
    click.option("--name", help="of the weights, FOLDER/NAME.safetensors  [default: SOURCE-KIND]"),
    click.option("--init", metavar="WEIGHTS", help="weights to start from, a name or a file; the network is then theirs"),
    click.option("--data-seed", type=click.IntRange(0), help="of simulated objects  [default: 1000000, or as before]"),
    click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True, help="a CPU or card"),
    click.option("--threads", type=click.IntRange(1), help="of a CPU  [default: its cores]"),
    live_option("buttons Stop and Keep, and a page at its end, FOLDER/training.html"),
    dry_run_option,
    verbose_option,
    quiet_option,
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
            f"options as NAME:OPTION=VALUE,..., or a folder of objects (npz, npy, cxi; ./NAME for a folder with the name of a "
            f"set). The same command again continues the training, with the options of before where none are given; a larger "
            f"--minutes or --objects trains on. --objects alone sets no time limit. --minutes counts validations and pictures, "
            f"too.  [SOURCE: {DEFAULT}]"
        )
        run: Callable[..., None] = partial(run_training, network)
        for option in reversed(_OPTIONS):
            run = option(run)
        made = click.command(name, help=text, short_help=TRAINING_KINDS[name])(run)
        made.params += flags(network) + flags(Training)
        return made


@click.command("train", cls=Trainings, short_help="train a prior, or a network that inverts patterns")
def command() -> None:
    """Train a network on simulated objects or your own; writes weights with a card that describes them.

    For several cards: torchrun --nproc-per-node N -m retrieve train ...
    """


def run_training(network: Any, threads: int | None, **given: Any) -> None:
    """Train in a number of threads, and stop at a step when a signal comes."""
    from ..numerics.arrays import cores
    from ..numerics.processors import torch_threads

    threads = threads or max(1, cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    with torch_threads(threads), stopping() as request:
        _train(network, request, **given)


def _train(
    network: Any,
    request: Request,
    source: str,
    out: Path,
    name: str | None,
    init: str | None,
    quiet: bool,
    live: bool,
    **given: Any,
) -> None:
    """Train, or continue, the training in `out`, and write its weights."""
    import torch

    from ..priors.training import loop
    from ..priors.training.checkpoint import read_checkpoint
    from ..priors.training.parallel import rank
    from ..priors.training.settings import Training
    from ..priors.training.state import Ask
    from ..priors.weights import card_of, load_partial_state, path_of, save, sha256

    first = rank() == 0
    console = PlainConsole(quiet=quiet or not first)
    device = _device(given.pop("device"))
    before = read_checkpoint(out, look=True)
    objects = _source(source, given.pop("data_seed"), before)
    asked = given_flags(given)
    if "objects" in asked:
        asked.setdefault("minutes", None)
    settings = build(Training, _of(Training, (before or {}).get("settings", {})) | _of(Training, asked))
    own = None if before is None else before.get("card", {"architecture": before["architecture"]})
    likeness = own or (card_of(init) if init else None)
    options = changed(network() if likeness is None else network.of(likeness), _of(network, asked))
    task = options.task(objects, settings.seed)
    if init and before is None:
        load_partial_state(task.module, init)
    data = task.card()["data"]
    name = _file_name(name or f"{data.get('set') or data['folder']}-{options.kind}")
    size = sum(p.numel() for p in task.module.parameters())
    console.print(f"{options.kind} of {size / 1e6:.2f} M weights for {source}, on {device}", markup=False)
    if before is not None:
        done = settings.progress(before["objects"], before["seconds"])
        state = "is finished; a larger --minutes or --objects continues it" if done >= 1 else f"continues at {int(100 * done)}%"
        console.print(f"{out} {state}: {_amount(before['objects'], before['seconds'])}", markup=False)
    del before
    if given["verbose"]:
        print_options({**values_of(options), **values_of(settings)}, console)
    if given["dry_run"]:
        from .dry_run import tell_training

        tell_training(task, settings, [out / f"{name}.safetensors", out / "checkpoint.pt", out / "log.csv"], device, console)
        return
    lead = f"{options.kind} of {size / 1e6:.2f} M weights, on {device}, {source}"
    with live_page(live and first, f"Training of {name}", request, quiet) as page:
        watch = None if page is None else page.training(f"Training of {name}", lead, out)

        def written(words: str, card: dict[str, Any] | None = None) -> None:
            if page is not None and watch is not None:
                page.screen.rest("the page is written")
                report = watch.write(out / "training.html", words, card)
                console.print(f"page: {report}", markup=False)
                page.end(words, report)

        with live_training(console, quiet or not first) as show:

            def on_step(message: ProgressMessage) -> Ask:
                show(message)
                if watch is not None:
                    watch(message)
                return Ask.KEEP if must_keep() else Ask(must_stop())

            try:
                module = loop.train(task, settings, out, device=device, on_step=on_step)
            except KeyboardInterrupt:
                words = f"stopped; the same command continues from {out / 'checkpoint.pt'}"
                console.print(words, markup=False)
                written(words)
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
            "training": loop.training_record(settings, show.last, module, device) | begun,
            "licence": "BSD-3-Clause",
            "version": f"retrieve-phase {importlib.metadata.version('retrieve-phase')}",
        }
        path = save(module, card, out / f"{name}.safetensors")
        words = f"written: {path} ({path.stat().st_size / 1e6:.1f} MB), {_amount(show.last.objects, show.last.seconds)}"
        console.print(words, markup=False)
        written(words, card)


def _of(options: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that are options of a class."""
    known = {option.name for option in options_of(options)}
    return {name: value for name, value in values.items() if name in known}


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
        return Simulated(object_set(text), seed, name=name)
    if Path(text).is_dir():
        return Folder(text)
    if Path(text).exists() or "/" in text:
        raise InputError(f"{text} is no folder; give a folder of objects, or the name of a simulated set")
    raise InputError(unknown("set", name, set_names(), more="or give a folder of objects"))


def _file_name(name: str) -> str:
    if not name or name.startswith(".") or "/" in name or os.sep in name:
        raise InputError(f"--name {name!r} is no name of a file; give one such as films2d, its folder is --out")
    return name.removesuffix(".safetensors")


def _amount(objects: int, seconds: float) -> str:
    return f"{objects} objects in {seconds / 60:.1f} min"
