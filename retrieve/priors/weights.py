"""Weights as files: fp16 safetensors with a card that describes them; shipped ones are found by name."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from ..errors import InputError, RetrieveError
from ..files import digest, parsing, read_record, regular_file, replacing, write_record
from ..plugins.options import unknown
from ..provenance import sha256
from .cards import CARD, check_architecture

FOLDER = Path(__file__).parent / "weights"
SUMS = FOLDER / "SHA256SUMS"
KIND_WEIGHT = "network.kind.weight"
MODULES = {
    "edm": ".edm:EDM",
    "epsilon": ".epsilon:Epsilon",
    "told": ".told:ToldEDM",
    "complex-unet": ".retriever:ComplexUNet",
    "real-unet": ".retriever:RealUNet",
}
"""``module:Class`` of each kind of architecture."""

MAX_ARRAYS = 20_000
"""Of a network. Those that ship have fewer than 300."""

WEIGHTS = "a file of weights with a card"
SUM = "sha256"
"""Where the metadata of a file have the SHA-256 of its card and its arrays. Files that ship have theirs in `SUMS`."""


def shipped() -> dict[str, Path]:
    """The files that come with the package, by name."""
    return {file.stem: file for file in sorted(FOLDER.glob("*.safetensors"))}


def path_of(name: str | Path) -> Path:
    """A shipped file by its name, or a user's own by its path. Raises `InputError` if it is neither."""
    files = shipped()
    if str(name) in files:
        return files[str(name)]
    if Path(name).is_file():
        return Path(name)
    raise InputError(unknown("weights", str(name), files, more="or give the path of a .safetensors file"))


def save(module: nn.Module, card: Mapping[str, Any], path: str | Path) -> Path:
    """Write a module's weights in fp16 with a card; the file takes its place only when it is complete.

    Parameters
    ----------
    module : torch.nn.Module
        A network that `build_module` can build from the card's `architecture`.
    card : mapping
        Description of the weights, as JSON has it; `architecture` is needed.
    path : str or Path
        A .safetensors file.

    Returns
    -------
    Path
        The same path.

    Raises
    ------
    RetrieveError
        If fp16 cannot hold a weight, or the file cannot be written.
    """
    from safetensors.torch import save as serialised

    path = Path(path)
    tensors = {name: _plain(t) for name, t in module.state_dict().items()}
    for name, t in tensors.items():
        if not t.isfinite().all():
            raise RetrieveError(f"{path}: {name} holds a value that fp16 cannot hold; nothing was written")
    text = write_record(card, CARD)
    with replacing(path) as file:
        file.write(serialised(tensors, {"card": text, SUM: sum_of(text, tensors)}))
    return path


def sum_of(text: str, tensors: Mapping[str, torch.Tensor]) -> str:
    """The SHA-256 of a text and of tensors with their names."""
    parts: list[Any] = [text]
    for name, t in sorted(tensors.items()):
        raw = t.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        parts += [f"{name} {t.dtype} {tuple(t.shape)}", raw.numpy()]
    return digest(*parts)


def _plain(t: torch.Tensor) -> torch.Tensor:
    """On the CPU, in fp16 where it is of floats."""
    return t.detach().to("cpu", torch.float16 if t.is_floating_point() else t.dtype).contiguous()


def card_of(name: str | Path) -> dict[str, Any]:
    """Read the card of weights: architecture, scales, data, training.

    Parameters
    ----------
    name : str or Path
        Name of shipped weights (see `retrieve weights`), or a .safetensors file.

    Returns
    -------
    dict
        The card.

    Raises
    ------
    InputError
        If there are no such weights, or the file has no card.
    """
    return _metadata(name)[0]


def _metadata(name: str | Path) -> tuple[dict[str, Any], dict[str, str], dict[str, tuple[int, ...]]]:
    """The card, all metadata, and the shapes of a file of weights. Raises `InputError`."""
    from safetensors import safe_open

    path = path_of(name)
    with parsing(path, WEIGHTS), safe_open(regular_file(path), "pt") as file:
        metadata = file.metadata() or {}
        shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118  (no mapping)
    if "card" not in metadata:
        raise InputError(f"{path} is not a file of weights with a card; make one with `retrieve train`")
    card = read_record(metadata["card"], CARD, f"{path}: its card")
    card["architecture"] = check_architecture(card["architecture"], str(path))
    return card, metadata, shapes


def _tensors(path: Path, metadata: Mapping[str, str]) -> dict[str, torch.Tensor]:
    """The tensors of a file, all finite. Raises `InputError`, also where they differ from their checksum."""
    from safetensors.torch import load_file

    with parsing(path, WEIGHTS):
        tensors: dict[str, torch.Tensor] = load_file(path)
    if SUM in metadata and metadata[SUM] != sum_of(metadata["card"], tensors):
        raise InputError(f"{path} differs from its checksum: it was damaged or edited; {CARD.remedy}")
    for name, t in tensors.items():
        if not t.isfinite().all():
            raise InputError(f"{path}: {name} holds values that are not finite; {CARD.remedy}")
    return tensors


