"""Three hundred solves in one process: memory, descriptors and threads stay as they are."""

import gc
import os
import threading
from pathlib import Path

import numpy as np
import pytest

import retrieve
from retrieve.plugins.registry import find
from retrieve.problem import Problem
from retrieve.simulate import blobs, measure

SOLVERS = {
    "er": {"iterations": 5},
    "hio": {"iterations": 5},
    "raar": {"iterations": 5},
    "cg": {"iterations": 3},
    "recipe": {"recipe": "2 hio + 2 er + 1 cg"},
}
SOLVES = 300
WARM = 60
"""Solves before memory is counted: plans, caches and the allocator's arenas are made once."""


def resident():
    """Bytes of memory of this process."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
def test_three_hundred_solves_leave_nothing(tmp_path):
    if not Path("/proc/self/statm").exists():
        pytest.skip("memory and descriptors of a process are read from /proc, which only Linux has")
    x, support = blobs((32, 32), seed=1, fill=0.06)
    intensity = np.fft.fftshift(measure(1e3 * x))
    np.savez(tmp_path / "scan.npz", intensity=intensity, support=support)
    counted = None
    for k in range(SOLVES):
        name = list(SOLVERS)[k % len(SOLVERS)]
        problem = retrieve.read(tmp_path / "scan.npz") if k % 2 else Problem.from_arrays(intensity=intensity, support=support)
        result = retrieve.solve(find("solvers", name)(**SOLVERS[name]), problem, starts=2, seed=k)
        if k % 3 == 0:
            retrieve.read_result(result.save(tmp_path / "result.cxi"))
        del result, problem
        if k == WARM:
            counted = resident(), len(os.listdir("/proc/self/fd")), threading.active_count()
    memory, files, threads = counted
    assert resident() < 1.02 * memory
    assert len(os.listdir("/proc/self/fd")) <= files
    assert threading.active_count() <= threads
    assert sorted(path.name for path in tmp_path.iterdir()) == ["result.cxi", "scan.npz"]
