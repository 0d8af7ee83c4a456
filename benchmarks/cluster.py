"""Comparisons on a Dask cluster of this machine, against one process: same rows, what a death costs, overhead.

    python benchmarks/cluster.py                         # all: 40 objects × 3 solvers, a quarter of an hour on two cores
    python benchmarks/cluster.py same killed resumed overhead --objects 40

Starts `dask scheduler` and `dask worker` processes on loopback and runs `retrieve compare` as a user does. Every unit of
work leaves a line as it begins, so that what is done twice is counted. `same`: two workers against one process.
`killed`: one of two workers killed with its nanny by SIGKILL midway.  `resumed`: the driver killed midway, then `--resume`.
`overhead`: wall time of one worker against one process, in turn, three times.  Writes benchmarks/results/cluster.json;
exit code 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from retrieve.provenance import versions

HERE = Path(__file__).resolve().parent
SOLVERS = ("hio", "raar", "rrr")
AHEAD = 4  # units that a driver hands out for each worker (`retrieve.driver.executors.AHEAD`)
COUNTED = '''
import os
from retrieve.plugins.hookspecs import hookimpl
from retrieve.solvers import HIO, RAAR, RRR


class Counted:
    """Leaves a line as it begins."""

    def steps(self, problem, x, rng):
        with open(os.environ["COUNTED"], "a") as file:
            file.write(self.name + "\\n")
        yield from super().steps(problem, x, rng)


class CountedHIO(Counted, HIO):
    name = "counted-hio"


class CountedRAAR(Counted, RAAR):
    name = "counted-raar"


class CountedRRR(Counted, RRR):
    name = "counted-rrr"


@hookimpl
def register_solvers():
    return {one.name: one for one in (CountedHIO, CountedRAAR, CountedRRR)}
'''


class Site:
    """A folder with the counting solvers, as pip would have installed them, and the commands that run there."""

    def __init__(self, folder: Path, objects: int, iterations: int) -> None:
        self.folder, self.objects, self.iterations = folder, objects, iterations
        (folder / "counted_solvers.py").write_text(COUNTED)
        info = folder / "counted_solvers-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: counted-solvers\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[retrieve]\ncounted = counted_solvers\n")
        path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
        one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RETRIEVE_THREADS"), "1")
        self.env = {**os.environ, **one, "PYTHONPATH": path, "COUNTED": str(folder / "begun")}

    @property
    def units(self) -> int:
        """How many there are: objects × solvers."""
        return self.objects * len(SOLVERS)

    def begun(self) -> int:
        """Units begun since the last `fresh`."""
        file = self.folder / "begun"
        return len(file.read_text().splitlines()) if file.exists() else 0

    def fresh(self) -> None:
        """Count from nothing."""
        (self.folder / "begun").unlink(missing_ok=True)

    def start(self, name: str, *more: str, objects: int = 0) -> subprocess.Popen[bytes]:
        """`retrieve compare` on both sets of domains2d-50, its JSON called `name`."""
        command = ["compare", "--benchmark", "domains2d-50", "--noise", "0.05", "--objects", str((objects or self.objects) // 2)]
        command += ["--starts", "8", "--ffts", "1000"]  # seconds would not repeat to the bit
        command += [part for s in SOLVERS for part in ("--solver", f"{s}=counted-{s}:iterations={self.iterations}")]
        command += ["--json", f"{name}.json", "--device", "cpu", "--quiet", *more]
        return subprocess.Popen([sys.executable, "-m", "retrieve", *command], cwd=self.folder, env=self.env)

    def run(self, name: str, *more: str, objects: int = 0) -> float:
        """The same to its end; its wall time in s. Raises where it fails."""
        begun = time.perf_counter()
        if (code := self.start(name, *more, objects=objects).wait()) != 0:
            raise RuntimeError(f"retrieve compare {name} ended with {code}")
        return time.perf_counter() - begun

    def same(self, one: str, other: str) -> bool:
        """Whether two comparisons are alike but for times."""
        found = [json.loads((self.folder / f"{name}.json").read_text()) for name in (one, other)]
        times = [content.pop("times") for content in found]
        return bool(found[0] == found[1] and times[0] != times[1])

    def kept(self, name: str) -> list[str]:
        """Keys of the units that a driver has kept."""
        file = self.folder / f"{name}.rows.jsonl"
        return [json.loads(line)["key"] for line in file.read_text().splitlines()] if file.exists() else []

    @contextmanager
    def cluster(self, workers: int) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
        """The address of a scheduler on loopback, and its `dask worker` processes of one thread each."""
        file = self.folder / f"scheduler-{time.time_ns()}.json"
        command = [sys.executable, "-m", "dask", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        options = ["--nthreads", "1", "--no-dashboard", "--local-directory", str(self.folder)]
        work = [sys.executable, "-m", "dask", "worker", "--scheduler-file", str(file), *options]
        started: list[subprocess.Popen[bytes]] = []

        def start(words: list[str]) -> subprocess.Popen[bytes]:
            with (self.folder / "cluster.log").open("ab") as log:
                started.append(subprocess.Popen(words, env=self.env, stdout=log, stderr=log, process_group=0))
            return started[-1]

        try:
            start([*command, "--scheduler-file", str(file)])
            patience = time.monotonic() + 300
            while not file.exists() and time.monotonic() < patience:
                time.sleep(0.1)
            address = json.loads(file.read_text())["address"]
            members = [start(work) for _ in range(workers)]
            from distributed import Client

            with Client(address, set_as_default=False, timeout=300) as client:
                client.wait_for_workers(workers, timeout=300)
            yield address, members
        finally:
            for process in reversed(started):
                _kill_group(process)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to a process and all that it has started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _midway(site: Site, driver: subprocess.Popen[bytes]) -> None:
    """Wait until a third of the units has begun."""
    while site.begun() < site.units // 3 and driver.poll() is None:
        time.sleep(0.02)


def same(site: Site) -> dict[str, Any]:
    """Two workers."""
    site.fresh()
    with site.cluster(2) as (address, _):
        seconds = site.run("same", "--executor", f"dask:{address}")
    return {"seconds": seconds, "same": site.same("same", "serial"), "begun": site.begun(), "bar": site.same("same", "serial")}


def killed(site: Site) -> dict[str, Any]:
    """One of two workers dies."""
    site.fresh()
    with site.cluster(2) as (address, members):
        driver = site.start("killed", "--executor", f"dask:{address}")
        _midway(site, driver)
        _kill_group(members[0])
        code = driver.wait()
    alike, repeated = code == 0 and site.same("killed", "serial"), site.begun() - site.units
    return {"exit_code": code, "same": alike, "repeated": repeated, "bar": alike and repeated <= 1}


def resumed(site: Site) -> dict[str, Any]:
    """The driver dies and is begun again with --resume."""
    site.fresh()
    with site.cluster(2) as (address, _):
        driver = site.start("resumed", "--executor", f"dask:{address}")
        _midway(site, driver)
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()
        time.sleep(2)
        before, begun = site.kept("resumed"), site.begun()
        site.run("resumed", "--executor", f"dask:{address}", "--resume")
    after, repeated = site.kept("resumed"), site.begun() - site.units
    alike = site.same("resumed", "serial") and after[: len(before)] == before and len(set(after)) == len(after) == site.units
    found = {"kept_when_killed": len(before), "begun_when_killed": begun, "handed_out_at_most": AHEAD * 2, "repeated": repeated}
    return {**found, "same": alike, "bar": alike and repeated <= AHEAD * 2}


def overhead(site: Site) -> dict[str, Any]:
    """One worker against one process, in turn; a quarter of the objects, at least two."""
    objects = max(2, site.objects // 4 // 2 * 2)
    serial, dask = [], []
    with site.cluster(1) as (address, _):
        for _ in range(3):
            serial.append(site.run("one", "--executor", "serial", objects=objects))
            dask.append(site.run("other", "--executor", f"dask:{address}", objects=objects))
    ratio = statistics.median(dask) / statistics.median(serial)
    return {"units": objects * len(SOLVERS), "serial_seconds": serial, "dask_seconds": dask, "ratio": ratio, "bar": ratio <= 1.1}


PARTS = {part.__name__: part for part in (same, killed, resumed, overhead)}


def main() -> int:
    """Run the parts that are named, print and keep what they give; 1 where a bar is missed."""
    asked = argparse.ArgumentParser()
    asked.add_argument("parts", nargs="*", help=", ".join(PARTS))
    asked.add_argument("--objects", type=int, default=40)
    asked.add_argument("--iterations", type=int, default=500)
    asked.add_argument("--json", type=Path, default=HERE / "results" / "cluster.json")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder), given.objects, given.iterations)
        serial = site.run("serial", "--executor", "serial")
        found: dict[str, Any] = {"versions": versions(), "units": site.units, "iterations": given.iterations, "serial": serial}
        print(f"serial: {site.units} units in {serial:.1f} s", flush=True)
        for name in given.parts or PARTS:
            found[name] = PARTS[name](site)
            print(f"{name}: {json.dumps(found[name])}", flush=True)
    given.json.write_text(json.dumps(found, indent=1) + "\n")
    return int(not all(part["bar"] for part in found.values() if isinstance(part, dict) and "bar" in part))


if __name__ == "__main__":
    sys.exit(main())
