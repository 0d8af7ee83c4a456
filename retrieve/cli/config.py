"""Options from a file: ``retrieve.toml`` in this folder, or ``--config FILE``; and ``retrieve config``, which prints one.

A table is named after its command, ``[run]`` or ``[prepare.scan]``, and its keys after the options without dashes in front.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from ..errors import InputError
from ..plugins.options import unknown

FILE = "retrieve.toml"
LEAVE_OUT = ("help", "version", "replay")
"""Options that belong to one call only."""


def options_in(file: Path | None, group: click.Group, ctx: click.Context) -> dict[str, Any]:
    """The defaults that a file gives, by command and parameter, as click's `default_map` takes them; none without a file.

    Raises `InputError` for a file that cannot be read, and for a command or option that does not exist.
    """
    path = Path(FILE) if file is None else file
    if file is None and not path.is_file():
        return {}
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}; give another --config") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no TOML: {error}; `retrieve config` prints a right one") from error
    return _defaults(tables, group, ctx, str(path))


def _defaults(tables: Mapping[str, Any], group: click.Group, ctx: click.Context, where: str) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, table in tables.items():
        command = group.get_command(ctx, name)
        if command is None:
            raise InputError(f"{where}: {unknown('command', name, group.list_commands(ctx))}")
        if not isinstance(table, Mapping):
            raise InputError(f"{where}: {name}={table!r} is no table; write [{name}] and its options below")
        if isinstance(command, click.Group):
            made[name] = _defaults(table, command, ctx, f"{where}, [{name}]")
        else:
            made[name] = _values(table, command, f"{where}, [{name}]")
    return made


def _values(table: Mapping[str, Any], command: click.Command, where: str) -> dict[str, Any]:
    """The values of a table by the names of a command's parameters; what it does not know may be an option of its solver."""
    known = dict(keys_of(command))
    solvers = any(param.name == "solver" and not param.multiple for param in known.values())
    values: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping) and solvers:
            values |= {f"solver__{key}__{inner}".replace("-", "_"): own for inner, own in value.items()}
        elif (written := key.replace("_", "-")) in known:
            values[str(known[written].name)] = _checked(value, known[written], f"{where}: {key}")
        elif solvers:
            values[f"solver__{key.replace('-', '_')}"] = value
        else:
            raise InputError(f"{where}: {unknown('option', key, known)}")
    return values


def _checked(value: Any, param: click.Option, where: str) -> Any:
    if param.is_bool_flag and not isinstance(value, bool):
        raise InputError(f"{where}={value!r} is a switch; write true or false")
    if param.multiple != isinstance(value, list) and not (param.nargs > 1 and isinstance(value, list)):
        raise InputError(f"{where}={value!r}; " + ("write a list" if param.multiple else "write one value, no list"))
    return value


def keys_of(command: click.Command) -> Iterator[tuple[str, click.Option]]:
    """The options of a command with their names in a file, which are the long ones without dashes in front."""
    for param in command.params:
        if isinstance(param, click.Option) and not param.hidden and param.name not in LEAVE_OUT:
            long = next((name for name in param.opts if name.startswith("--")), None)
            if long is not None:
                yield long.removeprefix("--"), param


@click.command("config", short_help="print a file of options, to be edited")
@click.argument("names", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Print a configuration file: every option of COMMAND, or of `run`, with its meaning and default.

    Save it as retrieve.toml in the folder where you work, and remove the # before what you set. `retrieve --config FILE` takes
    another file. What is given on the command line goes first. Options of a solver stand beside those of the command.
    """
    root = ctx.find_root()
    found: Any = root.command
    for name in names or ("run",):
        inner = found.get_command(root, name) if isinstance(found, click.Group) else None
        if inner is None:
            raise InputError(unknown("command", name, found.list_commands(root) if isinstance(found, click.Group) else ()))
        found = inner
    if isinstance(found, click.Group):
        raise InputError(f"{' '.join(names)} has commands of its own; name one of {', '.join(found.list_commands(root))}")
    click.echo(f"[{'.'.join(names or ('run',))}]")
    for key, param in keys_of(found):
        if param.help:
            click.echo(f"\n# {param.help}")
        click.echo(f"# {key} = {_shown(param)}")


def _shown(param: click.Option) -> str:
    """An option's default as TOML; where it has none, the kind of its values."""
    value = param.default
    if isinstance(value, (bool, int, float, str)):
        return _toml(value)
    if param.multiple:
        return f"[{', '.join(map(_toml, value if isinstance(value, (tuple, list)) else ()))}]"
    return f"({param.type.name})"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, (int, float)) else '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
