"""`retrieve weights`."""

import json

import pytest
import torch

from retrieve.cli import main
from retrieve.priors import weights
from retrieve.priors.edm import EDM

SMALL = {"base": 8, "widths": [1], "blocks": 1, "attention": [], "embedding": 16, "patch": 1}


@pytest.fixture
def run(capsys):
    """A function that runs ``retrieve weights words``: exit code, output, errors."""

    def called(*words):
        with pytest.raises(SystemExit) as stop:
            main(["weights", *map(str, words)])
        told = capsys.readouterr()
        return stop.value.code, told.out, told.err

    return called


@pytest.fixture
def ships(tmp_path, monkeypatch):
    """A folder of shipped weights that holds `one`."""
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    monkeypatch.setattr(weights, "SUMS", tmp_path / "SHA256SUMS")
    torch.manual_seed(0)
    module = EDM((8, 12), SMALL)
    card = {"architecture": module.settings, "data": {"set": "films2d"}, "training": {"objects": 1234}, "licence": "BSD-3-Clause"}
    weights.save(module, card, tmp_path / "one.safetensors")
    weights.SUMS.write_text(f"{weights.sha256(tmp_path / 'one.safetensors')}  one.safetensors\n")
    return tmp_path


def test_the_list(ships, run):
    code, told, _ = run()
    assert code == 0
    for words in ("one", "edm 8×12", "films2d, 1234 objects", "0.0", "correct"):
        assert words in told


def test_a_file_that_is_not_the_one_that_shipped(ships, run):
    (ships / "one.safetensors").write_bytes((ships / "one.safetensors").read_bytes()[:-1] + b"x")
    code, told, _ = run()
    assert code == 1
    assert "WRONG" in told
    assert run("one")[0] == 1
    (ships / "one.safetensors").write_bytes(b"nothing")
    code, told, _ = run("--json")
    assert code == 1
    assert "cannot be read as a file of weights" in json.loads(told)["one"]["error"]


def test_a_file_that_is_missing(ships, run):
    (ships / "one.safetensors").unlink()
    code, told, _ = run()
    assert code == 1
    assert "missing" in told


def test_the_card_of_one(ships, run):
    for name in ("one", ships / "one.safetensors"):
        code, told, _ = run(name)
        assert code == 0
        lines = dict(line.split(maxsplit=1) for line in told.strip().splitlines())
        assert lines["architecture.network.base"] == "8"
        assert lines["architecture.window"] == "8, 12"
        assert lines["training.objects"] == "1234"
        assert lines["sha256"] == weights.sha256(ships / "one.safetensors")
        assert ("verified" in lines) is (name == "one")


def test_json(ships, run):
    code, told, _ = run("--json")
    assert code == 0
    assert json.loads(told)["one"]["verified"] is True
    one = json.loads(run("one", "--json")[1])
    assert one["card"]["licence"] == "BSD-3-Clause"
    assert one["bytes"] == (ships / "one.safetensors").stat().st_size


def test_none_ship(tmp_path, monkeypatch, run):
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    monkeypatch.setattr(weights, "SUMS", tmp_path / "SHA256SUMS")
    code, told, _ = run()
    assert code == 0
    assert "no weights ship" in told


def test_bad_input(ships, run, tmp_path):
    code, _, told = run("two")
    assert code == 2
    assert told.startswith("error: unknown weights 'two'")
    (tmp_path / "x.txt").write_text("text")
    code, _, told = run(tmp_path / "x.txt")
    assert code == 2
    assert "x.txt cannot be read as a file of weights with a card" in told


def test_what_ships_with_this_version_is_whole(run):
    assert run()[0] == 0
