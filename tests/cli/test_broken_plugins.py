"""Plugins that are broken in one way or another, all installed at once, break nothing and are named."""

import os
import subprocess
import sys

import numpy as np
import pytest

from retrieve.simulate import blobs, measure

HEAD = """from retrieve.plugins.hookspecs import hookimpl
from retrieve.solvers import ER

@hookimpl
def register_solvers({}):
    {}
"""
PLUGINS = {
    "no_import": "import not_there_at_all\n",
    "wrong_hook": HEAD.format("config", "return {'wrong': ER}"),
    "duplicate": HEAD.format("", "return {'hio': ER}"),
    "slow_import": "import time\ntime.sleep(30)\n",
    "lazy": HEAD.format("", "return {'lazy': 'not_there_at_all:Solver'}"),
    "silent": HEAD.format("", "return {'silent': Silent}") + "\n\nclass Silent(ER):\n    pass\n",
    "good": HEAD.format("", "return {'good': ER}"),
}
NAMED = {
    "no_import": "ModuleNotFoundError: No module named 'not_there_at_all'",
    "wrong_hook": "PluginValidationError",
    "duplicate": "solver 'hio' is registered by retrieve and by duplicate (acme-duplicate)",
    "slow_import": "its import is not done after 2 s",
    "lazy": "not_there_at_all:Solver does not load",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder in which the plugins lie as pip would have put them, and a pattern."""
    folder = tmp_path_factory.mktemp("site")
    for name, code in PLUGINS.items():
        (folder / f"acme_{name}.py").write_text(code)
        info = folder / f"acme_{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: acme-{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[retrieve]\n{name} = acme_{name}\n")
    x, support = blobs((32, 32), seed=1, fill=0.06)
    np.savez(folder / "scan.npz", intensity=1e3 * measure(x), support=support)
    return folder


def retrieve(site, *args):
    path = os.pathsep.join([str(site), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    return subprocess.run(
        [sys.executable, "-m", "retrieve", *args],
        env={**os.environ, "PYTHONPATH": path, "RETRIEVE_PLUGIN_SECONDS": "2", "COLUMNS": "200"},
        cwd=site,
        capture_output=True,
        text=True,
        timeout=25,
        check=False,
    )


def test_help_does_not_even_look_at_them(site):
    told = retrieve(site, "--help")
    assert (told.returncode, told.stderr) == (0, "")
    assert "solvers" in told.stdout


def test_solvers_lists_the_others(site):
    told = retrieve(site, "solvers")
    assert told.returncode == 0
    for words in ("hio", "recipe", "good (acme-good)", "silent (acme-silent)"):
        assert words in told.stdout
    assert "wrong" not in told.stdout
    assert "still loading: slow_import (acme-slow_import)" in told.stdout
    for name, reason in NAMED.items():
        if name == "slow_import":
            continue
        assert f"warning: plugin {name} (acme-{name}) was left out: " in told.stderr
        assert reason in told.stderr


@pytest.mark.parametrize("solver", ["hio", "good"])
def test_run_runs(site, solver):
    told = retrieve(site, "run", "scan.npz", "--solver", f"{solver}:iterations=5", "--no-picture", "--out", f"{solver}.cxi")
    assert told.returncode == 0, told.stderr
    assert (site / f"{solver}.cxi").stat().st_size > 0
    assert "Traceback" not in told.stderr


def test_doctor_names_each(site):
    told = retrieve(site, "doctor")
    assert told.returncode == 0, told.stderr
    for name, reason in NAMED.items():
        (line,) = [line for line in told.stdout.splitlines() if line.startswith("broken plugin") and f" {name} (acme-" in line]
        assert reason in line
    assert "good (acme-good)" in told.stdout
