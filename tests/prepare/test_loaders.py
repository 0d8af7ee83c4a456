"""Scans by the name of a beamline: how a source is read, which loader opens it, and what the command makes of it."""

from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from retrieve.errors import InputError
from retrieve.geometry.experiment import Experiment
from retrieve.io import load
from retrieve.plugins import registry
from retrieve.prepare import Frames, FrameStack, Loader, scans_of, source_of
from retrieve.prepare import loaders as module


@pytest.mark.parametrize(
    ("text", "loader", "path", "scan"),
    [
        ("id01:FILE.h5#12", "id01", "FILE.h5", "12"),
        ("ID01:FILE.h5#12", "id01", "FILE.h5", "12"),
        ("34idc:folder/FILE.spec#54", "34idc", "folder/FILE.spec", "54"),
        ("p10:SAMPLE_00063", "p10", "SAMPLE_00063", ""),
        ("id01:C:/data/FILE.h5#12", "id01", "C:/data/FILE.h5", "12"),
        ("id01:FILE.h5#S1_12.1", "id01", "FILE.h5", "S1_12.1"),
        (r"C:\data\scan.h5", "", r"C:\data\scan.h5", ""),
        ("C:/data/scan.h5", "", "C:/data/scan.h5", ""),
        ("c:scan.h5", "", "c:scan.h5", ""),
        ("scan.h5:/entry/data", "", "scan.h5:/entry/data", ""),
        ("folder/scan.npz", "", "folder/scan.npz", ""),
        ("/absolute/a:b.h5", "", "/absolute/a:b.h5", ""),
        ("scan#12.h5", "", "scan#12.h5", ""),
    ],
)
def test_the_parts_of_a_source(text, loader, path, scan):
    found = source_of(text)
    assert (found.loader, found.path, found.scan) == (loader, Path(path), scan)


def test_a_file_of_that_very_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("id01:x.h5", "frames", "a#1.h5"):
        Path(name).write_bytes(b"x")
    assert source_of("id01:x.h5").loader == ""
    assert source_of("frames:/entry/data").loader == ""
    assert source_of("frames:/entry/data").path == Path("frames")
    assert source_of("id01:a#1.h5") == ("id01:a#1.h5", "id01", Path("a#1.h5"), "")


def test_a_scan_without_its_number():
    with pytest.raises(InputError, match="write the number of the scan behind it"):
        source_of("id01:FILE.h5#")


COUNTS = np.random.default_rng(0).poisson(3, (24, 32, 32)).astype(np.uint16)


