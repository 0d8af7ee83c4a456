import h5py
import numpy as np
import pytest

from retrieve.cli import main
from retrieve.simulate import PulseTrain, object_set, record
from retrieve.simulate.pulses import write_recording

ROLES = ("dark", "gain", "flat", "background")


@pytest.fixture(scope="session")
def recording():
    """A train of 140 frames of a crystal, 62 of them bad."""
    return record(object_set("crystal2d"), PulseTrain(), seed=0)


@pytest.fixture
def train_file(tmp_path, recording):
    """Writes the train, or one with some of its arrays changed, and returns its path."""

    def write(name="train.h5", **changes):
        return write_recording(recording._replace(**changes), tmp_path / name)

    return write


@pytest.fixture
def calibrated():
    """The flags that name the calibration in a train's own file."""
    return lambda path: [word for role in ROLES for word in (f"--{role}", f"{path}:/{role}")]


@pytest.fixture
def call(capsys):
    """Exit code, output and errors of ``retrieve`` words."""

    def run(*words):
        code = 0
        try:
            main([*map(str, words)])
        except SystemExit as stop:
            code = stop.code or 0
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.fixture
def frames_file(tmp_path):
    """Writes arrays into an HDF5 file."""

    def write(name="frames.h5", **arrays):
        path = tmp_path / name
        with h5py.File(path, "w") as file:
            for key, array in arrays.items():
                file[key] = array
        return path

    return write


@pytest.fixture
def peak():
    """A rocking scan (frames, rows, columns) of a Gaussian peak with fringes, its middle where asked, in counts."""

    def make(shape=(40, 64, 64), middle=None, top=3000.0, width=(2.5, 4.0, 4.0), seed=0):
        middle = [n // 2 for n in shape] if middle is None else middle
        r = np.meshgrid(*(np.arange(n) - m for n, m in zip(shape, middle, strict=True)), indexing="ij", sparse=True)
        intensity = top * np.exp(-sum((q / w) ** 2 for q, w in zip(r, width, strict=True)) / 2)
        intensity = intensity + top / 300 * np.exp(-np.sqrt(sum((q / w) ** 2 for q, w in zip(r, width, strict=True))))
        return np.random.default_rng(seed).poisson(intensity).astype(np.float32)

    return make
