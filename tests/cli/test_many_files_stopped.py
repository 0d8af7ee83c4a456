"""``retrieve run --out-dir`` that is stopped half-way, and begun again."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kills import send_when

from retrieve.cli import main
from retrieve.io.results import read_result
from retrieve.simulate import blobs, measure


def write_scan(path, seed, size):
    path.parent.mkdir(exist_ok=True)
    np.savez(path, intensity=1e4 * measure(blobs((size, size), seed=seed)[0]))


def made():
    """When each result was written."""
    return {path.name: path.stat().st_mtime_ns for path in Path("out").glob("*.cxi")}


def begin(words):
    """A run in a process of its own."""
    command = [sys.executable, "-m", "retrieve", "run", *words, "--out-dir", "out"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)


def among_starts():
    """Whether two files are done, and a large one has one of its starts."""
    kept = [len(list(folder.glob("*.npz"))) for folder in Path("out").glob(".s_[34].*.starts")]
    return len(made()) >= 2 and 1 in kept


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "workers"),
    [
        (signal.SIGINT, []),
        (signal.SIGKILL, []),
        (signal.SIGTERM, ["--workers", "2"]),
        (signal.SIGKILL, ["--workers", "2"]),
    ],
)
def test_a_run_that_is_stopped_half_way_goes_on(here, number, workers):
    """Ten files, one of them broken. Two are large: their starts run one by one, and last."""
    for k in range(10):
        write_scan(here / "scans" / f"s_{k}.npz", k, size=264 if k in (3, 4) else 32)
    (here / "scans" / "s_5.npz").write_text("broken")
    words = ["scans/s_*.npz", "--recipe", "800 hio", "--starts", "4", "--agree", "0", "--no-picture", *workers]
    process = begin(words)
    send_when(among_starts, process, number)
    told = process.communicate(timeout=60)[0]
    assert process.returncode == (-number if number == signal.SIGKILL else 130), told
    whole = {path.name for path in Path("out").glob("s_*.cxi") if not read_result(path).interrupted}
    before = made()
    assert 2 <= len(whole) < 9
    assert list(Path("out").glob(".*.starts/*.npz"))
    with pytest.raises(SystemExit, match="1"):
        main(["run", *words, "--out-dir", "out", "--json", "rows.json", "-q"])
    rows = {Path(row["file"]).name: row for row in json.loads(Path("rows.json").read_text())["files"]}
    assert [name for name, row in rows.items() if row["failure"]] == ["s_5.npz"]
    assert len(list(Path("out").glob("s_*.cxi"))) == 9
    assert {name: made()[name] for name in whole} == {name: before[name] for name in whole}
    assert {name.replace(".npz", ".retrieved.cxi") for name, row in rows.items() if row["status"] == "kept"} == whole
    assert not list(Path("out").glob(".*.starts"))
