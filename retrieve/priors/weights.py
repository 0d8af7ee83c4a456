"""Weights as files: fp16 safetensors with a card that says what they are; those that ship are found by name."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import InputError
from ..options import unknown

FOLDER = Path(__file__).parent / "weights"
SUMS = FOLDER / "SHA256SUMS"


def shipped() -> dict[str, Path]:
    """The files that come with the package, by name."""
    return {file.stem: file for file in sorted(FOLDER.glob("*.safetensors"))}


def path_of(name: str | Path) -> Path:
    """A shipped file by its name, or a user's own by its path. Raises `InputError` for neither."""
    files = shipped()
    if str(name) in files:
        return files[str(name)]
    if Path(name).is_file():
        return Path(name)
    raise InputError(f"{unknown('weights', str(name), files)}; or give the path of a .safetensors file")


def save(module: nn.Module, card: Mapping[str, Any], path: str | Path) -> Path:
    """Write a module's weights in fp16 with its card, which must tell its `architecture`; returns the path.

    The file takes its place only when it is complete.
    """
    from safetensors.torch import save_file

    path = Path(path)
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    tensors = {name: t.detach().to("cpu", torch.float16).contiguous() for name, t in module.state_dict().items()}
    try:
        save_file(tensors, partial, {"card": json.dumps(card)})
        os.replace(partial, path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}; free some space or choose another place") from error
    finally:
        partial.unlink(missing_ok=True)
    return path


def card_of(name: str | Path) -> dict[str, Any]:
    """The card of shipped weights or of a file. Raises `InputError` where it is no safetensors file with a card."""
    from safetensors import SafetensorError, safe_open

    path = path_of(name)
    try:
        with safe_open(path, "pt") as file:
            card = json.loads((file.metadata() or {})["card"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise InputError(f"{path} is not a file of weights with a card ({error}); make one with `retrieve train`") from error
    if not isinstance(card, dict) or "architecture" not in card:
        raise InputError(f"{path}: its card tells no architecture; make the file with `retrieve train`")
    return card


def load(name: str | Path) -> nn.Module:
    """The module of shipped weights or of a file, in float32, ready to use; loaded once for each file as it stands.

    Raises `InputError` for a file that is damaged or of an unknown architecture.
    """
    path = path_of(name).resolve()
    return _load(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _load(path: Path, changed: int) -> nn.Module:
    from safetensors.torch import load_file

    module = build(card_of(path)["architecture"])
    try:
        module.load_state_dict(load_file(path))
    except RuntimeError as error:
        raise InputError(f"{path}: its weights are not those of its card's architecture: {str(error).splitlines()[0]}") from error
    return module.requires_grad_(False).eval()


def build(architecture: Mapping[str, Any]) -> nn.Module:
    """The module, with fresh weights, that a card's `architecture` describes: its kind, and its arguments."""
    arguments = dict(architecture)
    kind = str(arguments.pop("kind", None))
    known = _kinds()
    if kind not in known:
        raise InputError(unknown("architecture", kind, known))
    try:
        return known[kind](**arguments)
    except TypeError as error:
        raise InputError(f"architecture {kind}: {error}") from error


def _kinds() -> dict[str, Callable[..., nn.Module]]:
    from .denoiser import KINDS

    return dict(KINDS)


def sha256(path: Path) -> str:
    """The file's SHA-256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify() -> dict[str, bool]:
    """Whether each shipped file is the one that `SHA256SUMS` tells of."""
    told = dict(reversed(line.split()) for line in SUMS.read_text().splitlines()) if SUMS.exists() else {}
    return {name: told.get(file.name) == sha256(file) for name, file in shipped().items()}
