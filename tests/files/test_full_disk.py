"""Every command on a full disk, and in a folder that goes away: one line, exit code 2, the files that were there stay."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from retrieve.cli import main
from retrieve.files.partial import PartialFile
from retrieve.io.result import Cost, Result
from retrieve.problem import Problem
from retrieve.problem.scoring import Score
from retrieve.simulate import crystal, measure

SOLVER = ["--solver", "er:iterations=3", "-q"]
FILM = ["domains2d:size=16,domains=3,fill=0.3,kind=blobs", "--base", "8", "--widths", "1", "--attention", "none"]
FILM += ["--embedding", "16", "--blocks", "1", "--patch", "1", "--objects", "8", "--batch", "8", "--precision", "float32"]
ROCKING = ["--diffractometer", "34idc", "--energy", "9", "--distance", "0.5", "--pixel-size", "55", "--hkl", "1,1,1"]
ROCKING += ["--lattice", "4.08", "--direct-beam", "8,8", "--angle", "theta=0:0.2", "--angle", "delta=32", "--angle", "gamma=12"]

CASES = {
    "result": (["run", "scan.npz", *SOLVER, "--no-picture", "--out", "{}/a.cxi"], ["a.cxi"]),
    "picture": (["run", "scan.npz", *SOLVER, "--out", "a.cxi", "--picture", "{}/a.png"], ["a.png"]),
    "page": (["run", "scan.npz", *SOLVER, "--no-picture", "--out", "a.cxi", "--report", "{}/a.html"], ["a.html"]),
    "scores": (["run", "scan.npz", *SOLVER, "--no-picture", "--out", "a.cxi", "--json", "{}/a.json"], ["a.json"]),
    "replay": (["run", "--replay", "result.cxi", "--out", "{}/a.cxi", "-q"], ["a.cxi"]),
    "prepared CXI": (["prepare", "scan", "frames.npz", "--no-picture", "--out", "{}/a.cxi", "-q"], ["a.cxi"]),
    "prepared npz": (["prepare", "scan", "frames.npz", "--no-picture", "--out", "{}/a.npz", "-q"], ["a.npz"]),
    "prepared picture": (["prepare", "scan", "frames.npz", "--picture", "{}/a.png", "--out", "a.cxi", "-q"], ["a.png"]),
    "prepared train": (["prepare", "pulses", "pulses.h5", "--no-picture", "--out", "{}/a.cxi", "-q"], ["a.cxi"]),
    "simulated CXI": (["simulate", "crystal2d", "--size", "32", "--out", "{}/a.cxi", "-q"], ["a.cxi"]),
    "simulated npz": (["simulate", "crystal2d", "--size", "32", "--count", "2", "--out", "{}/a.npz", "-q"], ["a.npz"]),
    "simulated folder": (["simulate", "crystal2d", "--size", "32", "--count", "2", "--out", "{}/many", "-q"], []),
    "simulated train": (
        ["simulate", "pulses", "--frames", "9", "--rows", "32", "--columns", "32", "--out", "{}/a.h5", "-q"],
        ["a.h5"],
    ),
    "figures": (["analyze", "result.cxi", "--out", "{}/a.json", "--picture", "a.png", "--report", "a.html", "-q"], ["a.json"]),
    "analysis page": (
        ["analyze", "result.cxi", "--out", "a.json", "--picture", "a.png", "--report", "{}/a.html", "-q"],
        ["a.html"],
    ),
    "table": (["compare", "scan.npz", *SOLVER, "--starts", "1", "--executor", "serial", "--json", "{}/a.json"], ["a.json"]),
    "lines": (["compare", "scan.npz", *SOLVER, "--starts", "1", "--executor", "serial", "--csv", "{}/a.csv"], ["a.csv"]),
    "comparison page": (
        ["compare", "scan.npz", *SOLVER, "--starts", "1", "--executor", "serial", "--report", "{}/a.html"],
        ["a.html"],
    ),
    "maps": (
        ["strain", "rocking.cxi", *ROCKING, "--no-picture", "--out", "{}/a.cxi", "--vti", "a.vti", "--json", "a.json", "-q"],
        ["a.cxi"],
    ),
    "VTI": (
        ["strain", "rocking.cxi", *ROCKING, "--no-picture", "--out", "a.cxi", "--vti", "{}/a.vti", "--json", "a.json", "-q"],
        ["a.vti"],
    ),
    "strain figures": (
        ["strain", "rocking.cxi", *ROCKING, "--no-picture", "--out", "a.cxi", "--vti", "a.vti", "--json", "{}/a.json", "-q"],
        ["a.json"],
    ),
    "training": (["train", "diffusion", *FILM, "--threads", "1", "--out", "{}", "--name", "prior", "-q"], []),
    "scaffold": (["plugin", "new", "my-solver", "--into", "{}"], []),
}
"""A command with {} for the folder that is full or goes away, and the files there that it replaces."""
for _command, _outputs in CASES.values():
    _command += ["--force"] * (_command[0] not in ("train", "plugin"))
SLOW = {"training", "analysis page", "comparison page", "figures", "page"}
NO_FOLDER = {"training", "simulated folder", "scaffold"}  # they make their folder, or write no single file


def ball():
    """A phased ball of 24³ voxels, as a result."""
    z, y, x = np.indices((24, 24, 24)) - 12
    one = np.clip(8 - np.sqrt(z**2 + y**2 + x**2), 0, 1) * np.exp(0.3j * np.sin(y / 4))
    pattern = np.abs(np.fft.fftshift(np.fft.fftn(one))) ** 2
    return Result(
        object=one.astype(np.complex64),
        estimates=one[None].astype(np.complex64),
        supports=np.abs(one)[None] > 0,
        chosen=0,
        scores=(Score(0.01, 0.01),),
        history=({"step": [1.0], "r": [0.1], "r_free": [0.1]},),
        cost=Cost(),
        problem=Problem.from_arrays(intensity=pattern),
        manifest={"solver": "raar", "seed": 0},
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with what the commands read."""
    folder = tmp_path_factory.mktemp("made")
    before = Path.cwd()
    os.chdir(folder)
    try:
        x = crystal((32, 32), seed=0, fill=0.3)
        np.savez("scan.npz", intensity=np.fft.fftshift(measure(1e3 * x)))
        x = crystal((16, 16, 16), seed=0, fill=0.25, phase=1.0)
        np.savez("frames.npz", intensity=np.fft.fftshift(np.random.default_rng(0).poisson(measure(1e3 * x))))
        call("run", "scan.npz", *SOLVER, "--starts", "3", "--no-picture", "--out", "result.cxi")
        ball().save("rocking.cxi")
        call("simulate", "pulses", "--frames", "20", "--rows", "32", "--columns", "32", "--bad", "0", "--out", "pulses.h5", "-q")
    finally:
        os.chdir(before)
    return folder


