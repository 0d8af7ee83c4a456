"""What the tests of commands share."""

import numpy as np
import pytest
from live_browser import Browser

from retrieve.report.live.server import LivePage
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


@pytest.fixture
def watched(monkeypatch):
    """Lets a browser watch each live page; it presses the button when `ready`."""
    browsers = []

    def watch(button=None, ready=lambda told: told["version"] > 0):
        enter = LivePage.__enter__

        def entered(page):
            enter(page)
            browsers.append(Browser(page, button, ready))
            browsers[-1].start()
            return page

        monkeypatch.setattr(LivePage, "__enter__", entered)
        return browsers

    return watch
