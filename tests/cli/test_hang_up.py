"""A terminal that is closed: the run saves what there is, though there is nowhere to print to."""

import os
import select
import sys
import time

import numpy as np
import pytest

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


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_terminal_that_is_closed_stops_a_run_which_saves_what_there_is(here, workers):
    np.savez("scan.npz", intensity=1e4 * measure(blobs((32, 32), seed=1)[0]))
    words = ["run", "scan.npz", "--solver", "hio:iterations=10000000", "--starts", "2", "--workers", workers, "--out", "a.cxi"]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-m", "retrieve", *words])
    told = read_for(terminal, b"hio on cpu", 60)
    assert b"hio on cpu" in told
    read_for(terminal, b"it/s" if workers == "1" else b"never", 30 if workers == "1" else 8)
    os.close(terminal)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert (code, sorted(os.listdir())) == (130, ["a.cxi", "a.png", "scan.npz"])
    result = read_result("a.cxi")
    assert result.interrupted
    assert all(step > 0 for step in result.manifest["stopped"].values())
