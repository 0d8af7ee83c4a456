"""``retrieve run --out-dir``: many files."""

import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from retrieve.cli import main
from retrieve.io.results import read_result, read_summary
from retrieve.simulate import blobs, measure

SHORT = ["--recipe", "10 er + 20 hio", "--starts", "2", "--no-picture"]


def write_scan(path, seed, size=32):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, intensity=1e4 * measure(blobs((size, size), seed=seed)[0]))


@pytest.fixture
def scans(here):
    """Ten files, of which number 5 is broken."""
    for number in range(10):
        write_scan(here / "scans" / f"s_{number}.npz", number)
    (here / "scans" / "s_5.npz").write_bytes((here / "scans" / "s_5.npz").read_bytes()[:700])
    return sorted((here / "scans").iterdir())


def run(*words, code=0):
    """The rows by stem, after a run that ends with this exit code."""
    with pytest.raises(SystemExit) as stop:
        main(["run", *map(str, words), "--out-dir", "out", "--json", "rows.json", "-q"])
    assert stop.value.code == code
    return rows_of("rows.json")


def rows_of(path):
    return {Path(row["file"]).name: row for row in json.loads(Path(path).read_text())["files"]}


def made(folder="out"):
    """When each result was written."""
    return {path.name: path.stat().st_mtime_ns for path in Path(folder).rglob("*.cxi")}


def test_nine_results_and_one_named_failure_and_nothing_twice(scans, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["run", "scans/s_*.npz", *SHORT, "--out-dir", "out", "--json", "rows.json"])
    assert stop.value.code == 1
    told = capsys.readouterr().out
    assert "10 files: 9 phased, 0 kept, finished before, 1 failed" in told
    assert "failed: scans/s_5.npz: cannot be read" in told
    rows = rows_of("rows.json")
    assert [name for name, row in rows.items() if row["failure"]] == ["s_5.npz"]
    assert len(made()) == 9
    before = made()
    again = run("scans/s_*.npz", *SHORT, code=1)
    assert made() == before
    assert {row["status"] for name, row in again.items() if name != "s_5.npz"} == {"kept"}
    for name in ("verdict", "r", "r_free"):
        assert [row[name] for row in again.values()] == [row[name] for row in rows.values()]


def test_a_result_is_that_of_a_run_of_its_own(scans):
    run("scans/s_1.npz", "scans/s_2.npz", *SHORT)
    main(["run", "scans/s_2.npz", *SHORT, "-q", "--out", "alone.cxi"])
    np.testing.assert_array_equal(read_result("out/s_2.retrieved.cxi").estimates, read_result("alone.cxi").estimates)


def test_other_options_or_another_file_are_done_again(scans):
    run(scans[1], scans[2], *SHORT)
    before = made()
    write_scan(scans[2], seed=77)
    rows = run(scans[1], scans[2], *SHORT)
    assert [row["status"] for row in rows.values()] == ["kept", "phased"]
    assert made()["s_1.retrieved.cxi"] == before["s_1.retrieved.cxi"]
    for words in (["--seed", "1"], ["--hold-out", "0.05"], ["--average", "mean"], ["--beta", "0.7"]):
        assert [row["status"] for row in run(scans[1], scans[2], *SHORT, *words).values()] == ["phased"] * 2
    assert [row["status"] for row in run(scans[1], scans[2], *SHORT, "--beta", "0.7").values()] == ["kept"] * 2


def test_a_changed_mask_is_another_run(scans):
    np.save("mask.npy", np.ones((32, 32), np.uint8))
    assert run(scans[1], *SHORT, "--mask", "mask.npy")["s_1.npz"]["status"] == "phased"
    assert run(scans[1], *SHORT, "--mask", "mask.npy")["s_1.npz"]["status"] == "kept"
    mask = np.ones((32, 32), np.uint8)
    mask[3, 4] = 0
    np.save("mask.npy", mask)
    assert run(scans[1], *SHORT, "--mask", "mask.npy")["s_1.npz"]["status"] == "phased"


