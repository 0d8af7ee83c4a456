"""Write docs/reference.md and docs/formats.md from the code. With ``--check`` compare only, and fail if one is out of date.

python docs/generate.py
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
import formats

from retrieve.cli import COMMANDS, app
from retrieve.evaluate.metrics import metrics
from retrieve.plugins.options import options_of
from retrieve.plugins.registry import find, registered
from retrieve.prepare import Pulses, Scan
from retrieve.priors.training.settings import DenoiserOptions, Training, UNetOptions
from retrieve.simulate import Noise, PulseTrain, object_set, set_names
from retrieve.strain.options import Measure

FOLDER = Path(__file__).parent
OWN = "retrieve"  # the plugin that registers built-in names; solvers of other packages do not belong on this page
HEAD = """# Reference

This page lists every command, option, solver and metric. Names of options are alike on the command line and in Python:
`--shrink-wrap.threshold 0.15` is `shrink_wrap=ShrinkWrap(threshold=0.15)`. `python docs/generate.py` writes this page from the
code; do not edit it.

Go to [commands](#commands), [solvers](#solvers), [preparation](#preparation), [strain](#strain),
[training](#training) or [metrics](#metrics)."""
TAIL = """
## Where to go next

- [Concepts](concepts.md): the equations behind these options.
- [Classical](solvers_classical.md), [blind](solvers_blind.md) and [learned](solvers_learned.md) solvers: which one to take.
- [Python API](api.md)."""


def lines() -> Iterator[str]:
    """The reference, line by line."""
    yield HEAD
    yield "\n## Commands\n\nEvery command has `--help`. Options of the chosen solver follow those of the command."
    for name, summary in COMMANDS.items():
        command = app.get_command(click.Context(app), name)
        assert command is not None
        yield from _command(f"retrieve {name}", command, summary)
    yield "\n## Solvers\n\nWrite options after the name, as in `--solver hio:iterations=1000,beta=0.8`, or as flags."
    for name, (_, plugin) in sorted(registered("solvers").items()):
        if plugin != OWN:
            continue
        solver = find("solvers", name)
        yield f"\n### {name}\n\n{_flat(solver.__doc__)}\n\nSource: {solver.source}.\n"
        yield from _options(solver)
    yield "\n## Preparation"
    for title, declared in (("prepare pulses", Pulses), ("prepare scan", Scan), ("simulate pulses", PulseTrain)):
        yield f"\n### Options of `retrieve {title}`\n\n{_flat(declared.__doc__)}\n"
        yield from _options(declared)
    yield f"\n## Strain\n\n### Options of `retrieve strain`\n\n{_flat(Measure.__doc__)}\n"
    yield from _options(Measure)
    yield "\n## Training"
    for title, declared in (("diffusion", DenoiserOptions), ("unet", UNetOptions), ("", Training)):
        of = f"`retrieve train {title}`" if title else "every training"
        yield f"\n### Options of {of}\n\n{_flat(declared.__doc__)}\n"
        yield from _options(declared)
    yield "\n## Metrics\n\nA metric that needs a truth is taken after removal of phase, shift and twin.\n"
    yield "| name | formula | range | better | needs | source |\n|---|---|---|---|---|---|"
    for name, metric in sorted(metrics().items()):
        low, high = metric.range
        cells = (name, metric.formula, f"{low:g} to {high:g}", metric.direction, metric.needs, metric.source)
        yield "| " + " | ".join(_cell(cell) for cell in cells) + " |"
    yield TAIL


def _command(name: str, command: click.Command, summary: str = "") -> Iterator[str]:
    """The help and options of a command, then of its subcommands. Solvers and preparations have tables of their own."""
    yield f"\n### {name}\n\n{_flat(command.help) or summary}\n"
    options = [one for one in command.params if isinstance(one, click.Option) and not str(one.name).startswith("solver__")]
    if options:
        yield "| option | default | meaning |\n|---|---|---|"
    elif not isinstance(command, click.Group):
        yield "It takes no options."
    for option in options:
        default = str(option.default) if type(option.default) in (str, int, float) else ""
        yield f"| `{', '.join(option.opts)}` | {default} | {_cell(option.help or '')} |"
    if isinstance(command, click.Group):
        context = click.Context(command)
        if name == "retrieve simulate":
            yield from _sets(command, context)
            return
        for part in command.list_commands(context):
            inner = command.get_command(context, part)
            assert inner is not None
            yield from _command(f"{name} {part}", inner)


def _sets(command: click.Group, context: click.Context) -> Iterator[str]:
    """The simulated sets with the options that they share, then the options of each kind of set and of the noise."""
    kinds: dict[type, list[str]] = {}
    for name in set_names():
        kinds.setdefault(type(object_set(name)), []).append(name)
    shared = command.get_command(context, next(iter(set_names())))
    assert shared is not None
    yield from list(_command("retrieve simulate NAME", shared))[1:]
    for kind, names in kinds.items():
        listed = ", ".join(f"`{name}`" for name in names)
        yield f"\n#### {kind.__name__}\n\n{_first(kind)} Sets: {listed}.\n"
        yield from _options(kind)
    yield f"\n#### Noise and detector of every set\n\n{_first(Noise)}\n"
    yield from _options(Noise)


def _options(declared: type) -> Iterator[str]:
    yield "| option | default | range | meaning |\n|---|---|---|---|"
    yield from (f"| `{o.flag}` | {o.default} | {_cell(o.range)} | {_cell(o.help)} |" for o in options_of(declared))


def _first(declared: type) -> str:
    """The first paragraph of a docstring, on one line."""
    return _flat((declared.__doc__ or "").split("\n\n")[0])


def _flat(text: str | None) -> str:
    return " ".join((text or "").split())


def _cell(text: str) -> str:
    return _flat(text).replace("|", r"\|")


def main() -> int:
    """Write the files, or with ``--check`` compare them. Return 1 if one is out of date."""
    code = 0
    for name, text in (("reference.md", "\n".join(lines()) + "\n"), ("formats.md", formats.text())):
        target = FOLDER / name
        if "--check" not in sys.argv:
            target.write_text(text)
            continue
        same = target.exists() and target.read_text() == text
        print(f"docs/{name} is up to date" if same else f"docs/{name} is out of date: run python docs/generate.py")
        code |= not same
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
