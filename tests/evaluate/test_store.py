import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from kills import send_when
from small_cases import cases, timeless

from retrieve.cli import main
from retrieve.errors import InputError
from retrieve.evaluate import benchmarks
from retrieve.evaluate.compare import compare
from retrieve.evaluate.fingerprint import fingerprint
from retrieve.evaluate.store import Store
from retrieve.evaluate.tables import to_dict
from retrieve.io.external import ExternalResult
from retrieve.problem.likelihood import Gaussian
from retrieve.solvers import ER, HIO

SOLVERS = {"hio": HIO(iterations=20), "er": ER(iterations=20)}


def kept(path):
    lines = path.read_text().split("\n")[:-1]  # a kill may leave a last line that is not whole
    return [json.loads(line)["key"] for line in lines]


def run(path, resume, solvers=SOLVERS, given=None, **settings):
    """A comparison with a store, and how many units were taken from it."""
    with Store(path, resume) as store:
        found = compare(solvers, given or cases(), **{"starts": 2, **settings}, store=store)
    return found, store.taken


@pytest.fixture
def path(tmp_path):
    return tmp_path / "c.rows.jsonl"


def test_what_is_there_is_not_run_again(path):
    before, taken = run(path, resume=True)
    assert taken == 0
    after, taken = run(path, resume=True)
    assert taken == len(kept(path)) == 4
    assert to_dict(after) == to_dict(before)
    for one, other in zip(before.pictures, after.pictures, strict=True):
        for name in ("estimate", "truth", "amplitude"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert one.history == other.history
        assert one.row == other.row
    more, taken = run(path, resume=True, given=cases(3))
    assert taken == 4
    assert timeless(more) == timeless(compare(SOLVERS, cases(3), starts=2))


def test_without_resume_it_begins_anew(path):
    run(path, resume=True)
    _, taken = run(path, resume=False, solvers={"hio": SOLVERS["hio"]})
    assert taken == 0
    assert len(kept(path)) == 2


@pytest.mark.parametrize(
    "changed",
    [{"starts": 3}, {"seed": 1}, {"hold_out": 0.05}, {"ramp": True}, {"solvers": {"hio": HIO(iterations=21)}}],
    ids=lambda changed: next(iter(changed)),
)
def test_what_decides_the_result_is_in_the_key(path, changed):
    run(path, resume=True, solvers={"hio": SOLVERS["hio"]})
    _, taken = run(path, resume=True, **{"solvers": {"hio": SOLVERS["hio"]}, **changed})
    assert taken == 0


def test_other_data_are_another_case(path):
    run(path, resume=True)
    other = [case._replace(problem=case.problem.replace(amplitude=case.problem.amplitude * np.float32(2))) for case in cases()]
    assert run(path, resume=True, given=other)[1] == 0


def test_a_foreign_file_counts_by_its_bytes(path, tmp_path):
    (case,) = cases(1)
    for factor, expected in ((1, 0), (1, 1), (2j, 0)):
        np.save(tmp_path / "theirs.npy", factor * case.problem.truth)
        theirs = {"theirs": ExternalResult.named(f"{tmp_path}/theirs.npy:plain")}
        assert run(path, resume=True, solvers=theirs, given=[case])[1] == expected


@pytest.mark.parametrize("cut", [1, 40, -1, -30])
def test_a_torn_last_line_is_left_out(path, cut):
    expected, _ = run(path, resume=True)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]) + lines[3][:cut])
    found, taken = run(path, resume=True)
    assert taken == (4 if cut == -1 else 3)
    assert timeless(found) == timeless(expected)
    assert run(path, resume=True)[1] == 4


def test_a_store_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "c.rows.jsonl").mkdir()
    with pytest.raises(InputError, match=r"c\.rows\.jsonl"):
        Store(tmp_path / "c.rows.jsonl", resume=True)


def test_fingerprints_tell_apart_what_differs_and_nothing_else(hard):
    other = hard.replace(valid=~hard.valid)
    assert fingerprint(hard) != fingerprint(other)
    assert fingerprint(hard) != fingerprint(hard.replace(likelihood=Gaussian(sigma=0.7)))
    assert fingerprint(hard) != fingerprint(hard.replace(support=None))
    assert fingerprint(1, "2") != fingerprint("1", 2) != fingerprint(["1", 2])
    assert fingerprint(np.float32(0.5), np.int64(2)) == fingerprint(0.5, 2) != fingerprint(np.float32(0.25), 2)
    same = dataclasses.replace(hard, meta={"elsewhere": True})
    assert float(same.power) > 0
    assert fingerprint(hard) == fingerprint(same)


COMPARED = ["compare", "--benchmark", "domains2d-50", "--noise", "0,0.05", "--objects", "3", "--starts", "2"]
COMPARED += ["--ffts", "1000"]  # in seconds two runs would differ
COMPARED += ["--solver", "hio:iterations=300", "--solver", "er:iterations=300", "-q"]


