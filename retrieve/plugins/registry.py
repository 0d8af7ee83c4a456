"""Loading of plugins through entry points, each under guard: broken and slow ones are named and left out."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import os
import threading
import time
import warnings
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pluggy

from ..errors import InputError, PluginError
from . import hookspecs
from .options import unknown

GROUP = "retrieve"
OWN = "retrieve"
"""The name of the built-in plugin. No other plugin may take its names."""

IMPORT_TIMEOUT = 5.0
"""Limit of a plugin's import, seconds. The variable RETRIEVE_PLUGIN_SECONDS sets another limit."""

LAZY = 'let its hooks name lazy targets, "module:Class"'
"""The remedy for a slow import."""

PLUGIN_KINDS = {
    "solvers": "retrieve.solvers.base:Solver",
    "operators": "retrieve.operators.base:Operator",
    "readers": "retrieve.io.records:Reader",
    "loaders": "retrieve.prepare.loaders:Loader",
    "metrics": "retrieve.evaluate.metrics:Metric",
    "priors": "collections.abc:Callable",
    "executors": "collections.abc:Callable",
}
"""The kinds of things that plugins register, with their types: subclasses of the first two, instances of the others."""

CLASSES = ("solvers", "operators")
"""The kinds that are registered as classes."""


@dataclass(frozen=True)
class Loaded:
    """The loaded plugins.

    manager: the plugin manager.
    origin: the distribution of each plugin.
    broken: the reasons why plugins were left out.
    seconds: the duration of each import.
    waiting: imports that still run.
    clashes: the two plugins, by kind and name, that register the same name. The first keeps it.
    """

    manager: pluggy.PluginManager
    origin: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    waiting: dict[str, Importing] = field(default_factory=dict)
    clashes: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)

    def reject(self, name: str, reason: str) -> None:
        """Leave out a plugin or a part of it, with a reason; warn once."""
        before = self.broken.get(name, "")
        if reason not in before:
            self.broken[name] = f"{before}; {reason}" if before else reason
            warnings.warn(f"plugin {name} was left out: {reason}", stacklevel=3)

    def register(self, name: str, dist: str, importing: Importing, seconds: float | None = None) -> None:
        """Register a plugin when its import is done. After `seconds`, leave it out for now."""
        importing.join(seconds)
        if importing.is_alive():
            self.waiting[name] = importing
            self.reject(name, f"its import is not done after {seconds:g} s; {LAZY}, or set RETRIEVE_PLUGIN_SECONDS")
            return
        self.seconds[name] = importing.seconds
        try:
            if importing.error is not None:
                raise importing.error
            self.manager.register(importing.module, name)
            self.manager.check_pending()
            self.origin[name] = dist
        except (Exception, SystemExit) as error:  # whatever a foreign package raises must not stop the program
            if self.manager.has_plugin(name):
                self.manager.unregister(name=name)
            self.reject(name, f"{type(error).__name__}: {error}")


class Importing(threading.Thread):
    """The import of an entry point in a thread of its own."""

    def __init__(self, point: importlib.metadata.EntryPoint) -> None:
        super().__init__(daemon=True)
        self.point, self.module, self.error, self.seconds = point, None, None, 0.0
        self.start()

    module: Any
    error: BaseException | None

    def run(self) -> None:
        """Import the module; keep it or the error, and the duration."""
        begun = time.perf_counter()
        try:
            self.module = self.point.load()
        except BaseException as error:  # raised again in the thread that waits
            self.error = error
        self.seconds = time.perf_counter() - begun


def import_timeout() -> float:
    """The limit of a plugin's import, seconds."""
    asked = os.environ.get("RETRIEVE_PLUGIN_SECONDS", "")
    try:
        return max(0.0, float(asked)) if asked else IMPORT_TIMEOUT
    except ValueError:
        raise InputError(f"RETRIEVE_PLUGIN_SECONDS={asked!r} is no number; give the limit of an import in seconds") from None


@lru_cache(maxsize=1)
def loaded() -> Loaded:
    """All plugins: the built-in ones first, then every entry point of the group ``retrieve``."""
    from . import builtin

    plugins = Loaded(pluggy.PluginManager(GROUP))
    plugins.manager.add_hookspecs(hookspecs)
    plugins.manager.register(builtin, OWN)
    plugins.origin[OWN] = "retrieve-phase"
    for point in importlib.metadata.entry_points(group=GROUP):
        name, dist = plugin_name(point)
        plugins.register(name, dist, Importing(point), import_timeout())
    return plugins


def plugin_name(point: importlib.metadata.EntryPoint) -> tuple[str, str]:
    """The name of a plugin, and its distribution."""
    dist = point.dist.name if point.dist else "unknown distribution"
    return f"{point.name} ({dist})", dist


