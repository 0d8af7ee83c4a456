import numpy as np
import pytest


@pytest.fixture
def counts():
    """A 32×40 pattern of whole numbers, centred at (16, 20), with distinct rows and columns."""
    y, x = np.ogrid[-16:16, -20:20]
    return np.floor(5000 * np.exp(-(y**2 / 20 + x**2 / 30)) + (np.arange(32 * 40).reshape(32, 40) % 7)).astype(np.float32)


@pytest.fixture
def mask(counts):
    valid = np.ones(counts.shape, bool)
    valid[3, 4:9] = False
    return valid


@pytest.fixture
def support(counts):
    inside = np.zeros(counts.shape, bool)
    inside[10:20, 14:25] = True
    return inside


@pytest.fixture
def truth(support):
    return (support * np.exp(1j * np.arange(support.size).reshape(support.shape) / 100)).astype(np.complex64)
