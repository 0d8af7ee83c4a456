import csv
import json

import numpy as np
import pytest

from retrieve.cli import main
from retrieve.cli.compare import split_label
from retrieve.errors import InputError
from retrieve.evaluate.comparison import Comparison, Row
from retrieve.evaluate.tables import from_dict, read_json, to_dict, write_csv, write_json
from retrieve.simulate import blobs, measure

FAST = ["--solver", "hio:iterations=20", "--workers", "1"]


@pytest.fixture
def run(capsys):
    """Runs the command line; gives the exit code, what was printed and what was told as an error."""

    def command(*args):
        capsys.readouterr()
        code = 0
        try:
            main(["compare", *map(str, args)])
        except SystemExit as stop:
            code = stop.code or 0
        told = capsys.readouterr()
        return code, told.out, told.err

    return command


@pytest.fixture
def scan(tmp_path):
    """A small file with its support, and its object apart."""
    x, support = blobs((32, 32), seed=0, number=8)
    np.savez(tmp_path / "scan.npz", intensity=1e4 * measure(x), support=support)
    np.savez(tmp_path / "truth.npz", object=x)
    np.save(tmp_path / "theirs.npy", np.conj(x) / np.abs(x).max())
    return tmp_path


@pytest.mark.slow
def test_a_benchmark_twice_is_the_same_apart_from_times(run, tmp_path):
    outputs = []
    for name in ("a", "b"):
        benchmark = ["--benchmark", "domains2d-50", "--noise", "0,0.05", "--objects", "1", "--starts", "2", "--ffts", "1000"]
        files = ["--json", tmp_path / f"{name}.json", "--csv", tmp_path / f"{name}.csv", "--report", tmp_path / f"{name}.html"]
        code, out, _ = run(*benchmark, *FAST, "--solver", "best=recipe:recipe=10 hio + 10 er", *files)
        assert code == 0
        assert "domains2d-50-cells, 1 object" in out
        assert "best" in out
        outputs.append(json.loads((tmp_path / f"{name}.json").read_text()))
    times = [output.pop("times") for output in outputs]
    assert outputs[0] == outputs[1]
    assert len(times[0]["rows"]) == len(outputs[0]["rows"]) == 2 * 2 * 2 * 3
    assert list(outputs[0]) == ["format", "settings", "solvers", "summaries", "paired", "rows"]
    assert outputs[0]["settings"]["budget"]["ffts"] == 1000
    assert outputs[0]["solvers"]["best"]["options"]["recipe"] == "10 hio + 10 er"
    assert "seconds" not in outputs[0]["rows"][0]
    with (tmp_path / "a.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(outputs[0]["rows"])
    assert [line["start"] for line in lines[:3]] == ["0", "1", "best"]
    assert float(lines[0]["complex_correlation"]) == outputs[0]["rows"][0]["metrics"]["complex_correlation"]
    assert (tmp_path / "a.html").read_text().lstrip().lower().startswith("<!doctype html")


def test_a_file_with_truth_and_a_foreign_result(run, scan):
    known = ["--truth", scan / "truth.npz", "--result", f"theirs={scan}/theirs.npy:cohere"]
    code, out, err = run(scan / "scan.npz", *FAST, *known, "--starts", "2", "--json", scan / "out.json", "-q")
    assert (code, out, err) == (0, "", "")
    rows = {(row.solver, row.start): row for row in read_json(scan / "out.json").rows}
    assert list(rows) == [("hio:iterations=20", 0), ("hio:iterations=20", 1), ("hio:iterations=20", None), ("theirs", None)]
    assert rows["theirs", None].metrics["complex_correlation"] == pytest.approx(1)


def test_without_truth_the_starts_agree_or_are_one_sample(run, scan):
    code, out, _ = run(scan / "scan.npz", *FAST, "--starts", "1")
    assert code == 0
    assert "one sample" in out
    assert ">0.95" not in out
    code, out, _ = run(scan / "scan.npz", *FAST, "--starts", "2")
    assert "one sample" not in out


def test_a_corrupt_result_is_a_failed_row(run, scan):
    (scan / "theirs.npy").write_bytes((scan / "theirs.npy").read_bytes()[:300])
    code, out, _ = run(scan / "scan.npz", *FAST, "--starts", "1", "--result", f"theirs={scan}/theirs.npy:cohere")
    assert code == 1
    assert "failed: theirs, 1 row(s):" in out
    assert "it may be damaged" in " ".join(out.split())


SET = ["--benchmark", "domains2d-50"]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--benchmark", "domain2d-50", *FAST], "unknown benchmark 'domain2d-50'"),
        ([*SET, "--solver", "hoi"], "unknown solver 'hoi'"),
        ([*SET, "--solver", "hio:beta=9"], "beta=9"),
        ([*SET, *FAST, "--metric", "ssim"], "unknown metric 'ssim'"),
        ([*SET, *FAST, *FAST], "two competitors are labelled 'hio:iterations=20'"),
        ([*SET], "nothing to compare"),
        ([*SET, *FAST, "--noise", "high"], "--noise 'high'"),
        ([*SET, *FAST, "--noise", "-1"], "sigma=-1"),
        ([*SET, *FAST, "--truth", "t.npz"], "--truth goes with exactly one FILE"),
        ([*SET, *FAST, "--json", "/no/such/folder/x.json"], "no directory"),
        (["{scan}/scan.npz", *SET, *FAST], "either FILES or --benchmark"),
        (["{scan}/scan.npz", *FAST, "--objects", "3"], "--objects goes with --benchmark"),
        (["{scan}/scan.npz", *FAST, "--truth", "{scan}/no.npz"], "no file"),
        (["{scan}/scan.npz", *FAST, "--truth", "{scan}/small.npz"], "shape (16, 16)"),
        (["{scan}/scan.npz", *FAST, "--truth", "{scan}/other.npz"], "another object"),
        (["{scan}/scan.npz", "--result", "{scan}/theirs.npy"], "write LABEL=FILE"),
        (["{scan}/scan.npz", "--result", "a={scan}/theirs.npy"], "whose convention"),
        (["{scan}/scan.npz", "--result", "a={scan}/small.npz"], "shape (16, 16)"),
        (["{scan}/no.npz", *FAST], "no file"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(run, scan, args, told):
    np.savez(scan / "small.npz", object=np.ones((16, 16), complex))
    np.savez(scan / "other.npz", object=np.roll(blobs((32, 32), seed=9, number=1, sigma=1.5)[0], 5, 0))
    code, out, err = run(*(arg.replace("{scan}", str(scan)) for arg in args))
    assert code == 2
    assert told in err
    assert err.count("\n") == 1
    assert "━" not in out


@pytest.mark.parametrize(
    ("text", "label", "spec"),
    [
        ("hio", "", "hio"),
        ("hio:beta=0.8,iterations=9", "", "hio:beta=0.8,iterations=9"),
        ("best hio=recipe:recipe=5 hio(beta=0.8) + 1 er", "best hio", "recipe:recipe=5 hio(beta=0.8) + 1 er"),
    ],
)
def test_labels(text, label, spec):
    assert split_label(text) == (label, spec)


def test_files_keep_what_is_not_a_number_apart(tmp_path):
    nan = float("nan")
    rows = (
        Row("s", None, 0, "a", 0, 1 / 3, None, {"m": nan, "r": 5.0}, nan, 10),
        Row("s", None, 0, "b", None, nan, 0.5, {}, 1.5, 0, 0, 'a "reason", with a comma'),
    )
    before = Comparison({"starts": 1}, {"a": {"name": "a", "options": {}}}, rows)
    assert write_json(before, tmp_path / "c.json") == tmp_path / "c.json"
    after = read_json(tmp_path / "c.json")
    assert json.dumps(to_dict(after)) == json.dumps(to_dict(before))
    assert after.rows[0].r_free is None
    assert after.rows[1].failure == rows[1].failure
    with write_csv(before, tmp_path / "c.csv").open() as file:
        first, second = csv.DictReader(file)
    assert (first["r"], first["r_free"], first["m"], first["seconds"], first["failure"]) == ("0.3333333", "", "", "", "")
    assert (second["start"], second["r"], second["failure"]) == ("best", "", rows[1].failure)
    assert not list(tmp_path.glob(".*"))


def test_a_comparison_of_the_first_version_is_read():
    row = Row("s", None, 0, "a", None, 0.1, 0.2, {"averaged_nrmse": 0.3, "raw_nrmse": 0.4}, 1.0, 10)
    today = to_dict(Comparison({"starts": 1}, {}, (row,)))
    text = json.dumps(today).replace('"r":', '"chi2":').replace('"r_free":', '"free":').replace("averaged_", "combined_")
    assert from_dict(json.loads(text)).rows == (row,)


def test_what_is_no_comparison_is_refused(tmp_path):
    (tmp_path / "x.json").write_text('{"rows": 3}')
    with pytest.raises(InputError, match="x.json lacks settings; write it with `retrieve compare --json`"):
        read_json(tmp_path / "x.json")
    with pytest.raises(InputError, match="no file"):
        read_json(tmp_path / "y.json")
