"""One store and several processes; and the code that its keys cover."""

import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from small_cases import cases, timeless

import retrieve
from retrieve.cli import main
from retrieve.driver.run_spec import Budget
from retrieve.errors import InputError
from retrieve.evaluate.compare import compare
from retrieve.evaluate.store import Store
from retrieve.evaluate.trial import Trial, TrialSpec
from retrieve.solvers import ER, HIO

SOLVERS = {"hio": HIO(iterations=400), "er": ER(iterations=400)}
SPEC = TrialSpec(starts=1, seed=0, budget=Budget(), seconds=None, hold_out=0.03, device="auto", ramp=False, pictures=1)
KILLS = 10
CASES = 60

processes = multiprocessing.get_context("forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn")
processes.set_forkserver_preload(["retrieve.evaluate.store", "retrieve.evaluate.compare", "small_cases"])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "c.rows.jsonl"


def whole(path):
    """The keys of the lines that are whole."""
    keys = []
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            keys.append(json.loads(line)["key"])
        except ValueError:
            continue
    return keys


def share(path, count, starts=1):
    with Store(path, resume=True) as store:
        return compare(SOLVERS, cases(count), starts=starts, store=store)


def hold(path, pipe, trial):
    """Use a store, claim a trial, and wait."""
    with Store(path, resume=True) as store:
        pipe.send(store.claim(trial))
        pipe.recv()
        store.add(trial, retrieve.evaluate.trial.run_trial(trial))
        pipe.send("added")
        pipe.recv()


@pytest.fixture
def other(path):
    """Another process that has claimed a trial of the store: the trial, the process, and the pipe to it."""
    trial = Trial(0, next(cases(1)), "hio", SOLVERS["hio"], SPEC)
    here, there = processes.Pipe()
    process = processes.Process(target=hold, args=(path, there, trial))
    process.start()
    assert here.poll(60)
    assert here.recv()
    yield trial, process, here
    process.kill()
    process.join()


def test_a_store_in_use_does_not_begin_anew(path, other):
    with pytest.raises(InputError, match=r"process \d+ on .* is writing .*c\.rows\.jsonl; add --resume to share its work"):
        Store(path)
    with Store(path, resume=True), pytest.raises(InputError, match="this process writes"):
        Store(path, resume=True)
    _, process, _ = other
    process.kill()
    process.join()
    with Store(path):
        pass
    assert [kept.name for kept in path.parent.iterdir()] == [path.name]


def test_a_trial_that_another_process_runs_is_left_to_it(path, other):
    trial, _, pipe = other
    with Store(path, resume=True) as store:
        assert store.get(trial) is None
        assert not store.claim(trial)
        assert store.claim(trial._replace(label="other"))
        pipe.send("go on")
        assert pipe.poll(60)
        assert pipe.recv() == "added"
        found = store.get(trial)
        assert found.rows[0].solver == "hio"
        assert not store.claim(trial)
        store.add(trial, found)
    assert len(whole(path)) == 1


def test_a_killed_process_claims_nothing(path, other):
    trial, process, _ = other
    with Store(path, resume=True) as store:
        assert not store.claim(trial)
        process.kill()
        process.join()
        assert store.claim(trial)


def test_a_line_that_another_process_tore_ends_before_the_next_one(path):
    share(path, 2)
    content = path.read_bytes()
    with Store(path, resume=True) as store:
        first, second = (Trial(0, next(cases(1)), label, SOLVERS["er"], SPEC) for label in ("one", "two"))
        store.add(first, retrieve.evaluate.trial.run_trial(first))
        with path.open("ab") as file:
            file.write(content[:100])
        store.add(second, retrieve.evaluate.trial.run_trial(second))
    assert len(whole(path)) == len(set(whole(path))) == 6
    share(path, 2)
    assert len(whole(path)) == 6


def test_a_file_system_without_locks_is_used_with_a_warning(path, monkeypatch):
    from retrieve.evaluate import shared_lines

    def refuse(*_):
        raise OSError(shared_lines.errno.ENOLCK, "No locks available")

    monkeypatch.setattr(shared_lines.fcntl, "lockf", refuse)
    with pytest.warns(UserWarning, match="cannot be locked; let one process at a time use it"):
        share(path, 1)
    assert len(whole(path)) == 2


