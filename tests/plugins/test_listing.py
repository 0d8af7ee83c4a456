"""The list of solvers is made without importing them."""

import subprocess
import sys

import pytest

from retrieve.plugins.builtin import register_solvers
from retrieve.plugins.registry import find, summaries

CODE = """
import importlib.metadata, sys
importlib.metadata.entry_points = lambda **group: []
from retrieve.cli import main
try:
    main({arguments!r})
except SystemExit as stop:
    assert not stop.code
heavy = {{"torch", "sklearn", "scipy", "matplotlib", "h5py"}} & set(sys.modules)
assert not heavy, heavy
"""


def test_a_summary_is_the_first_line_of_the_docstring():
    found = summaries("solvers")
    for name in register_solvers():
        assert found[name] == find("solvers", name).__doc__.strip().partition("\n")[0]


@pytest.mark.parametrize("arguments", [["solvers"], ["--help"]])
def test_nothing_heavy_is_imported(arguments):
    done = subprocess.run([sys.executable, "-c", CODE.format(arguments=arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "diffusion" in done.stdout or "Commands:" in done.stdout
