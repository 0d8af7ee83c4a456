"""``--start RESULT`` and ``--support RESULT``."""

import os

import h5py
import numpy as np
import pytest

from retrieve.cli import main
from retrieve.io.results import read_result
from retrieve.provenance import sha256
from retrieve.simulate import crystal, measure

QUICK = ["-q", "--no-picture"]


@pytest.fixture
def scan(here):
    truth = crystal((40, 36), seed=2)
    np.savez("scan.npz", intensity=1e5 * measure(truth))
    return truth


def write_pynx(truth, path="theirs.cxi"):
    with h5py.File(path, "w") as file:
        file.attrs["creator"] = "PyNX"
        file["entry_1/image_1/data"] = truth
        file["entry_1/image_1/mask"] = (np.abs(truth) > 0).astype(np.int8)


def write_cohere(truth):
    os.makedirs("results")
    np.save("results/image.npy", np.conj(truth).transpose())
    np.save("results/support.npy", (np.abs(truth) > 0).transpose().astype(int))


def replayed(name):
    with pytest.raises(SystemExit) as done:
        main(["run", "--replay", name, "-q"])
    return done.value.code


@pytest.mark.parametrize("text", ["theirs.cxi", "theirs.cxi:pynx", "results", "results/image.npy:cohere"])
def test_a_run_begins_with_object_and_support_of_another_program(scan, text):
    write_pynx(scan)
    write_cohere(scan)
    main(["run", "scan.npz", "--recipe", "3 er", "--shrink-wrap.when", "never", "--start", text, "--out", "a.cxi", *QUICK])
    result = read_result("a.cxi")
    assert result.score.r < 1e-3
    np.testing.assert_array_equal(result.support, np.abs(scan) > 0)
    source = result.manifest["input"]
    assert source["start"].partition(":")[0].startswith(text.partition(":")[0])
    assert source["start_sha256"] == sha256(source["start"].rpartition(":")[0])
    assert any(note.startswith("start from") for note in result.problem.meta["notes"])
    for path in ("theirs.cxi", "results/image.npy"):
        os.remove(path)
    assert replayed("a.cxi") == 0


def test_a_run_goes_on_with_object_and_support_of_ours(scan):
    main(["run", "scan.npz", "--recipe", "100 hio + 50 er", "--out", "first.cxi", *QUICK])
    first = read_result("first.cxi")
    words = ["--recipe", "1 er", "--shrink-wrap.when", "never", "--start", "first.cxi", "--out", "second.cxi"]
    main(["run", "scan.npz", *words, *QUICK])
    second = read_result("second.cxi")
    assert np.count_nonzero(second.support) == np.count_nonzero(first.support)
    assert second.score.r <= first.score.r * 1.05
    assert second.manifest["input"]["start"] == "first.cxi:retrieve"


@pytest.mark.parametrize("text", ["theirs.cxi", "results", "first.cxi"])
def test_the_support_of_a_result_is_a_known_support(scan, text):
    write_pynx(scan)
    write_cohere(scan)
    main(["run", "scan.npz", "--recipe", "60 hio + 40 er", "--start", "theirs.cxi", "--out", "first.cxi", *QUICK])
    main(["run", "scan.npz", "--recipe", "50 er", "--support", text, "--out", "a.cxi", *QUICK])
    result = read_result("a.cxi")
    expected = read_result("first.cxi").support if text == "first.cxi" else np.abs(scan) > 0
    np.testing.assert_array_equal(result.problem.support, expected)
    np.testing.assert_array_equal(result.support, expected)
    assert result.manifest["input"]["support"] == text
    assert replayed("a.cxi") == 0
    os.rename("scan.npz", "moved.npz")
    assert replayed_with_error("a.cxi")


def replayed_with_error(name):
    with pytest.raises(SystemExit, match="2"):
        main(["run", "--replay", name, "-q"])
    return True


def test_a_result_without_a_support_or_of_another_pattern_is_refused(scan, capsys):
    with h5py.File("bare.cxi", "w") as file:
        file["entry_1/image_1/data"] = scan
    write_pynx(crystal((24, 30), seed=9), "other.cxi")
    for words, told in (
        (["--support", "bare.cxi"], "--support: bare.cxi holds no support"),
        (["--support", "other.cxi"], "--support: other.cxi has shape (24, 30)"),
        (["--start", "other.cxi", "--recipe", "5 er"], "--start: other.cxi has shape (24, 30)"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main(["run", "scan.npz", *words, *QUICK])
        assert told in " ".join(capsys.readouterr().err.split())


def test_many_files_begin_with_one_result_and_are_finished_by_it(scan):
    write_pynx(scan)
    np.savez("other.npz", intensity=2e5 * measure(scan))
    words = ["scan.npz", "other.npz", "--recipe", "3 er", "--start", "theirs.cxi", "--out-dir", "out", *QUICK]
    for expected in ("phased", "kept"):
        with pytest.raises(SystemExit, match="0"):
            main(["run", *words, "--json", "rows.json"])
        with open("rows.json") as file:
            assert file.read().count(f'"status": "{expected}"') == 2
    write_pynx(scan * np.exp(0.3j))
    with pytest.raises(SystemExit, match="0"):
        main(["run", *words, "--json", "rows.json"])
    with open("rows.json") as file:
        assert file.read().count('"status": "phased"') == 2
