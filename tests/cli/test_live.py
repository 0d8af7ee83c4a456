"""``run --live``: the page goes with the run, its buttons end it, and the result is the same."""

import socket
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from live_browser import ended
from numpy.testing import assert_array_equal

from retrieve.cli import main
from retrieve.cli.one_file import Targets
from retrieve.errors import SolverError
from retrieve.io.results import read_result
from retrieve.simulate import blobs, measure

LONG = ("--recipe", "200000 hio", "--starts", "3", "--agree", "0", "--no-picture")


def write_scan(name, seed=1):
    np.savez(name, intensity=1e4 * measure(blobs((32, 32), seed=seed)[0]))


@pytest.fixture
def scan(here):
    write_scan("scan.npz")


def test_the_result_is_the_same_to_the_bit(scan, watched):
    options = ["--recipe", "100 hio + 20 er", "--starts", "2", "--agree", "0", "-q", "--no-picture"]
    main(["run", "scan.npz", *options, "--out", "alone.cxi"])
    browsers = watched()
    main(["run", "scan.npz", *options, "--out", "watched.cxi", "--live"])
    ended(browsers)
    alone, other = read_result("alone.cxi"), read_result("watched.cxi")
    for name in ("object", "estimates", "supports", "held", "spread"):
        assert_array_equal(getattr(alone, name), getattr(other, name))
    assert alone.scores == other.scores
    assert alone.manifest == other.manifest
    assert alone.verdict == other.verdict


def test_the_page_shows_the_run_and_ends_as_the_report(scan, watched, capsys):
    browsers = watched("keep", lambda told: told["version"] > 0 and any("<svg" in t.get("body", "") for t in browsers[0].told))
    main(["run", "scan.npz", *LONG, "--out", "a.cxi", "--live"])
    first, *states, report = ended(browsers)
    said = capsys.readouterr()
    assert said.out.count("live: http://127.0.0.1:") == 1
    assert said.err == ""
    assert "kept: a.cxi, a.html" in said.out
    assert "kept as it was, after" in said.out
    assert "scan.npz" in first["document"]
    bodies = [told["body"] for told in states if "body" in told]
    assert bodies
    assert all("amplitude" in body and "phase (rad)" in body and "measured" in body.lower() for body in bodies)
    shown = [told for told in states if told["tiles"]]
    assert {name for name, _, _ in shown[-1]["tiles"]} >= {"R", "R_free", "Support"}
    assert any("step" in told["stage"] for told in shown)
    assert any(told["share"] for told in shown)
    assert states[-1]["state"] == "over"
    assert report["document"] == Path("a.html").read_text("utf-8")
    assert "In short" in report["document"]


def test_quiet_prints_the_address_alone_on_standard_error(scan, watched, capsys):
    browsers = watched()
    main(["run", "scan.npz", "--recipe", "50 hio", "--starts", "1", "-q", "--live", "--report", "page.html"])
    ended(browsers)
    said = capsys.readouterr()
    assert said.out == ""
    [line] = said.err.splitlines()
    assert line == f"live: {browsers[0].address}"
    assert "In short" in Path("page.html").read_text("utf-8")


def test_keep_ends_the_start_begins_no_other_and_finishes_with_a_result(scan, watched):
    browsers = watched("keep")
    main(["run", "scan.npz", *LONG, "-q", "--out", "a.cxi", "--live"])
    states = ended(browsers)
    assert states
    result = read_result("a.cxi")
    assert not result.interrupted
    assert result.verdict is not None
    assert 1 <= len(result.scores) <= 3
    assert set(result.manifest["stopped"].values()) != {None}
    with pytest.raises(SystemExit, match="0"):
        main(["run", "--replay", "a.cxi", "-q"])


def test_stop_ends_as_ctrl_c_does(scan, watched):
    browsers = watched("stop")
    with pytest.raises(SystemExit, match="130"):
        main(["run", "scan.npz", *LONG, "-q", "--out", "a.cxi", "--live"])
    states = ended(browsers)
    assert "interrupted; what there was is in a.cxi" in states[-2]["words"]
    result = read_result("a.cxi")
    assert result.interrupted
    with pytest.raises(SystemExit, match="0"):
        main(["run", "--replay", "a.cxi", "-q"])


def test_keep_with_workers_keeps_what_each_has(scan, watched):
    browsers = watched("keep", lambda told: told["spent"] != "0 s")
    main(["run", "scan.npz", *LONG, "-q", "--out", "a.cxi", "--live", "--executor", "threads", "--workers", "2"])
    ended(browsers)
    result = read_result("a.cxi")
    assert not result.interrupted
    assert len(result.scores) == 2


def test_of_many_files_keep_ends_one_and_the_others_go_on(here, watched):
    for k in range(2):
        write_scan(f"s{k}.npz", seed=k)
    browsers = watched("keep", lambda told: told["tiles"] != [])
    with pytest.raises(SystemExit, match="0"):
        main(["run", "s0.npz", "s1.npz", "--out-dir", "out", *LONG, "-q", "--live"])
    states = ended(browsers)
    titles = [told["title"] for told in states if "title" in told]
    assert {title.partition(" ")[0] for title in titles} == {"1/2", "2/2"}
    assert states[-1]["table"][0] == ["file", "verdict", "R", "R_free"]
    assert len(states[-1]["table"][1]) == 2
    for k in range(2):
        result = read_result(f"out/s{k}.retrieved.cxi")
        assert not result.interrupted
        assert set(result.manifest["stopped"].values()) != {None}
    with pytest.raises(SystemExit, match="0"):
        main(["run", "s0.npz", "s1.npz", "--out-dir", "out", *LONG, "-q"])  # what was kept counts as finished


def test_of_many_files_stop_ends_all(here, watched):
    for k in range(2):
        write_scan(f"s{k}.npz", seed=k)
    browsers = watched("stop")
    with pytest.raises(SystemExit, match="130"):
        main(["run", "s0.npz", "s1.npz", "--out-dir", "out", *LONG, "-q", "--live"])
    assert "interrupted" in ended(browsers)[-1]["words"]
    assert read_result("out/s0.retrieved.cxi").interrupted


def test_the_page_is_gone_after_an_error_too(scan, watched, monkeypatch):
    def fails(targets, result):
        raise SolverError("no")

    monkeypatch.setattr(Targets, "write", fails)
    browsers = watched()
    with pytest.raises(SystemExit, match="1"):
        main(["run", "scan.npz", "--recipe", "50 hio", "--starts", "1", "-q", "--live", "--no-picture"])
    browsers[0].join(20)
    assert isinstance(browsers[0].error, OSError)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", urlsplit(browsers[0].address).port), timeout=2)


def test_a_replay_has_no_page(here, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["run", "--replay", "a.cxi", "--live"])
    assert "--live" in capsys.readouterr().err
