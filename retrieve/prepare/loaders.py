"""Scans by the name of a beamline, such as id01:FILE.h5#12: loaders know the layout of a beamline's files."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from ..errors import InputError
from ..files import NotEnoughMemory, regular_file
from ..io.registry import split_key
from ..plugins.registry import find, registered
from ..problem.meta import settled
from .frames import Frames, frames_of

SCHEME = re.compile(r"([0-9A-Za-z][0-9A-Za-z_-]+):(.+)", re.DOTALL)
"""A loader's name and the text after the colon. One letter is a drive of Windows, and a dot belongs to the name of a file."""

PACKAGES = {"retrieve-beamlines": ("34idc", "cristal", "id01", "id27", "nanomax", "p10", "sixs")}
"""Packages in the folder plugins of this repository, with their loaders."""

Open = Callable[[Path, str, str | None], AbstractContextManager[Frames]]


@dataclass(frozen=True)
class Loader:
    """The scans of one beamline: how they are named, and the function that opens one.

    Parameters
    ----------
    name
        The text before the colon, lower-case letters and digits.
    example
        A source as a user writes it, without name and colon, such as "FILE.h5#12".
    target
        A context manager ``(path, scan, key) -> Frames``, or its lazy name ``"module:function"``. `scan` is the text after #,
        empty if there is none. `key` is the text of --key. The meta of the frames has the key `experiment`.
    sample
        A function ``(folder, counts) -> source`` that writes counts (frames, rows, columns) in the beamline's layout into a
        folder, and returns the source without name and colon. `retrieve.testing` tries the loader on it.
    """

    name: str
    example: str
    target: str | Open
    sample: Callable[[Path, NDArray[Any]], str] | None = None

    def open(self, path: Path, scan: str = "", key: str | None = None) -> AbstractContextManager[Frames]:
        """Open a scan; the frames are readable inside the `with` block."""
        if isinstance(self.target, str):
            module, _, function = self.target.partition(":")
            opened: AbstractContextManager[Frames] = getattr(importlib.import_module(module), function)(path, scan, key)
            return opened
        return self.target(path, scan, key)


class Source(NamedTuple):
    """A source of frames: a file, or with a loader's name a scan of a beamline.  scan: the text after #."""

    text: str
    loader: str
    path: Path
    scan: str

    @property
    def stem(self) -> str:
        """A name for files that are made of it."""
        if not self.loader:
            return self.path.stem
        return re.sub(r"[^\w.-]+", "-", f"{self.path.stem}_{self.scan}" if self.scan else self.path.stem)


def source_of(text: str | Path) -> Source:
    """Split the name of a source. A file of that very name is a file; so is ``C:/scan.h5``."""
    whole = str(text)
    match = SCHEME.fullmatch(whole)
    if match is None or Path(whole).exists() or Path(match[1]).is_file():
        return Source(whole, "", regular_file(split_key(whole)[0]), "")
    rest = match[2]
    place, hash_, scan = (rest, "", "") if Path(rest).exists() or "#" not in rest else rest.rpartition("#")
    if hash_ and not scan.strip():
        raise InputError(f"{whole} ends in #; write the number of the scan behind it")
    return Source(whole, match[1].lower(), Path(place), scan.strip())


@contextmanager
def scans_of(
    sources: Sequence[str | Path],
    key: str | None = None,
    axis: int | None = None,
    mask_convention: str = "auto",
    separate: bool = False,
    experiment: Mapping[str, Any] | None = None,
    whole: bool = False,
) -> Iterator[tuple[Frames, ...]]:
    """Open scans: one of all files together, one of each file, or one of each source of a loader.

    Parameters
    ----------
    sources
        Files, or scans such as "id01:FILE.h5#12".
    key, mask_convention
        As in `frames_of`.
    axis
        The axis of a stack that counts the frames, 0 by default. Loaders know it.
    separate
        Take each file as a scan.
    experiment
        Fields of an `Experiment` that replace those of the files.
    whole
        As in `frames_of`.

    Raises
    ------
    InputError
        For an unknown loader, a scan that cannot be read, a source given twice, and for files beside scans of a loader.
    """
    named = [source_of(source) for source in sources]
    _check(named, axis, separate)
    with ExitStack() as opened:
        if named[0].loader:
            yield tuple(opened.enter_context(_opened(source, key, experiment)) for source in named)
        else:
            groups = [[source] for source in sources] if separate else [list(sources)]
            yield tuple(
                opened.enter_context(frames_of(group, key, axis or 0, mask_convention, experiment, whole)) for group in groups
            )


def _check(sources: Sequence[Source], axis: int | None, separate: bool) -> None:
    kinds = {bool(source.loader) for source in sources}
    if len(kinds) > 1:
        one, other = (next(s.text for s in sources if bool(s.loader) is kind) for kind in (True, False))
        raise InputError(f"{one} is a scan of a loader, {other} a file; give scans alone, or files alone")
    if sources[0].loader and axis is not None:
        raise InputError(f"--axis {axis} is for files; the loader of {sources[0].text} knows the axis: leave --axis out")
    seen: set[tuple[str, Path, str]] = set()
    for source in sources:
        place = (source.loader, (source.path if source.loader else Path(source.text)).resolve(), source.scan)
        if place in seen and (source.loader or separate):
            raise InputError(f"{source.text} is given twice; leave one out: a scan counts once")
        seen.add(place)


@contextmanager
def _opened(source: Source, key: str | None, experiment: Mapping[str, Any] | None) -> Iterator[Frames]:
    """The frames of a loader's scan; whatever is wrong with its files is an `InputError`."""
    loader = find_loader(source)
    with ExitStack() as inside:
        try:
            frames = inside.enter_context(loader.open(source.path, source.scan, key))
        except InputError:
            raise
        except MemoryError as error:
            raise NotEnoughMemory(f"{source.text} does not fit into memory; give --key for another detector, or crop") from error
        except FileNotFoundError as error:
            name = error.filename or source.path
            raise InputError(f"{source.text}: there is no {name}; write {loader.name}:{loader.example}") from error
        except Exception as error:  # parsers of damaged files raise anything
            reason = (str(error).splitlines() or [type(error).__name__])[0][:160].rstrip(".")
            raise InputError(
                f"{source.text} cannot be read ({type(error).__name__}: {reason}); write {loader.name}:{loader.example}, and "
                "check that the files are complete"
            ) from error
        meta, told = settled(frames.meta, frames.shape, experiment, source.text)
        yield replace(frames, meta=meta, notes=(*frames.notes, *told))


def find_loader(source: Source) -> Loader:
    """The loader of a source. Raises `InputError` for an unknown name, with the known ones or the package to install."""
    known = sorted(registered("loaders"))
    if source.loader not in known:
        for package, names in PACKAGES.items():
            if source.loader in names:
                raise InputError(
                    f"{source.text}: scans of {source.loader} are read by the package {package}, which is not installed; in the "
                    f"repository: pip install ./plugins/{package}"
                )
        none = "no loader is installed; in the repository: pip install ./plugins/retrieve-beamlines"
        there = f"known: {', '.join(known)}" if known else none
        raise InputError(f"{source.text}: there is no loader {source.loader!r} and no file of that name; {there}")
    loader: Loader = find("loaders", source.loader)
    return loader