def wait_for_all() -> bool:
    """Wait for the imports that still run, and register their plugins. False if there are none."""
    plugins = loaded()
    late = dict(plugins.waiting)
    plugins.waiting.clear()
    for name, importing in late.items():
        plugins.broken.pop(name)
        plugins.register(name, plugin_name(importing.point)[1], importing)
    return bool(late)


def registered(kind: str) -> dict[str, tuple[Any, str]]:
    """The targets of a `kind` (see `PLUGIN_KINDS`) by name, each with its plugin.

    If two plugins register one name, the first keeps it, and a warning names the other.
    """
    plugins = loaded()
    hook = f"register_{kind}"
    found: dict[str, tuple[Any, str]] = {}
    for name, plugin in plugins.manager.list_name_plugin():
        implementation = getattr(plugin, hook, None)
        if implementation is None or not plugins.manager.is_registered(plugin):
            continue
        try:
            items = {str(key): target for key, target in dict(implementation()).items()}
        except (Exception, SystemExit) as error:
            plugins.reject(name, f"{hook}: {type(error).__name__}: {error}")
            continue
        for key, target in items.items():
            if key in found:
                plugins.clashes[kind, key] = (found[key][1], name)
                plugins.reject(name, _clash_message(kind, key))
            else:
                found[key] = (target, name)
    return found


def _clash_message(kind: str, name: str) -> str:
    first, second = loaded().clashes[kind, name]
    return f"{kind[:-1]} {name!r} is registered by {first} and by {second}; uninstall or rename one"


def find(kind: str, name: str) -> Any:
    """Find a registered object, and import it if its target is lazy. An unknown name waits for imports that still run.

    Parameters
    ----------
    kind
        One of `PLUGIN_KINDS`, such as "solvers".
    name
        The registered name.

    Raises
    ------
    InputError
        For an unknown name.
    PluginError
        For a name of two plugins, and for a target that does not import or has the wrong type.
    """
    known = registered(kind)
    if name not in known and wait_for_all():
        known = registered(kind)
    if name not in known:
        raise InputError(unknown(kind[:-1], name, known))
    target, plugin = known[name]
    if (kind, name) in loaded().clashes and plugin != OWN:
        raise PluginError(_clash_message(kind, name))
    try:
        found = _imported(target) if isinstance(target, str) else target
    except (Exception, SystemExit) as error:
        reason = f"{target} does not load ({type(error).__name__}: {error})"
        raise PluginError(f"{kind[:-1]} {name!r} of plugin {plugin}: {reason}") from error
    wanted = _imported(PLUGIN_KINDS[kind])
    if kind in CLASSES:
        right, what = isinstance(found, type) and issubclass(found, wanted), f"a subclass of {wanted.__name__}"
    else:
        right, what = isinstance(found, wanted), f"a {wanted.__name__}"
    if not right:
        raise PluginError(f"{kind[:-1]} {name!r} of plugin {plugin} is {found!r}; register {what}")
    return found


def _imported(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def import_from_plugin(module: str) -> bool:
    """Import a module that a file names, if it belongs to the package of a loaded plugin; tell whether it did."""
    plugins = loaded().manager.get_plugins()
    packages = {getattr(plugin, "__name__", "").partition(".")[0] for plugin in plugins}
    if module.partition(".")[0] not in packages:
        return False
    try:
        importlib.import_module(module)
    except (Exception, SystemExit) as error:
        raise PluginError(f"the module {module} of a plugin does not load ({type(error).__name__}: {error})") from error
    return True


def available(kind: str) -> dict[str, Any]:
    """Everything of a `kind` by name, imported. A target that does not import is left out with a warning."""
    found = {}
    for name, (_, plugin) in registered(kind).items():
        try:
            found[name] = find(kind, name)
        except PluginError as error:
            loaded().reject(plugin, str(error))
    return found


def summaries(kind: str) -> dict[str, str]:
    """The first line of each docstring, by name. Targets of `retrieve` itself are read from their source, not imported."""
    found = {}
    for name, (target, plugin) in registered(kind).items():
        try:
            text = _docstring(target) if plugin == OWN else find(kind, name).__doc__
        except PluginError as error:
            loaded().reject(plugin, str(error))
            continue
        found[name] = (text or "").strip().partition("\n")[0]
    return found


def _docstring(target: str) -> str | None:
    """The docstring of a class of `retrieve`, given as ``"module:Class"``, from its source."""
    module, _, name = target.partition(":")
    source = Path(__file__).parents[1].joinpath(*module.split(".")[1:]).with_suffix(".py")
    classes = (node for node in ast.parse(source.read_text("utf-8")).body if isinstance(node, ast.ClassDef))
    return next((ast.get_docstring(node) for node in classes if node.name == name), None)
