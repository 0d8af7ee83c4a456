"""Preparations of plugins: run between hot pixels and the peak, recorded, and refused where they break a scan."""

import importlib.metadata
import types
from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

import retrieve as rt
from retrieve.cli import main
from retrieve.errors import InputError, PluginError
from retrieve.plugins import loading
from retrieve.prepare import Scan, prepare_scan
from retrieve.prepare.frames import Frames, FrameStack


@dataclass(frozen=True)
class Level(rt.Preparation):
    """Subtract a level, and mask the rows up to `rows`."""

    name: ClassVar[str] = "level"
    level: float = rt.option(2.0, "counts to subtract", ge=0)
    rows: int = rt.option(0, "rows that are masked", ge=0)

    def apply(self, counts, experiment):
        valid = counts.valid
        valid[:, : self.rows] = False
        return rt.Counts((counts.values - self.level).clip(min=0), valid)


def step(function):
    """A preparation of this function of counts and experiment."""

    @dataclass(frozen=True)
    class Step(rt.Preparation):
        name: ClassVar[str] = "step"

        def apply(self, counts, experiment):
            return function(counts, experiment)

    return Step()


def frames(array, meta=None):
    return Frames((FrameStack("made here", array.shape, array.dtype, lambda part: array[part]),), None, meta=meta or {})


def test_it_changes_counts_and_mask_and_is_recorded(peak):
    scan = peak() + 4
    before = prepare_scan(frames(scan), Scan(aliens=None, size="pad"))
    made = prepare_scan(frames(scan), Scan(aliens=None, size="pad"), applied=[Level(level=3, rows=5)])
    assert made.removed[:, :5].all()
    assert made.removed.sum() == before.removed.sum() + (~before.removed[:, :5]).sum()
    assert float(made.problem.power) < float(before.problem.power)
    assert made.problem.meta["prepare"]["applied"] == [{"name": "level", "level": 3, "rows": 5}]
    assert "applied" not in before.problem.meta["prepare"]
    (said,) = [line for line in made.problem.meta["steps"] if line.startswith("level (level 3, rows 5) applied: ")]
    masked = (~before.removed[:, :5]).sum()
    assert f"{masked} voxels masked" in said


def test_it_runs_before_the_peak_is_found_and_in_the_given_order(peak):
    scan = peak(middle=(20, 32, 32))
    scan[3:6, 2:5, 2:5] = 2 * scan.max()
    with pytest.warns(UserWarning, match="touches the edge"):
        assert prepare_scan(frames(scan), Scan(hot=None, dead=False, aliens=None)).peak[0] < 6
    made = prepare_scan(frames(scan), Scan(hot=None, dead=False, aliens=None), applied=[Level(rows=6), Level(level=1)])
    assert np.abs(np.subtract(made.peak, (20, 32, 32))).max() <= 1
    assert [one["level"] for one in made.problem.meta["prepare"]["applied"]] == [2.0, 1]


def test_it_is_told_the_geometry(peak):
    seen = []
    meta = {"experiment": {"diffractometer": "id01", "angles_deg": {"eta": [0.01 * k for k in range(40)]}, "energy_kev": 9.0}}
    scan = peak()
    assert len(scan) == 40
    prepare_scan(frames(scan, meta), applied=[step(lambda counts, known: seen.append(known) or counts)])
    assert (seen[0].scanned, seen[0].energy_kev, seen[0].frame_count) == ("eta", 9.0, 40)


def test_it_works_on_copies(peak):
    def wipe(counts, experiment):
        kept = rt.Counts(counts.values.copy(), counts.valid.copy())
        counts.values[:] = 0
        counts.valid[:] = False
        return kept

    one, other = prepare_scan(frames(peak())), prepare_scan(frames(peak()), applied=[step(wipe)])
    np.testing.assert_array_equal(one.problem.amplitude, other.problem.amplitude)


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (lambda counts, known: None, PluginError, "preparation 'step' failed: it returned a NoneType"),
        (
            lambda counts, known: rt.Counts(counts.values[1:], counts.valid[1:]),
            PluginError,
            "it made 39×64×64 counts of 40×64×64",
        ),
        (lambda counts, known: rt.Counts(counts.values * 1j, counts.valid), PluginError, "its counts are complex64"),
        (lambda counts, known: rt.Counts(counts.values - 1, counts.valid), PluginError, "NaN, infinity or negative"),
        (lambda counts, known: rt.Counts(counts.values * np.nan, counts.valid), PluginError, "NaN, infinity or negative"),
        (lambda counts, known: rt.Counts(counts.values, ~counts.valid | counts.valid), PluginError, "calls voxels measured"),
        (lambda counts, known: rt.Counts(counts.values * 0, counts.valid), InputError, "leaves no counts"),
        (lambda counts, known: 1 / 0, PluginError, "preparation 'step' failed: ZeroDivisionError"),
        (lambda counts, known: exit(0), PluginError, "SystemExit"),
        (lambda counts, known: known.step_deg, InputError, "preparation 'step': no circle has one angle a frame"),
    ],
)
def test_what_cannot_be_the_counts_of_the_scan(peak, function, error, words):
    mask = np.ones((40, 64, 64), bool)
    mask[:, 3] = False
    scan = peak()
    made = Frames((FrameStack("made here", scan.shape, scan.dtype, lambda part: scan[part]),), mask)
    with pytest.raises(error, match=words):
        prepare_scan(made, applied=[step(function)])


@pytest.fixture
def install(monkeypatch):
    module = types.ModuleType("acme")
    module.register_preparations = rt.hookimpl(lambda: {"level": Level})
    module.register_preparations.__name__ = "register_preparations"
    point = SimpleNamespace(name="acme", load=lambda: module, dist=SimpleNamespace(name="acme-steps"))
    real = importlib.metadata.entry_points
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **of: (point,) if of == {"group": "retrieve"} else real(**of))
    loading.loaded.cache_clear()
    yield
    loading.loaded.cache_clear()


@pytest.fixture
def scan(peak, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("scan.npy", peak() + 4)


def test_the_command_applies_it(install, scan, capsys):
    main(["prepare", "scan", "scan.npy", "--apply", "level:level=3,rows=5", "--apply", "level", "--out", "a.cxi", "--no-picture"])
    assert "level (level 3.0, rows 5) applied" in " ".join(capsys.readouterr().out.split())
    applied = rt.read("a.cxi").meta["prepare"]["applied"]
    assert applied == [{"name": "level", "level": 3.0, "rows": 5}, {"name": "level", "level": 2.0, "rows": 0}]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--apply", "levle"], "unknown preparation 'levle'; did you mean level?"),
        (["--apply", "level:rwos=3"], "unknown option 'rwos' of level; did you mean rows?"),
        (["--apply", "level:rows=-1"], "option rows=-1 is out of range"),
        (["--apply", "level:rows"], "--apply 'level:rows': 'rows' has no value; write NAME:OPTION=VALUE"),
        (
            ["--level", "3"],
            "--level is no option of prepare scan, but of the step level; write --apply level:level=VALUE",
        ),
        (["--levels", "3"], "no option --levels"),
    ],
)
def test_the_command_refuses_before_it_reads(install, scan, capsys, words, told):
    with pytest.raises(SystemExit) as stop:
        main(["prepare", "scan", "not_there.npy", *words])
    assert stop.value.code == 2
    assert told in capsys.readouterr().err
