"""Checks of writers: an ending chooses them, they write results of the axes that they claim, and the object comes back."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from unittest import SkipTest

import numpy as np

from ..io.result import Result
from ..io.writers import Writer, fault_of, write_as
from .case import Checks, require
from .small_results import DEEP, FLAT, arrays_of, result_of, touched
from .watch import within

SECONDS = 20.0

checks = Checks()


def _results(writer: Writer) -> Iterator[Result]:
    """Small results of each number of axes that the format holds."""
    for shape in (FLAT, DEEP):
        if len(shape) in writer.axes:
            yield result_of(shape)


@checks.add("name, endings and axes")
def named(writer: Writer) -> None:
    """It has a name, endings in lower case that are not those of CXI, and holds objects of two or three axes."""
    fault = fault_of(writer)
    require(not fault, fault)
    axes = writer.axes
    require(isinstance(axes, tuple) and axes and set(axes) <= {2, 3}, f"axes are {axes!r}; give (2,), (3,) or (2, 3)")


@checks.add("writes a result", named)
def writes(writer: Writer) -> None:
    """It writes results of the axes that it claims to the file that it is given, and leaves the file open."""
    for result in _results(writer):
        file = io.BytesIO()
        within(SECONDS, partial(writer.write, result, file))
        require(not file.closed, "it closes the file; leave it open, since the program has to move it to its place")
        require(file.getvalue(), f"it writes nothing for an object of {result.object.ndim} axes; write to the file it is given")


@checks.add("leaves the result alone", writes)
def leaves(writer: Writer) -> None:
    """No array of the result changes."""
    for result in _results(writer):
        before = arrays_of(result)
        writer.write(result, io.BytesIO())
        name = touched(result, before)
        require(not name, f"it changes result.{name}; work on a copy")


@checks.add("reads back what was written", writes)
def reads(writer: Writer) -> None:
    """`read` returns the object, or its amplitude, from a file that was written."""
    if writer.read is None:
        raise SkipTest("it has no read; give Writer(…, read=function) that returns the object or its amplitude")
    for result in _results(writer):
        with tempfile.TemporaryDirectory() as folder:
            path = write_as(writer, result, Path(folder, f"result{writer.suffixes[0]}"))
            found = np.asarray(writer.read(path))
        wanted = result.object if np.iscomplexobj(found) else np.abs(result.object)
        require(found.shape == wanted.shape, f"read gives an array of {found.shape}, written was {wanted.shape}")
        error = float(np.abs(found - wanted).max() / np.abs(wanted).max())
        require(error < 1e-2, f"what read gives differs from the object, or its amplitude, by {error:.2g} of the peak")
