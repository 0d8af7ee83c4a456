"""One declaration of a hyper-parameter: default, validation, command-line flag, help and docs.

A solver is a frozen dataclass whose fields are declared with `option`::

    beta: float = option(0.9, "relaxation outside the support", gt=0, le=2)

`validate` runs in the solver's ``__post_init__``, `options_of` lists the declarations for help and
flags, and `build` makes an instance from the strings a user typed.  A field that is itself a
dataclass of options (shrink-wrap inside a recipe) is reached as ``shrink_wrap.threshold``.

A class that renames or drops an option lists it for one version, so that old scripts and manifests still work::

    RENAMED: ClassVar[Mapping[str, str | None]] = {"old_name": "new_name", "dropped": None}
    FORMER_VALUES: ClassVar[Mapping[str, Callable[[Any], Any]]] = {"old_name": function of the old value or its text}
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
import shlex
import types
import typing
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple

from ..errors import OptionError


class Option(NamedTuple):
    """A declared hyper-parameter, as `options_of` lists it."""

    name: str
    type: type
    optional: bool
    default: Any
    help: str
    bounds: Mapping[str, float]
    choices: tuple[str, ...] | None
    source: str | None
    runs_code: Callable[[Any], bool] | None = None

    @property
    def flag(self) -> str:
        """The option on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def range(self) -> str:
        """The valid values in words, such as ``(0, 2]`` or ``max, rms``."""
        if self.choices:
            return ", ".join(self.choices)
        if self.type is bool:
            return "true, false"
        low = next((f"{b}{self.bounds[k]:g}" for k, b in (("ge", "["), ("gt", "(")) if k in self.bounds), "")
        high = next((f"{self.bounds[k]:g}{b}" for k, b in (("le", "]"), ("lt", ")")) if k in self.bounds), "")
        text = f"{low or '(-inf'}, {high or 'inf)'}" if low or high else self.type.__name__
        return f"{text} or none" if self.optional else text

    def parse(self, text: Any) -> Any:
        """Turn text, or a value, into a checked value of the option's type."""
        value = text
        if isinstance(text, str) and self.optional and text.lower() in {"none", "off"}:
            value = None
        elif isinstance(text, str) and self.type is not str:
            value = self._from_text(text)
        self.check(value)
        return value

    def _from_text(self, text: str) -> Any:
        if self.type is bool:
            known = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
            if text.lower() in known:
                return known[text.lower()]
        else:
            try:
                return self.type(text)
            except ValueError:
                pass
        raise OptionError(f"option {self.name}={text!r} is not of type {self.type.__name__}; give {self._wanted}")

    @property
    def _wanted(self) -> str:
        """What to give: a value in a range, or one of the choices."""
        return f"a value in {self.range}" if self.range[:1] in ("(", "[") else self.range

    def check(self, value: Any) -> None:
        """Raise `OptionError` unless `value` has the option's type and lies in its range."""
        if value is None and self.optional:
            return
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if self.type is int:
            right = number and math.isfinite(value) and value == int(value)
        else:
            right = number if self.type is float else isinstance(value, self.type)
        if not right:
            raise OptionError(f"option {self.name}={value!r} is not of type {self.type.__name__}; give {self._wanted}")
        inside = {"ge": lambda v, b: v >= b, "gt": lambda v, b: v > b, "le": lambda v, b: v <= b, "lt": lambda v, b: v < b}
        if (number and not math.isfinite(value)) or not all(inside[k](value, b) for k, b in self.bounds.items()):
            raise OptionError(f"option {self.name}={value!r} is out of range; give a value in {self.range}")
        if self.choices and value not in self.choices:
            raise OptionError(f"option {self.name}={value!r} is unknown; give one of {self.range}")


def option(
    default: Any,
    help: str,
    *,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    choices: tuple[str, ...] | None = None,
    source: str | None = None,
    runs_code: Callable[[Any], bool] | None = None,
) -> Any:
    """Declare a dataclass field as a hyper-parameter.

    Parameters
    ----------
    default
        The default; its type is the field's.
    help
        One sentence for the command line and the docs.
    ge, gt, le, lt
        Bounds of a number.
    choices
        The valid words.
    source
        The paper or person the default comes from.
    runs_code
        Tells of a value whether it names code that runs, or a place to fetch from. A file may not choose one.

    Returns
    -------
    dataclasses.Field
        The field, with its declaration as metadata.
    """
    bounds = {k: v for k, v in (("ge", ge), ("gt", gt), ("le", le), ("lt", lt)) if v is not None}
    metadata = {"help": help, "bounds": bounds, "choices": choices, "source": source, "runs_code": runs_code}
    return dataclasses.field(default=default, metadata=metadata)


def options_of(cls: type, prefix: str = "", instance: Any = None) -> Iterator[Option]:
    """The options of a dataclass, nested ones with dotted names. Defaults come from `instance`, if given."""
    hints = _hints(cls)
    for field in dataclasses.fields(cls):
        kind, optional = _plain_type(hints[field.name])
        default = field.default if instance is None else getattr(instance, field.name)
        if dataclasses.is_dataclass(kind):
            yield from options_of(kind, f"{prefix}{field.name}.", default)
        elif "help" in field.metadata:
            meta = field.metadata
            yield Option(prefix + field.name, kind, optional, default, **meta)


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    """The types of a class's fields; to evaluate them takes longer than an iteration on a small pattern."""
    return typing.get_type_hints(cls)


