"""Replays of what does not begin or end by itself, of plugins, and the reasons that a replay gives where it differs."""

import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

import retrieve
from retrieve.cli import main
from retrieve.io.cxi import SMALL_SUM, sum_of_small
from retrieve.io.numpy_files import write_npz
from retrieve.io.results import read_result

HIO = ["--solver", "hio:iterations=30", "-q", "--no-picture"]


def replay(name):
    """The exit code of a replay."""
    with pytest.raises(SystemExit) as done:
        main(["run", "--replay", name])
    return done.value.code


def edit(name, change):
    with h5py.File(name, "r+") as file:
        entry = file["entry_1"]
        change(entry)
        entry.attrs[SMALL_SUM] = sum_of_small(entry, lambda item: item[()])


def test_a_run_from_the_object_of_another_result_replays(pattern, capsys):
    main(["run", pattern, *HIO, "--out", "first.cxi"])
    step = ["--solver", "er:iterations=1", "-q", "--no-picture"]
    main(["run", pattern, *step, "--start", "first.cxi", "--out", "a.cxi"])
    main(["run", pattern, *step, "--out", "random.cxi"])
    os.remove("first.cxi")
    assert replay("a.cxi") == 0
    assert "identical, bit for bit" in capsys.readouterr().out
    begun, random = (read_result(name) for name in ("a.cxi", "random.cxi"))
    assert begun.score.r < 0.5 * random.score.r
    assert len(begun.scores) == 1