def call(*words):
    """The exit code of a command."""
    try:
        main(list(words))
    except SystemExit as stop:
        return stop.code or 0
    return 0


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory):
    """A disk of 3 MB."""
    place = tmp_path_factory.mktemp("disk")
    tried = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", place], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no small disk can be mounted here, which root may: {tried.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def filled(disk, left):
    """Fill a disk, but for so many blocks."""
    with (disk / "ballast").open("wb", buffering=0) as file:
        free = os.statvfs(disk)
        rest = (free.f_bavail - left) * free.f_frsize
        while rest > 0:
            rest -= file.write(bytes(min(rest, 2**20)))


def cases(*left_out):
    return [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in CASES if name not in left_out]


@pytest.mark.parametrize("name", cases())
def test_a_full_disk(name, made, small_disk, tmp_path, monkeypatch, capsys):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    command, outputs = CASES[name]
    command = [word.format(small_disk) for word in command]
    for left in (0, 1):
        for path in small_disk.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for output in outputs:
            (small_disk / output).write_text("old")
        for replaced in ("a.cxi", "a.json"):  # with a result that is replaced, its picture goes
            (tmp_path / replaced).unlink(missing_ok=True)
        filled(small_disk, left)
        capsys.readouterr()
        code = call(*command)
        said = capsys.readouterr().err.splitlines()
        if left and code == 0:
            continue  # what the command writes is no larger than a block
        assert code == 2, said
        told = [line for line in said if line.startswith("error: cannot ")]
        assert len(told) == 1, said
        assert "No space left on device" in told[0]
        assert [line for line in said if not line.startswith(("error", "warning", "note"))] == []
        left_there = {path.name for path in small_disk.iterdir()} - {"ballast", ".lock", "many", "log.csv", "checkpoint.pt"}
        assert {path for path in left_there if not path.startswith("a.rows")} == set(outputs)
        assert all((small_disk / output).read_text() == "old" for output in outputs)


@pytest.mark.parametrize("name", cases(*NO_FOLDER))
def test_a_folder_that_goes_away(name, made, tmp_path, monkeypatch, capsys):
    """It goes before the file is opened there, and again before the file has its name."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "going"
    command = [word.format(folder) for word in CASES[name][0]]

    def going(method):
        def gone(self, *place):
            if str(folder) in str(place[0] if place else self.place):
                shutil.rmtree(folder, ignore_errors=True)
            return method(self, *place)

        return gone

    def remembering(self, path):
        self.place = path
        begin(self, path)

    begin, finish = PartialFile.__init__, PartialFile.finish
    for changes in ({"__init__": going(begin)}, {"__init__": remembering, "finish": going(finish)}):
        folder.mkdir(exist_ok=True)
        with monkeypatch.context() as patched:
            for method, function in changes.items():
                patched.setattr(PartialFile, method, function)
            capsys.readouterr()
            code = call(*command)
        said = capsys.readouterr().err.splitlines()
        assert code == 2, said
        told = [line for line in said if line.startswith("error: cannot write")]
        assert len(told) == 1, said
        assert [line for line in said if not line.startswith(("error", "warning", "note"))] == []
        assert not folder.exists()


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [["solvers"], ["--help"], ["inspect", "scan.npz"]])
def test_a_full_disk_behind_standard_output(made, words, unbuffered):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    import sys

    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "retrieve", *words],
            cwd=made,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            timeout=60,
            check=False,
        )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: cannot write standard output")
    assert done.stderr.count("\n") == 1
