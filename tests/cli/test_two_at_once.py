"""Two processes on one output: the second is refused and told of the first, or takes what the first made."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import retrieve
from retrieve.cli import main
from retrieve.files import locked
from retrieve.files.leftovers import host
from retrieve.io.results import read_result
from retrieve.simulate import blobs, measure


@pytest.fixture
def scan(here):
    np.savez("scan.npz", intensity=1e4 * measure(blobs((32, 32), seed=1)[0]))


@pytest.mark.parametrize(
    ("words", "output"),
    [
        (["run", "scan.npz", "--out", "a.cxi"], "a.cxi"),
        (["prepare", "scan", "scan.npz", "--out", "a.npz"], "a.npz"),
        (["compare", "scan.npz", "--solver", "er", "--csv", "a.csv"], "a.csv"),
        (["strain", "scan.npz", "--out", "a.cxi"], "a.cxi"),
        (["strain", "scan.npz", "--out", "a.cxi", "--json", "b.json"], "b.json"),
        (["analyze", "scan.npz", "--out", "a.json"], "a.json"),
        (["analyze", "scan.npz", "--out", "a.json", "--report", "b.html"], "b.html"),
        (["simulate", "crystal2d", "--out", "a.cxi"], "a.cxi"),
        (["simulate", "crystal2d", "--count", "3", "--out", "a.npz"], "a.npz"),
        *((["simulate", "crystal2d", "--count", "3", "--out", "."], f"crystal2d-0000{k}.cxi") for k in range(3)),
        (["simulate", "pulses", "--frames", "2", "--out", "a.h5"], "a.h5"),
    ],
)
def test_an_output_has_one_writer(scan, capsys, words, output):
    with locked(output, f"writing {output}", ""), pytest.raises(SystemExit, match="2"):
        main([*words, "-q"])
    said = f"process {os.getpid()} on {host()} is writing {output}; wait for its end, or name another file"
    assert said in capsys.readouterr().err


def test_a_store_that_is_begun_anew_names_who_uses_it(scan, capsys):
    script = (
        "import sys; from retrieve.evaluate.store import Store\nwith Store('c.rows.jsonl'): print('held', flush=True); input()"
    )
    other = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "held\n"
    with pytest.raises(SystemExit, match="2"):
        main(["compare", "scan.npz", "--solver", "er", "--json", "c.json", "-fq"])
    assert f"process {other.pid} on {host()} is writing c.rows.jsonl; add --resume" in capsys.readouterr().err
    other.communicate("\n")


def test_of_many_files_the_second_waits_and_keeps_what_the_first_made(scan):
    words = ["run", "scan.npz", "--out-dir", "out", "--recipe", "30 hio", "--no-picture", "-q"]
    os.makedirs("out")
    lock = locked("out/scan.retrieved.cxi", "", "")
    lock.__enter__()
    timer = threading.Timer(0.5, lock.__exit__, (None, None, None))
    timer.start()
    with pytest.raises(SystemExit, match="0"):
        main(words)
    timer.join()
    before = os.stat("out/scan.retrieved.cxi").st_mtime_ns
    with pytest.raises(SystemExit, match="0"):
        main(words)
    assert os.stat("out/scan.retrieved.cxi").st_mtime_ns == before
    assert os.listdir("out") == ["scan.retrieved.cxi"]


def test_who_waits_for_another_stops_on_a_signal(scan, monkeypatch):
    os.makedirs("out")
    monkeypatch.setattr("retrieve.files.locks.time.sleep", lambda seconds: signal.raise_signal(signal.SIGTERM))
    with locked("out/scan.retrieved.cxi", "", ""), pytest.raises(SystemExit, match="130"):
        main(["run", "scan.npz", "--out-dir", "out", "--recipe", "30 hio", "--no-picture", "-q"])


@pytest.mark.slow
def test_two_processes_that_replace_the_same_objects_do_not_mix_them(here):
    words = ["simulate", "crystal2d", "--count", "40", "--out", "made", "-fq", "--seed"]
    begun = [subprocess.Popen([sys.executable, "-m", "retrieve", *words, str(seed)], stderr=subprocess.PIPE) for seed in (1, 2)]
    said = [process.communicate(timeout=120)[1] for process in begun]
    codes = [process.returncode for process in begun]
    assert 0 in codes
    assert all(code == 0 or (code == 2 and b"is writing made" in words) for code, words in zip(codes, said, strict=True))
    made = [retrieve.read(path).meta for path in sorted(Path("made").iterdir())]
    assert len(made) == 40
    assert len({meta["seed"] for meta in made}) == 1


@pytest.mark.slow
def test_two_runs_of_the_same_files_lose_nothing(scan):
    for seed in range(4):
        np.savez(f"s_{seed}.npz", intensity=1e4 * measure(blobs((32, 32), seed=seed)[0]))
    words = ["run", "s_*.npz", "--out-dir", "out", "--recipe", "200 hio", "--starts", "2", "--no-picture", "-q"]
    begun = [subprocess.Popen([sys.executable, "-m", "retrieve", *words]) for _ in range(2)]
    assert [process.wait(120) for process in begun] == [0, 0]
    assert sorted(os.listdir("out")) == [f"s_{seed}.retrieved.cxi" for seed in range(4)]
    assert all(len(read_result(f"out/s_{seed}.retrieved.cxi").scores) == 2 for seed in range(4))
