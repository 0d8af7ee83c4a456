"""Loading of plugins through entry points, each under guard: a broken one is named and left out."""

from __future__ import annotations

import importlib
import importlib.metadata
import warnings
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import pluggy

from . import hookspecs
from .errors import InputError, PluginError
from .options import unknown

GROUP = "retrieve"


@dataclass(frozen=True)
class Loaded:
    """The plugin manager, which distribution each plugin came from, and what could not be loaded and why."""

    manager: pluggy.PluginManager
    origin: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)


@lru_cache(maxsize=1)
def loaded() -> Loaded:
    """All plugins: the built-in ones first, then every entry point of the group ``retrieve``."""
    from . import builtin

    plugins = Loaded(pluggy.PluginManager(GROUP))
    plugins.manager.add_hookspecs(hookspecs)
    plugins.manager.register(builtin, "retrieve")
    plugins.origin["retrieve"] = "retrieve-phase"
    for point in importlib.metadata.entry_points(group=GROUP):
        dist = point.dist.name if point.dist else "unknown distribution"
        name = f"{point.name} ({dist})"
        try:
            plugins.manager.register(point.load(), name)
            plugins.manager.check_pending()
            plugins.origin[name] = dist
        except Exception as error:  # whatever a foreign package raises must not stop the program
            if plugins.manager.has_plugin(name):
                plugins.manager.unregister(name=name)
            plugins.broken[name] = f"{type(error).__name__}: {error}"
            warnings.warn(f"plugin {name} was left out: {plugins.broken[name]}", stacklevel=2)
    return plugins


def registered(kind: str) -> dict[str, tuple[Any, str]]:
    """Everything of a `kind` (``solvers``, ``operators``, ``readers``) by name, with the plugin it came from.

    Raises `PluginError` when two plugins register one name.
    """
    plugins = loaded()
    hook = f"register_{kind}"
    found: dict[str, tuple[Any, str]] = {}
    for name, plugin in plugins.manager.list_name_plugin():
        implementation = getattr(plugin, hook, None)
        if implementation is None or not plugins.manager.is_registered(plugin):
            continue
        try:
            items = dict(implementation())
        except Exception as error:
            plugins.broken[name] = f"{hook}: {type(error).__name__}: {error}"
            warnings.warn(f"plugin {name} was left out: {plugins.broken[name]}", stacklevel=2)
            continue
        for key, target in items.items():
            if key in found:
                raise PluginError(f"{kind[:-1]} {key!r} is registered by {found[key][1]} and by {name}; uninstall or rename one")
            found[key] = (target, name)
    return found


def find(kind: str, name: str) -> Any:
    """The object of a `kind` called `name`, imported if its target is lazy.

    Raises `InputError` for an unknown name, `PluginError` for a target that does not import.
    """
    known = registered(kind)
    if name not in known:
        raise InputError(unknown(kind[:-1], name, known))
    target, plugin = known[name]
    if not isinstance(target, str):
        return target
    module, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except Exception as error:
        reason = f"{target} does not load ({type(error).__name__}: {error})"
        raise PluginError(f"{kind[:-1]} {name!r} of plugin {plugin}: {reason}") from error
