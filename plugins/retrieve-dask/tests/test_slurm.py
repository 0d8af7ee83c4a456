"""The SLURM executor, where `sbatch` and `scancel` are scripts that run and end the very jobs on this machine."""

import math
import os

import pytest

from retrieve.driver.executors import completed, open_pool
from retrieve.errors import InputError

pytest.importorskip("dask_jobqueue", reason="dask-jobqueue is not installed: pip install 'plugins/retrieve-dask[slurm]'")

SBATCH = """#!/bin/sh
cp "$1" "$(dirname "$0")/job.$$"
setsid bash "$(dirname "$0")/job.$$" >"$(dirname "$0")/log.$$" 2>&1 &
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/sh
for job; do kill -- -"$job" 2>/dev/null; done; true
"""


@pytest.fixture
def submitting(tmp_path, monkeypatch):
    """A folder with the two commands, first on the path."""
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_jobs_are_submitted_and_do_the_work(submitting):
    with open_pool("slurm:short", 2) as executor:
        executor.client.wait_for_workers(2, timeout=60)
        found = {item: future.result() for item, future in completed(executor, math.sqrt, range(20), 2)}
        elsewhere = executor.submit(os.getpid).result()
    assert found == {n: math.sqrt(n) for n in range(20)}
    assert elsewhere != os.getpid()
    jobs = list(submitting.glob("job.*"))
    assert len(jobs) == 2
    assert all("#SBATCH -p short" in job.read_text() for job in jobs)


def test_without_slurm_it_is_told_before_any_work(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="no sbatch here"), open_pool("slurm", 1):
        pass


@pytest.mark.parametrize(
    "where",
    ["short\n#SBATCH --uid=0", "short\r", "a b", "a;reboot", "$(reboot)", "-x\x1b[2J", "\N{CYRILLIC SMALL LETTER A}"],
)
def test_a_partition_writes_no_line_into_the_job_script(where, submitting):
    with pytest.raises(InputError, match="is no partition"), open_pool(f"slurm:{where}", 1):
        pass
    assert not list(submitting.glob("job.*"))


def test_jobs_know_each_other_by_a_certificate(submitting):
    with open_pool("slurm:short,long", 1) as executor:
        assert executor.client.scheduler.address.startswith("tls://")
        executor.client.wait_for_workers(1, timeout=60)
        assert executor.submit(math.sqrt, 4).result() == 2
        keys = [path for path in submitting.iterdir() if path.name.startswith(".dask-jobqueue")]
        assert keys
        assert all(path.stat().st_mode & 0o077 == 0 for path in keys)
