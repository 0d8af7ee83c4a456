"""Limits of what is read: names, kinds of files, memory, links, time."""

import os
import signal
import socket
import time
from contextlib import suppress

import numpy as np
import pytest

from retrieve.errors import InputError
from retrieve.files import NotEnoughMemory, allowed, check_claim, check_memory, free_memory, limited, parsing, regular_file
from retrieve.files.children import CAN_FORK, within_time

in_a_child = pytest.mark.skipif(not CAN_FORK, reason="parsers run in this process here")


def test_what_is_no_regular_file_is_told_in_words(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "of_pipe").symlink_to(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)
        server.bind("socket")
    words = {
        "pipe": "is a pipe",
        "of_pipe": "is a pipe",
        "dangling": "is a link to .*gone, which is missing",
        "circle": "leads nowhere",
        "socket": "is a socket",
        "a\0b": r"'.*a\\\\0b' holds a NUL character",
        "a\ud800b": r"a\\ud800b is no valid UTF-8",
        "a" + chr(0xDCFF): "is no valid UTF-8",
    }
    for name, said in words.items():
        with pytest.raises(InputError, match=said) as error:
            regular_file(f"{tmp_path}/{name}")
        str(error.value).encode()
    with pytest.raises(InputError, match="is a device"):
        regular_file("/dev/null")
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert regular_file(tmp_path / "link") == tmp_path / "link"
    assert regular_file(tmp_path / "missing") == tmp_path / "missing"


@pytest.mark.parametrize(("text", "size"), [("8GB", 8e9), ("2.5 GiB", 2.5 * 2**30), ("500m", 5e8), ("1000", 1000), (1000, 1000)])
def test_a_size_in_words(text, size):
    with limited(max_memory=text):
        assert allowed().max_memory == size
    assert allowed().max_memory is None


@pytest.mark.parametrize("text", ["", "GB", "8PB", "-1GB", "nan", "9" * 30, "0"])
def test_a_size_that_is_not_understood(text):
    with pytest.raises(InputError, match="is no size; write it like 8GB"), limited(max_memory=text):
        pass


def test_memory_is_checked_against_what_is_free_and_what_is_allowed():
    free = free_memory()
    assert free is None or free > 0
    check_memory(1000, "a.npy")
    if free is not None:
        with pytest.raises(NotEnoughMemory, match=r"a\.npy needs 4e\+06 TB of memory, .* are free"):
            check_memory(4 * 10**18, "a.npy")
    with limited(max_memory="1MB"), pytest.raises(NotEnoughMemory, match="needs 2 MB of memory, --max-memory allows 1 MB"):
        check_memory(2_000_000, "a.npy")


def test_an_array_may_not_be_much_larger_than_its_file():
    check_claim("a.h5: 'd'", (256, 256, 256), 2, 1000)
    check_claim("a.h5: 'd'", (3, 10**7), 2, 10**7)
    with pytest.raises(NotEnoughMemory, match="needs 160 MB of memory, of which the file holds 1 kB.*--max-memory 1GB"):
        check_claim("a.h5: 'd'", (40, 10**6), 2, 1000)
    with limited(max_memory="1GB"):
        check_claim("a.h5: 'd'", (40, 10**6), 2, 1000)
    with pytest.raises(InputError, match="an axis of -1 values"):
        check_claim("a.h5: 'd'", (-1, -1), 2, 1000)


@pytest.mark.parametrize(("error", "words"), [
    (KeyError("x"), "a.npz cannot be read as npz: 'x'; it may be damaged"),
    (ValueError(""), "cannot be read as npz: ValueError"),
    (ValueError("\ud800"), r"\\ud800"),
    (RecursionError("deep"), "deep"),
    (MemoryError("Unable to allocate 7.28 TiB for an array"), r"does not fit into memory \(7.28 TiB more are needed"),
])  # fmt: skip
def test_whatever_a_parser_raises_names_the_file(error, words):
    with pytest.raises(InputError, match=words), parsing("a.npz", "npz"):
        raise error


def test_a_parser_in_a_child_returns_its_value_and_its_warnings():
    import warnings

    def parse(n):
        warnings.warn("odd", UserWarning, stacklevel=1)
        return {"x": np.arange(n, dtype=np.float32), "y": [np.eye(3), "text"]}

    with pytest.warns(UserWarning, match="odd"):
        found = within_time(5, "a.cbf", "CBF", parse, 1001)
    np.testing.assert_array_equal(found["x"], np.arange(1001))
    found["x"] += 1
    assert found["x"].flags.aligned
    np.testing.assert_array_equal(found["y"][0], np.eye(3))


def loops():
    while True:
        pass


def crashes():
    os.kill(os.getpid(), signal.SIGSEGV)


def takes_all():
    return len(np.ones(10**10))


def is_blocked():
    time.sleep(100)


@in_a_child
@pytest.mark.parametrize(("parse", "seconds", "words"), [
    (loops, 1, "did not end within 1 s"),
    (is_blocked, 0.05, "did not end within 0.05 s"),
    (crashes, 5, "its parser crashed"),
    (takes_all, 5, "memory"),
])  # fmt: skip
def test_a_parser_that_loops_crashes_or_takes_all_memory_ends_alone(parse, seconds, words):
    with pytest.raises(InputError, match=f"^a.cbf .*{words}"):
        within_time(seconds, "a.cbf", "CBF", parse)
    with suppress(ChildProcessError):  # there may be children of other tests
        assert os.waitpid(-1, os.WNOHANG)[0] == 0


@in_a_child
def test_an_error_in_a_child_stays_one():
    def refuse():
        raise NotEnoughMemory("a.cbf is large")

    with pytest.raises(NotEnoughMemory, match=r"a\.cbf is large"):
        within_time(5, "a.cbf", "CBF", refuse)
