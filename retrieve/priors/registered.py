"""Priors of plugins, which solvers find by name as they find weights."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import nn

from ..errors import InputError, PluginError
from ..plugins.guard import unguarded
from ..plugins.loading import loaded
from ..plugins.registry import find, registered
from .weights import shipped


def of_plugins() -> dict[str, str]:
    """The priors that plugins add, by name, with the plugin."""
    return {name: plugin for name, (_, plugin) in registered("priors").items()}


def prior_of(name: str, device: Any = "cpu") -> Any:
    """The prior that a plugin registered by this name, on a device; None for shipped weights, a file, and an unknown name.

    It is made once per device and shared. Raises `PluginError` if it cannot be made.
    """
    if name in shipped() or Path(name).is_file():
        return None
    try:
        make = find("priors", name)
    except InputError:
        return None
    try:
        return unguarded(_made, make, str(device))
    except PluginError as error:
        raise PluginError(f"prior {name!r} of plugin {of_plugins()[name]} cannot be made: {error}") from error


@lru_cache(maxsize=4)
def _made(make: Callable[[], Any], device: str) -> Any:
    prior = make()
    return prior.requires_grad_(False).eval().to(device) if isinstance(prior, nn.Module) else prior


def plugin_of(name: str) -> str | None:
    """The plugin of a prior that `prior_of` finds, with its distribution's version; None if it finds none."""
    if prior_of(name) is None:
        return None
    plugin = of_plugins()[name]
    try:
        return f"{plugin} {importlib.metadata.version(loaded().origin[plugin])}"
    except importlib.metadata.PackageNotFoundError:
        return plugin
