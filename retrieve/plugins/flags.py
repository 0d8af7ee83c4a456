"""Command-line options from the declared options of a solver, set or step."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from ..errors import OptionError
from .options import Option, build, options_of, renamed_options, unknown
from .registry import available, find, registered

RUN_OPTIONS = frozenset(
    {
        "--agree",
        "--angle",
        "--average",
        "--bad-pixels",
        "--centred",
        "--device",
        "--live",
        "--dry-run",
        "--diffractometer",
        "--direct-beam",
        "--distance",
        "--energy",
        "--executor",
        "--ffts",
        "--follow-links",
        "--force",
        "--frame",
        "--hkl",
        "--hold-out",
        "--keep",
        "--json",
        "--key",
        "--mask-convention",
        "--max-memory",
        "--kind",
        "--lattice",
        "--likelihood",
        "--mask",
        "--no-picture",
        "--out",
        "--out-dir",
        "--picture",
        "--pixel-size",
        "--quiet",
        "--replay",
        "--report",
        "--require",
        "--samples",
        "--seconds",
        "--seed",
        "--solver",
        "--start",
        "--starts",
        "--support",
        "--threads",
        "--verbose",
        "--workers",
        "-f",
        "-n",
        "-o",
        "-q",
        "-v",
    }
)
"""The options of `retrieve run` itself: a solver's options must have other names."""


def split_spec(spec: str, kind: str = "solver") -> tuple[str, dict[str, str]]:
    """Split ``"hio:beta=0.8,iterations=300"`` into the name and the options. Raises `OptionError` for an option without value."""
    name, _, rest = spec.partition(":")
    if "," in name or "=" in name:
        raise OptionError(f"solver {spec!r}: options follow a colon; write NAME:OPTION=VALUE,OPTION=VALUE")
    pairs = [pair.partition("=") for pair in re.split(r",(?![^()]*\))", rest) if pair]
    for key, equals, _ in pairs:
        if not equals:
            raise OptionError(f"{kind} {spec!r}: {key!r} has no value; write NAME:OPTION=VALUE,OPTION=VALUE")
    return name, {key.strip(): value for key, _, value in pairs}


def solver_from(spec: str, given: dict[str, Any]) -> Any:
    """The solver of a spec, with flags that were given on top."""
    name, stated = split_spec(spec)
    return build(find("solvers", name), stated | given)


