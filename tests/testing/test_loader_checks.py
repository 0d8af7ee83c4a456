"""Checks of loaders: a sound one passes, each fault fails the check meant for it."""

import dataclasses
from contextlib import contextmanager

import numpy as np
import pytest

from retrieve import Experiment, Frames, FrameStack, InputError, Loader
from retrieve.testing import run_checks


def write(folder, counts):
    np.save(folder / "scan.npy", counts)
    return f"{folder / 'scan.npy'}#1"


def opener(change=lambda counts: counts, **experiment):
    known = {"diffractometer": "id01", "energy_kev": 9.0, "angles_deg": {"eta": tuple(0.01 * k for k in range(11))}, **experiment}

    @contextmanager
    def open_scan(path, scan, key):
        if not path.is_file():
            raise InputError(f"there is no {path}")
        counts = change(np.load(path))
        stack = FrameStack(str(path), counts.shape, counts.dtype, lambda part: counts[part])
        yield Frames((stack,), None, {"experiment": Experiment(**known).as_meta()} if experiment != {"energy_kev": 1.0} else {})

    return open_scan


SOUND = Loader("mine", "FILE.npy#1", opener(), write)


def failing(loader):
    return [outcome.check for outcome in run_checks(loader) if outcome.status == "failed"]


def test_a_sound_loader_passes():
    outcomes = run_checks(SOUND)
    assert [outcome.status for outcome in outcomes] == ["passed"] * 4
    assert {outcome.subject for outcome in outcomes} == {"loader mine"}


def test_a_loader_without_a_sample():
    statuses = {outcome.check: outcome.status for outcome in run_checks(dataclasses.replace(SOUND, sample=None))}
    assert statuses["reads what was written"] == "skipped"


@contextmanager
def takes_anything(path, scan, key):
    yield Frames((FrameStack("a", (1, 2, 2), np.dtype(int), lambda part: np.zeros((1, 2, 2))),))


@contextmanager
def raises_its_own(path, scan, key):
    with opener()(path, scan, key) if path.is_file() else open(path) as frames:
        yield frames


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ({"name": "x"}, "name and example"),
        ({"name": "my.loader"}, "name and example"),
        ({"example": " "}, "name and example"),
        ({"target": opener(lambda counts: counts[1:])}, "reads what was written"),
        ({"target": opener(lambda counts: counts.swapaxes(1, 2))}, "reads what was written"),
        ({"target": opener(lambda counts: counts + 1)}, "reads what was written"),
        ({"target": opener(energy_kev=1.0)}, "tells the experiment"),
        ({"target": opener(energy_kev=None)}, "tells the experiment"),
        ({"target": opener(angles_deg={"eta": 1.0})}, "tells the experiment"),
        ({"target": opener(angles_deg={"other": tuple(0.01 * k for k in range(11))})}, "tells the experiment"),
        ({"target": opener(angles_deg={"eta": tuple(0.01 * k for k in range(9))})}, "tells the experiment"),
        ({"target": opener(diffractometer=None)}, "tells the experiment"),
        ({"target": takes_anything}, "refuses what is not there"),
        ({"target": raises_its_own}, "refuses what is not there"),
    ],
)
def test_faults(fault, check):
    assert check in failing(dataclasses.replace(SOUND, **fault))
