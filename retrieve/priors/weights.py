"""Weights as files: fp16 safetensors with a card that describes them; shipped ones are found by name."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import InputError, RetrieveError
from ..files import replacing
from ..plugins.options import unknown
from ..provenance import sha256

FOLDER = Path(__file__).parent / "weights"
SUMS = FOLDER / "SHA256SUMS"
KIND_WEIGHT = "network.kind.weight"
ARCHITECTURES = {
    "edm": ".edm:EDM",
    "epsilon": ".epsilon:Epsilon",
    "told": ".told:ToldEDM",
    "complex-unet": ".retriever:ComplexUNet",
    "real-unet": ".retriever:RealUNet",
}
"""``module:Class`` of each kind of architecture."""


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
    raise InputError(f"{unknown('weights', str(name), files)}; or give the path of a .safetensors file")


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
    with replacing(path) as partial:
        partial.write_bytes(serialised(tensors, {"card": json.dumps(card)}))
    return path


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
    from safetensors import SafetensorError, safe_open

    path = path_of(name)
    try:
        with safe_open(path, "pt") as file:
            card = json.loads((file.metadata() or {})["card"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise InputError(f"{path} is not a file of weights with a card ({error}); make one with `retrieve train`") from error
    if not isinstance(card, dict) or not isinstance(card.get("architecture"), dict):
        raise InputError(f"{path}: its card has no architecture; make the file with `retrieve train`")
    return card


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
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        module = build_module(card_of(path)["architecture"])
        module.load_state_dict(load_file(path))
    except InputError as error:
        raise InputError(str(error) if str(path) in str(error) else f"{path}: {error}") from error
    except (RuntimeError, SafetensorError) as error:
        raise InputError(f"{path}: its weights are not those of its card's architecture: {str(error).splitlines()[0]}") from error
    return module.requires_grad_(False).eval().to(device)


def load_partial_state(module: nn.Module, name: str | Path) -> None:
    """Give a module the weights of shipped ones or of a file.

    Its first and last layer may have more channels, and it alone may know the kinds of objects. New weights start at zero and
    change nothing. Raises `InputError` if the file's network is another one.
    """
    from safetensors.torch import load_file

    card_of(name)  # for its errors
    mine, theirs = module.state_dict(), load_file(path_of(name))
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
    arguments = dict(architecture)
    kind = str(arguments.pop("kind", None))
    if kind not in ARCHITECTURES:
        raise InputError(unknown("architecture", kind, ARCHITECTURES))
    module, _, name = ARCHITECTURES[kind].partition(":")
    try:
        made: nn.Module = getattr(importlib.import_module(module, __package__), name)(**arguments)
    except (TypeError, ValueError) as error:
        raise InputError(f"architecture {kind}: {error}") from error
    return made


def complete(architecture: Mapping[str, Any]) -> dict[str, Any]:
    """The architecture with all defaults filled in."""
    with torch.device("meta"):
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
