"""A terminal that is closed: the run saves what there is, though there is nowhere to print to."""

import os
import re
import select
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from kills import session_of

from retrieve.driver.processes import STOP
from retrieve.io.results import read_result
from retrieve.simulate import blobs, measure

pty = pytest.importorskip("pty")


def read_for(terminal, wanted, seconds):
    """What comes from the terminal until a word does, or for some seconds."""
    told, deadline = b"", time.monotonic() + seconds
    while wanted not in told and time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            told += os.read(terminal, 4096)
    return told


def hears_stop(pid):
    """Whether a process is a worker that listens to its parent."""
    with suppress(OSError):
        caught = re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text())
        return int(caught[1], 16) >> (STOP - 1) & 1
    return 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the test looks for workers in /proc")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_terminal_that_is_closed_stops_a_run_which_saves_what_there_is(here, workers):
    np.savez("scan.npz", intensity=1e4 * measure(blobs((32, 32), seed=1)[0]))
    words = ["run", "scan.npz", "--solver", "hio:iterations=10000000", "--starts", "2", "--workers", workers, "--out", "a.cxi"]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-m", "retrieve", *words])
    told = read_for(terminal, b"hio on cpu", 60)
    assert b"hio on cpu" in told
    if workers == "1":
        assert b"it/s" in read_for(terminal, b"it/s", 60)
    else:
        deadline = time.monotonic() + 60
        while sum(map(hears_stop, session_of(pid))) < 2:
            assert time.monotonic() < deadline
            read_for(terminal, b"never", 0.2)
    os.close(terminal)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert (code, sorted(os.listdir())) == (130, ["a.cxi", "a.png", "scan.npz"])
    result = read_result("a.cxi")
    assert result.interrupted
    assert all(step > 0 for step in result.manifest["stopped"].values())
