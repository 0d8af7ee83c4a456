import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor

import pytest
from dying import Killed
from small_cases import cases, timeless

from retrieve.driver.executors import Serial, completed, open_pool
from retrieve.driver.processes import Processes
from retrieve.errors import InputError
from retrieve.evaluate.compare import compare
from retrieve.plugins.registry import find
from retrieve.solvers import ER, HIO, RAAR


def slow_square(n):
    time.sleep(0.05)
    return n * n


def die(n):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(scope="module")
def alone():
    """Three solvers, one of them a network, on three objects in this process."""
    solvers = {"hio": HIO(iterations=40), "raar": RAAR(iterations=40), "unet": find("solvers", "unet")()}
    return solvers, timeless(compare(solvers, cases(3), starts=2, executor="serial"))


@pytest.mark.parametrize(
    ("executor", "workers"),
    [("threads", 1), ("threads", 3), pytest.param("processes", 1, marks=pytest.mark.slow), ("processes", 2)],
)
def test_every_executor_gives_the_same(alone, executor, workers):
    solvers, expected = alone
    heard = []
    found = compare(solvers, cases(3), starts=2, executor=executor, workers=workers, on_rows=heard.append)
    assert timeless(found) == expected
    assert len(heard) == 9


@pytest.mark.slow
def test_what_is_lost_with_a_worker_is_done_again(tmp_path):
    solvers = {"hio": HIO(iterations=20), "killed": Killed(folder=str(tmp_path), times=2)}
    found = compare(solvers, cases(3), starts=1, workers=2)
    assert [row.failure for row in found.rows] == [None] * 12
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.slow
def test_what_kills_its_workers_each_time_is_a_row_with_its_reason_and_the_others_go_on(tmp_path):
    solvers = {"killed": Killed(folder=str(tmp_path), times=99), "er": ER(iterations=20)}
    found = compare(solvers, cases(2), starts=1, workers=2)
    reasons = {row.solver: row.failure for row in found.rows}
    assert reasons["er"] is None
    assert "worker process died with SIGKILL(-9)" in reasons["killed"]
    assert "tried 3 times" in reasons["killed"]
    assert len(list(tmp_path.iterdir())) == 6


def test_a_dead_process_takes_its_own_work_alone():
    with Processes(2) as pool:
        others = [pool.submit(slow_square, n) for n in range(6)]
        lost = pool.submit(die, 0)
        more = [pool.submit(slow_square, n) for n in range(6)]
        assert isinstance(lost.exception(), BrokenExecutor)
        assert [future.result() for future in others + more] == [n * n for n in range(6)] * 2


def test_processes_carry_what_is_raised_and_what_cannot_be_sent():
    with Processes(1) as pool:
        with pytest.raises(ValueError, match="invalid literal"):
            pool.submit(int, "x").result()
        with pytest.raises(Exception, match="pickle"):
            pool.submit(abs, threading.Lock()).result()
        assert pool.submit(lambda: 1).result() == 1


SCRIPT = """
import os, time
from retrieve.driver.processes import Processes

def work(seconds):
    time.sleep(seconds)
    return os.getpid()

with Processes(1) as pool:
    print(pool.submit(work, 0).result(), flush=True)
    pool.submit(work, 600).result()
"""


@pytest.mark.slow
def test_a_script_needs_no_guard_and_its_workers_end_with_it(tmp_path):
    """Also a worker that is busy ends when the process that began it is killed."""
    (tmp_path / "script.py").write_text(SCRIPT)
    script = subprocess.Popen([sys.executable, tmp_path / "script.py"], stdout=subprocess.PIPE, text=True)
    worker = int(script.stdout.readline())
    os.kill(script.pid, signal.SIGKILL)
    script.wait()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    raise AssertionError(f"the worker {worker} goes on without its parent")


def test_left_early_the_processes_end_at_once():
    begun = time.perf_counter()

    def interrupted():
        with Processes(1) as pool:
            pool.submit(abs, -1).result()
            futures.append(pool.submit(time.sleep, 60))
            while not futures[0].running():
                time.sleep(0.01)
            raise KeyboardInterrupt

    futures = []
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert isinstance(futures[0].exception(), BrokenExecutor)
    assert time.perf_counter() - begun < 30


def test_only_as_many_items_are_made_as_are_soon_needed():
    made, gate = [], threading.Event()

    def items():
        for n in range(100):
            made.append(n)
            yield n

    def open_gate():
        while len(made) < 8:
            time.sleep(0.01)
        time.sleep(0.2)  # for more to be made, if they are
        made.append("gate")
        gate.set()

    with ThreadPoolExecutor(2) as pool:
        threading.Thread(target=open_gate).start()
        found = sorted(n for n, future in completed(pool, lambda n: gate.wait(20) and n, items(), 2) if future.result() == n)
    assert made.index("gate") == 8
    assert found == list(range(100))


def test_serial_work_is_heard_of_as_it_is_done():
    order = []

    def work(n):
        order.append(("did", n))

    for n, _ in completed(Serial(), work, range(3)):
        order.append(("heard", n))
    assert order == [(what, n) for n in range(3) for what in ("did", "heard")]


@pytest.mark.parametrize(
    ("spec", "workers", "told"),
    [
        ("procesess", 2, "unknown executor 'procesess'.*processes"),
        ("processes:there", 2, "processes:there names a place"),
        ("threads:there", 2, "threads:there names a place"),
        ("serial", 2, "serial has one worker, 2 are asked for"),
    ],
)
def test_what_is_refused(spec, workers, told):
    with pytest.raises(InputError, match=told), open_pool(spec, workers):
        pass