def load_weights(name: str | Path, device: str | torch.device = "cpu") -> nn.Module:
    """Load the network of shipped weights or of a file, in float32 and ready to use.

    It is loaded once per file and device and shared: copy it before you change it.

    Parameters
    ----------
    name : str or Path
        Name of shipped weights (see `retrieve weights`), or a .safetensors file.
    device : str or torch.device
        Where it computes.

    Returns
    -------
    torch.nn.Module
        A `Denoiser` or a `Retriever`.

    Raises
    ------
    InputError
        If there are no such weights, or the file is damaged or of an unknown architecture.
    """
    path = path_of(name).resolve()
    return _load(path, path.stat().st_mtime_ns, str(torch.device(device)))


@lru_cache(maxsize=4)
def _load(path: Path, changed: int, device: str) -> nn.Module:
    card, metadata, shapes = _metadata(path)
    check_fits(card["architecture"], shapes, str(path))
    tensors = _tensors(path, metadata)
    try:
        module = build_module(card["architecture"])
        module.load_state_dict(tensors)
    except (InputError, RuntimeError) as error:
        raise InputError(f"{path}: its weights are not those of its card's architecture: {str(error).splitlines()[0]}") from error
    return module.requires_grad_(False).eval().to(device)


def check_fits(architecture: Mapping[str, Any], shapes: Mapping[str, Sequence[int]], what: str) -> None:
    """Check that an architecture has exactly the arrays of a file, without memory for them.

    Parameters
    ----------
    architecture : mapping
        See `build_module`.
    shapes : mapping of str to sequence of int
        The shape of each array of the file.
    what : str
        The file, for messages.

    Raises
    ------
    InputError
        If the network is another one. A network with more arrays than the file is not built to its end.
    """
    try:
        with torch.device("meta"), _at_most(len(shapes)):
            mine = {name: tuple(t.shape) for name, t in build_module(architecture).state_dict().items()}
    except (InputError, RuntimeError) as error:
        raise InputError(f"{what}: its weights are not those of its card's architecture: {str(error).splitlines()[0]}") from error
    for name in sorted(set(mine) | set(shapes)):
        if mine.get(name) != (None if name not in shapes else tuple(shapes[name])):
            sizes = ["none" if s is None else "×".join(map(str, s)) or "one value" for s in (shapes.get(name), mine.get(name))]
            raise InputError(
                f"{what}: its weights are not those of its card's architecture: {name} is {sizes[0]} in the file, {sizes[1]} in "
                f"the network; {CARD.remedy}"
            )


@contextmanager
def _at_most(count: int) -> Iterator[None]:
    """Let this thread build a network of at most so many arrays. Raises `InputError` for more, as soon as they appear."""
    seen, thread = [0], threading.get_ident()

    def counted(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
        seen[0] += threading.get_ident() == thread
        if seen[0] > count:
            raise InputError(f"the network has more than {count} arrays")

    handle = register_module_parameter_registration_hook(counted)
    try:
        yield
    finally:
        handle.remove()


def load_partial_state(module: nn.Module, name: str | Path) -> None:
    """Give a module the weights of shipped ones or of a file.

    Its first and last layer may have more channels, and it alone may know the kinds of objects. New weights start at zero and
    change nothing. Raises `InputError` if the file's network is another one.
    """
    mine, theirs = module.state_dict(), _tensors(path_of(name), _metadata(name)[1])
    if KIND_WEIGHT in mine and KIND_WEIGHT not in theirs:
        theirs[KIND_WEIGHT] = torch.zeros_like(mine[KIND_WEIGHT])
    for key in sorted(set(mine) | set(theirs)):
        new, old = mine.get(key), theirs.get(key)
        wider = key.rpartition(".")[0] in ("network.first", "network.last")
        if new is None or old is None or not (new.shape == old.shape or wider and _holds(new.shape, old.shape)):
            shapes = " and ".join("none" if t is None else "×".join(map(str, t.shape)) for t in (old, new))
            raise InputError(f"weights {name!r} are of another network: {key} is {shapes}; leave out what changes its size")
        new.zero_()
        new[tuple(slice(n) for n in old.shape)] = old.to(new.dtype)


def _holds(larger: Sequence[int], smaller: Sequence[int]) -> bool:
    return len(larger) == len(smaller) and all(a >= b for a, b in zip(larger, smaller, strict=True))


def build_module(architecture: Mapping[str, Any]) -> nn.Module:
    """The module, with fresh weights, of a card's `architecture`: its kind, and its arguments."""
    arguments = check_architecture(architecture, "the network")
    kind = arguments.pop("kind")
    module, _, name = MODULES[kind].partition(":")
    try:
        made: nn.Module = getattr(importlib.import_module(module, __package__), name)(**arguments)
    except (TypeError, ValueError) as error:
        raise InputError(f"architecture {kind}: {error}") from error
    return made


def complete(architecture: Mapping[str, Any]) -> dict[str, Any]:
    """The architecture with all defaults filled in."""
    with torch.device("meta"), _at_most(MAX_ARRAYS):
        settings: dict[str, Any] = build_module(architecture).settings  # type: ignore[assignment]
    return settings


def verify() -> dict[str, bool]:
    """Whether each shipped file has the hash in `SHA256SUMS`; False for a missing file."""
    told = dict(line.split()[::-1] for line in SUMS.read_text().splitlines() if line.strip()) if SUMS.exists() else {}
    files = {file.name: file for file in shipped().values()}
    return {
        name.removesuffix(".safetensors"): name in files and told.get(name) == sha256(files[name])
        for name in sorted(set(files) | set(told))
    }