def crystal(shift=0, seed=0):
    g = np.meshgrid(*(np.arange(n) - n // 2 for n in COUNTS.shape), indexing="ij")
    mean = 3e3 * np.exp(-(g[0] ** 2 / 8 + (g[1] - shift) ** 2 / 18 + g[2] ** 2 / 18))
    return np.random.default_rng(seed).poisson(mean).astype(np.uint16)


@contextmanager
def open_npy(path, scan, key):
    if not path.is_file():
        raise InputError(f"there is no {path}")
    counts = np.load(path)
    experiment = Experiment(
        diffractometer="id01", energy_kev=9, distance_m=1, angles_deg={"eta": tuple(0.01 * k for k in range(len(counts)))}
    )
    stack = FrameStack(f"{path}#{scan}", counts.shape, counts.dtype, lambda part: counts[part])
    yield Frames((stack,), None, {"experiment": experiment.as_meta()}, (f"scan {scan}",))


@contextmanager
def open_broken(path, scan, key):
    raise RuntimeError("the layout is another one")
    yield


@pytest.fixture
def mine(monkeypatch):
    """Loaders `mine` and `broken` are installed, and no other ones."""
    known = {"mine": Loader("mine", "FILE.npy#1", open_npy), "broken": Loader("broken", "FILE#1", open_broken)}
    found = registry.registered

    def pretend(kind):
        return {name: (loader, "a plugin") for name, loader in known.items()} if kind == "loaders" else found(kind)

    monkeypatch.setattr(registry, "registered", pretend)
    monkeypatch.setattr(module, "registered", pretend)
    return known


def refused(*sources, **options):
    with pytest.raises(InputError) as error, scans_of(sources, **options):
        pass
    return str(error.value)


def test_an_unknown_loader_tells_the_known_ones(mine):
    assert "no loader 'foo' and no file of that name; known: broken, mine" in refused("foo:a.h5#1")


def test_a_loader_that_is_not_installed(mine):
    assert "pip install ./plugins/retrieve-beamlines" in refused("id01:a.h5#1")
    assert "the package retrieve-beamlines, which is not installed" in refused("34idc:a.spec#1")


def test_no_loader_at_all(mine):
    mine.clear()
    assert "no loader is installed; in the repository: pip install ./plugins/retrieve-beamlines" in refused("foo:a.h5#1")


def test_faults_of_a_loader_are_told(mine, tmp_path):
    assert "broken:a#1 cannot be read (RuntimeError: the layout is another one)" in refused("broken:a#1")
    assert f"there is no {tmp_path / 'a.npy'}" in refused(f"mine:{tmp_path / 'a.npy'}#1")


def test_sources_that_do_not_go_together(mine, tmp_path):
    np.save(tmp_path / "a.npy", COUNTS)
    assert "is a scan of a loader" in refused(f"mine:{tmp_path / 'a.npy'}#1", tmp_path / "a.npy")
    assert "is given twice" in refused(*[f"mine:{tmp_path / 'a.npy'}#1"] * 2)
    assert "is given twice" in refused(tmp_path / "a.npy", f"{tmp_path}/./a.npy", separate=True)
    assert "--axis 2 is for files" in refused(f"mine:{tmp_path / 'a.npy'}#1", axis=2)


def test_each_source_is_a_scan(mine, tmp_path):
    np.save(tmp_path / "a.npy", COUNTS)
    with scans_of([f"mine:{tmp_path / 'a.npy'}#{k}" for k in (1, 2)], experiment={"hkl": "1,1,1"}) as scans:
        assert [scan.notes for scan in scans] == [("scan 1",), ("scan 2",)]
        assert_array_equal(scans[0].stacks[0].read(slice(None)), COUNTS)
        assert Experiment.from_meta(scans[1].meta).hkl == (1, 1, 1)


def test_files_as_scans_or_as_one(tmp_path):
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", COUNTS)
    files = [tmp_path / "a.npy", tmp_path / "b.npy"]
    with scans_of(files) as scans:
        assert [scan.shape[0] for scan in scans] == [48]
    with scans_of(files, separate=True) as scans:
        assert [scan.shape[0] for scan in scans] == [24, 24]


def test_the_command_sums_scans_of_a_loader(mine, tmp_path, call):
    for k, shift in enumerate((0, 2)):
        np.save(tmp_path / f"s{k}.npy", crystal(shift, k))
    sources = [f"mine:{tmp_path / f's{k}.npy'}#{k + 3}" for k in (0, 1)]
    out = tmp_path / "sum.cxi"
    code, told, errors = call("prepare", "scan", *sources, "--out", out, "--no-picture", "--hkl", "1,1,1")
    assert code == 0, errors
    assert "2 of 2 scans summed" in told
    assert "counts stay whole numbers" in " ".join(told.split())
    problem = load(out).problem()
    assert abs(float(problem.power) / (crystal(0, 0).sum() + crystal(2, 1).sum()) - 1) < 0.01
    experiment = Experiment.from_meta(problem.meta)
    assert (experiment.hkl, experiment.diffractometer, experiment.scanned) == ((1, 1, 1), "id01", "eta")
    assert [scan["kept"] for scan in problem.meta["scans"]] == [True, True]


def test_the_command_sums_files(tmp_path, call):
    for k, shift in enumerate((0, 2)):
        with h5py.File(tmp_path / f"s{k}.h5", "w") as file:
            file["frames"] = crystal(shift, k)
    files = [tmp_path / f"s{k}.h5" for k in (0, 1)]
    code, told, errors = call("prepare", "scan", "--scans", *files, "--out", tmp_path / "sum.npz", "--no-picture")
    assert code == 0, errors
    assert "2 of 2 scans summed" in told


def test_the_default_name_has_the_scan_in_it(mine, tmp_path, monkeypatch, call):
    np.save(tmp_path / "s.npy", crystal())
    monkeypatch.chdir(tmp_path)
    code, _, errors = call("prepare", "scan", "mine:s.npy#7", "--no-picture")
    assert code == 0, errors
    assert Path("s_7.prepared.cxi").is_file()


def test_scans_are_no_pulse_train(mine, tmp_path, call):
    for k in (0, 1):
        np.save(tmp_path / f"s{k}.npy", COUNTS)
    sources = [f"mine:{tmp_path / f's{k}.npy'}#1" for k in (0, 1)]
    code, _, errors = call("prepare", "pulses", *sources, "--out", tmp_path / "a.npz")
    assert code == 2
    assert "2 scans are no pulse train" in errors


def test_help_names_the_sources(call):
    assert "id01:FILE.h5#12" in call("prepare", "scan", "--help")[1]