def test_an_interrupted_result_is_done_again(scans):
    run(scans[1], *SHORT)
    with h5py.File("out/s_1.retrieved.cxi", "r+") as file:
        file["entry_1/image_1/process_1/results/interrupted"][()] = True
        del file["entry_1"].attrs["sha256_of_small_values"]
    assert read_summary("out/s_1.retrieved.cxi").interrupted
    assert run(scans[1], *SHORT)["s_1.npz"]["status"] == "phased"


def test_files_of_one_stem_have_places_of_their_own(here):
    for place in ("a/scan.npz", "b/scan.npz", "b/c/scan.npz", "other.npz"):
        write_scan(here / place, seed=len(place))
    np.save("b/scan.npy", np.load("a/scan.npz")["intensity"])
    rows = run("**/*.np[yz]", *SHORT)
    places = {str(path.relative_to("out")) for path in Path("out").rglob("*.cxi")}
    assert places == {
        "other.retrieved.cxi",
        "a/scan.retrieved.cxi",
        "b/c/scan.retrieved.cxi",
        "b/scan.npz.retrieved.cxi",
        "b/scan.npy.retrieved.cxi",
    }
    assert len(rows) == 3  # by name, of five
    for path in Path("out").rglob("*.cxi"):
        stem = Path(read_result(path).manifest["input"]["path"]).name.partition(".")[0]
        assert path.name.startswith(stem)


def test_the_result_of_another_file_is_not_overwritten(here):
    write_scan(here / "a" / "scan.npz", 0)
    write_scan(here / "b" / "scan.npz", 1)
    run("a/scan.npz", *SHORT)
    before = made()
    rows = run("b/scan.npz", *SHORT, code=1)
    assert "is the result of" in rows["scan.npz"]["failure"]
    assert "give another --out-dir" in rows["scan.npz"]["failure"]
    assert made() == before


def test_results_among_the_files_are_no_input(scans):
    main_words = ["scans/s_1.npz", "scans/s_2.npz", *SHORT[:-1], "--no-picture"]
    with pytest.raises(SystemExit, match="0"):
        main(["run", *main_words, "--out-dir", "scans", "-q"])
    with pytest.raises(SystemExit, match="0"):
        main(["run", "scans/s_1*", "scans/s_2*", *SHORT, "--out-dir", "scans", "--json", "rows.json", "-q"])
    assert {name: row["status"] for name, row in rows_of("rows.json").items()} == {"s_1.npz": "kept", "s_2.npz": "kept"}


def test_pictures_and_pages_stand_beside_the_results_or_in_folders(scans):
    words = [scans[1], scans[2], *SHORT[:-1]]
    run(*words, "--report")
    assert {path.name for path in Path("out").iterdir()} == {
        f"s_{k}.retrieved.{end}" for k in (1, 2) for end in ("cxi", "png", "html")
    }
    before = made()
    Path("out/s_1.retrieved.html").unlink()
    run(*words, "--report")
    assert Path("out/s_1.retrieved.html").exists()  # drawn from the result, which is kept
    run(*words, "--report", "pages", "--picture", "pictures")
    assert len(list(Path("pages").iterdir())) == len(list(Path("pictures").iterdir())) == 2
    assert made() == before


def test_a_natural_order_and_each_file_once(here):
    for number in (1, 2, 10):
        write_scan(here / f"s_{number}.npz", number)
    assert list(run("s_*.npz", "s_2.npz", here / "s_2.npz", *SHORT)) == ["s_1.npz", "s_2.npz", "s_10.npz"]


