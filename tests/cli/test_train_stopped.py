"""A training that is killed, and one that is interrupted."""

import os
import signal
import subprocess
import sys
import time

import pytest
from train_command import FILM, SMALL, log_of, trainer

from retrieve.files.leftovers import host
from retrieve.priors.training.checkpoint import read_checkpoint


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    return trainer(tmp_path, monkeypatch, capsys)


@pytest.fixture
def begun(tmp_path):
    """A training that would take an hour, as a process of its own, once it has written a checkpoint and two rows."""
    words = ["diffusion", FILM, "--out", "run", *SMALL, "--minutes", "60", "--batch", "8", "--precision", "float32"]
    often = ["--checkpoint-every", "0.2", "--validate-every", "0.15"]
    process = subprocess.Popen(
        [sys.executable, "-m", "retrieve", "train", *words, *often],
        cwd=tmp_path, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    run, deadline = tmp_path / "run", time.monotonic() + 120
    while not ((run / "checkpoint.pt").exists() and (run / "log.csv").exists() and len(log_of(run)) > 1):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield process
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_a_killed_training_goes_on(run, begun, tmp_path):
    code, _, told = run("diffusion", FILM, "--out", "run", "-q")
    assert code == 2
    assert f"process {begun.pid} on {host()} is training in run; wait for its end" in told
    begun.send_signal(signal.SIGKILL)
    begun.wait()
    state = read_checkpoint(tmp_path / "run")
    more = state["objects"] + 160
    code, told, _ = run("diffusion", FILM, "--out", "run", "--threads", 1, "--objects", more)
    assert code == 0
    assert "continues at" in told
    rows = log_of(tmp_path / "run")
    assert rows == sorted(set(rows))
    assert rows[-1] == more
    after = read_checkpoint(tmp_path / "run")
    assert after["objects"] == more
    assert after["step"] == state["step"] + 20
    assert after["seconds"] > state["seconds"]


@pytest.mark.slow
def test_ctrl_c_keeps_a_checkpoint(begun, tmp_path):
    at_least = read_checkpoint(tmp_path / "run")["objects"]
    begun.send_signal(signal.SIGINT)
    out, told = begun.communicate(timeout=60)
    assert begun.returncode == 130
    assert "stopped; the same command continues" in out.replace("\n", " ")
    assert "Traceback" not in told
    assert read_checkpoint(tmp_path / "run")["objects"] >= at_least
    assert not list((tmp_path / "run").glob("*.safetensors"))
