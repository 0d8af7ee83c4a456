"""Comparisons on the workers of a Dask cluster, or of one that is started on this machine."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import ExitStack, contextmanager
from functools import cache
from ipaddress import ip_address
from typing import Any, TypeVar

from retrieve import InputError, hookimpl
from retrieve.driver.processes import THREADS

T = TypeVar("T")
PATIENCE = 10
"""Seconds to wait for a scheduler."""

PARTITION = re.compile(r"[\w.,+-]+", re.ASCII)
"""The name of a partition, or several: it becomes a line of the job script."""


class Dask(Executor):
    """A `distributed.Client` behind the interface of `concurrent.futures`.

    Dask itself runs again what was lost with a worker; what has cost too many workers their lives raises `BrokenExecutor`.
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self._tasks: dict[Future[Any], Any] = {}

    @property
    def workers(self) -> int:
        """Threads of all workers that are there."""
        return max(1, sum(self.client.nthreads().values()))

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Call on a worker."""
        future: Future[T] = Future()
        task = self.client.submit(_called, fn, *args, pure=False, **kwargs)
        self._tasks[future] = task
        task.add_done_callback(lambda done: self._finish(future, done))
        return future

    def _finish(self, future: Future[Any], task: Any) -> None:
        from distributed import KilledWorker

        self._tasks.pop(future, None)
        if not future.set_running_or_notify_cancel():
            pass
        elif task.cancelled():
            future.set_exception(BrokenExecutor("the cluster gave it up"))
        elif (error := task.exception()) is None:
            future.set_result(task.result())
        else:
            lost = BrokenExecutor(f"its workers died ({error})") if isinstance(error, KilledWorker) else None
            future.set_exception(lost or error)
        task.release()  # else what a worker still keeps of it is made again when that worker dies

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Give up what has not begun, with `cancel_futures`; the cluster stays as it is."""
        if cancel_futures:
            self.client.cancel(list(self._tasks.values()))

    def __exit__(self, kind: Any, *_: Any) -> None:
        self.shutdown(cancel_futures=kind is not None)


def _called(fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """In a worker: the call, with memory as in any process."""
    _memory_as_usual()
    return fn(*args, **kwargs)


@cache
def _memory_as_usual() -> None:
    """Undo MALLOC_TRIM_THRESHOLD_, which Dask sets for its workers: with it each array of a step is asked of the kernel anew."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None  # glibc's
    if mallopt is not None:
        mallopt(-3, 32 << 20)  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD: where glibc itself arrives with arrays of this size
        mallopt(-1, 64 << 20)


@contextmanager
def dask(where: str, workers: int) -> Iterator[Executor]:
    """The cluster whose scheduler is at the address `where`, or one of so many workers that ends with the work.

    Dask sends pickles, which run code where they arrive, and every user of this machine reaches its loopback: a cluster
    that is started here takes only who has its certificate. Raises `InputError` for an address that `check_address` refuses,
    and where no scheduler answers.
    """
    from distributed import LocalCluster
    from distributed.security import Security

    if where:
        check_address(where)
        with _connected(where) as executor:
            yield executor
        return
    with _one_thread_each():
        security = Security.temporary()
        cluster = LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=None, protocol="tls://", security=security
        )
    with cluster, _connected(cluster) as executor:
        yield executor


def check_address(where: str) -> None:
    """Refuse an address that is none, and one of another machine without a protocol; warn of tcp to another machine.

    Raises `InputError`.
    """
    if not re.fullmatch(r"[!-~]+", where):
        raise InputError(f"executor dask:{where!r} is no address; write dask:tls://HOST:PORT")
    protocol, separator, host = where.rpartition("://")
    if is_loopback(host):
        return
    trust = "whoever reaches that network may then run code as you"
    if not separator:
        tls = f"write dask:tls://{where}, with the certificates in Dask's configuration, distributed.comm.tls"
        raise InputError(f"executor dask:{where} names another machine but no protocol; {tls}, or dask:tcp://{where}: {trust}")
    if protocol == "tcp":
        warnings.warn(f"executor dask:{where} has no encryption and no certificates; {trust}", stacklevel=2)


def is_loopback(host: str) -> bool:
    """Whether HOST:PORT is this machine itself."""
    name = host.rpartition(":")[0] or host
    try:
        return name == "localhost" or ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes started in here use one thread each."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def slurm(where: str, workers: int) -> Iterator[Executor]:
    """So many SLURM jobs of one worker and one thread each, in the partition `where` or the default one; they end with the work.

    Scheduler and workers know each other by a certificate that is made for this cluster; the jobs read it from files in
    Dask's shared-temp-directory, or in the current folder, which this user alone may read. Memory, time, account and
    whatever else a site wants are those of Dask's configuration, `jobqueue.slurm`; 4 GB unless it says so. Raises
    `InputError` for what cannot be a partition, and where dask-jobqueue or SLURM is not there.
    """
    import dask.config

    if where and not PARTITION.fullmatch(where):
        raise InputError(f"executor slurm:{where!r} is no partition; give its name: letters, digits, and _ - . , + alone")
    try:
        from dask_jobqueue import SLURMCluster
    except ImportError as error:
        raise InputError("executor slurm needs dask-jobqueue; pip install 'retrieve-dask[slurm]'") from error
    if shutil.which("sbatch") is None:
        raise InputError("executor slurm: no sbatch here; run it on a machine that submits jobs, or take dask:ADDRESS")
    told: dict[str, Any] = {"queue": where} if where else {}
    memory = dask.config.get("jobqueue.slurm.memory", None) or "4GB"
    told["scheduler_options"] = {"dashboard": False, **dask.config.get("jobqueue.slurm.scheduler-options", {})}
    told["shared_temp_directory"] = dask.config.get("jobqueue.slurm.shared-temp-directory", None) or os.getcwd()
    with SLURMCluster(cores=1, processes=1, memory=memory, security=True, **told) as cluster:
        cluster.scale(workers)
        with _connected(cluster) as executor:
            yield executor


@contextmanager
def _connected(address: Any) -> Iterator[Executor]:
    """Of a cluster, or of the scheduler at an address. Raises `InputError` where none answers."""
    from distributed import Client

    with ExitStack() as stack:
        try:
            client = stack.enter_context(Client(address, timeout=PATIENCE, set_as_default=False))
        except (OSError, ValueError) as error:
            raise InputError(
                f"executor dask:{address}: no scheduler answers there ({error}); give its address, such as dask:tcp://10.0.0.1:8786"
            ) from error
        yield stack.enter_context(Dask(client))


@hookimpl
def register_executors() -> dict[str, Any]:
    """Adds `dask` and `slurm`."""
    return {"dask": dask, "slurm": slurm}
