"""Checks of loaders: their own scans come back with frames, angles and energy; others are refused with reasons."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import SkipTest

import numpy as np

from ..errors import InputError
from ..geometry import diffractometers
from ..geometry.experiment import Experiment
from ..prepare import Frames, Loader, source_of
from .case import Checks, require
from .watch import within

SECONDS = 20.0
COUNTS = np.random.default_rng(0).poisson(40, (11, 24, 20)).astype(np.uint16)
"""The scan that a loader's sample holds: frames, rows, columns."""

checks = Checks()


@contextmanager
def _sample(loader: Loader) -> Iterator[str]:
    """The source, without name and colon, of a scan that the loader's sample wrote; skips the check where it has none."""
    if loader.sample is None:
        raise SkipTest("it has no sample; give Loader(…, sample=function) that writes (folder, counts)")
    with tempfile.TemporaryDirectory() as folder:
        yield loader.sample(Path(folder), COUNTS.copy())


@contextmanager
def _opened(loader: Loader, text: str) -> Iterator[Frames]:
    source = source_of(f"{loader.name}:{text}")
    with loader.open(source.path, source.scan) as frames:
        yield frames


@checks.add("name and example")
def named(loader: Loader) -> None:
    """Its name can stand before a colon, and an example shows the rest."""
    require(
        source_of(f"{loader.name}:no/such/file").loader == loader.name,
        f"name {loader.name!r}; give at least two lower-case letters and digits",
    )
    require(loader.example.strip(), f"example is {loader.example!r}; show a source, such as FILE.h5#12")


@checks.add("reads what was written")
def reads(loader: Loader) -> None:
    """The sample comes back as `Frames` with its counts."""
    with _sample(loader) as text, _opened(loader, text) as frames:
        require(isinstance(frames, Frames), f"it gives {type(frames).__name__}; give retrieve.Frames")
        found = np.concatenate(within(SECONDS, lambda: [block for _, block in frames.blocks()]))
    require(found.shape == COUNTS.shape, f"frames have shape {found.shape}, written were {COUNTS.shape}")
    require(np.array_equal(found, COUNTS), "the frames are not what was written")


@checks.add("tells the experiment", reads)
def tells(loader: Loader) -> None:
    """The meta holds the setup, the energy, and one angle a frame of the scanned circle, by the setup's own names."""
    with _sample(loader) as text, _opened(loader, text) as frames:
        require("experiment" in frames.meta, "meta has no 'experiment'; give Experiment(…).as_meta()")
        experiment = Experiment.from_meta(frames.meta)
    require(experiment.energy_kev, "the energy is unknown; read it as energy_kev")
    require(experiment.scanned, "no circle has one angle a frame; give the scanned one as a tuple")
    require(experiment.frame_count == len(COUNTS), f"{experiment.frame_count} angles for {len(COUNTS)} frames")
    require(experiment.diffractometer, "the diffractometer is unknown; name a setup")
    setup = diffractometers.named(experiment.diffractometer or "")
    known = {name for circle in (*setup.sample, *setup.detector) for name in (circle.name, *circle.also)}
    require(
        set(experiment.angles_deg) <= known, f"angles of {', '.join(set(experiment.angles_deg) - known)}, which the setup lacks"
    )


@checks.add("refuses what is not there")
def refuses(loader: Loader) -> None:
    """A place without a scan is an `InputError` that names it."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with loader.open(Path(folder, "nothing_00001"), "1"):
                pass
        except InputError as error:
            require("nothing_00001" in str(error), f"the error does not name the file: {error}")
            return
        except Exception as error:
            raise AssertionError(
                f"a missing file raises {type(error).__name__}; raise retrieve.InputError that names it"
            ) from error
    raise AssertionError("a missing file is opened; raise retrieve.InputError that names it")
