"""The options on the experiment: through prepare, run, inspect and replay."""

import numpy as np
import pytest

from retrieve.cli import main
from retrieve.io import load
from retrieve.io.results import read_result
from retrieve.problem.meta import experiment_of

GIVEN = ["--energy", "9", "--distance", "0.5", "--pixel-size", "55", "--angle", "theta=-0.1:0.13", "--angle", "delta=32.2",
         "--angle", "gamma=12.6", "--hkl", "1,1,1", "--lattice", "4.08", "--diffractometer", "34idc"]  # fmt: skip


def printed(capsys, *words):
    code = 0
    try:
        main([*map(str, words)])
    except SystemExit as stop:
        code = stop.code or 0
    told = capsys.readouterr()
    return code, " ".join(told.out.split()), told.err


@pytest.fixture
def scan(here):
    grid = np.indices((24, 32, 32))
    far = sum(((grid[k] - n // 2) / 4) ** 2 for k, n in enumerate((24, 32, 32)))
    np.savez(
        "scan.npz", intensity=np.random.default_rng(0).poisson(3000 * np.exp(-far / 2)), meta='{"voxel_size_nm": [10, 5, 5]}'
    )
    return "scan.npz"


def test_options_of_prepare_reach_the_result(scan, capsys):
    size = ["--size", "16,16,16", "--bin", "1,2,2", "--centre", "12,16,16"]
    assert printed(capsys, "prepare", "scan", scan, *GIVEN, *size, "--no-picture", "--out", "p.cxi")[0] == 0
    assert printed(capsys, "run", "p.cxi", "--recipe", "3 er", "--starts", "1", "--out", "r.cxi", "--no-picture")[0] == 0
    for meta in (load("p.cxi").meta, read_result("r.cxi").problem.meta):
        e = experiment_of(meta)
        assert meta["voxel_size_nm"] == [15, 10, 10]
        assert (e.energy_kev, e.distance_m, e.pixel_size_um, e.lattice_angstrom) == (9.0, 0.5, (110.0, 110.0), 4.08)
        np.testing.assert_allclose(e.angles_deg["theta"], -0.1 + 0.01 * np.arange(4, 20))
        assert not e.missing()
    for file in ("p.cxi", "r.cxi"):
        out = printed(capsys, "inspect", file)[1]
        for words in ("energy 9 keV", "pixels of 110 × 110 µm", "theta -0.06° to 0.09° in 16 frames", "reflection 1 1 1"):
            assert words in out
        assert "missing for strain" not in out


def test_inspect_says_what_is_missing_for_strain(scan, capsys):
    out = printed(capsys, "inspect", scan, "--energy", "9")[1]
    assert "missing for strain: diffractometer, distance_m, pixel_size_um, angles_deg of the scanned circle" in out
    assert "missing for strain" not in printed(capsys, "inspect", scan, "--frame", "3")[1]


def test_options_of_run_are_replayed(scan, capsys):
    run = ["run", scan, *GIVEN, "--recipe", "3 er", "--starts", "1", "--out", "r.cxi", "--no-picture"]
    assert printed(capsys, *run)[0] == 0
    assert printed(capsys, "run", "--replay", "r.cxi", "--out", "again.cxi")[0] == 0
    one, two = (experiment_of(read_result(file).problem.meta) for file in ("r.cxi", "again.cxi"))
    assert one == two
    assert one.scanned == "theta"


def test_a_frame_of_a_scan_with_three_lengths_has_a_picture(scan, capsys):
    run = ["run", scan, "--frame", "12", "--recipe", "3 er", "--starts", "1", "--out", "r.cxi"]
    assert printed(capsys, *run)[0] == 0
    assert read_result("r.cxi").problem.meta["voxel_size_nm"] == [5, 5]


@pytest.mark.parametrize(("flags", "why"), [
    (["--energy", "0"], "--energy 0: energy_kev=0"),
    (["--energy", "nine"], "--energy nine: energy_kev='nine'"),
    (["--distance", "nan"], "--distance nan: distance_m"),
    (["--distance", "-1"], "--distance -1: distance_m=-1"),
    (["--pixel-size", "1,2,3"], "--pixel-size 1,2,3: pixel_size_um"),
    (["--direct-beam", "5"], "--direct-beam 5: direct_beam"),
    (["--hkl", "0,0,0"], "--hkl 0,0,0"),
    (["--lattice", "-4"], "--lattice -4"),
    (["--diffractometer", "id99"], "diffractometer 'id99' is unknown"),
    (["--angle", "theta"], "--angle 'theta' is not understood"),
    (["--angle", "theta=up"], "--angle theta=up"),
    (["--angle", "theta=1:2:3"], "--angle theta=1:2:3"),
    (["--angle", "theta=1,2,3"], "scan.npz: theta has 3 values, the array 24 frame(s)"),
])  # fmt: skip
@pytest.mark.parametrize("command", [["inspect"], ["run"], ["prepare", "scan"]])
def test_impossible_values_are_refused_before_any_work(scan, capsys, here, command, flags, why):
    code, out, err = printed(capsys, *command, scan, *flags)
    assert code == 2
    assert why in err
    assert [path.name for path in here.iterdir()] == ["scan.npz"]
