"""Registered things by kind and name: found, listed, and checked for their type."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import reprlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import InputError, PluginError
from . import builtin
from .guard import Call, in_words, unguarded
from .loading import OWN, PATIENCE, limit, loaded
from .options import options_of, unknown

PLUGIN_KINDS = {
    "solvers": "retrieve.solvers.base:Solver",
    "operators": "retrieve.operators.base:Operator",
    "readers": "retrieve.io.records:Reader",
    "loaders": "retrieve.prepare.loaders:Loader",
    "preparations": "retrieve.prepare.preparation:Preparation",
    "writers": "retrieve.io.writers:Writer",
    "panels": "retrieve.report.added_panels:Panel",
    "metrics": "retrieve.evaluate.metrics:Metric",
    "priors": "collections.abc:Callable",
    "executors": "collections.abc:Callable",
    "likelihoods": "retrieve.problem.likelihood:Likelihood",
    "sets": "retrieve.simulate.base:ObjectSet",
    "benchmarks": "retrieve.evaluate.benchmarks:Benchmark",
    "commands": "click:Command",
}
"""The kinds of things that plugins register, with their types: subclasses of those in `CLASSES`, instances of the others."""

CLASSES = ("solvers", "operators", "likelihoods", "preparations")
"""The kinds that are registered as classes."""

OPTIONED = ("solvers", "likelihoods", "preparations", "sets")
"""The kinds that have options."""


def registered(kind: str, wait: bool = True) -> dict[str, tuple[Any, str]]:
    """The targets of a `kind` by name, each with its plugin.

    If two plugins register one name, the first by its plugin's name keeps it, and a warning names the other.

    Parameters
    ----------
    kind
        One of `PLUGIN_KINDS`, such as "solvers".
    wait
        Wait for imports that still run, so that the outcome does not depend on their speed. Only listings do not.
    """
    plugins = loaded()
    if wait:
        plugins.settle()
    found: dict[str, tuple[Any, str]] = {}
    for plugin, items in plugins.hooks(f"register_{kind}"):
        for name, target in items.items():
            if name in found:
                plugins.clashes[kind, name] = (found[name][1], plugin)
                plugins.reject(plugin, _clash_message(kind, name))
            else:
                found[name] = (target, plugin)
    return found


def _clash_message(kind: str, name: str) -> str:
    first, second = loaded().clashes[kind, name]
    return f"{kind[:-1]} {name!r} is registered by {first} and by {second}; uninstall or rename one"


def find(kind: str, name: str) -> Any:
    """Find a registered object, and import it if its target is lazy.

    A built-in name is found without the plugins. Any other name waits for the imports of all of them.

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
        For a name of two plugins, and for a target that does not import, has the wrong type, or whose options cannot be read.
    """
    own: dict[str, Any] = getattr(builtin, f"register_{kind}", dict)()
    if name in own:
        return _imported(own[name])
    known = registered(kind)
    if name not in known:
        raise InputError(unknown(kind[:-1], name, known) + left_out(kind))
    return unguarded(_of_plugin, kind, name, *known[name])


def _of_plugin(kind: str, name: str, target: Any, plugin: str) -> Any:
    """A target that a plugin registers, loaded and checked."""
    if (kind, name) in loaded().clashes:
        raise PluginError(_clash_message(kind, name))
    try:
        found = _imported(target)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise PluginError(f"{kind[:-1]} {name!r} of plugin {plugin}: {target} does not load ({in_words(error)})") from error
    wanted = _imported(PLUGIN_KINDS[kind])
    if kind in CLASSES:
        right, what = isinstance(found, type) and issubclass(found, wanted), f"a subclass of {wanted.__name__}"
    else:
        right, what = isinstance(found, wanted), f"a {wanted.__name__}"
    if not right:
        raise PluginError(f"{kind[:-1]} {name!r} of plugin {plugin} is {reprlib.repr(found)}; register {what}")
    if kind in OPTIONED:
        try:
            [(option.range, str(option.default)) for option in options_of(found if kind in CLASSES else type(found))]
        except Exception as error:
            raise PluginError(
                f"{kind[:-1]} {name!r} of plugin {plugin}: its options cannot be read ({in_words(error)})"
            ) from error
    return found


def left_out(kind: str) -> str:
    """The plugins that may miss in a list of all names of a `kind`, each with the reason; to be added to a message."""
    plugins = loaded()
    missed = [
        f"; plugin {plugin} was left out: {reason}"
        for plugin, reason in plugins.broken.items()
        if plugin not in plugins.origin or f"register_{kind}" in reason
    ]
    return "".join(missed)


def _imported(target: Any) -> Any:
    """A target; one that is named ``"module:object"`` is imported."""
    if not isinstance(target, str):
        return target
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def available(kind: str) -> dict[str, Any]:
    """Everything of a `kind` by name, imported. A target that does not import is left out with a warning."""
    found = {}
    for name, (target, plugin) in registered(kind).items():
        try:
            found[name] = _imported(target) if plugin == OWN else _in_time(limit(), _of_plugin, kind, name, target, plugin)
        except PluginError as error:
            loaded().reject(plugin, str(error))
    return found


def summaries(kind: str) -> dict[str, str]:
    """The first line of each docstring, by name. Lazy targets are read from their source, not imported, where it says it."""
    found = {}
    for name, (target, plugin) in registered(kind, wait=False).items():
        try:
            text = _docstring(target) if plugin == OWN else _in_time(PATIENCE, _docstring_of_plugin, kind, name, target, plugin)
        except PluginError as error:
            loaded().reject(plugin, str(error))
            continue
        found[name] = (text if isinstance(text, str) else "").strip().partition("\n")[0]
    return found


def _docstring_of_plugin(kind: str, name: str, target: Any, plugin: str) -> Any:
    text = None
    if isinstance(target, str):
        spec = importlib.util.find_spec(target.partition(":")[0])  # imports the package around the module, as the plugin did
        if spec is not None and spec.origin is not None and spec.origin.endswith(".py"):
            text = _docstring_in(Path(spec.origin), target.partition(":")[2])
    return _of_plugin(kind, name, target, plugin).__doc__ if text is None else text


def _in_time(seconds: float, load: Callable[..., Any], kind: str, name: str, *of: Any) -> Any:
    """What `load` makes of a target of a plugin, if it is there in time; else raise `PluginError`."""
    seconds = min(seconds, limit())
    call = Call(load, kind, name, *of)
    if call.wait(seconds):
        return call.result()
    call.stop()
    raise PluginError(f"{kind[:-1]} {name!r} does not load within {seconds:g} s; set RETRIEVE_PLUGIN_SECONDS")


def _docstring(target: str) -> str | None:
    """The docstring of a class of `retrieve`, given as ``"module:Class"``, from its source."""
    module, _, name = target.partition(":")
    return _docstring_in(Path(__file__).parents[1].joinpath(*module.split(".")[1:]).with_suffix(".py"), name)


def _docstring_in(source: Path, name: str) -> str | None:
    """The docstring of a class in a file of Python; None if there is none."""
    classes = (node for node in ast.parse(source.read_text("utf-8")).body if isinstance(node, ast.ClassDef))
    return next((ast.get_docstring(node) for node in classes if node.name == name), None)
