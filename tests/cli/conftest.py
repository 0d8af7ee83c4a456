"""What the tests of commands share."""

import numpy as np
import pytest

from retrieve.simulate import example


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def pattern(here):
    """A blind 128×128 pattern in an npz."""
    problem = example("crystal2d")
    np.savez("scan.npz", intensity=np.fft.fftshift(problem.amplitude) ** 2)
    return "scan.npz"