@pytest.mark.slow
def test_a_driver_that_is_killed_and_resumed_repeats_what_was_in_flight_at_most(tmp_path):
    command = [*COMPARED, "--json", str(tmp_path / "killed.json"), "--workers", "2"]
    rows, total = tmp_path / "killed.rows.jsonl", 2 * 2 * 3 * 2
    driver = subprocess.Popen([sys.executable, "-m", "retrieve", *command], start_new_session=True)
    send_when(lambda: rows.exists() and rows.read_bytes().count(b"\n") >= 6, driver, signal.SIGKILL)
    assert driver.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed.json").exists()
    before = kept(rows)
    assert 6 <= len(before) < total
    with pytest.raises(SystemExit, match="0"):
        main([*command, "--resume"])
    after = kept(rows)
    assert len(after) == len(set(after)) == total
    assert after[: len(before)] == before
    with pytest.raises(SystemExit, match="0"):
        main([*COMPARED, "--json", str(tmp_path / "serial.json"), "--executor", "serial"])
    found, expected = (json.loads((tmp_path / name).read_text()) for name in ("killed.json", "serial.json"))
    assert found.pop("times") != expected.pop("times")
    assert found == expected
    _gone(driver.pid)


def _gone(group):
    """Waits until the killed driver's workers have ended, too."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    raise AssertionError(f"processes of group {group} are left behind")


def test_the_command_tells_what_it_took(tmp_path, capsys):
    command = ["compare", "--benchmark", "domains2d-50", "--noise", "0", "--objects", "1", "--starts", "1", "--workers", "1"]
    command += ["--ffts", "10", "--solver", "hio:iterations=5", "--json", str(tmp_path / "a.json"), "--resume"]
    for told in (False, True):
        with pytest.raises(SystemExit, match="0"):
            main(command)
        assert ("2 of 2 were taken from" in " ".join(capsys.readouterr().out.split())) == told
    with pytest.raises(SystemExit, match="2"):
        main([*command[:-3], "--resume"])
    assert "--resume goes with --json FILE" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main([*command, "--executor", "dsak:here"])
    assert "unknown executor 'dsak'" in capsys.readouterr().err


def test_a_case_of_a_benchmark_is_the_same_in_another_run():
    one, other = (next(benchmarks.benchmark("domains2d-50").cases(noise=[0.05], objects=1)) for _ in range(2))
    assert fingerprint(one) == fingerprint(other)


def flipped(line, word, rng):
    """A line in which one character of the text after a word is another one."""
    at = line.index(word) + len(word) + int(rng.integers(4, 200))
    return line[:at] + ("A" if line[at] != "A" else "B") + line[at + 1 :]


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_row_moves_aside_and_is_named_and_the_rest_is_taken(path, seed, old):
    before, _ = run(path, resume=True)
    first, *others = path.read_text().splitlines()
    if old:  # of the versions before checksums
        entry = {name: value for name, value in json.loads(first).items() if name not in ("format", "sha256")}
        first = json.dumps(entry)
    bad = flipped(first, '"estimate": "', np.random.default_rng(seed))
    path.write_text("\n".join([bad, *others]) + "\n")
    with pytest.warns(UserWarning, match=r"a damaged line of .*c\.rows\.jsonl moved to .*c\.rows\.damaged\.jsonl"):
        after, taken = run(path, resume=True)
    assert taken == 3
    assert timeless(after) == timeless(before)
    assert path.with_name("c.rows.damaged.jsonl").read_text() == bad + "\n"
    again, taken = run(path, resume=True)  # without a warning
    assert taken == 4
    assert timeless(again) == timeless(before)


def test_rows_of_older_versions_are_taken_and_those_of_newer_ones_left_alone(path):
    run(path, resume=True)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    plain = [{name: value for name, value in line.items() if name not in ("format", "sha256")} for line in lines]
    newer = json.dumps({"format": "retrieve trial 99", "key": 3})
    path.write_text("\n".join([*map(json.dumps, plain), newer]) + "\n")
    _, taken = run(path, resume=True)
    assert taken == 4
    assert newer in path.read_text()
    assert not path.with_name("c.rows.damaged.jsonl").exists()


@pytest.mark.parametrize(
    "row",
    [
        "[" * 100_000,
        "3",
        "null",
        '{"key": []}',
        '{"key": "00000000000000000000", "rows": [], "cut": true, "picture": null}',
        "\\xff",
    ],
)
def test_no_row_ends_a_comparison(path, row):
    run(path, resume=True)
    with path.open("a") as file:
        file.write(row + "\n")
    with pytest.warns(UserWarning, match="its trial runs again"):
        _, taken = run(path, resume=True)
    assert taken == 4
