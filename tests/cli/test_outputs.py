"""No result is replaced unasked, and no picture or page outlives its result."""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest

from retrieve.cli import main
from retrieve.cli.outputs import chosen_name
from retrieve.files import locked
from retrieve.io.results import read_result
from retrieve.simulate import blobs, measure

RUN = ["run", "scan.npz", "--recipe", "30 er", "-q"]


@pytest.fixture
def scan(here):
    np.savez("scan.npz", intensity=1e4 * measure(blobs((32, 32), seed=1)[0]))


def called(*words: str, code: int = 0) -> None:
    try:
        main(list(words))
        ended = 0
    except SystemExit as stop:
        ended = stop.code
    assert (ended or 0) == code


def test_results_of_one_file_are_numbered(scan, capsys):
    for _ in range(3):
        called(*RUN, "--report")
    names = ["scan.retrieved", "scan.retrieved-2", "scan.retrieved-3"]
    assert sorted(path.name for path in Path().glob("scan.retrieved*")) == sorted(
        f"{n}.{e}" for n in names for e in ("cxi", "html", "png")
    )
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "note: scan.retrieved.cxi is there; the output is scan.retrieved-2.cxi (--force replaces)"


def test_a_picture_alone_takes_the_name_too(scan):
    Path("scan.retrieved.png").write_text("somebody's")
    called(*RUN)
    assert Path("scan.retrieved.png").read_text() == "somebody's"
    assert Path("scan.retrieved-2.cxi").exists()


def test_force_replaces_a_default_name(scan):
    called(*RUN, "--seed", "1")
    called(*RUN, "--seed", "2", "-f")
    assert read_result("scan.retrieved.cxi").manifest["seed"] == 2
    assert not Path("scan.retrieved-2.cxi").exists()


@pytest.mark.parametrize(
    ("words", "there"),
    [
        ([*RUN, "-o", "a.cxi"], "a.cxi"),
        ([*RUN, "-o", "a.cxi"], "a.png"),
        ([*RUN, "--picture", "b.png"], "b.png"),
        ([*RUN, "--report", "b.html"], "b.html"),
        ([*RUN, "--json", "b.json"], "b.json"),
        (["compare", "scan.npz", "--solver", "er", "--starts", "1", "--ffts", "20", "--csv", "a.csv", "-q"], "a.csv"),
        (["compare", "scan.npz", "--solver", "er", "--starts", "1", "--ffts", "20", "--json", "a.json", "-q"], "a.rows.jsonl"),
        (["simulate", "crystal2d", "-o", "a.npz", "-q"], "a.npz"),
        (["simulate", "crystal2d", "-o", "a", "-q"], "a/crystal2d-00000.cxi"),
        (["simulate", "pulses", "-o", "a.h5", "-q"], "a.h5"),
    ],
)
def test_a_named_output_that_is_there_is_refused(scan, capsys, words, there):
    os.makedirs("a", exist_ok=True)
    Path(there).write_text("mine")
    called(*words, code=2)
    assert f"error: {there} is there already; name another file, or add " in capsys.readouterr().err
    assert Path(there).read_text() == "mine"


def test_old_pictures_go_with_their_result(scan):
    called(*RUN, "--report")
    called(*RUN, "--force", "--no-picture")
    assert sorted(path.name for path in Path().glob("scan.retrieved*")) == ["scan.retrieved.cxi"]


OLD = {
    "a preparation": (["prepare", "scan", "frames.npz", "--no-picture", "-o", "a.cxi"], ["a.png"]),
    "sums of a train": (["prepare", "pulses", "frames.npz", "--ranges", "0:3,3:6", "--no-picture", "-o", "a.cxi"], ["a.png"]),
    "an object": (["simulate", "crystal2d", "-o", "a.cxi"], ["a.png", "a.html"]),
    "objects in one file": (["simulate", "crystal2d", "-o", "a.npz"], ["a.png"]),
    "objects in a folder": (["simulate", "crystal2d", "-o", "a"], ["a/crystal2d-00000.png"]),
    "a train": (["simulate", "pulses", "--frames", "4", "-o", "a.h5"], ["a.png"]),
    "an analysis": (["analyze", "two.cxi", "-o", "a.json", "--picture", "b.png", "--report", "b.html"], ["a.png", "a.html"]),
    "a comparison": (["compare", "scan.npz", "--solver", "er:iterations=5", "--starts", "1", "-o", "a.json"], ["a.html"]),
    "a replay": (["run", "--replay", "two.cxi", "-o", "a.cxi"], ["a.png", "a.html"]),
}  # fmt: skip


