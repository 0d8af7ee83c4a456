"""The tutorials run to their end in their small form, and what they promise comes true."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TUTORIALS = Path(__file__).parents[2] / "tutorials"


def run(name, folder):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(TUTORIALS.parent)}
    command = [sys.executable, TUTORIALS / f"{name}.py", "--quick"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_every_tutorial_is_run_here():
    assert {path.stem for path in TUTORIALS.glob("*.py")} == {"first_scan", "compare_fairly", "own_prior"}


def test_first_scan(tmp_path):
    said = run("first_scan", tmp_path)
    assert float(re.search(r"with the truth: ([\d.]+)", said)[1]) > 0.8
    assert "identical, bit for bit" in said
    made = {path.name for path in (tmp_path / "first-scan").iterdir()}
    assert {"scan.cxi", "crystal.cxi", "crystal.png", "crystal.analysis.json", "crystal.analysis.html"} <= made


def test_compare_fairly(tmp_path):
    said = run("compare_fairly", tmp_path)
    assert len(re.findall(r"^domains2d-10-\w+ +0(?:\.01)? +(?:hio|raar|rrr)", said, re.MULTILINE)) == 12
    assert "p = " in said
    assert (tmp_path / "compare-fairly" / "compare.html").stat().st_size > 10_000


@pytest.mark.filterwarnings("ignore")
def test_own_prior(tmp_path):
    said = run("own_prior", tmp_path)
    assert "with the prior, " in said
    assert "trained for" in said
    assert (tmp_path / "own-prior" / "run" / "mine.safetensors").exists()


@pytest.mark.slow
def test_the_notebook_runs_and_shows(tmp_path):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    book = nbformat.read(TUTORIALS / "notebook.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in book.cells), "the notebook is kept without outputs"
    nbclient.NotebookClient(book, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = {kind for cell in book.cells for output in cell.get("outputs", ()) for kind in output.get("data", ())}
    assert {"text/html", "image/png"} <= shown
    assert (tmp_path / "crystal2d.cxi").is_file()
    cards = [
        output["data"]["text/html"]
        for cell in book.cells
        for output in cell.get("outputs", ())
        if "text/html" in output.get("data", {})
    ]
    assert any("Verdict" in card for card in cards)
