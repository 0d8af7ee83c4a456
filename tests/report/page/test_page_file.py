import subprocess
import sys

import pytest

from retrieve.errors import InputError
from retrieve.report.page import write_page


def test_page_is_written_beside_and_renamed(result_of, tmp_path):
    path = tmp_path / "out.html"
    path.write_text("before")
    assert write_page(result_of(), path) == path
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert list(tmp_path.iterdir()) == [path]


def test_failure_leaves_what_was_there(result_of, tmp_path, monkeypatch):
    path = tmp_path / "out.html"
    path.write_text("before")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(InputError, match="full"):
        write_page(result_of(), path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_place_that_cannot_be_written_is_said(result_of, tmp_path):
    with pytest.raises(InputError, match="no directory"):
        write_page(result_of(), tmp_path / "missing" / "out.html")


def test_importing_the_page_loads_no_heavy_library():
    program = (
        "import sys, retrieve.report.page; print([m for m in ('torch', 'sklearn', 'matplotlib', 'PIL') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip() == "[]"
