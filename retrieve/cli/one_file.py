"""One file as ``retrieve run`` phases it: how it is read and solved, and where the result goes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ..errors import InputError, RetrieveError
from .outputs import check_outputs, replacing_result
from .source import Reading

if TYPE_CHECKING:
    import numpy as np

    from ..driver.run_spec import RunSpec
    from ..io.result import Result
    from ..io.results import Summary
    from ..problem import Problem

AVERAGES = {"best": 1, "agreeing": 1, "mean": 1, "common-mode": 2}
"""Ways to make the object, and the starts that each needs at least."""

Solve = Callable[["RunSpec", "Problem", "np.ndarray | None", Path], "Result"]
"""Solves a problem, from the run, the problem, an array to begin with, and a folder that keeps finished starts."""


class Targets(NamedTuple):
    """Where the result goes, and the picture, the page, and a copy in the format of a plugin's writer, if wanted."""

    result: Path
    picture: Path | None = None
    page: Path | None = None
    copy: Path | None = None

    @property
    def starts(self) -> Path:
        """A folder for finished starts while a run of many files is under way."""
        return self.result.with_name(f".{self.result.name}.starts")

    def check(self, file: str, force: bool = True) -> None:
        """Raise `InputError` unless each can be written, is not the input and, without `force`, is not there yet."""
        from ..report.figure import check_picture

        check_outputs(self, [file] if file else [], force)
        if self.picture is not None:
            check_picture(self.picture)

    def write(self, result: Result) -> None:
        """Write the result, then the picture, the page and the copy. Those of a result that it replaces go."""
        with replacing_result(self.result, drawn=[self.picture, self.page]):
            result.save(self.result)
        self._draw(result, self.picture, self.page)
        if self.copy is not None:
            try:
                result.save(self.copy)
            except RetrieveError as error:
                raise type(error)(f"{error}; the result is in {self.result}") from error

    def complete(self) -> None:
        """Do for a finished result what a run that was killed after writing it left undone.

        The picture and the page are drawn where they are missing or older than the result, and the kept starts go.
        """
        self.remove_starts()
        made = self.result.stat().st_mtime_ns
        picture, page = (
            None if path is None or (path.exists() and path.stat().st_mtime_ns >= made) else path
            for path in (self.picture, self.page)
        )
        if picture is not None or page is not None:
            from ..io.results import read_result

            self._draw(read_result(self.result), picture, page)

    def remove_starts(self) -> None:
        """Remove the folder of finished starts."""
        shutil.rmtree(self.starts, ignore_errors=True)

    @staticmethod
    def _draw(result: Result, picture: Path | None, page: Path | None) -> None:
        if picture is not None:
            from ..report.result_picture import result_picture

            result_picture(result, picture)
        if page is not None:
            from ..report.page import write_page

            write_page(result, page)

    def __str__(self) -> str:
        return ", ".join(str(target) for target in self if target is not None)


class Opened(NamedTuple):
    """A file that is read, with the run resolved for it."""

    spec: RunSpec
    problem: Problem
    x0: np.ndarray | None


@dataclass(frozen=True)
class FileRun:
    """A file, how it is read and solved, and where the result goes. `start` is the text of ``--start``."""

    file: str
    spec: RunSpec
    reading: Reading
    targets: Targets
    start: str | None = None

    def open(self) -> Opened:
        """Read the file, and check the run. Raises `InputError`, or `UsageError` for too few starts."""
        from ..driver.batch import resolve_spec

        problem = self.reading.problem(self.file)
        if self.targets.copy is not None:
            from ..io.writers import writer_for

            writer_for(self.targets.copy).check_axes(self.targets.copy, len(problem.shape))
        x0 = None
        if self.start is not None:
            problem, x0 = _beginning(self.start, problem)
        spec = replace(self.spec, starts=self.spec.starts or (None if x0 is None else 1))
        spec = resolve_spec(spec, problem, x0)
        spec = replace(spec, strict=spec.starts == 1)
        least = spec.keep if spec.averaging == "common-mode" and spec.keep else AVERAGES[spec.averaging or "best"]
        if (spec.starts or 1) < least:
            raise click.UsageError(f"--average {spec.averaging} takes {least} starts or more; --starts {spec.starts} is too few")
        return Opened(spec, problem, x0)


def _beginning(text: str, problem: Problem) -> tuple[Problem, np.ndarray]:
    """The object of a result, scaled to the data, and the problem whose meta names it. Raises `InputError`."""
    from ..io.starting_point import starting_point

    try:
        found = starting_point(text, problem)
    except InputError as error:
        raise InputError(f"--start: {error}") from error
    meta = problem.meta
    notes = [*meta.get("notes", ()), found.note]
    return problem.replace(meta={**meta, "input": {**meta.get("input", {}), **found.source}, "notes": notes}), found.object


@dataclass(frozen=True)
class Row:
    """One file of the table.

    Attributes
    ----------
    file : str
        The file, as it was given.
    status : str
        "phased", "kept" if it was finished before, "interrupted", or "failed".
    verdict, probability, r, r_free, seconds
        Of the result. None if there is none.
    result, picture, page : str or None
        The files.
    failure : str or None
        The reason of a failure.
    """

    file: str
    status: str
    verdict: str | None = None
    probability: float | None = None
    r: float | None = None
    r_free: float | None = None
    seconds: float | None = None
    result: str | None = None
    picture: str | None = None
    page: str | None = None
    failure: str | None = None

    @classmethod
    def of(cls, file: str, found: Result | Summary, targets: Targets, kept: bool = False) -> Row:
        """The row of a result."""
        status = "interrupted" if found.interrupted else "kept" if kept else "phased"
        seconds = getattr(found, "seconds", None) if kept else found.cost.seconds  # type: ignore[union-attr]
        verdict: Any = found.verdict
        names = (None if target is None else str(target) for target in targets[:3])
        return cls(
            file,
            status,
            None if verdict is None else verdict.label,
            None if verdict is None else verdict.probability,
            found.score.r,
            found.score.r_free,
            seconds,
            *names,
        )
