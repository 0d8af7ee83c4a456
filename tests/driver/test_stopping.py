"""A request to stop: every start that has begun gives what there is, wherever it runs, and replays."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
from dying import Announced
from numpy.testing import assert_array_equal

from retrieve.driver.executors import completed
from retrieve.driver.processes import Processes
from retrieve.driver.run_spec import RunSpec
from retrieve.driver.solve import run, solve
from retrieve.driver.stopping import Request, listen
from retrieve.errors import SolverError
from retrieve.files.leftovers import alive


@contextmanager
def stopped_when(ready, end=Request.stop):
    """The work of this thread is asked to end as soon as `ready` is true."""
    request = Request()

    def watch():
        while not ready():
            time.sleep(0.01)
        end(request)

    before = listen(request)
    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        listen(before)


@pytest.mark.parametrize(("executor", "workers"), [(None, 1), ("serial", 1), ("threads", 2), ("processes", 2)])
def test_each_start_that_has_begun_is_there_and_replays(easy, tmp_path, executor, workers):
    solver = Announced(folder=str(tmp_path))
    with stopped_when(lambda: len(list(tmp_path.iterdir())) >= workers):
        result = solve(solver, easy, starts=3, batch=1, workers=workers, executor=executor)
    assert result.interrupted
    steps = result.manifest["stopped"]
    assert len(steps) == len(result.scores) == workers
    assert all(step >= 1 for step in steps.values())
    stops = {int(start): step for start, step in steps.items()}
    again = run(RunSpec(solver, starts=3, batch=1, separate=executor is not None, stopped=stops), easy)
    assert_array_equal(again.estimates, result.estimates)


@pytest.mark.parametrize(("executor", "workers"), [(None, 1), ("threads", 2), ("processes", 2)])
def test_what_is_kept_counts_as_finished_begins_no_other_start_and_replays(easy, tmp_path, executor, workers):
    solver = Announced(folder=str(tmp_path))
    with stopped_when(lambda: len(list(tmp_path.iterdir())) >= workers, Request.keep):
        result = solve(solver, easy, starts=3, batch=1, workers=workers, executor=executor, samples=0)
    assert not result.interrupted
    assert len(result.scores) == workers
    stops = {int(start): step for start, step in result.manifest["stopped"].items()}
    assert all(step >= 1 for step in stops.values())
    again = run(RunSpec(solver, starts=3, batch=1, separate=executor is not None, stopped=stops), easy)
    assert_array_equal(again.estimates, result.estimates)


def test_a_stop_weighs_more_than_a_keep_and_only_a_keep_is_renewed():
    request = Request()
    request.keep()
    assert (request.is_set(), request.keeps, request.stops) == (True, True, False)
    request.renew()
    assert not request.is_set()
    request.stop()
    request.keep()
    request.renew()
    assert (request.is_set(), request.keeps, request.stops) == (True, False, True)


def test_an_unfinished_start_of_a_worker_is_not_kept_as_finished(easy, tmp_path):
    seen = tmp_path / "seen"
    seen.mkdir()
    with stopped_when(lambda: len(list(seen.iterdir())) >= 1):
        run(RunSpec(Announced(folder=str(seen)), starts=2), easy, executor="serial", kept=tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_what_is_not_asked_for_ends_with_an_interrupt(easy):
    with Processes(1) as pool, stopped_when(lambda: True), pytest.raises(KeyboardInterrupt):
        list(completed(pool, time.sleep, [0.1] * 100))


def unreadable():
    return Unreadable()


class Unreadable:
    def __reduce__(self):
        return (int, ("no number",))


@pytest.mark.parametrize(
    ("work", "said"),
    [((abs, threading.Lock()), "cannot pickle"), ((abs, Unreadable()), "no number"), ((unreadable,), "no number")],
)
def test_a_value_that_cannot_be_sent_is_named(work, said):
    """It is neither the death of a worker nor a want of memory."""
    with Processes(1) as pool:
        with pytest.raises(SolverError, match=said) as error:
            pool.submit(*work).result()
        assert "memory" not in str(error.value)
        assert "--workers" in str(error.value)
        assert pool.submit(abs, -1).result() == 1


HELD = """
import ctypes, os
from retrieve.driver.processes import Processes

def work(seconds):
    print(os.getpid(), os.getppid(), flush=True)
    ctypes.PyDLL(None).sleep(seconds)  # holds the GIL

with Processes(1) as pool:
    pool.submit(work, 600).result()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems look for the parent in a thread, which needs the GIL")
def test_a_worker_whose_c_code_holds_the_gil_ends_with_its_parent(tmp_path):
    (tmp_path / "script.py").write_text(HELD)
    script = subprocess.Popen([sys.executable, tmp_path / "script.py"], stdout=subprocess.PIPE, text=True)
    worker, parent = map(int, script.stdout.readline().split())
    assert parent == script.pid
    time.sleep(0.1)
    os.kill(script.pid, signal.SIGKILL)
    script.wait()
    deadline = time.monotonic() + 5
    while alive(worker):
        assert time.monotonic() < deadline, f"the worker {worker} goes on without its parent"
        time.sleep(0.05)
