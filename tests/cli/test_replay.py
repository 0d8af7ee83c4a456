"""Results that replay, averages of starts, and runs that are interrupted."""

import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

import retrieve
from retrieve.cli import main
from retrieve.io.results import read_result

SHORT = ["--recipe", "20 er + 30 hio + 10 er"]


def test_a_result_replays_bit_for_bit(pattern, capsys):
    main(
        [
            "run",
            pattern,
            *SHORT,
            "-q",
            "--no-picture",
            "--out",
            "a.cxi",
            "--starts",
            "2",
            "--seed",
            "5",
            "--likelihood",
            "poisson",
        ]
    )
    with pytest.raises(SystemExit) as done:
        main(["run", "--replay", "a.cxi", "--out", "b.cxi"])
    assert done.value.code == 0
    assert "identical, bit for bit" in capsys.readouterr().out
    a, b = (read_result(name) for name in ("a.cxi", "b.cxi"))
    np.testing.assert_array_equal(a.estimates, b.estimates)
    assert a.manifest["likelihood"] == b.manifest["likelihood"]


def test_shared_out_starts_are_those_of_one_process_and_replay(pattern, capsys):
    main(["run", pattern, *SHORT, "-q", "--no-picture", "--starts", "3", "--out", "a.cxi"])
    main(["run", pattern, *SHORT, "--no-picture", "--starts", "3", "--out", "b.cxi", "--executor", "threads", "--workers", "2"])
    assert "2 worker(s) of threads" in " ".join(capsys.readouterr().out.split())
    np.testing.assert_array_equal(read_result("a.cxi").estimates, read_result("b.cxi").estimates)
    with pytest.raises(SystemExit, match="0"):
        main(["run", "--replay", "b.cxi"])
    with pytest.raises(SystemExit, match="2"):
        main(["run", pattern, "--executor", "dsak:here"])
    assert "unknown executor 'dsak'" in capsys.readouterr().err


def test_a_replay_that_differs_says_so(pattern, capsys):
    main(["run", pattern, *SHORT, "-q", "--no-picture", "--out", "a.cxi"])
    with h5py.File("a.cxi", "r+") as file:
        file["entry_1/image_1/data"][20, 20] += 1
    with pytest.raises(SystemExit) as done:
        main(["run", "--replay", "a.cxi"])
    assert done.value.code == 1
    assert "differs by at most" in capsys.readouterr().out


def test_a_replay_refuses_another_input(pattern, capsys):
    main(["run", pattern, *SHORT, "-q", "--no-picture", "--out", "a.cxi"])
    np.savez(pattern, intensity=np.ones((32, 32)))
    with pytest.raises(SystemExit) as done:
        main(["run", "--replay", "a.cxi"])
    assert done.value.code == 2
    assert "has changed since" in capsys.readouterr().err


def test_common_mode_of_the_starts(pattern):
    main(
        [
            "run",
            pattern,
            *SHORT,
            "-q",
            "--no-picture",
            "--out",
            "a.cxi",
            "--starts",
            "4",
            "--average",
            "common-mode",
            "--keep",
            "3",
        ]
    )
    result = read_result("a.cxi")
    assert len(result.manifest["kept"]) == 3
    assert 0 < result.manifest["common_mode_fraction"] <= 1
    assert not any(np.array_equal(result.object, estimate) for estimate in result.estimates)


def test_the_mean_of_the_starts_and_its_replay(pattern):
    main(["run", pattern, *SHORT, "-q", "--no-picture", "--out", "a.cxi", "--starts", "3", "--average", "mean"])
    result = read_result("a.cxi")
    assert len(result.manifest["weights"]) == 3
    assert sum(result.manifest["weights"]) == pytest.approx(1, abs=1e-3)
    assert result.score.r == result.averaged.r
    with pytest.raises(SystemExit) as done:
        main(["run", "--replay", "a.cxi"])
    assert done.value.code == 0


def test_an_older_name_of_an_option_is_taken_with_a_note(pattern, capsys):
    main(["run", pattern, *SHORT, "-q", "--no-picture", "--out", "a.cxi", "--starts", "2", "--combine=mean"])
    assert capsys.readouterr().err == "note: --combine is now --average\n"
    assert read_result("a.cxi").averaging == "mean"


def test_a_run_that_its_budget_stopped_replays(pattern, capsys):
    for name, bound in (("a.cxi", ["--seconds", "0.2"]), ("b.cxi", ["--ffts", "30"])):
        main(["run", pattern, "--solver", "hio:iterations=1000000", "-q", "--no-picture", "--out", name, *bound])
        with pytest.raises(SystemExit, match="0"):
            main(["run", "--replay", name])
        assert "identical, bit for bit" in capsys.readouterr().out
    assert 30 <= read_result("b.cxi").cost.ffts < 40  # the step at which the bound is passed is done to its end


def test_a_result_of_own_beginnings_replays_from_its_file(pattern, capsys):
    problem = retrieve.read(pattern)
    x0 = np.random.default_rng(0).standard_normal(problem.shape).astype(np.complex64)
    retrieve.solve(retrieve.solvers.HIO(iterations=5), problem, x0=x0).save("a.cxi")
    with pytest.raises(SystemExit, match="0"):
        main(["run", "--replay", "a.cxi"])
    with h5py.File("a.cxi", "r+") as file:
        del file["entry_1/starts/x0"]
    with pytest.raises(SystemExit, match="2"):
        main(["run", "--replay", "a.cxi"])
    assert "does not hold the array x0" in capsys.readouterr().err


def test_interrupting_keeps_what_there_is(pattern, here):
    command = [sys.executable, "-m", "retrieve", "run", pattern, "--solver", "hio:iterations=10000000", "--out", "a.cxi"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert run.stdout is not None
    while "hio on cpu" not in (line := run.stdout.readline()):  # told once Ctrl-C is listened to
        assert line, "it ended before it began"
    time.sleep(0.3)
    run.send_signal(signal.SIGINT)
    told = run.stdout.read()
    assert run.wait(timeout=60) == 130, told
    assert "interrupted; what there was is in a.cxi" in told
    result = read_result("a.cxi")
    assert result.interrupted
    assert np.isfinite(result.score.r)
    with pytest.raises(SystemExit, match="0"):
        main(["run", "--replay", "a.cxi"])  # up to the step at which it was interrupted
    assert sorted(path.name for path in here.iterdir()) == ["a.cxi", "a.png", "scan.npz"]


def test_ctrl_c_keeps_the_shared_out_starts_that_are_done(pattern, monkeypatch):
    from retrieve.driver import parallel

    inner = parallel._asks_to_stop

    def asks_to_stop(context, task, one):
        if task.number == 2:
            signal.raise_signal(signal.SIGINT)
        return inner(context, task, one)

    monkeypatch.setattr(parallel, "_asks_to_stop", asks_to_stop)
    with pytest.raises(SystemExit, match="130"):
        main(["run", pattern, *SHORT, "-q", "--no-picture", "--starts", "9", "--out", "a.cxi", "--executor", "serial"])
    result = read_result("a.cxi")
    assert result.interrupted
    assert len(result.scores) == 3
