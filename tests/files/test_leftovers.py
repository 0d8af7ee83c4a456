"""Files under construction: removed if their process is dead, and never that of another."""

import subprocess
import sys
import threading

import pytest

from retrieve.files import check_writable, remove_leftovers, replacing
from retrieve.files.leftovers import alive, host, partial_name

WRITE = """
import os, signal, sys
from retrieve.files import replacing
with replacing(sys.argv[1]) as partial:
    partial.write(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def killed_while_writing(path):
    process = subprocess.Popen([sys.executable, "-c", WRITE, path])
    process.wait()
    return process.pid


def test_what_a_killed_process_left_goes_when_the_place_is_checked(tmp_path):
    pid = killed_while_writing(tmp_path / "a.cxi")
    [left] = tmp_path.iterdir()
    assert left.name.startswith(f".a.cxi.partial-{host()}-{pid}-")
    check_writable(tmp_path / "other.cxi")
    assert not list(tmp_path.iterdir())


def test_what_others_write_stays(tmp_path):
    pid = killed_while_writing(tmp_path / "a.cxi")
    [left] = tmp_path.iterdir()
    sleeper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    living = tmp_path / f".a.cxi.partial-{host()}-{sleeper.pid}-0"
    elsewhere = tmp_path / f".a.cxi.partial-elsewhere-{pid}-0"
    mine = [tmp_path / ".a.cxi.partial", tmp_path / ".a.cxi.partial-12", tmp_path / "a.cxi"]
    for path in (living, elsewhere, *mine):
        path.touch()
    assert remove_leftovers(tmp_path) == [left]
    assert {*tmp_path.iterdir()} == {living, elsewhere, *mine}
    sleeper.communicate(b"\n")
    assert remove_leftovers(tmp_path) == [living]


def test_a_zombie_is_dead():
    process = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    process.stdout.read()
    while alive(process.pid):
        pass
    process.wait()


@pytest.mark.parametrize("name", ["a" * 255, "ü" * 127])
def test_long_names_can_be_written(tmp_path, name):
    with replacing(tmp_path / name) as partial:
        partial.write(b"whole")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_two_threads_that_write_one_file_do_not_mix(tmp_path):
    gate = threading.Barrier(2)

    def write(letter):
        with replacing(tmp_path / "a") as partial:
            partial.write(letter.encode() * 1000)
            gate.wait()
            partial.write(letter.encode() * 1000)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "xy"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a").read_text() in ("x" * 2000, "y" * 2000)
    assert len({partial_name("a") for _ in range(10)}) == 10
