"""Mistakes on the command line, in one line each: what is wrong, the nearest right thing, and where to read on."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import click

FOREIGN = {
    "algorithm": "--recipe",
    "count": "--count",
    "crop": "--size",
    "data": "FILE",
    "gpu": "--device",
    "iobs": "FILE",
    "n": "--count",
    "nb-run": "--starts",
    "noise": "--sigma",
    "num-runs": "--starts",
    "output": "--out",
    "psf": "--coherence",
    "runs": "--starts",
    "support-threshold": "--shrink-wrap.threshold",
    "verbosity": "--verbose",
}
"""What other programs, such as PyNX, and other words call an option."""

PLAIN = (
    (re.compile(r"is not a valid integer( range)?\."), "is no whole number"),
    (re.compile(r"is not a valid float( range)?\."), "is no number"),
    (re.compile(r"is not in the range (.*?)\.$"), r"is out of range; give \1"),
    (re.compile(r"^Got unexpected extra arguments? \((.*)\)$"), r"\1: not expected here"),
    (re.compile(r"^Missing option '(--[\w-]+)'.*\.$"), r"\1 is missing"),
    (re.compile(r"^Missing argument '(.*?)'\.$"), r"\1 is missing"),
    (re.compile(r"^Missing argument '.*?'\. Choose from:"), "name one of"),
)
"""Phrases of click, and the words that stand for them."""


def usage_words(error: click.UsageError) -> str:
    """A mistake in one line; of a group that is called without a command the help, which lists them."""
    context = error.ctx
    if type(error).__name__ == "NoArgsIsHelpError" and context is not None:
        return context.get_help()
    words = _special(error) if context is not None else None
    if words is None:
        words = " ".join(error.format_message().split())
        for phrase, ours in PLAIN:
            words = phrase.sub(ours, words)
    return f"error: {words}" + (f" (see `{context.command_path} --help`)" if context is not None else "")


def foreign(name: str, context: click.Context) -> str | None:
    """The option of a command that another program calls `name`; FILE for the file; None if there is none."""
    ours = FOREIGN.get(name.lstrip("-").replace("_", "-").lower())
    return ours if ours == "FILE" or ours in _options(context) else None


def check_files(files: tuple[str, ...], context: click.Context) -> None:
    """Raise `UsageError` for a file that is an option in the way of PyNX, NAME=VALUE."""
    wrong = [text for text in files if re.match(r"[A-Za-z_]\w*=", text) and not Path(text).exists()]
    if not wrong:
        return
    said = []
    for name, _, value in (text.partition("=") for text in wrong):
        own = f"--{name.replace('_', '-')}"
        ours = foreign(name, context) or (own if own in _options(context) else "--NAME")
        said.append(value if ours == "FILE" else f"{ours} {value}")
    raise click.UsageError(f"{wrong[0]!r} is no file; options are written --NAME VALUE, here {' '.join(said)}", context)


def _options(context: click.Context) -> list[str]:
    return [opt for param in context.command.get_params(context) for opt in param.opts if isinstance(param, click.Option)]


def _special(error: click.UsageError) -> str | None:
    """An unknown option or command with the nearest known ones; None for other mistakes."""
    from ..plugins.options import unknown

    context = error.ctx
    assert context is not None
    if isinstance(error, click.NoSuchOption):
        name = error.option_name
        if (ours := foreign(name, context)) is not None:
            return f"no option {name}; it is {ours} here"
        known = _options(context)
        near = [opt for opt in known if opt.startswith(f"{name}.")] or difflib.get_close_matches(name, known, n=3)
        return f"no option {name}" + (f"; did you mean {' or '.join(near)}?" if near else "")
    if (found := re.match(r"No such command '(.*?)'\.", error.format_message())) and isinstance(context.command, click.Group):
        commands = context.command.list_commands(context)
        if Path(found[1]).exists():
            return f"{found[1]!r} is a file, not a command; commands: {', '.join(commands)}"
        return unknown("command", found[1], commands)
    return None
