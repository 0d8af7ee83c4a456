import json

import pytest

from retrieve.cli import main


@pytest.fixture
def run(capsys):
    """Exit code, output and errors of ``retrieve analyze`` words."""

    def call(*words):
        code = 0
        try:
            main(["analyze", *map(str, words)])
        except SystemExit as stop:
            code = stop.code or 0
        told = capsys.readouterr()
        return code, " ".join(told.out.split()), told.err

    return call


def test_picture_page_and_figures(ensemble, run, tmp_path):
    first, second = (ensemble(draw=k).save(tmp_path / f"r{k}.cxi") for k in (0, 1))
    code, told, error = run(first, second, "--out", tmp_path / "both.json")
    assert code == 0, error
    assert "12 starts" in told
    assert "one solution: all 12 agree" in told
    assert "first file against second" in told
    assert {p.suffix for p in tmp_path.glob("both.*")} == {".json", ".png", ".html"}
    read = json.loads((tmp_path / "both.json").read_text())
    assert read["files"] == ["r0.cxi", "r1.cxi"]
    assert read["pairwise"]["amplitude"]["number"] == 66


@pytest.mark.slow
def test_names_and_silence(ensemble, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ensemble(failed=(2,)).save("grain.retrieved.cxi")
    assert run("grain.retrieved.cxi", "-q") == (0, "", "")
    assert sorted(p.name for p in tmp_path.glob("grain.analysis.*")) == [f"grain.analysis.{s}" for s in ("html", "json", "png")]


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["none.cxi"], "no file none.cxi"),
        (["one.cxi"], "there is 1 usable start"),
        (["six.cxi", "--of", "samples"], "result 1 holds no samples"),
        (["six.cxi", "--out", "a.png"], "must differ"),
        (["six.cxi", "--out", "nowhere/a.json"], "no directory"),
        (["six.cxi", "--picture", "six.cxi"], "cannot draw a picture as 'six.cxi'"),
        (["six.cxi", "--report", "six.cxi"], "output six.cxi is the input itself"),
        (["text.cxi"], "text.cxi"),
    ],
)
def test_bad_input(ensemble, run, tmp_path, monkeypatch, words, match):
    monkeypatch.chdir(tmp_path)
    ensemble((0,)).save("one.cxi")
    ensemble().save("six.cxi")
    (tmp_path / "text.cxi").write_text("no result")
    code, _, error = run(*words)
    assert code == 2
    assert match in error
    assert not list(tmp_path.glob("*.json"))
