"""Markup, emoji codes and control sequences in the texts of users, files and plugins are printed as they are, or as escapes."""

import json

import numpy as np
import pytest

from retrieve.cli import main, plain
from retrieve.simulate import blobs, measure

MARKUP = "[red]x[/bold] :bug:"
QUICK = ["--starts", "1", "--ffts", "20", "--no-picture"]


@pytest.fixture
def scan(tmp_path, monkeypatch):
    """A pattern of 32² with known object in a file whose name and meta are markup; its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    x, support = blobs((32, 32), seed=1, fill=0.06)
    meta = {"title": f"{MARKUP}\x1b]0;title\x07", "likelihood": {"name": "gaussian", "sigma": 0.5}, "sample": MARKUP}
    name = "[red]x[bold] :bug:.npz"
    np.savez(name, intensity=1e3 * measure(x), support=support, truth=x, meta=json.dumps(meta))
    return name


def told(capsys, *arguments):
    """The exit code and all that a command line prints."""
    try:
        code = main(list(arguments)) or 0
    except SystemExit as stop:
        code = stop.code
    found = capsys.readouterr()
    assert "Traceback" not in found.err
    assert "\x1b" not in found.out + found.err
    return code or 0, found.out + found.err


def test_compare_prints_the_labels_of_solvers(scan, capsys):
    first, second = "[/bold]=er:iterations=5", "[red]=hio:iterations=5"
    settings = ["--starts", "1", "--workers", "1", "--json", "table.json"]
    code, text = told(capsys, "compare", scan, "--solver", first, "--solver", second, *settings)
    assert code == 0, text
    for words in ("[/bold]", "[red]", scan.removesuffix(".npz")):
        assert words in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["inspect"],
        ["run", "--solver", "er:iterations=3", *QUICK, "--out", "[red]x[bold] :bug:.cxi"],
        ["run", "--solver", "hio:iterations=3", *QUICK, "--mask", "[red]x[bold] :bug:.npz:support"],
        ["run", "--out-dir", "[red]x[bold] :bug:", "--solver", "er:iterations=3", "--starts", "1", "--no-picture"],
    ],
    ids=lambda arguments: "-".join(arguments[:2]),
)
def test_names_of_files_are_printed_as_they_are(scan, capsys, arguments):
    code, text = told(capsys, arguments[0], scan, *arguments[1:])
    assert code == 0, text
    assert "[red]x[bold] :bug:" in text or arguments == ["inspect"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "{scan}", "--key", "[/bold] :bug:"],
        ["run", "{scan}", "--solver", "[/bold] :bug:"],
        ["run", "{scan}", "--solver", "er:[/bold] :bug:=3"],
        ["run", "{scan}", "--solver", "er:iterations=[/bold] :bug:"],
        ["run", "{scan}", "--solver", "diffusion:weights=[/bold] :bug:"],
        ["run", "{scan}", "--recipe", "20 [/bold] :bug:"],
        ["run", "{scan}", "--executor", "[/bold] :bug:", "--starts", "2"],
        ["run", "{scan}", "--likelihood", "[/bold] :bug:"],
        ["run", "{scan}", "--support", "[/bold] :bug:"],
        ["run", "--replay", "[/bold] :bug:"],
        ["solvers", "[/bold] :bug:"],
        ["weights", "[/bold] :bug:"],
        ["compare", "--benchmark", "[/bold] :bug:", "--solver", "er"],
        ["compare", "{scan}", "--solver", "er", "--metric", "[/bold] :bug:"],
        ["analyze", "[/bold] :bug:"],
        ["strain", "[/bold] :bug:"],
        ["prepare", "scan", "[/bold] :bug:"],
        ["simulate", "[/bold] :bug:"],
        ["plugin", "check", "[/bold] :bug:"],
    ],
    ids=" ".join,
)
def test_errors_name_what_was_given(scan, capsys, arguments):
    code, text = told(capsys, *(argument.format(scan=scan) for argument in arguments))
    assert code == 2
    assert "[/bold] " in text


def test_control_characters_are_shown_as_escapes():
    assert plain("a\x1b[2J\r\x9b1m\u202eb\udcff\tc\nd é ✓") == "a\\x1b[2J\\r\\x9b1m\\u202eb\\udcff\tc\nd é ✓"


def test_a_name_of_bytes_that_are_no_text_is_named(scan, tmp_path, capfd):
    name = b"scan\xff\x1b[2J.npz".decode("utf-8", "surrogateescape")
    (tmp_path / name).write_bytes((tmp_path / scan).read_bytes())
    code, text = told(capfd, "run", name, "--solver", "er:iterations=3", *QUICK)
    assert code == 2
    assert "scan\\udcff\\x1b[2J.npz is no valid UTF-8" in text