def _plain_type(hint: Any) -> tuple[type, bool]:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        kinds = [k for k in typing.get_args(hint) if k is not type(None)]
        return kinds[0], len(kinds) < len(typing.get_args(hint))
    return hint, False


def validate(instance: Any) -> None:
    """Check every option of a dataclass instance; raises `OptionError` naming option, value and range."""
    for opt in options_of(type(instance)):
        if "." not in opt.name:
            opt.check(getattr(instance, opt.name))


def refuse_code(instance: Any, named: Collection[Any]) -> None:
    """Raise `OptionError` for an option from a file whose value runs code, unless the user named the value, too."""
    values = values_of(instance)
    for opt in options_of(type(instance)):
        value = values[opt.name]
        if opt.runs_code is not None and value not in (opt.default, *named) and opt.runs_code(value):
            remedy = f"--solver {getattr(instance, 'name', '')} {opt.flag} {shlex.quote(str(value))}"
            raise OptionError(
                f"option {opt.name}={value!r} runs code, which a file may not choose; if you trust it, add {remedy}"
            )


def values_of(instance: Any) -> dict[str, Any]:
    """All options of an instance as a flat mapping with dotted names, as a manifest records them."""
    flat = {}
    for opt in options_of(type(instance)):
        value = instance
        for part in opt.name.split("."):
            value = getattr(value, part)
        flat[opt.name] = value
    return flat


def build(cls: type, given: Mapping[str, Any]) -> Any:
    """Make an instance of an options dataclass.

    Parameters
    ----------
    cls
        The class.
    given
        Values or their text by name: dotted for nested options, with dashes or underscores, older names included.

    Raises
    ------
    OptionError
        For an unknown name, a value out of range, or an option given by two names.
    """
    return cls(**_tree(_parsed(cls, given), cls))


def changed(instance: Any, given: Mapping[str, Any]) -> Any:
    """Copy an instance of an options dataclass with the options in `given` changed; see `build`."""
    return dataclasses.replace(instance, **_tree(_parsed(type(instance), given), instance))


def _parsed(cls: type, given: Mapping[str, Any]) -> dict[str, Any]:
    known = {o.name: o for o in options_of(cls)}
    values = {}
    for name, text in current_names(cls, given).items():
        if name not in known:
            raise OptionError(unknown("option", name, known, of=getattr(cls, "name", None) or cls.__name__))
        values[name] = known[name].parse(text)
    return values


def renamed_options(cls: type) -> dict[str, str | None]:
    """The older names of a class's options with the names of today, None for an option that was dropped."""
    names: dict[str, str | None] = {}
    for base in reversed(cls.__mro__):
        names |= vars(base).get("RENAMED", {})
    for field in dataclasses.fields(cls):
        if dataclasses.is_dataclass(field.default):
            inner = renamed_options(type(field.default))
            names |= {f"{field.name}.{old}": new and f"{field.name}.{new}" for old, new in inner.items()}
    known = {o.name for o in options_of(cls)}
    return {old: new for old, new in names.items() if old not in known}


def current_names(cls: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """The values in `given` by the names of today: older names are replaced or dropped, each with a `FutureWarning`.

    Raises `OptionError` where one option is given by two names.
    """
    renamed = renamed_options(cls)
    values: dict[str, Any] = {}
    first: dict[str, str] = {}
    for written, value in given.items():
        name = written.replace("-", "_")
        new = renamed.get(name, name)
        if new is None:
            warnings.warn(f"option {name} was dropped and does nothing; leave it out", FutureWarning, stacklevel=4)
            continue
        if new != name:
            note = f"option {name} is now {new}; write {new}=VALUE, or --{new.replace('_', '-')} on the command line"
            warnings.warn(note, FutureWarning, stacklevel=4)
            value = getattr(cls, "FORMER_VALUES", {}).get(name, lambda same: same)(value)
        if new in values:
            raise OptionError(f"options {first[new]} and {written} are the same option; give {new} alone")
        values[new], first[new] = value, written
    return values


def _tree(given: Mapping[str, Any], default: Any) -> dict[str, Any]:
    """Values with dotted names as fields. An inner dataclass keeps the other values of `default`."""
    values = {name: value for name, value in given.items() if "." not in name}
    for head in {name.partition(".")[0] for name in given if "." in name}:
        inner = {name.partition(".")[2]: value for name, value in given.items() if name.startswith(f"{head}.")}
        part = getattr(default, head)
        values[head] = dataclasses.replace(part, **_tree(inner, part))
    return values


def unknown(kind: str, name: str, known: typing.Iterable[str], of: str | None = None, more: str = "") -> str:
    """The message for an unknown name, with the nearest known names, in whatever case, or all of them; `more` ends it."""
    known = sorted(known)
    folded = {one.lower(): one for one in reversed(known)}
    close = [name.lower()] if name.lower() in folded else difflib.get_close_matches(name.lower(), folded, n=3)
    near = [folded[one] for one in close]
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known) or 'none'}"
    if more:
        hint += f" {more[:1].upper()}{more[1:]}" if near else f"; {more}"
    return f"unknown {kind} {name!r}{f' of {of}' if of else ''}; {hint}"