def test_datasets_of_one_file(here):
    with h5py.File("many.h5", "w") as file:
        for number in range(2):
            file[f"entry_{number}/intensity"] = 1e4 * measure(blobs((32, 32), seed=number)[0])
    run("many.h5:/entry_0/intensity", "many.h5:/entry_1/intensity", *SHORT)
    assert set(made()) == {"many-entry_0-intensity.retrieved.cxi", "many-entry_1-intensity.retrieved.cxi"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["scans/s_1.npz", "scans/s_2.npz"], "add --out-dir DIR"),
        (["scans/s_*.npz"], "add --out-dir DIR"),
        (["none/*.npz", "--out-dir", "out"], "no file matches 'none/*.npz'"),
        (["scans/s_1.npz", "--out-dir", "out", "--out", "a.cxi"], "leave one of them out"),
        (["scans/s_1.npz", "--out-dir", "out", "--report", "a.html"], "names one file"),
        (["scans/s_1.npz", "--out-dir", "scans/s_2.npz"], "cannot make the folder"),
        (["scans/s_1.npz", "--out-dir", "out", "--json", "none/rows.json"], "no directory none"),
        (["scans/s_1.npz", "--out-dir", "out", "--executor", "procesess"], "unknown executor"),
    ],
)
def test_what_is_refused_before_any_work(scans, words, told, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["run", *words])
    assert told in " ".join(capsys.readouterr().err.split())
    assert not Path("out/s_1.retrieved.cxi").exists()


def test_require_holds_for_every_file(scans):
    run(scans[1], scans[2], "--solver", "hio:iterations=3", "--starts", "2", "--no-picture", "--require", "solved", code=1)


def test_one_document_on_standard_output(scans, capsys):
    with pytest.raises(SystemExit):
        main(["run", "scans/s_5.npz", "scans/s_6.npz", *SHORT, "--out-dir", "out", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert (document["phased"], document["failed"], document["stopped"]) == (1, 1, False)
    main(["run", "scans/s_6.npz", *SHORT, "--out", "a.cxi", "--json"])
    [row] = json.loads(capsys.readouterr().out)["files"]
    assert row["result"] == "a.cxi"


@pytest.mark.slow
@pytest.mark.parametrize("executor", [["--workers", "2"], ["--executor", "threads", "--workers", "2"]])
def test_workers_give_the_same(scans, executor):
    rows = run("scans/s_*.npz", *SHORT, *executor, code=1)
    assert [name for name, row in rows.items() if row["failure"]] == ["s_5.npz"]
    main(["run", "scans/s_2.npz", *SHORT, "-q", "--out", "alone.cxi"])
    np.testing.assert_array_equal(read_result("out/s_2.retrieved.cxi").estimates, read_result("alone.cxi").estimates)
    before = made()
    assert {row["status"] for row in run("scans/s_*.npz", *SHORT, *executor, code=1).values()} == {"kept", "failed"}
    assert made() == before


def test_a_worker_has_one_core(monkeypatch):
    from retrieve.cli import many_files
    from retrieve.numerics.arrays import cores

    monkeypatch.setattr(many_files, "phase", lambda one: cores())
    assert many_files.phase_in_worker("a file") == 1


def test_workers_read_within_the_limits_of_the_command(scans):
    for words in (["--workers", "2"], ["--executor", "threads", "--workers", "2"]):
        rows = run("scans/s_1.npz", "scans/s_2.npz", *SHORT, *words, "--max-memory", "1kB", code=1)
        assert all("--max-memory allows 1 kB" in row["failure"] for row in rows.values())


def test_what_a_run_that_was_killed_after_writing_a_result_left_is_made_good(scans):
    """Its starts were not removed, and the picture is that of the result before."""
    words = ["scans/s_1.npz", *SHORT[:-1], "--report"]
    run(*words)
    result, picture, page = (Path("out") / f"s_1.retrieved.{end}" for end in ("cxi", "png", "html"))
    drawn = picture.read_bytes()
    picture.write_text("old")
    os.utime(picture, ns=(0, 0))
    (starts := Path("out/.s_1.retrieved.cxi.starts")).mkdir()
    (starts / "0-00000-1.npz").touch()
    before = made(), page.stat().st_mtime_ns
    assert run(*words)["s_1.npz"]["status"] == "kept"
    assert {path.name for path in Path("out").iterdir()} == {result.name, picture.name, page.name}
    assert picture.read_bytes() == drawn
    assert (made(), page.stat().st_mtime_ns) == before
