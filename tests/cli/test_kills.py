"""Commands that are killed: nothing goes on, nothing is left, and the next run ends as an undisturbed one."""

import os
import signal
import sys

import pytest
from kills import WORDS, campaign

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the tests look for processes in /proc")

SIGNALS = (signal.SIGKILL, signal.SIGTERM)
KILLS = int(os.environ.get("RETRIEVE_KILLS", "10"))
"""Kills of each command by each signal in the long tests."""


@pytest.mark.parametrize("kind", [kind for kind in WORDS if kind != "workers"])
def test_a_killed_command_goes_on(tmp_path, kind):
    campaign(kind, tmp_path, SIGNALS, kills=1, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", WORDS)
def test_a_command_that_is_killed_many_times_goes_on(tmp_path, kind):
    campaign(kind, tmp_path, SIGNALS, kills=KILLS, seed=2)