def pause(process, number):
    with suppress(ProcessLookupError):  # it has ended
        os.kill(process.pid, number)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_two_processes_on_one_store_lose_and_double_nothing_over_10_kills(path, seed):
    rng, total, kills = random.Random(seed), CASES * len(SOLVERS), 0

    def begin():
        process = processes.Process(target=share, args=(path, CASES))
        process.start()
        return process

    running, before = [begin(), begin()], []
    while kills < KILLS and len(before) < total:
        wanted, deadline = len(before) + rng.randint(1, 6), time.monotonic() + 60
        while len(whole(path)) < wanted and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.004))
        victim = rng.randrange(2)
        pause(running[1 - victim], signal.SIGSTOP)  # trials are left for all kills, on any processor
        running[victim].kill()
        running[victim].join()
        kills += running[victim].exitcode == -9
        after = whole(path)
        assert after[: len(before)] == before
        assert len(set(after)) == len(after)
        before, running[victim] = after, begin()
        pause(running[1 - victim], signal.SIGCONT)
    for process in running:
        process.join(120)
        assert process.exitcode == 0
    assert kills == KILLS
    assert len(whole(path)) == len(set(whole(path))) == total
    assert timeless(share(path, CASES)) == timeless(compare(SOLVERS, cases(CASES), starts=1))


COMPARED = ["--benchmark", "domains2d-50", "--noise", "0,0.05", "--objects", "3", "--starts", "2", "-q"]
COMPARED += ["--solver", "hio:iterations=300", "--solver", "er:iterations=300", "--ffts", "1000"]


@pytest.mark.slow
def test_two_commands_with_workers_share_one_comparison(tmp_path):
    command = [sys.executable, "-m", "retrieve", "compare", *COMPARED, "--json", "shared.json", "--resume", "--workers", "2"]
    both = [subprocess.Popen(command, cwd=tmp_path) for _ in range(2)]
    assert [one.wait(120) for one in both] == [0, 0]
    keys = whole(tmp_path / "shared.rows.jsonl")
    assert len(keys) == len(set(keys)) == 24
    with pytest.raises(SystemExit, match="0"):
        main(["compare", *COMPARED, "--json", str(tmp_path / "alone.json"), "--executor", "serial"])
    found, expected = (json.loads((tmp_path / name).read_text()) for name in ("shared.json", "alone.json"))
    assert found.pop("times")
    assert expected.pop("times")
    assert found == expected


AGAIN = """
from small_cases import cases
from retrieve.evaluate.compare import compare
from retrieve.evaluate.store import Store
from {package}.{module} import {solver} as Solver
with Store("c.rows.jsonl", resume=True) as store:
    compare({{"one": Solver(iterations=5)}}, cases(1), starts=1, store=store)
    print(store.taken)
"""


def taken(folder, package, module, solver):
    """How many rows a new process takes from the store, with the packages in a folder."""
    tests = Path(__file__).parents[1]
    paths = os.pathsep.join(map(str, (folder, tests, *sys.path)))
    code = AGAIN.format(package=package, module=module, solver=solver)
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return int(run.stdout.split()[-1])


@pytest.mark.slow
def test_a_change_anywhere_in_the_package_makes_rows_stale(tmp_path):
    own = Path(retrieve.__file__).parent
    shutil.copytree(own, tmp_path / "retrieve", ignore=shutil.ignore_patterns("*.safetensors", "__pycache__"))
    assert [taken(tmp_path, "retrieve", "solvers", "HIO") for _ in range(2)] == [0, 1]
    with (tmp_path / "retrieve/problem/scoring.py").open("a") as file:
        file.write("\n# another score\n")
    assert taken(tmp_path, "retrieve", "solvers", "HIO") == 0


@pytest.mark.slow
def test_a_change_anywhere_in_a_plugin_makes_its_rows_stale_alone(tmp_path):
    package = tmp_path / "lab_solvers"
    package.mkdir()
    for name, text in (("__init__", ""), ("steps", "BETA = 0.9\n"), ("own", "from retrieve.solvers import HIO\n")):
        (package / f"{name}.py").write_text(text)
    with (package / "own.py").open("a") as file:
        file.write("from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Own(HIO):\n    name = 'own'\n")
    assert [taken(tmp_path, "lab_solvers", "own", "Own") for _ in range(2)] == [0, 1]
    assert taken(tmp_path, "retrieve", "solvers", "HIO") == 0
    (package / "steps.py").write_text("BETA = 0.8\n")
    assert taken(tmp_path, "lab_solvers", "own", "Own") == 0
    assert taken(tmp_path, "retrieve", "solvers", "HIO") == 1
