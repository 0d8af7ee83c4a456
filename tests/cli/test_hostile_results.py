"""Results whose manifest and meta are hostile: no code runs, no other file is read or written, and one line says why."""

import json
import os
import sys

import h5py
import numpy as np
import pytest

from retrieve.cli import main
from retrieve.io.cxi import add_text
from retrieve.simulate import blobs, measure

OTHER = "/etc/hostname"


@pytest.fixture
def result(tmp_path, monkeypatch):
    """A result in a folder of its own, beside its measurement and mask."""
    monkeypatch.chdir(tmp_path)
    x, support = blobs((32, 32), seed=1, fill=0.06)
    np.savez("scan.npz", intensity=1e3 * measure(x), support=support)
    np.save("mask.npy", np.ones((32, 32), np.uint8))
    (tmp_path / "secret.npy").write_bytes((tmp_path / "mask.npy").read_bytes())
    quick = ["--solver", "er:iterations=3", "--starts", "2", "--no-picture", "-q"]
    main(["run", "scan.npz", "--mask", "mask.npy", *quick, "--out", "a.cxi"])
    return "a.cxi"


def changed(result, change):
    """Write another manifest into a result, with a right checksum."""
    with h5py.File(result, "r+") as file:
        entry = file["entry_1"]
        manifest = json.loads(entry["manifest"].asstr()[()])
        change(manifest)
        del entry["manifest"]
        add_text(entry, "manifest", json.dumps(manifest))


def refused(capsys, *arguments):
    """What a command says that exits with 2; it has left no other file than those that were there."""
    before = sorted(os.listdir("."))
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    told = capsys.readouterr().err
    assert stop.value.code == 2, told
    assert told.startswith("error: ")
    assert len(told.splitlines()) == 1
    assert sorted(os.listdir(".")) == before
    return told


@pytest.fixture
def opened(monkeypatch):
    """The files that are opened from now on."""
    names = []
    active = [True]
    sys.addaudithook(lambda event, args: active and event == "open" and names.append(str(args[0])))
    yield names
    active.clear()


def test_it_replays_as_it_is(result, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["run", "--replay", result])
    told = capsys.readouterr().out
    assert stop.value.code == 0
    assert told.splitlines()[0] == "input: scan.npz"


INPUTS = {
    "another file": ({"path": OTHER}, "has changed since"),
    "a file without its SHA-256": ({"path": OTHER, "sha256": None}, "sha256"),
    "a device": ({"path": "/dev/zero"}, "is gone"),
    "a folder": ({"path": "."}, "is gone"),
    "a network share": ({"path": r"\\evil.example\share\scan.npz"}, "lies on another machine"),
    "an address": ({"path": "http://127.0.0.1:9/scan.npz"}, "is gone"),
    "a NUL": ({"path": "scan\0.npz"}, "scan"),
    "a command": ({"path": "|touch owned"}, "is gone"),
    "another mask": ({"mask": "secret.npy"}, None),
    "a mask that has changed": ({"mask": OTHER}, "has changed since"),
    "a mask that is a device": ({"mask": "/dev/zero"}, "is gone"),
    "a support without its SHA-256": ({"support": OTHER}, f"without its SHA-256; if it is the right one, add --support {OTHER}"),
}


@pytest.mark.parametrize("kind", INPUTS)
def test_a_manifest_has_no_other_file_read(result, capsys, opened, kind):
    change, words = INPUTS[kind]
    changed(result, lambda manifest: manifest["input"].update(change))
    if words is None:  # the same bytes under another name are no other file
        with pytest.raises(SystemExit) as stop:
            main(["run", "--replay", result])
        assert stop.value.code == 0
        return
    parsed = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("retrieve.cli.source.Reading.problem", lambda *args: parsed.append(args))
        told = refused(capsys, "run", "--replay", result, "--out", "b.cxi")
    assert words in told
    assert parsed == []
    assert "/dev/zero" not in opened


def test_a_manifest_without_a_sha256_names_no_input(result, capsys):
    changed(result, lambda manifest: manifest["input"].pop("sha256"))
    assert "names the input scan.npz without its SHA-256" in refused(capsys, "run", "--replay", result)


def test_an_older_manifest_needs_its_mask_named_again(result, capsys):
    changed(result, lambda manifest: manifest["input"].pop("mask_sha256"))
    assert "add --mask mask.npy" in refused(capsys, "run", "--replay", result)
    with pytest.raises(SystemExit) as stop:
        main(["run", "--replay", result, "--mask", "mask.npy"])
    assert stop.value.code == 0


@pytest.mark.parametrize("module", ["acme_owned", "retrieve.__main__", "antigravity", "../acme_owned", 3])
@pytest.mark.parametrize("place", ["manifest", "meta"])
def test_a_file_imports_no_module(result, capsys, monkeypatch, tmp_path, module, place):
    (tmp_path / "acme_owned.py").write_text("open('owned', 'w').close()\n")
    monkeypatch.syspath_prepend(tmp_path)
    noise = {"name": "owned", "module": module, "sigma": 1}
    if place == "manifest":
        changed(result, lambda manifest: manifest.update(likelihood=noise))
        refused(capsys, "run", "--replay", result)
    else:
        arrays = dict(np.load("scan.npz"))
        np.savez("other.npz", **arrays, meta=json.dumps({"likelihood": noise}))
        refused(capsys, "run", "other.npz", "--solver", "er:iterations=3", "--no-picture")
    assert str(module) not in sys.modules
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("solver", ["os:system", "os.system", "../er", "er:iterations=3", "", "__class__"])
def test_a_manifest_chooses_a_registered_solver(result, capsys, solver):
    changed(result, lambda manifest: manifest.update(solver=solver))
    assert f"unknown solver {solver!r}" in refused(capsys, "run", "--replay", result)


@pytest.mark.parametrize(
    "weights", [OTHER, "/dev/zero", r"\\evil.example\share\w.pt", "http://127.0.0.1:9/w.pt", "../w.pt", "w\0.pt"]
)
def test_a_manifest_has_no_other_weights_loaded(result, capsys, opened, weights):
    def change(manifest):
        manifest.update(solver="diffusion", options={"weights": weights}, record={"weights_sha256": "0" * 64})

    changed(result, change)
    told = refused(capsys, "run", "--replay", result)
    assert "/dev/zero" not in opened
    assert ("lies on another machine" in told) == weights.startswith("\\\\")


@pytest.mark.parametrize("command", ["inspect", pytest.param("analyze", marks=pytest.mark.slow)])
def test_names_in_a_result_write_nothing(result, capsys, command):
    """Titles and names that look like paths choose no output."""
    changed(result, lambda manifest: manifest.update(title="../../owned", out="/tmp/owned", solver="../../owned"))
    before = sorted(os.listdir("."))
    main([command, result] if command == "inspect" else [command, result, "--out", "found.json"])
    capsys.readouterr()
    assert {name.partition(".")[0] for name in set(os.listdir(".")) - set(before)} <= {"found"}
    assert not os.path.exists("../../owned")
