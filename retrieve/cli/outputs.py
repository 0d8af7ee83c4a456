"""The files that a command writes: none that is there is replaced unasked, and no picture outlives its result."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import click

from ..errors import InputError

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
Family = Callable[[Path], Iterable["Path | None"]]
"""The files of one name: the first is the result, the others go with it. None stands for a file that is not wanted."""

force_option: Decorator = click.option("--force", "-f", is_flag=True, help="replace files that are there")
DRAWN = (".png", ".html")
"""Endings of the picture and the page that lie beside a result."""


def out_option(meaning: str) -> Decorator:
    """``--out`` and ``-o``, with the meaning of the file."""
    return click.option("--out", "-o", type=click.Path(path_type=Path), help=meaning)


def chosen_name(given: Path | None, default: Path, family: Family, force: bool) -> Path:
    """The name of a result: the one given, else the default, numbered where one of its files is there.

    `scan.retrieved.cxi` is followed by `scan.retrieved-2.cxi`, and a line on standard error says so. A name that another
    process holds is taken, too.
    """
    from ..files import remove_leftovers

    if given is not None or force:
        return given or default
    remove_leftovers(default.parent)
    names = (default.with_name(f"{default.stem}-{number}{default.suffix}") for number in count(2))
    name = default
    while _taken(family(name)):
        name = next(names)
    if name != default:
        first = _taken(family(default)) or default
        click.echo(f"note: {first} is there; the output is {name} (--force replaces)", err=True)
    return name


def _taken(paths: Iterable[Path | None]) -> Path | None:
    """The first file that is there, or that another process holds."""
    for path in paths:
        if path is not None and (os.path.lexists(path) or path.with_name(f".{path.name}.lock").exists()):
            return path
    return None


def check_outputs(outputs: Iterable[Path | None], inputs: Iterable[str | Path] = (), force: bool = True) -> None:
    """Check each output before any work.

    Raises
    ------
    InputError
        If one cannot be written, is one of the inputs or, without `force`, is there already.
    """
    from ..files import check_writable

    outputs, sources = list(outputs), [Path(path) for path in inputs]
    for output in outputs:
        if output is None:
            continue
        check_writable(output)
        if any(output.exists() and source.exists() and output.samefile(source) for source in sources):
            raise InputError(f"output {output} is the input itself; name another file")
    if not force:
        refuse_present(outputs)


def refuse_present(outputs: Iterable[Path | None], remedy: str = "") -> None:
    """Raise `InputError` for an output that is there."""
    for output in outputs:
        if output is not None and os.path.lexists(output) and not output.is_char_device():
            raise InputError(f"{output} is there already; name another file, or add {remedy}--force to replace it")


@contextmanager
def writing(*outputs: Path | None, force: bool = True) -> Iterator[None]:
    """Hold the locks of outputs.

    Raises
    ------
    InputError
        If another process writes one of them, or, without `force`, has made it since it was checked.
    """
    from ..files import locked

    with ExitStack() as stack:
        for path in outputs:
            if path is not None and not path.is_char_device():
                stack.enter_context(locked(path, f"writing {path}", "wait for its end, or name another file"))
        if not force:
            refuse_present(outputs)
        yield


@contextmanager
def replacing_result(*results: Path, drawn: Iterable[Path | None] = ()) -> Iterator[None]:
    """Write results within. The pictures and pages of those that they replace then go: those beside them, and `drawn`."""
    there = [result for result in results if result.exists()]
    beside = [result.with_suffix(ending) for result in there for ending in DRAWN]
    old = [path for path in (*beside, *(drawn if there else ())) if path is not None and path not in results and path.is_file()]
    yield
    for path in old:
        path.unlink(missing_ok=True)
