"""Locks between processes: who holds them is named, and the dead hold nothing."""

import os
import signal
import subprocess
import sys

import pytest

from retrieve.errors import InputError
from retrieve.files import locked
from retrieve.files.leftovers import host

HOLD = """
import sys
from retrieve.files import locked
with locked(sys.argv[1], "writing it", "wait"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of a file."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "a.cxi"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_second_process_is_refused_and_told_of_the_first(tmp_path, holder):
    said = f"process {holder.pid} on {host()} is writing a.cxi; name another file"
    with pytest.raises(InputError, match=said), locked(tmp_path / "a.cxi", "writing a.cxi", "name another file"):
        pass
    with locked(tmp_path / "b.cxi", "writing b.cxi", ""):
        assert (tmp_path / ".b.cxi.lock").read_text().split() == [str(os.getpid()), host()]
    assert not (tmp_path / ".b.cxi.lock").exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_lock_of_a_dead_process_does_not_block(tmp_path, holder, number):
    holder.send_signal(number)
    holder.wait()
    assert (tmp_path / ".a.cxi.lock").exists()
    with locked(tmp_path / "a.cxi", "writing a.cxi", ""):
        pass
    assert not list(tmp_path.iterdir())


def test_who_waits_gets_the_lock_or_gives_up(tmp_path, holder):
    looks = []

    def given_up():
        looks.append(1)
        return len(looks) == 3

    with pytest.raises(KeyboardInterrupt), locked(tmp_path / "a.cxi", "", "", wait=True, given_up=given_up):
        pass
    holder.stdin.close()
    with locked(tmp_path / "a.cxi", "", "", wait=True):
        pass


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(InputError, match="there is no directory"), locked(tmp_path / "none" / "a", "", ""):
        pass
