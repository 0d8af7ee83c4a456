"""Faults of files and options that `retrieve run` meets, as a user calls it."""

import numpy as np
import pytest

from retrieve.cli import main
from retrieve.io.results import read_result
from retrieve.simulate import blobs, crystal, measure

QUICK = ["--recipe", "10 er + 20 hio", "--starts", "1", "-q"]


def scan_with(meta):
    intensity = np.random.default_rng(0).poisson(1e4 * measure(crystal((24, 32, 32), seed=1))).astype(np.uint32)
    np.savez("lengths.npz", intensity=intensity, meta=meta)


def test_a_frame_of_a_scan_has_two_of_its_three_lengths(here):
    scan_with('{"voxel_size_nm": [10, 5, 4], "pixel_size_m": 5.5e-5}')
    main(["run", "lengths.npz", "--frame", "12", *QUICK, "--out", "a.cxi", "--report", "a.html"])
    assert list(read_result("a.cxi").problem.meta["voxel_size_nm"]) == [5, 4]
    assert (here / "a.png").stat().st_size > 10_000
    assert (here / "a.html").exists()


@pytest.mark.parametrize("lengths", ["[10, 5, 5, 5]", "[10, 5]", '"wide"', "[10, 0, 5]", "[10, null, 5]"])
def test_lengths_that_do_not_fit_are_refused_before_the_run(here, lengths, capsys):
    scan_with(f'{{"voxel_size_nm": {lengths}}}')
    with pytest.raises(SystemExit, match="2"):
        main(["run", "lengths.npz", *QUICK])
    assert "voxel_size_nm" in capsys.readouterr().err
    assert not list(here.glob("*.retrieved.*"))


def test_a_support_that_vanishes_is_an_error_with_the_option_and_a_value(here, capsys):
    np.savez("scan.npz", intensity=1e5 * measure(blobs((48, 48), seed=1)[0]))
    with pytest.raises(SystemExit, match="1"):
        main(["run", "scan.npz", "--solver", "recipe", "--shrink-wrap.threshold", "0.95", "--starts", "2", "-q"])
    assert "lower --shrink-wrap.threshold 0.95, for example to 0.1" in " ".join(capsys.readouterr().err.split())
    with pytest.raises(SystemExit, match="1"):
        main(
            [
                "run",
                "scan.npz",
                "--solver",
                "recipe",
                "--shrink-wrap.threshold",
                "0.95",
                "--starts",
                "2",
                "--out-dir",
                "out",
                "-q",
                "--json",
            ]
        )
    assert "--shrink-wrap.threshold 0.95" in capsys.readouterr().out
