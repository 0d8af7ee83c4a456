"""The formats of results: the ending of a file's name chooses one. CXI is our own, plugins add others."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from numpy.typing import NDArray

from ..errors import InputError, PluginError
from ..files import replacing
from ..plugins.guard import aside, in_words
from ..plugins.loading import loaded
from ..plugins.options import unknown
from ..plugins.registry import available, left_out, registered

CXI_SUFFIXES = (".cxi", ".h5", ".hdf5", ".hdf", ".nxs")
"""Endings that always choose CXI."""


@dataclass(frozen=True)
class Writer:
    """A file format of results: its endings, and the function that writes it.

    Parameters
    ----------
    name
        Name in messages and listings.
    suffixes
        Endings of file names that choose it, in lower case, with the dot.
    target
        A function ``(result, file) -> None`` or its lazy name ``"module:function"``. It writes a `Result` to an open binary file,
        which takes its place when the function returns.
    axes
        The numbers of axes of objects that the format holds.
    read
        A function ``path -> array`` that reads the object (complex) or its amplitude (real) back. `retrieve.testing` uses it.
    """

    name: str
    suffixes: tuple[str, ...]
    target: str | Callable[[Any, IO[bytes]], None]
    axes: tuple[int, ...] = (2, 3)
    read: Callable[[Path], NDArray[Any]] | None = None

    def write(self, result: Any, file: IO[bytes]) -> None:
        """Write a result to an open binary file."""
        target = self.target
        if isinstance(target, str):
            module, _, function = target.partition(":")
            target = getattr(importlib.import_module(module), function)
        target(result, file)

    def check_axes(self, path: str | Path, ndim: int) -> None:
        """Raise `InputError` if the format does not hold an object of `ndim` axes."""
        if ndim not in self.axes:
            held = " or ".join(map(str, self.axes))
            raise InputError(f"{path}: {self.name} holds objects of {held} axes, this one has {ndim}; end the name in .cxi")


def is_cxi(path: str | Path) -> bool:
    """Whether a name is one of our own format: an ending of HDF5, or no word as its ending, as in ``run_0.5``."""
    suffix = Path(path).suffix.lower()
    return suffix in CXI_SUFFIXES or not suffix[1:2].isalpha()


def check_ending(path: Path | None) -> None:
    """Raise as `writer_for` does, before any work, where a result cannot be written to a file of this name."""
    if path is not None and not is_cxi(path):
        writer_for(path)


def writer_for(path: str | Path) -> Writer:
    """Find the format that the ending of a name chooses.

    Parameters
    ----------
    path
        The file, not one of CXI (`is_cxi`).

    Raises
    ------
    InputError
        For an ending that no writer has.
    PluginError
        For an ending of the writers of two plugins.
    """
    suffix = Path(path).suffix.lower()
    known = _writers()
    if suffix not in known:
        raise InputError(f"{path}: {unknown('ending', suffix, [*CXI_SUFFIXES, *known], of='results')}{left_out('writers')}")
    (writer, plugin), *others = known[suffix]
    if others:
        names = " and by ".join(f"{one.name!r} of plugin {owner}" for one, owner in known[suffix])
        raise PluginError(f"{path}: {suffix} is written by {names}; uninstall one, or take another ending")
    return writer


def _writers() -> dict[str, list[tuple[Writer, str]]]:
    """The writers of plugins by ending, each with its plugin. Those that cannot be used are left out with a reason."""
    origin = registered("writers")
    found: dict[str, list[tuple[Writer, str]]] = {}
    for key, writer in available("writers").items():
        plugin = origin[key][1]
        if fault := fault_of(writer):
            loaded().reject(plugin, f"register_writers: {key!r}: {fault}")
            continue
        for suffix in writer.suffixes:
            found.setdefault(suffix, []).append((writer, plugin))
    return found


def fault_of(writer: Writer) -> str:
    """The reason why a writer cannot be chosen by the ending of a file; empty if it can."""
    if not isinstance(writer.name, str) or not writer.name.strip():
        return "it has no name; give Writer(name=…) one"
    if not isinstance(writer.suffixes, tuple) or not writer.suffixes:
        return "its endings are no tuple of text; write them as ('.abc',)"
    for suffix in writer.suffixes:
        if not isinstance(suffix, str) or suffix != suffix.lower() or Path(f"a{suffix}").suffix != suffix:
            return f"its ending {suffix!r} is none; write it in lower case with one dot, such as '.abc'"
        if is_cxi(f"a{suffix}"):
            return f"its ending {suffix!r} is that of CXI files; give another one that begins with a letter"
    return ""


def write_as(writer: Writer, result: Any, path: str | Path) -> Path:
    """Write a result in a format. The file takes its place when it is complete.

    Raises
    ------
    InputError
        For an object that the format does not hold, and a place that cannot be written.
    PluginError
        If the writer raises anything else, or exits. A file that was there stays.
    """
    writer.check_axes(path, result.object.ndim)
    with replacing(path) as file:
        try:
            with aside():
                writer.write(result, file)
        except (KeyboardInterrupt, MemoryError, InputError):
            raise
        except BaseException as error:
            raise PluginError(f"writer {writer.name!r} does not write {path}: {in_words(error)}") from error
    return Path(path)
