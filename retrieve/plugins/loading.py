"""Loading of plugins through entry points, each under guard: broken ones are named and left out."""

from __future__ import annotations

import importlib.metadata
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import pluggy

from ..errors import InputError, PluginError
from . import hookspecs
from .guard import Call, guarded

GROUP = "retrieve"
OWN = "retrieve"
"""The name of the built-in plugin. No other plugin may take its names."""

LIMIT = 30.0
"""Limit of a plugin's import, of a hook and of a reader's `sniff`, seconds. RETRIEVE_PLUGIN_SECONDS sets another one."""

PATIENCE = 5.0
"""Seconds that a listing waits for an import or a target. It then goes on, and says so."""

LAZY = 'let its hooks name lazy targets, "module:Class"'
"""The remedy for a slow import."""


@dataclass(frozen=True)
class Loaded:
    """The loaded plugins.

    manager: the plugin manager.
    origin: the distribution of each plugin.
    broken: the reasons why plugins, or parts of them, were left out.
    seconds: the duration of each import.
    waiting: imports that still run.
    items: what each hook of each plugin returned.
    clashes: the two plugins, by kind and name, that register the same name. The first keeps it.
    """

    manager: pluggy.PluginManager
    origin: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    waiting: dict[str, Importing] = field(default_factory=dict)
    items: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    clashes: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)

    def reject(self, name: str, reason: str) -> None:
        """Leave out a plugin or a part of it, with a reason; warn once."""
        before = self.broken.get(name, "")
        if reason not in before:
            self.broken[name] = f"{before}; {reason}" if before else reason
            warnings.warn(f"plugin {name} was left out: {reason}", stacklevel=3)

    def register(self, name: str, importing: Importing) -> None:
        """Register a plugin whose import is done."""
        self.seconds[name] = importing.seconds
        try:
            guarded(limit(), self._enter, importing.result(), name)
            self.origin[name] = plugin_name(importing.point)[1]
        except PluginError as error:
            if self.manager.has_plugin(name):
                self.manager.unregister(name=name)
            self.reject(name, str(error))

    def _enter(self, module: Any, name: str) -> None:
        self.manager.register(module, name)
        self.manager.check_pending()

    def settle(self) -> None:
        """Wait for the imports that still run, and register their plugins. Leave out those that reach the limit."""
        if self.waiting:
            names = " and ".join(self.waiting)
            warnings.warn(f"waiting for the import of plugin {names}; to avoid it, {LAZY}", stacklevel=3)
        for name in list(self.waiting):
            importing = self.waiting.pop(name)
            if importing.wait(max(0.0, importing.begun + limit() - time.perf_counter())):
                self.register(name, importing)
                continue
            importing.stop()
            self.reject(name, f"its import is not done after {limit():g} s; {LAZY}, or set RETRIEVE_PLUGIN_SECONDS")

    def hooks(self, hook: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """What a hook of each plugin returns, by plugin: the built-in one first, the others by name."""
        known = dict(self.manager.list_name_plugin())
        for name in sorted(known, key=lambda name: (name != OWN, name)):
            if (name, hook) not in self.items:
                self.items[name, hook] = {} if known[name] is None else self._checked(name, known[name], hook)
            yield name, self.items[name, hook]

    def _checked(self, name: str, plugin: Any, hook: str) -> dict[str, Any]:
        """The names and targets that a hook returns; those that cannot be used are left out with a reason."""
        try:
            pairs = _pairs(plugin, hook) if name == OWN else guarded(limit(), _pairs, plugin, hook)
        except PluginError as error:
            self.reject(name, f"{hook}: {error}")
            return {}
        good = {}
        for key, target in pairs:
            if type(key) is not str or not key or not key.isprintable() or key != key.strip():
                self.reject(name, f"{hook}: {_shown(key)} is no name; give printable text without spaces around it")
            elif target is None:
                self.reject(name, f"{hook}: {key!r} is None; give an object, or its lazy name 'module:object'")
            else:
                good[key] = target
        return good


def _pairs(plugin: Any, hook: str) -> list[tuple[Any, Any]]:
    """Names and targets that a hook returns; none of a plugin without the hook."""
    implementation = getattr(plugin, hook, None)
    if implementation is None:
        return []
    found = implementation()
    if not isinstance(found, Mapping):
        raise PluginError(f"it returns {_shown(found)}; return a dict of targets by name")
    return [(name, found[name]) for name in found]


def _shown(value: Any) -> str:
    """A value of foreign code in words, without running its code."""
    return repr(value) if type(value) in (str, int, float, bool, bytes, type(None)) else f"a {type(value).__name__}"


class Importing(Call):
    """The import of an entry point."""

    def __init__(self, point: importlib.metadata.EntryPoint) -> None:
        self.point = point
        super().__init__(point.load)


def limit() -> float:
    """The limit of foreign code that decides something for the whole program, seconds."""
    asked = os.environ.get("RETRIEVE_PLUGIN_SECONDS", "")
    try:
        return max(0.0, float(asked)) if asked else LIMIT
    except ValueError:
        raise InputError(f"RETRIEVE_PLUGIN_SECONDS={asked!r} is no number; give the limit of an import in seconds") from None


@lru_cache(maxsize=1)
def loaded() -> Loaded:
    """All plugins: the built-in ones first, then every entry point of the group ``retrieve``.

    Imports that take longer than `PATIENCE` go on; `Loaded.settle` waits for them.
    """
    from . import builtin

    plugins = Loaded(pluggy.PluginManager(GROUP))
    plugins.manager.add_hookspecs(hookspecs)
    plugins.manager.register(builtin, OWN)
    plugins.origin[OWN] = "retrieve-phase"
    patience = min(PATIENCE, limit())
    for point in importlib.metadata.entry_points(group=GROUP):
        name, importing = plugin_name(point)[0], Importing(point)
        if importing.wait(patience):
            plugins.register(name, importing)
        else:
            plugins.waiting[name] = importing
    return plugins


def plugin_name(point: importlib.metadata.EntryPoint) -> tuple[str, str]:
    """The name of a plugin, and its distribution."""
    dist = point.dist.name if point.dist else "unknown distribution"
    return f"{point.name} ({dist})", dist
