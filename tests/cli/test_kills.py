"""Commands that are killed: nothing goes on, nothing is left, and the next run ends as an undisturbed one."""

import signal
import sys

import pytest
from kills import WORDS, campaign

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the tests look for processes in /proc")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("kind", [kind for kind in WORDS if kind != "workers"])
def test_a_killed_command_goes_on(tmp_path, kind, number):
    campaign(kind, tmp_path, number, kills=1, seed=number)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("kind", WORDS)
def test_a_command_that_is_killed_50_times_goes_on(tmp_path, kind, number):
    campaign(kind, tmp_path, number, kills=50, seed=number)
