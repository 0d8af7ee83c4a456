"""Checks of an installed plugin: that it loads, fits the hooks, and that everything it registers conforms."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import pluggy

from ..errors import InputError
from ..plugins import hookspecs
from ..plugins.guard import guarded
from ..plugins.loading import GROUP, LAZY, PATIENCE, Importing, limit, loaded, plugin_name
from ..plugins.options import unknown
from ..plugins.registry import PLUGIN_KINDS, find, registered
from . import case_of
from .case import Case, CheckOutcome, Checks, require

checks = Checks()


@dataclass(frozen=True)
class InstalledPlugin:
    """An entry point. seconds: the limit of its import."""

    point: importlib.metadata.EntryPoint
    seconds: float

    @cached_property
    def importing(self) -> Importing:
        """Its import, done or given up."""
        importing = Importing(self.point)
        importing.wait(self.seconds)
        return importing

    def items(self) -> Iterator[tuple[str, str, Any]]:
        """What it registers: kind, name, target."""
        for kind in PLUGIN_KINDS:
            hook = getattr(self.importing.value, f"register_{kind}", None)
            for name, target in (guarded(self.seconds, lambda hook=hook: dict(hook())) if hook else {}).items():
                yield kind, name, target

    def found(self) -> Iterator[tuple[str, str, Any]]:
        """The same with targets that are loaded; those that do not load are left out."""
        mine = plugin_name(self.point)[0]
        for kind, name, _ in self.items():
            if registered(kind).get(name, (None, ""))[1] == mine:
                try:
                    yield kind, name, find(kind, name)
                except Exception:  # `targets_load` tells why
                    continue


@checks.add("imports")
def imports(plugin: InstalledPlugin) -> None:
    """The entry point's module imports."""
    require(not plugin.importing.is_alive(), f"{plugin.point.value}: its import is not done after {plugin.seconds:g} s")
    if plugin.importing.error is not None:
        raise AssertionError(f"{plugin.point.value}: {type(plugin.importing.error).__name__}: {plugin.importing.error}")


@checks.add("imports quickly", imports)
def quick(plugin: InstalledPlugin) -> None:
    """The import is done before a listing goes on without it."""
    seconds, patience = plugin.importing.seconds, min(PATIENCE, limit())
    require(seconds < patience, f"its import takes {seconds:.1f} s, listings wait {patience:g} s; {LAZY}")


@checks.add("hooks fit", imports)
def hooks_fit(plugin: InstalledPlugin) -> None:
    """Its hooks are known, and take what they are given."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin.importing.value)
    manager.check_pending()


@checks.add("registers something", hooks_fit)
def registers(plugin: InstalledPlugin) -> None:
    """At least one of its hooks names something."""
    hooks = ", ".join(f"register_{kind}" for kind in PLUGIN_KINDS)
    require(list(plugin.items()), f"{plugin.point.value} registers nothing; give one of {hooks}, marked @hookimpl")


@checks.add("names are its own", registers)
def own_names(plugin: InstalledPlugin) -> None:
    """No name is another plugin's, and things go by the name that they have themselves."""
    mine = plugin_name(plugin.point)[0]
    for kind, name, _ in plugin.items():
        registered(kind)
        clash = loaded().clashes.get((kind, name))
        require(clash is None, f"{kind[:-1]} {name!r} is registered by {' and by '.join(clash or ())}; rename yours")
        owner = registered(kind).get(name, (None, mine))[1]
        require(owner == mine, f"{kind[:-1]} {name!r} is registered by {owner}; rename yours")
    for kind, name, target in plugin.found():
        if kind in ("solvers", "metrics", "likelihoods", "preparations"):  # results keep its name, and are replayed by it
            require(target.name == name, f"{kind[:-1]} {name!r} has the name {target.name!r}; give both the same")


@checks.add("targets load", registers)
def targets_load(plugin: InstalledPlugin) -> None:
    """Everything that is registered imports, and is what the hook promises."""
    mine = plugin_name(plugin.point)[0]
    for kind, name, _ in plugin.items():
        if registered(kind).get(name, (None, mine))[1] == mine and (kind, name) not in loaded().clashes:
            find(kind, name)


def check_package(package: str, seconds: float = 60.0) -> Iterator[CheckOutcome]:
    """The outcomes of all checks of a package: those of its plugins, and of everything that they register.

    package: the name of the distribution, the module or the entry point.
    seconds: the limit of the import, and of each run of a solver.
    Raises `InputError` where no such plugin is installed.
    """
    for point in _points(package):
        plugin = InstalledPlugin(point, seconds)
        case = Case(f"plugin {plugin_name(point)[0]}", partial(checks.make, plugin), checks)
        yield from case.outcomes()
        if case.outcome(registers.name).status == "passed":
            for kind, name, target in plugin.found():
                settings: dict[str, Any] = {"seconds": seconds} if kind == "solvers" else {}
                yield from case_of(target, kind=kind, label=f"{kind[:-1]} {name}", **settings).outcomes()


def _points(package: str) -> list[importlib.metadata.EntryPoint]:
    known: dict[str, list[importlib.metadata.EntryPoint]] = {}
    for point in importlib.metadata.entry_points(group=GROUP):
        for name in {
            _normal(name) for name in (plugin_name(point)[1], point.value.partition(":")[0].partition(".")[0], point.name)
        }:
            known.setdefault(name, []).append(point)
    if _normal(package) not in known:
        names = {plugin_name(point)[1] for points in known.values() for point in points}
        hint = unknown("plugin", package, names) if names else f"unknown plugin {package!r}; none is installed"
        raise InputError(f"{hint}; install it into this Python first: pip install ./{package}")
    return known[_normal(package)]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