SLOW = ("an analysis",)


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=pytest.mark.slow) if kind in SLOW else kind for kind in OLD])
def test_no_picture_outlives_the_file_of_any_command(scan, kind):
    np.savez("frames.npz", frames=np.random.default_rng(0).poisson(5, (6, 32, 32)).astype(np.uint16))
    called("run", "scan.npz", "--recipe", "20 er", "--starts", "2", "-o", "two.cxi", "-q", "--no-picture")
    words, old = OLD[kind]
    called(*words, "-q")
    for name in old:
        Path(name).write_text("old")
    called(*words, "-q", "-f")
    assert not [name for name in old if Path(name).exists()]


def test_somebody_s_picture_stays_where_no_result_is_replaced(here):
    Path("a.png").write_text("somebody's")
    called("simulate", "crystal2d", "-o", "a.cxi", "-q")
    assert Path("a.png").read_text() == "somebody's"


def test_a_picture_is_not_removed_for_a_result_that_is_refused(scan):
    called(*RUN, "-o", "a.cxi")
    called(*RUN, "-o", "a.cxi", "--no-picture", code=2)
    assert Path("a.png").exists()


def test_a_set_is_continued_in_its_folder_and_numbered_when_it_is_there(here, capsys):
    called("simulate", "crystal2d", "-q")
    called("simulate", "crystal2d", "--first", "1", "-q")
    assert len(list(Path("crystal2d").iterdir())) == 2
    called("simulate", "crystal2d", "--seed", "5", "-q")
    assert len(list(Path("crystal2d-2").iterdir())) == 1


def test_a_name_that_another_process_holds_is_taken(here):
    with locked("scan.cxi", "writing scan.cxi", ""):
        assert chosen_name(None, Path("scan.cxi"), lambda out: [out], force=False) == Path("scan-2.cxi")


def test_an_analysis_is_numbered(scan):
    called(*RUN, "--starts", "3")
    for _ in range(2):
        called("analyze", "scan.retrieved.cxi", "-q")
    assert Path("scan.analysis-2.html").exists()
    called("analyze", "scan.retrieved.cxi", "-q", "-o", "scan.analysis.json", code=2)


def test_a_replay_is_not_written_over_a_result(scan):
    called(*RUN)
    called("run", "--replay", "scan.retrieved.cxi", "-o", "scan.retrieved.cxi", "-q", code=2)
    called("run", "--replay", "scan.retrieved.cxi", "-o", "again.cxi", "-q")
    called("run", "--replay", "scan.retrieved.cxi", "-o", "again.cxi", "-q", "-f")


def test_require_says_why_on_standard_error_and_piped_lines_are_whole(scan, capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    called(*RUN, "--require", "solved", code=1)
    assert capsys.readouterr().err.startswith("--require solved: the verdict is ")
    called("solvers")
    assert "Minimise nll(x) inside the support: x ← x + α d, d ← −g + β d, with Polak" in capsys.readouterr().out


def test_warnings_of_numpy_become_one_plain_line(here, capsys, monkeypatch):
    def warns(*_):
        np.float32(1) / np.zeros(3, np.float32)
        np.log(np.zeros(3))
        np.sqrt(np.full(2, -1.0))
        warnings.warn("of a library, for its authors", DeprecationWarning, stacklevel=1)

    monkeypatch.setattr("retrieve.cli.solvers.summaries", lambda kind: warns() or {})
    called("solvers")
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: divide by zero in the arithmetic; ")


def test_threads_hold_for_one_command(scan, monkeypatch):
    monkeypatch.delenv("RETRIEVE_THREADS", raising=False)
    seen = []
    monkeypatch.setattr("retrieve.cli.run._targets", lambda *_: seen.append(os.environ["RETRIEVE_THREADS"]) or exit(0))
    called(*RUN, "--threads", "3")
    assert seen == ["3"]
    assert "RETRIEVE_THREADS" not in os.environ


def test_a_dry_run_tells_and_writes_nothing(scan, capsys):
    before = sorted(os.listdir())
    called(*RUN[:-1], "--starts", "4", "-nv")
    said = capsys.readouterr().out
    assert "dry run: recipe on a pattern of 32×32, 4 start(s), seed 0" in said
    assert "for 4 start(s) of 30 steps, from 30 steps" in said
    assert "would write: scan.retrieved.cxi, scan.retrieved.png" in said
    assert "--recipe 30 er" in said
    assert sorted(os.listdir()) == before


def test_a_dry_run_of_a_comparison_and_of_a_preparation(scan, capsys):
    called("compare", "scan.npz", "--solver", "er:iterations=20", "--starts", "2", "--csv", "a.csv", "--workers", "1", "-n")
    assert "er:iterations=20: about " in capsys.readouterr().out
    np.savez("frames.npz", frames=np.random.default_rng(0).poisson(5, (6, 32, 32)).astype(np.uint16))
    called("prepare", "scan", "frames.npz", "-n")
    said = capsys.readouterr().out
    assert "dry run: 6 frames, 24.6 kB" in said
    assert "would write: frames.prepared.cxi, frames.prepared.png" in said
    assert sorted(os.listdir()) == ["frames.npz", "scan.npz"]
