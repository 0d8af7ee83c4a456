"""`retrieve run` with the weights that ship, a few calls of the network each."""

import numpy as np
import pytest
from click.testing import CliRunner

from retrieve.cli import app
from retrieve.io.result import write_problem
from retrieve.io.results import read_result
from retrieve.simulate import Noise, blobs, measure, object_set
from retrieve.solvers.learned.diffusion import Diffusion

QUICK = ["--search", "5", "--beginnings", "0", "--rounds", "1", "--evaluations", "4", "--starts", "2", "--no-picture"]


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """One candidate, and samples after one sweep."""
    for name, value in {"CANDIDATES": 1, "GIBBS_SWEEPS": 1, "REVERSE_CALLS": 2}.items():
        monkeypatch.setattr(Diffusion, name, value)


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film.cxi"
    write_problem(object_set("domains2d-50-cells").problem(0, 7, Noise(sigma=0.01)), path)
    return path


def run(*words):
    return CliRunner().invoke(app, ["run", *map(str, words)])


def test_diffusion_runs_from_its_name_alone_and_replays(film, tmp_path):
    out = tmp_path / "out.cxi"
    done = run(film, "--solver", "diffusion", "--out", out, "--samples", 2, *QUICK)
    assert done.exit_code == 0, done.output
    assert f"{2 * 4 + 2 * 2} network evaluations" in done.output
    result = read_result(out)
    assert result.samples.shape == (2, 64, 64)
    assert len(result.manifest["record"]["weights_sha256"]) == 64
    again = run("--replay", out)
    assert again.exit_code == 0, again.output
    assert "identical, bit for bit" in again.output


def test_unet_runs_from_its_name_alone(film, tmp_path):
    out = tmp_path / "out.cxi"
    done = run(film, "--solver", "unet", "--out", out, "--starts", 1, "--no-picture")
    assert done.exit_code == 0, done.output
    assert np.isfinite(read_result(out).score.r)


def test_another_geometry_is_refused_before_any_work(tmp_path):
    volume, inside = blobs((16, 16, 16), seed=0, fill=0.1)
    path = tmp_path / "volume.npz"
    np.savez(path, intensity=measure(volume), support=inside)
    done = CliRunner().invoke(app, ["run", str(path), "--solver", "diffusion", "--out", str(tmp_path / "no.cxi")])
    assert "the object's array has 16 × 16 × 16; pad the data" in str(done.exception) + done.output
    assert not (tmp_path / "no.cxi").exists()
