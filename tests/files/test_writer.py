"""The writer: whole files or none, whatever the disk and the libraries do."""

import errno
import os
import shutil
import subprocess
import sys
import textwrap

import h5py
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from retrieve.errors import InputError
from retrieve.files import make_folder, replacing, write_text
from retrieve.files.partial import PartialFile
from retrieve.report.figure import PICTURE_KINDS, write_figure


class Disk:
    """A disk with so many bytes left: `os.write` takes them and then fails as a full disk does."""

    def __init__(self, left):
        self.left, self.write = left, os.write

    def __call__(self, file, data):
        if self.left <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = self.write(file, memoryview(data)[: self.left])
        self.left -= done
        return done


def hdf5(file):
    rng = np.random.default_rng(0)
    with h5py.File(file, "w") as made:
        for k in range(30):
            made.create_dataset(f"group {k}/array", data=rng.normal(size=(4, 16, 16)), chunks=(1, 16, 16), compression="gzip")
            made[f"text {k}"] = "words " * k


WRITERS = {
    "HDF5": hdf5,
    "npz": lambda file: np.savez_compressed(file, a=np.random.default_rng(0).normal(size=20_000)),
    "torch": lambda file: torch.save({"a": torch.rand(20_000)}, file),
    "png": lambda file: plt.figure().savefig(file, format="png"),
    "pdf": lambda file: plt.figure().savefig(file, format="pdf"),
    "svg": lambda file: plt.figure().savefig(file, format="svg"),
    "bytes": lambda file: file.write(b"x" * 100_000),
}


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("kind", WRITERS)
def test_a_full_disk_leaves_the_file_that_was_there(tmp_path, monkeypatch, kind):
    place = tmp_path / "a.file"
    place.write_text("old")
    with replacing(tmp_path / "whole") as file:
        WRITERS[kind](file)
    size = (tmp_path / "whole").stat().st_size
    (tmp_path / "whole").unlink()
    for share in (0, 0.01, 0.3, 0.6, 0.9, 0.999):
        with monkeypatch.context() as full:
            full.setattr(os, "write", Disk(int(share * size)))
            with (
                pytest.raises(InputError, match=r"cannot write .*a\.file: No space left on device; free some space"),
                replacing(place) as file,
            ):
                WRITERS[kind](file)
        assert place.read_text() == "old"
        assert [path.name for path in tmp_path.iterdir()] == ["a.file"]


@pytest.mark.parametrize("kind", WRITERS)
def test_a_folder_that_goes_away(tmp_path, kind):
    folder = tmp_path / "folder"
    folder.mkdir()

    def write():
        with replacing(folder / "a.file") as file:
            WRITERS[kind](file)
            shutil.rmtree(folder)

    with pytest.raises(InputError, match="cannot write"):
        write()
    assert not folder.exists()


def test_a_full_disk_does_not_crash_the_interpreter(tmp_path):
    """HDF5 that saw a write fail ends the process by a signal, at its end."""
    code = """
        import os, sys
        sys.path.insert(0, sys.argv[1])
        from test_writer import Disk, hdf5
        from retrieve.errors import InputError
        from retrieve.files import replacing
        for left in range(0, 60_000, 3_000):
            disk, os.write = os.write, Disk(left)
            try:
                with replacing(sys.argv[2]) as file:
                    hdf5(file)
            except InputError as error:
                last = str(error)
            finally:
                os.write = disk
        print(last)
    """
    words = [sys.executable, "-c", textwrap.dedent(code), os.path.dirname(__file__), str(tmp_path / "a.h5")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "No space left on device" in done.stdout
    assert done.stderr == ""


def test_what_is_read_back_after_the_disk_is_full(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "write", Disk(10))
    with PartialFile(tmp_path / "a") as file:
        file.write(b"0123456789abcdef")
        file.seek(4)
        file.write(b"----")
        file.seek(0)
        assert file.read() == b"0123----89abcdef"
        with pytest.raises(OSError, match="No space left"):
            file.finish()


def test_the_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    done = []
    sync, rename = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda number: done.append("fsync") or sync(number))
    monkeypatch.setattr(os, "replace", lambda *paths: done.append("rename") or rename(*paths))
    write_text(tmp_path / "a.txt", "words")
    assert done[:2] == ["fsync", "rename"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_fails_at_the_end(tmp_path, monkeypatch, number):
    """Network drives tell of a full disk when the file is flushed."""
    (tmp_path / "a.txt").write_text("old")

    def fail(file):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(InputError, match="cannot write"):
        write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_disk_without_flushing_is_used(tmp_path, monkeypatch):
    def refuse(file):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refuse)
    assert write_text(tmp_path / "a.txt", "new").read_text() == "new"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, MemoryError])
def test_other_errors_pass_and_leave_nothing(tmp_path, error):
    (tmp_path / "a.txt").write_text("old")

    def write():
        with replacing(tmp_path / "a.txt") as file:
            file.write(b"new")
            raise error

    with pytest.raises(error):
        write()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize("kind", PICTURE_KINDS)
def test_pictures_of_every_kind(tmp_path, kind):
    figure = plt.figure()
    figure.add_subplot().plot([1, 2])
    write_figure(figure, tmp_path / f"a.{kind}")
    assert (tmp_path / f"a.{kind}").stat().st_size > 100


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot make the folder .*file/inside"):
        make_folder(tmp_path / "file" / "inside")
