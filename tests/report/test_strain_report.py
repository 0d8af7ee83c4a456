"""`retrieve strain --report` writes the page beside the maps."""

import numpy as np
import pytest
from click.testing import CliRunner

from retrieve import Cost, Problem, Result, Score
from retrieve.cli import app

pytest.importorskip("skimage", reason="strain needs scikit-image")
EXPERIMENT = {
    "diffractometer": "34idc",
    "energy_kev": 9.0,
    "distance_m": 0.5,
    "pixel_size_um": [55.0, 55.0],
    "angles_deg": {"delta": 32.174, "gamma": 12.6346, "theta": [0.02 * k for k in range(32)]},
    "hkl": [1, 1, 1],
    "lattice_angstrom": 4.08,
}


@pytest.fixture
def phased(tmp_path):
    """A file of a phased ball in two starts."""
    z, y, x = np.indices((32, 32, 32)) - 16
    ball = np.clip(9 - np.sqrt(z**2 + y**2 + x**2), 0, 1) * np.exp(0.3j * np.sin(y / 4))
    estimates = np.stack([ball, ball * np.exp(0.02j * np.cos(x / 3))]).astype(np.complex64)
    result = Result(
        object=estimates[0],
        estimates=estimates,
        supports=np.abs(estimates) > 0,
        chosen=0,
        scores=(Score(0.01, 0.01),) * 2,
        history=({"step": [], "r": [], "r_free": []},) * 2,
        cost=Cost(),
        problem=Problem.from_arrays(intensity=np.abs(np.fft.fftshift(np.fft.fftn(ball))) ** 2, meta={"experiment": EXPERIMENT}),
        manifest={"solver": "raar", "seed": 0},
    )
    return result.save(tmp_path / "crystal.cxi")


def test_the_page_is_written(phased, tmp_path):
    path = tmp_path / "out.html"
    made = CliRunner().invoke(
        app, ["strain", str(phased), "--out", str(tmp_path / "s.cxi"), "--report", str(path)], catch_exceptions=False
    )
    assert made.exit_code == 0, made.output
    assert path.name in made.output.replace("\n", "")
    html = path.read_text(encoding="utf-8")
    assert "Rms strain in the bulk" in html
    assert "34idc" in html


def test_a_page_at_the_place_of_the_maps_is_refused(phased, tmp_path):
    out = str(tmp_path / "s.cxi")
    made = CliRunner().invoke(app, ["strain", str(phased), "--out", out, "--report", out])
    assert made.exit_code != 0
    assert "--report must differ" in str(made.exception or made.output)
