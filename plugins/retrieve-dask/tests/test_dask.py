"""The executor, on clusters of this machine."""

import os
import re
import signal
import threading
import time

import pytest
from numpy.testing import assert_array_equal

from retrieve.driver.executors import completed, open_pool
from retrieve.driver.solve import solve
from retrieve.errors import InputError
from retrieve.evaluate import benchmarks
from retrieve.evaluate.compare import compare
from retrieve.simulate import TUNE_SEED, Noise
from retrieve.simulate.crystal_kinds import CrystalKinds
from retrieve.solvers import ER, HIO
from retrieve.solvers.blind.auto import Auto
from retrieve.testing import parametrize_with_checks

distributed = pytest.importorskip("distributed", reason="Dask is not installed: pip install plugins/retrieve-dask")
retrieve_dask = pytest.importorskip("retrieve_dask", reason="not installed: pip install plugins/retrieve-dask")
dask = retrieve_dask.dask


@parametrize_with_checks([dask], kind="executors")
def test_conforms(check):
    check()


def rows(**settings):
    """The rows of a small comparison, times apart."""
    cases = benchmarks.Benchmark(("domains2d-10-blobs",)).cases([0.0, 0.05], 3)
    entrants = {"hio": HIO(iterations=40), "er": ER(iterations=40)}
    found = compare(entrants, cases, starts=2, workers=2, **settings)
    return [(r.group, r.noise, r.object, r.solver, r.start, r.r, r.r_free, r.metrics, r.failure) for r in found.rows]


def test_rows_are_those_of_one_process():
    assert rows(executor="dask") == rows(executor="processes")


@pytest.mark.slow
def test_auto_in_three_dimensions_is_the_same_on_two_workers():
    """A scan of a crystal, as `retrieve run --executor dask:ADDRESS` runs it."""
    noise = Noise(photons=1e6, support="unknown")
    scan = CrystalKinds(kind="smooth", size=32).problem(0, TUNE_SEED, noise)
    solver, settings = Auto(effort=0.05), {"starts": 3, "agree": 0, "seed": 1}
    here = solve(solver, scan, **settings)
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with cluster:
        found = solve(solver, scan, executor=f"dask:{cluster.scheduler_address}", workers=2, **settings)
    for name in ("object", "estimates", "supports", "spread", "held"):
        assert_array_equal(getattr(found, name), getattr(here, name), err_msg=name)
    assert found.scores == here.scores
    assert found.chosen == here.chosen


def slowly(number):
    """Half a second's work in a worker."""
    time.sleep(0.5)
    return number, os.getpid()


def test_a_killed_worker_costs_only_what_it_was_at():
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with cluster, open_pool(f"dask:{cluster.scheduler_address}", 2) as executor:
        assert executor.workers == 2
        first = {worker.pid for worker in cluster.workers.values()}
        victim = min(first)
        timer = threading.Timer(1.2, os.kill, (victim, signal.SIGKILL))
        timer.start()
        found = {item: future.result() for item, future in completed(executor, slowly, range(12), 2)}
        timer.join()
    assert [found[n][0] for n in range(12)] == list(range(12))
    assert {pid for _, pid in found.values()} - first  # the one that took its place; what the victim had done may be done again


def test_no_scheduler_is_told_before_any_work(monkeypatch):
    monkeypatch.setattr("retrieve_dask.PATIENCE", 1)
    with pytest.raises(InputError, match="no scheduler answers"), open_pool("dask:tcp://127.0.0.1:9", 1):
        pass


@pytest.mark.parametrize("where", ["10.0.0.1:8786", "scheduler.example:8786", "[2001:db8::1]:8786"])
def test_another_machine_needs_a_protocol(where):
    with pytest.raises(InputError, match=f"names another machine but no protocol; write dask:tls://{re.escape(where)}"):
        retrieve_dask.check_address(where)
    retrieve_dask.check_address(f"tls://{where}")
    with pytest.warns(UserWarning, match="no encryption and no certificates"):
        retrieve_dask.check_address(f"tcp://{where}")


@pytest.mark.parametrize("where", ["127.0.0.1:9", "localhost:9", "[::1]:9", "tcp://127.0.0.1:9"])
def test_this_machine_needs_none(where):
    retrieve_dask.check_address(where)


@pytest.mark.parametrize("where", ["127.0.0.1:9\nx", "a b", "\x1b[2J", "127.0.0.1.evil.example:9"])
def test_what_is_no_address_is_refused(where):
    with pytest.raises(InputError, match="is no address|names another machine"):
        retrieve_dask.check_address(where)


def test_a_cluster_of_this_machine_takes_only_who_has_its_certificate(monkeypatch):
    monkeypatch.setattr("retrieve_dask.PATIENCE", 2)
    with open_pool("dask", 1) as executor:
        address = executor.client.scheduler.address
        assert address.startswith("tls://127.0.0.1")
        with pytest.raises(InputError, match="no scheduler answers"), open_pool(f"dask:{address.replace('tls', 'tcp')}", 1):
            pass
