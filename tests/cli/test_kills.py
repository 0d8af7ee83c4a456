"""Commands that are killed: nothing goes on, nothing is left, and the next run ends as an undisturbed one."""

import os
import signal
import sys

import pytest
from kills import WORDS, campaign

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the tests look for processes in /proc")

SIGNALS = (signal.SIGKILL, signal.SIGTERM)
KILLS = {"workers": 3, "train": 4}
"""Kills by each signal in the long tests of commands that are slow to start; 6 of the others, or RETRIEVE_KILLS of all."""


@pytest.mark.parametrize("kind", [kind for kind in WORDS if kind != "workers"])
def test_a_killed_command_goes_on(tmp_path, kind):
    campaign(kind, tmp_path, SIGNALS, kills=1, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", WORDS)
def test_a_command_that_is_killed_many_times_goes_on(tmp_path, kind):
    campaign(kind, tmp_path, SIGNALS, kills=int(os.environ.get("RETRIEVE_KILLS", KILLS.get(kind, 6))), seed=2)
