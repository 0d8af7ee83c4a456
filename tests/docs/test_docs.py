"""The reference is what the program says of itself, and what the pages show runs."""

import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from retrieve.io.starting_point import starting_point
from retrieve.numerics.alignment import correlation
from retrieve.plugins.options import build
from retrieve.plugins.registry import PLUGIN_KINDS
from retrieve.problem import Problem
from retrieve.simulate import crystal, measure
from retrieve.testing import run_checks

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "plugins.md").read_text()


def block(name):
    """The code that is saved under this name."""
    return re.search(rf"<!-- save as {name} -->\n(?:<!--[^\n]*\n)?```python\n(.*?)```", PAGE, re.DOTALL)[1]


@pytest.fixture(scope="module")
def worked(tmp_path_factory):
    """The worked solver of the page, as the module that it would be."""
    folder = tmp_path_factory.mktemp("worked")
    (folder / "my_module.py").write_text(block("my_module.py"))
    sys.path.insert(0, str(folder))
    yield __import__("my_module")
    sys.path.remove(str(folder))
    del sys.modules["my_module"]


def test_the_reference_is_up_to_date():
    told = subprocess.run([sys.executable, DOCS / "generate.py", "--check"], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr


def test_the_worked_plugin_conforms(worked):
    (solver,) = worked.register_solvers().values()
    outcomes = run_checks(build(solver, {"iterations": "30"}))
    assert [outcome for outcome in outcomes if outcome.status == "failed"] == []
    assert all(outcome.reason for outcome in outcomes if outcome.status == "skipped")


def test_its_algorithm_is_at_most_twenty_lines():
    code = re.search(r"@dataclass.*?\n\n\n", block("my_module.py"), re.DOTALL)[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 20


def test_the_page_s_test_runs(worked):
    made = dict(vars(worked))
    exec(block("test_my_module.py"), made)
    checks = made["test_conforms"].pytestmark[0].args[1]
    assert len(checks) > 20


def test_a_result_handed_over_to_cohere_comes_back_the_same(tmp_path, monkeypatch):
    truth = crystal((32, 32), seed=3)
    with h5py.File(tmp_path / "au.cxi", "w") as file:
        file["entry_1/image_1/data"] = truth
        file["entry_1/image_1/support"] = (np.abs(truth) > 0).astype(np.int8)
    code = re.search(r"```python\n(from pathlib.*?)```", (DOCS / "peers.md").read_text(), re.DOTALL)[1]
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    problem = Problem.from_arrays(intensity=1e5 * measure(truth))
    found = starting_point("for_cohere", problem)
    assert correlation(found.object, truth) > 0.999
    assert np.array_equal(found.support, np.abs(truth) > 0)
    assert correlation(np.fft.fftshift(np.load("for_pynx.npz")["object"]), truth) > 0.999  # index 0 in the corner


def test_every_hook_is_told():
    told = set(re.findall(r"^\| `register_(\w+)` \|", PAGE, re.MULTILINE))
    assert told == set(PLUGIN_KINDS)