def test_a_start_that_cannot_be_used_is_refused(pattern, capsys):
    main(["run", pattern, *HIO, "--out", "first.cxi"])
    np.savez("small.npz", object=np.ones((8, 8), complex))
    for words, reason in (
        (["--start", "first.cxi", "--solver", "auto"], "solver auto searches from its own starts"),
        (["--start", "small.npz", *HIO], "has shape (8, 8)"),
        (["--start", pattern, *HIO], "holds 0 complex arrays"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main(["run", pattern, *words])
        assert reason in " ".join(capsys.readouterr().err.split())


def test_starts_of_two_workers_that_a_budget_stopped_replay(pattern, capsys):
    words = ["--starts", "3", "--workers", "2", "--seconds", "0.3", "--out", "a.cxi"]
    main(["run", pattern, "--solver", "hio:iterations=1000000", "-q", "--no-picture", *words])
    assert replay("a.cxi") == 0
    assert "identical, bit for bit" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("extra", [[], ["--workers", "2"], ["--seconds", "1"]], ids=["here", "workers", "budget"])
def test_posterior_samples_replay(here, capsys, extra):
    from retrieve.simulate import TUNE_SEED, object_set

    write_npz(object_set("domains2d-25-cells").problem(3, TUNE_SEED), "film.npz")
    words = ["--solver", "diffusion:search=20,evaluations=8", "--agree", "0", "--starts", "2", "--samples", "2"]
    main(["run", "film.npz", *words, *extra, "-q", "--no-picture", "--out", "a.cxi"])
    assert read_result("a.cxi").samples is not None
    assert replay("a.cxi") == 0
    edit("a.cxi", lambda entry: entry["starts/samples"].__setitem__((1, 20, 20), 7))
    assert replay("a.cxi") == 1
    assert "different arrays beside the object: samples" in capsys.readouterr().out


PLUGIN = """
from dataclasses import dataclass
from retrieve.problem.likelihood import Gaussian

@dataclass(frozen=True)
class Uneven(Gaussian):
    pass
"""
REGISTERED = """
from retrieve import hookimpl

@hookimpl
def register_likelihoods():
    return {"uneven": "lab.noise:Uneven"}
"""
MAKE = """
import retrieve
from lab.noise import Uneven
from retrieve.plugins.registry import find
problem = retrieve.read("scan.npz", likelihood=Uneven(sigma=0.7))
retrieve.solve(find("solvers", "cg")(iterations=10), problem, starts=2).save("a.cxi")
"""


def test_a_plugins_likelihood_replays(pattern, here):
    """In a new process, which the plugin reaches by its entry point; and by a name that is refused without it."""
    for folder in ("lab", "lab-1.dist-info"):
        (here / folder).mkdir()
    (here / "lab/__init__.py").write_text(REGISTERED)
    (here / "lab/noise.py").write_text(PLUGIN)
    (here / "lab-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: lab\nVersion: 1\n")
    (here / "lab-1.dist-info/entry_points.txt").write_text("[retrieve]\nlab = lab\n")
    path = os.pathsep.join([str(here), *sys.path])

    def run(*words, path=path):
        command = [sys.executable, *words]
        return subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)

    made = run("-c", MAKE)
    assert made.returncode == 0, made.stderr
    again = run("-m", "retrieve", "run", "--replay", "a.cxi")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "identical, bit for bit" in again.stdout
    (here / "lab-1.dist-info/entry_points.txt").unlink()
    unknown = run("-m", "retrieve", "run", "--replay", "a.cxi")
    assert unknown.returncode == 2
    assert "the likelihood 'uneven' is unknown here" in " ".join(unknown.stderr.split())
    analysed = run("-m", "retrieve", "analyze", "a.cxi")
    assert analysed.returncode == 0, analysed.stderr


def test_another_mask_or_support_is_named(pattern, capsys):
    measured = np.ones((128, 128), np.uint8)
    measured[:, :4] = 0
    np.save("measured.npy", measured)
    main(["run", pattern, *HIO, "--mask", "measured.npy", "--out", "a.cxi"])
    assert replay("a.cxi") == 0
    measured[:, 4:8] = 0
    np.save("measured.npy", measured)
    assert replay("a.cxi") == 2
    assert "a.cxi: its mask measured.npy has changed since (SHA-256 differs); put the old one back" in " ".join(
        capsys.readouterr().err.split()
    )


def test_a_replay_that_differs_gives_the_first_step_and_the_reasons(pattern, capsys, monkeypatch):
    from retrieve.driver import solve

    main(["run", pattern, "--solver", "hio:iterations=60", "-q", "--no-picture", "--starts", "2", "--out", "a.cxi"])
    edit("a.cxi", lambda entry: entry["starts/history/00001/r"].__setitem__(1, 0.5))
    edit("a.cxi", lambda entry: entry["starts/objects"].__setitem__((1, 20, 20), 7))
    edit("a.cxi", lambda entry: entry["image_1/data"].__setitem__((20, 20), 7))
    now = {**solve.versions(), "numpy": "9.9"}
    monkeypatch.setattr(solve, "versions", lambda: now)
    inner = solve.conditions
    monkeypatch.setattr(solve, "conditions", lambda *given: {**inner(*given), "processor": "another", "sources": {}})
    assert replay("a.cxi") == 1
    told = " ".join(capsys.readouterr().out.split())
    for words in (
        "differs by at most",
        "different arrays beside the object: estimates",
        "start 1 differs first at step 40, of those scored: R 0.5 then",
        "reason: processor",
        f"reason: version of numpy {np.__version__} then, 9.9 now",
        "reason: the source of retrieve has changed",
    ):
        assert words in told


def test_a_measurement_with_an_unknown_likelihood_is_refused(here, capsys):
    problem = retrieve.simulate.example("crystal2d")
    meta = np.array('{"likelihood": {"name": "lorentz", "width": 2}}')
    np.savez("scan.npz", intensity=np.fft.fftshift(problem.amplitude) ** 2, meta=meta)
    with pytest.raises(SystemExit, match="2"):
        main(["run", "scan.npz", *HIO])
    assert "its likelihood 'lorentz' is unknown here" in " ".join(capsys.readouterr().err.split())
    main(["run", "scan.npz", *HIO, "--likelihood", "gaussian"])
