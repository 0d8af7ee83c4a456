"""The bars of benchmarks/cluster.py, small: real scheduler and workers on loopback, killed in earnest."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="Dask is not installed: pip install plugins/retrieve-dask")
pytest.importorskip("retrieve_dask", reason="not installed: pip install plugins/retrieve-dask")

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "cluster.py"


def test_same_rows_and_what_a_dead_worker_or_driver_costs(tmp_path):
    words = ["same", "killed", "resumed", "--objects", "6", "--iterations", "100", "--json", tmp_path / "found.json"]
    done = subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert [found[part]["same"] for part in ("same", "killed", "resumed")] == [True] * 3
    assert found["same"]["begun"] == found["units"] == 18
