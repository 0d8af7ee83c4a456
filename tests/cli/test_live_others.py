"""``compare --live`` and ``train --live``: the page goes with the work, and its buttons end it."""

import json
from pathlib import Path

import pytest
import torch
from live_browser import ended
from train_command import FILM, SMALL, trainer

from retrieve.cli import main
from retrieve.priors.training.checkpoint import read_checkpoint
from retrieve.priors.weights import card_of, load_weights

COMPARE = ["compare", "--benchmark", "domains2d-10-cells", "--noise", "0", "--starts", "2", "--workers", "1", "--ffts", "400"]
SOLVERS = ["--solver", "hio:iterations=40", "--solver", "raar:iterations=40"]


def rows_of(path):
    """The rows of a comparison without their seconds."""
    rows = json.loads(Path(path).read_text("utf-8"))["rows"]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def test_a_comparison_is_shown_and_is_the_same(here, watched, capsys):
    main_options = [*COMPARE, *SOLVERS, "--objects", "2"]
    with pytest.raises(SystemExit, match="0"):
        main([*main_options, "-q", "--json", "alone.json"])
    browsers = watched()
    with pytest.raises(SystemExit, match="0"):
        main([*main_options, "--json", "watched.json", "--live"])
    first, *states, report = ended(browsers)
    assert "domains2d-10-cells" in first["document"]
    assert 'data-post="keep"' not in first["document"]
    shown = states[-1]["table"]
    assert shown[0][0] == "solver, best start"
    assert [(line[0], line[1]) for line in shown[1]] == [("hio:iterations=40", "2"), ("raar:iterations=40", "2")]
    assert report["document"] == Path("comparison.html").read_text("utf-8")
    assert "comparison.html" in capsys.readouterr().out
    assert rows_of("alone.json") == rows_of("watched.json")


def test_stop_of_a_comparison_keeps_what_is_done(here, watched):
    browsers = watched("stop", lambda told: told["tiles"] != [])
    with pytest.raises(SystemExit, match="130"):
        main([*COMPARE, "--solver", "hio:iterations=200", "--objects", "200", "-q", "--json", "a.json", "--live"])
    ended(browsers)
    kept = json.loads(Path("a.json").read_text("utf-8"))
    assert kept["settings"]["interrupted"]
    assert 1 <= len({row["object"] for row in kept["rows"]}) < 200
    assert Path("comparison.html").is_file()


LONG = [*SMALL, "--objects", "1000000", "--batch", "8", "--precision", "float32", "--seed", "3"]


def test_keep_of_a_training_writes_its_weights(tmp_path, monkeypatch, capsys, watched):
    called = trainer(tmp_path, monkeypatch, capsys)
    browsers = watched("keep", lambda told: "svg" in told.get("body", ""))
    code, out, err = called("diffusion", FILM, "--out", "run", "--name", "film", *LONG, "--live")
    assert (code, err) == (0, "")
    *states, report = ended(browsers)
    assert {"Loss", "Validation", "Speed"} <= {name for told in states for name, *_ in told.get("tiles", [])}
    assert report["document"] == Path("run/training.html").read_text("utf-8")
    assert "Card of the weights" in report["document"]
    assert "run/training.html" in out
    done = read_checkpoint(Path("run"))
    assert 0 < done["objects"] < 1_000_000
    assert card_of("run/film.safetensors")["training"]["objects"] == done["objects"]
    assert all(torch.isfinite(value).all() for value in load_weights("run/film.safetensors").state_dict().values())


def test_stop_of_a_training_ends_as_ctrl_c_does(tmp_path, monkeypatch, capsys, watched):
    called = trainer(tmp_path, monkeypatch, capsys)
    browsers = watched("stop", lambda told: told["tiles"] != [])
    code, out, _ = called("diffusion", FILM, "--out", "run", *LONG, "--live")
    assert code == 130
    assert "stopped; the same command continues" in out
    ended(browsers)
    assert read_checkpoint(Path("run"))["objects"] > 0
    assert not list(Path("run").glob("*.safetensors"))
    assert "stopped; the same command continues" in Path("run/training.html").read_text("utf-8").lower()
