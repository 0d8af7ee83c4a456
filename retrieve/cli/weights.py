"""``retrieve weights``: list the weights that ship, check them, and show the card of a file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from .console import PlainConsole


@click.command("weights", short_help="list the weights that ship, or show the card of a file")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def command(name: str | None, as_json: bool) -> None:
    """List the weights that ship and check them, and the priors of plugins. With NAME, or a .safetensors FILE, show its card.

    Exit code 1 if a shipped file does not have its SHA-256.
    """
    from ..priors.registered import of_plugins, prior_of
    from ..priors.weights import path_of, shipped, verify

    console = PlainConsole()
    checked = verify()
    files = shipped()
    from_plugins = of_plugins()
    if name in from_plugins and not as_json and prior_of(name) is not None:
        console.print(f"{name}: a prior of plugin {from_plugins[name]}", markup=False, soft_wrap=True)
        return
    if name is not None:
        path = path_of(name)
        told = _about(path, checked.get(name) if files.get(name) == path else None)
        if as_json:
            click.echo(json.dumps(told, indent=1))
        else:
            for key, value in _lines(told):
                console.print(f"{key:32} {value}", markup=False, soft_wrap=True)
        raise SystemExit(1 if told["verified"] is False else 0)
    there: dict[str, Any] = {
        key: _about(files[key], good) if key in files else {"verified": good} for key, good in checked.items()
    }
    if as_json:
        click.echo(json.dumps(there, indent=1))
    else:
        _show(there, console)
        for key, plugin in from_plugins.items():
            console.print(f"{key}: a prior of plugin {plugin}", markup=False, soft_wrap=True)
    raise SystemExit(0 if all(checked.values()) else 1)


def _about(path: Path, good: bool | None) -> dict[str, Any]:
    """A file's size, hash and card; of a damaged shipped file, the reason why it cannot be read."""
    from ..errors import InputError
    from ..priors.weights import card_of, sha256

    told: dict[str, Any] = {"file": str(path), "bytes": path.stat().st_size, "sha256": sha256(path), "verified": good}
    try:
        return {**told, "card": card_of(path)}
    except InputError as error:
        if good is None:
            raise
        return {**told, "error": str(error)}


def _show(there: Mapping[str, Any], console: Console) -> None:
    if not there:
        console.print("no weights ship with this version; make some with `retrieve train`")
        return
    table = Table("weights", "network", "is told", "trained on", "MB", "SHA-256", box=None, pad_edge=False)
    for name, told in there.items():
        card = told.get("card", {})
        architecture, data = card.get("architecture", {}), card.get("data", {})
        what = f"{architecture.get('kind', '?')} {'×'.join(map(str, architecture.get('window', ())))}"
        count = card.get("training", {}).get("objects")
        on = f"{data.get('set') or data.get('folder') or '?'}{f', {count} objects' if count else ''}"
        size = f"{told['bytes'] / 1e6:.1f}" if "bytes" in told else "missing"
        table.add_row(name, what, told_of(card), on, size, "correct" if told["verified"] else "WRONG")
    console.print(table)


def told_of(card: Mapping[str, Any]) -> str:
    """What the network of a card is conditioned on, in words."""
    architecture = card.get("architecture", {})
    parts = {"support": architecture.get("conditioned"), "pattern": architecture.get("pattern"), "measurement": card.get("told")}
    return ", ".join(part for part, there in parts.items() if there)


def _lines(told: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """A nested mapping as names with dots and their values."""
    for key, value in told.items():
        if isinstance(value, Mapping):
            yield from _lines(value, "" if key == "card" else f"{before}{key}.")
        elif value is not None:
            yield f"{before}{key}", ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
