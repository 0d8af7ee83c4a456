"""Which files a command names, and the names of their results in one folder."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from .one_file import FileRun, Targets
from .source import Reading

if TYPE_CHECKING:
    from ..driver.run_spec import RunSpec

EXAMPLE = "example:"


def is_pattern(text: str) -> bool:
    """Whether a text names files by wildcards, and no file is called so."""
    return glob.has_magic(text) and not text.startswith(EXAMPLE) and not Path(text).exists()


def planned(files: Sequence[str], spec: RunSpec, reading: Reading, given: dict[str, Any]) -> list[FileRun]:
    """The runs of all files, each with places of its own, checked before any work.

    Paths are absolute, so that workers in other folders find them. Raises `InputError` and `UsageError`.
    """
    if given["out"] is not None:
        raise click.UsageError("--out names one result, and --out-dir a folder of many; leave one of them out")
    folder: Path = given["out_dir"]
    pictures = None if given["no_picture"] else given["picture"] or folder
    pages = None if given["report"] is None else Path(given["report"] or folder)
    for option, place in (("picture", pictures), ("report", pages)):
        if place is not None and place.suffix and not place.is_dir() and place != folder:
            raise click.UsageError(f"--{option} {place} names one file; of many files give a folder, or leave the value out")
    reading = replace(reading, mask=_absolute(reading.mask), support=_absolute(reading.support))
    found = expanded(files)
    runs = []
    for file, name in zip(found, names(found), strict=True):
        result, picture, page = (
            None if place is None else (place / f"{name}.retrieved.{end}").absolute()
            for place, end in ((folder, "cxi"), (pictures, "png"), (pages, "html"))
        )
        assert result is not None
        targets = Targets(result, picture, page)
        runs.append(FileRun(file, spec, reading, targets, _absolute(given["beginning"])))
    results = {str(one.targets.result) for one in runs}
    runs = [one for one in runs if one.file not in results]  # a pattern matches the results of an earlier run, too
    for one in runs:
        _prepare(one.targets)
    return runs


def expanded(files: Iterable[str]) -> list[str]:
    """The absolute paths of the files, with patterns replaced by what they match, each path once.

    What a pattern matches comes in the natural order of the numbers in the names. Raises `InputError` if it matches nothing.
    """
    found: list[str] = []
    for text in files:
        if not is_pattern(text):
            found.append(str(_absolute(text)))
            continue
        matches = [match for match in sorted(glob.glob(text, recursive=True), key=_natural) if Path(match).is_file()]
        if not matches:
            raise InputError(f"no file matches {text!r}; check the folder and the ending")
        found += [os.path.abspath(match) for match in matches]
    return list(dict.fromkeys(found))


def names(files: Sequence[str]) -> list[Path]:
    """A name for the result of each file, no two alike.

    It is the stem; for stems that are alike the path below the folder that all files share; with the ending, where that is
    alike, too.
    """
    paths = [_place(file) for file in files]
    above = os.path.commonpath([path.parent for path in paths])
    chosen = [Path(path.stem) for path in paths]
    for longer in (lambda path: path.with_name(path.stem), lambda path: path):
        count = Counter(str(name).casefold() for name in chosen)
        chosen = [
            longer(path.relative_to(above)) if count[str(name).casefold()] > 1 else name
            for path, name in zip(paths, chosen, strict=True)
        ]
    return chosen


def _place(file: str) -> Path:
    """A file as a path, with the dataset as a part of its stem: /data/a.h5:/entry_1/data → /data/a-entry_1-data.h5."""
    from ..io.registry import split_key

    if file.startswith(EXAMPLE):
        return Path.cwd() / file.replace(":", "-")
    path, key = split_key(file)
    return path if key is None else path.with_name("-".join([path.stem, *key.strip("/").split("/")]) + path.suffix)


def _absolute(text: str | None) -> str | None:
    """A path, also one of FILE:CONVENTION or FILE.h5:/dataset, as workers in other folders find it."""
    return text if text is None or text.startswith(EXAMPLE) else os.path.abspath(text)


def _natural(text: str) -> list[tuple[bool, int, str]]:
    """A key that sorts scan_2 before scan_10."""
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", text)]


def _prepare(targets: Targets) -> None:
    """Make the folders of a result, and check that it can be written."""
    from ..files import make_folder

    for target in targets:
        if target is not None:
            make_folder(target.parent)
    targets.check("")