def complete_solver(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The solvers whose names begin so, for the shell. None is imported."""
    head, label, begun = incomplete.rpartition("=") if param.multiple else ("", "", incomplete)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = sorted(registered("solvers", wait=False))
    return [CompletionItem(head + label + name) for name in names if name.startswith(begun)]


class _Value(click.ParamType):
    """Checks a typed value by the option's declaration."""

    def __init__(self, option: Option) -> None:
        self.option = option
        self.name = option.type.__name__

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check the value, and keep its text for `build`."""
        self.option.parse(value)
        return str(value)

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """The kind of value in the help."""
        return self.option.type.__name__.upper()


def flags(cls: type) -> list[click.Parameter]:
    """A click option for each option of a class, and a hidden one for each older name."""
    made: list[click.Parameter] = []
    known = {option.name: option for option in options_of(cls)}
    for option in known.values():
        text = f"{option.help}  [{option.range}; default {_shown(option.default)}]"
        if option.type is bool:
            made.append(_switch(option.name, help=text))
        else:
            made.append(click.Option([option.flag, _parameter(option.name)], type=_Value(option), help=text))
    for old, new in renamed_options(cls).items():
        if _flag(old) in RUN_OPTIONS:
            continue
        if new in known and known[new].type is bool:
            made.append(_switch(old, hidden=True))
        elif new in known:
            made.append(click.Option([_flag(old), _parameter(old)], hidden=True))
        else:  # an option that was dropped may have been a switch: its value may be missing
            made.append(click.Option([_flag(old), _parameter(old)], is_flag=False, flag_value="true", hidden=True))
            made.append(click.Option([_flag(old).replace("--", "--no-", 1), _parameter(old)], flag_value="false", hidden=True))
    return made


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _parameter(name: str) -> str:
    """The name under which click keeps the value of an option."""
    return "solver__" + name.replace(".", "__")


def _switch(name: str, **given: Any) -> click.Option:
    flag = _flag(name)
    return click.Option([f"{flag}/{flag.replace('--', '--no-', 1)}", _parameter(name)], default=None, **given)


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def given_flags(values: dict[str, Any]) -> dict[str, Any]:
    """Take the solver's options that were given out of a command's values."""
    names = [key for key in values if key.startswith("solver__")]
    taken = {key.removeprefix("solver__").replace("__", "."): values.pop(key) for key in names}
    return {key: value for key, value in taken.items() if value is not None}


class SolverCommand(click.Command):
    """A command that takes, besides its own options, those of the solver named by ``--solver``.

    renamed: former names of its own options, which it takes with a note.
    """

    def __init__(self, *args: Any, renamed: Mapping[str, str], **given: Any) -> None:
        super().__init__(*args, **given)
        self.renamed = renamed

    def _current(self, arg: str) -> str:
        """An argument with the option's name of today."""
        name, equals, value = arg.partition("=")
        if name not in self.renamed:
            return arg
        warnings.warn(f"{name} is now {self.renamed[name]}", FutureWarning, stacklevel=4)
        return self.renamed[name] + equals + value

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's options and the solver's."""
        own = super().get_params(ctx)
        return own[:-1] + ctx.meta.get("retrieve.flags", []) + own[-1:]

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Options that begin so: the command's, and those of the solver where it is named or nothing else fits."""
        found = super().shell_complete(ctx, incomplete)
        if not found and incomplete.startswith("-") and "retrieve.flags" not in ctx.meta:
            ctx.meta["retrieve.flags"] = flags(find("solvers", split_spec(self._default(ctx))[0]))
            found = super().shell_complete(ctx, incomplete)
        return found

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Find the solver first, then parse with its options."""
        if ctx.resilient_parsing and _value_of("--solver", args) is None:  # the shell completes: a solver takes long to import
            return super().parse_args(ctx, args)
        args = self._of_recipe([self._current(arg) for arg in args])
        name = split_spec(_value_of("--solver", args) or self._default(ctx))[0]
        ctx.meta["retrieve.flags"] = flags(find("solvers", name))
        known = {param.name for param in (*self.params, *ctx.meta["retrieve.flags"])}
        for key in ctx.default_map or {}:
            if key not in known:
                raise OptionError(unknown("option", key.removeprefix("solver__").replace("__", "."), _names(known), of=name))
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if owners := _owners(error.option_name):
                whose = f"but of {', '.join(owners)}; add --solver {owners[0]}"
                raise click.UsageError(f"{error.option_name} is no option of {name}, {whose}", ctx) from error
            if dotted := _dotted(error.option_name):
                owners = _owners(dotted[0])
                said = f"did you mean {' or '.join(dotted)}, with --solver {owners[0]}?"
                raise click.UsageError(f"no option {error.option_name}; {said}", ctx) from error
            raise

    @staticmethod
    def _of_recipe(args: list[str]) -> list[str]:
        """``--recipe`` without ``--solver`` names the solver, too: ``auto``, ``default`` or a recipe written out."""
        recipe = _value_of("--recipe", args)
        if recipe is None or _value_of("--solver", args) is not None:
            return args
        if recipe not in ("auto", "default"):
            return ["--solver", "recipe", *args]
        at = next(k for k, arg in enumerate(args) if arg == "--recipe" or arg.startswith("--recipe="))
        rest = args[:at] + args[at + (2 if args[at] == "--recipe" else 1) :]
        return ["--solver", {"auto": "auto", "default": "recipe"}[recipe], *rest]

    def _default(self, ctx: click.Context) -> str:
        return str((ctx.default_map or {}).get("solver") or next(p.default for p in self.params if p.name == "solver"))


def _owners(flag: str) -> list[str]:
    """The solvers that have an option, `recipe` first."""
    found = available("solvers")
    owners = [name for name, solver in found.items() if any(flag in (*p.opts, *p.secondary_opts) for p in flags(solver))]
    return sorted(owners, key=lambda name: (name != "recipe", name))


def _dotted(flag: str) -> list[str]:
    """The options of all solvers that begin with a flag and a dot."""
    found = {opt for solver in available("solvers").values() for p in flags(solver) for opt in p.opts}
    return sorted(opt for opt in found if opt.startswith(f"{flag}."))


def _names(parameters: set[str | None]) -> list[str]:
    return [str(name).removeprefix("solver__").replace("__", ".") for name in parameters]


def _value_of(flag: str, args: Sequence[str]) -> str | None:
    for k, arg in enumerate(args):
        if arg == flag and k + 1 < len(args):
            return args[k + 1]
        if arg.startswith(flag + "="):
            return arg.partition("=")[2]
    return None
