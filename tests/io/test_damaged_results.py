"""`read_result` raises nothing but `InputError`, whatever the file, and takes nothing that has no meaning."""

import json
import os
import random
from dataclasses import replace

import h5py
import numpy as np
import pytest

import retrieve
from retrieve.cli import main
from retrieve.errors import InputError
from retrieve.io.cxi import SMALL_SUM
from retrieve.io.results import read_result, read_summary
from retrieve.solvers import HIO

TEXTS = ("manifest", "account", "verdict", "uncertainty/record", "meta")
VALUES = (None, True, -1, 99, 10**400, 1e300, float("nan"), "", "x", "\ud800", [], {}, [[["x"]]], {"name": 3})
MADE = "image_1/process_1/results"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    rng = np.random.default_rng(0)
    x = np.zeros((16, 16), complex)
    x[5:11, 6:10] = rng.standard_normal((6, 4)) + 1j * rng.standard_normal((6, 4))
    problem = retrieve.problem.Problem.from_arrays(intensity=100 * np.abs(np.fft.fft2(x)) ** 2, centred=False, support=x != 0)
    result = retrieve.solve(HIO(iterations=40), problem, starts=3)
    result = replace(result, verdict=retrieve.judge(result), uncertainty=retrieve.uncertainty_of(result))
    return result.save(tmp_path_factory.mktemp("made") / "a.cxi")


@pytest.fixture
def entry(made, tmp_path):
    """The entry of a copy of a result, open for change; its file is `entry.file.filename`."""
    path = tmp_path / "a.cxi"
    path.write_bytes(made.read_bytes())
    with h5py.File(path, "r+", locking=False) as file:
        yield file["entry_1"]


def read(entry):
    entry.file.flush()
    return read_result(entry.file.filename)


def replaced(entry, place, value):
    del entry[place]
    entry[place] = value


def test_what_is_written_is_read_and_its_checksums_hold(entry):
    result = read(entry)
    assert len(result.scores) == 3
    assert result.verdict is not None
    assert result.uncertainty is not None
    assert entry.attrs["format"] == "retrieve result 1"
    for place in ("image_1/data", "starts/objects", "starts/supports", "instrument_1/detector_1/intensity", "held"):
        assert entry[place].fletcher32
    for place in TEXTS:
        assert len(entry[place].attrs["sha256"]) == 64


def test_a_result_from_before_the_versions_is_read(entry):
    now = read(entry)
    del entry.attrs["format"]
    manifest = json.loads(entry["manifest"][()])
    manifest["combine"] = manifest.pop("averaging")
    replaced(entry, "manifest", json.dumps(manifest))
    evidence = entry["verdict"][()].decode().replace("nearest_correlation", "partner")
    replaced(entry, "verdict", evidence)
    old = read(entry)
    assert old.manifest == now.manifest
    assert old.verdict == now.verdict
    np.testing.assert_array_equal(old.estimates, now.estimates)


WRONG = {
    "a newer version": (lambda e: e.attrs.__setitem__("format", "retrieve result 99"), "newer retrieve.*update retrieve"),
    "an object of NaN": (lambda e: e["image_1/data"].__setitem__((3, 3), np.nan), "data holds values that are not finite"),
    "a start of NaN": (lambda e: e["starts/objects"].__setitem__((1, 3, 3), np.inf), "start 1 holds values that are not finite"),
    "no such start": (lambda e: replaced(e, f"{MADE}/chosen", 99), "chosen is 99, not less than 3"),
    "a start before the first": (lambda e: replaced(e, f"{MADE}/chosen", -1), "chosen"),
    "starts of another shape": (
        lambda e: replaced(e, "starts/objects", np.zeros((3, 16, 15), "c8")),
        r"starts/objects has shape \(3, 16, 15\), where 3×16×16 fits; write it again",
    ),
    "too few starts": (lambda e: replaced(e, "starts/objects", np.zeros((2, 16, 16), "c8")), "starts/objects has shape"),
    "real starts": (lambda e: replaced(e, "starts/objects", np.zeros((3, 16, 16), "f4")), "has type float32"),
    "supports of another shape": (lambda e: replaced(e, "starts/supports", np.zeros((3, 4, 4), "u1")), "starts/supports"),
    "a known support of one pixel": (lambda e: replaced(e, "support", 3), r"support has shape \(\), where 16×16 fits"),
    "a history cut": (lambda e: replaced(e, "starts/history/00001/r", np.zeros(1)), "starts/history/00001"),
    "a history gone": (
        lambda e: (e["starts/history"].__delitem__("00001"), e.attrs.__delitem__(SMALL_SUM)),
        "history of 2 starts, not 3",
    ),
    "stages of two starts": (lambda e: replaced(e, "stages", "[[], []]"), "stages of 2 starts, not 3"),
    "a stage before the first step": (lambda e: replaced(e, "stages", '[[[-1, "er"]], [], []]'), "stages holds .*-1"),
    "no seed": (lambda e: replaced(e, "manifest", '{"seed": null}'), "manifest holds seed=None, not a valid integer"),
    "a deep account": (lambda e: replaced(e, "account", "[" * 100_000), "account is no JSON.*recursion"),
    "a verdict cut": (lambda e: replaced(e, "verdict", e["verdict"][()][:100]), "verdict is no JSON"),
    "a verdict of a number": (lambda e: replaced(e, "verdict", "3"), "verdict"),
    "a probability of 2": (
        lambda e: replaced(e, "verdict", '{"label": "solved", "probability": 2, "evidence": {}, "words": ""}'),
        "probability=2",
    ),
    "shells of two lengths": (
        lambda e: replaced(e, "uncertainty/record", '{"words": "", "shells": {"frequency": [1], "signal": []}}'),
        "shells=.* which cannot be",
    ),
    "a manifest edited": (
        lambda e: e["manifest"].write_direct(np.array(e["manifest"][()].replace(b'"seed": 0', b'"seed": 1'), object)),
        "manifest differs from its checksum",
    ),
    "groups for numbers": (lambda e: (e[MADE].__delitem__("steps"), e[MADE].create_group("steps")), "lacks the values"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_has_no_meaning_is_refused_with_its_place(entry, name):
    change, told = WRONG[name]
    change(entry)
    with pytest.raises(InputError, match=told) as error:
        read(entry)
    assert "a.cxi" in str(error.value)


def test_a_flipped_bit_of_an_array_is_found(made, tmp_path):
    with h5py.File(made) as file:
        places = [file[f"entry_1/{name}"].id.get_chunk_info(0) for name in ("image_1/data", "starts/objects", "held")]
    for chunk in places:
        content = bytearray(made.read_bytes())
        content[chunk.byte_offset + chunk.size // 2] ^= 4
        (tmp_path / "a.cxi").write_bytes(content)
        with pytest.raises(InputError, match=r"a\.cxi"):
            read_result(tmp_path / "a.cxi")


SMALL = {
    "a score in a history": "starts/history/00001/r",
    "the seconds": f"{MADE}/seconds",
    "a flag": f"{MADE}/interrupted",
    "the reason of a failure": "starts/failure",
}


@pytest.mark.parametrize("name", SMALL)
def test_a_small_value_is_found_to_differ_and_older_files_have_no_sum(entry, name):
    item = entry[SMALL[name]]
    whole = entry.file.filename
    assert read_summary(whole) is not None
    if item.dtype.hasobject:
        item[1] = "no memory"
    elif item.shape:
        item[-1] *= 1 + 1e-15
    else:
        item[()] = item[()] + 1
    with pytest.raises(InputError, match=r"a\.cxi: numbers, histories or failures differ from their checksum.*write it again"):
        read(entry)
    assert read_summary(whole) is None
    if name == "a score in a history":
        del entry.attrs[SMALL_SUM]
        assert len(read(entry).history) == 3
        assert read_summary(whole) is not None


def test_a_summary_is_read_within_the_guard(made, tmp_path):
    """A link that leaves the folder is refused, as when the whole result is read."""
    (tmp_path / "inside").mkdir()
    copy = tmp_path / "inside" / "a.cxi"
    copy.write_bytes(made.read_bytes())
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["seconds"] = 1.0
    with h5py.File(copy, "r+") as file:
        del file["entry_1"].attrs[SMALL_SUM], file[f"entry_1/{MADE}/seconds"]
        file[f"entry_1/{MADE}/seconds"] = h5py.ExternalLink("../other.h5", "seconds")
    assert read_summary(copy) is None
    os.mkfifo(tmp_path / "pipe")
    assert read_summary(tmp_path / "pipe") is None


def mutated(path, rng):
    """Change a file as a bad disk, a bad copy or another program may. Return what was done."""
    if rng.random() < 0.3:
        content = bytearray(path.read_bytes())
        for _ in range(rng.randrange(1, 4)):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content[: rng.randrange(len(content))] if rng.random() < 0.3 else content)
        return "bytes"
    with h5py.File(path, "r+", locking=False) as file:
        if rng.random() < 0.5:
            place = f"entry_1/{rng.choice(TEXTS)}"
            value = json.loads(file[place][()])
            inner = value
            while isinstance(inner, (dict, list)) and len(inner) and rng.random() < 0.7:
                key = rng.choice(list(inner) if isinstance(inner, dict) else range(len(inner)))
                if not isinstance(inner[key], (dict, list)) or rng.random() < 0.3:
                    inner[key] = rng.choice(VALUES)
                    break
                inner = inner[key]
            replaced(file, place, json.dumps(value if rng.random() < 0.9 else rng.choice(VALUES)))
            return place
        names: list[str] = []
        file.visit(names.append)
        place = rng.choice(names)
        item = file[place]
        array = item[()] if isinstance(item, h5py.Dataset) else np.zeros(3)
        del file[place]
        match rng.randrange(6):
            case 0:
                file.create_group(place)
            case 1:
                file[place] = "text"
            case 2:
                file[place] = rng.choice([3, -1, 2**62, np.nan, True])
            case 3:
                file[place] = np.zeros((0, 3))
            case 4 if isinstance(array, np.ndarray) and array.ndim:
                file[place] = array[1:]
        return place


@pytest.mark.parametrize("seed", range(60))
def test_any_damaged_result_is_read_or_refused(made, tmp_path, seed):
    rng = random.Random(seed)
    path = tmp_path / "a.cxi"
    path.write_bytes(made.read_bytes())
    mutated(path, rng)
    read_summary(path)
    try:
        result = read_result(path)
    except InputError:
        return
    assert np.isfinite(result.object).all()
    assert result.estimates.shape == (len(result.scores), *result.object.shape)
    read_result(result.save(tmp_path / "again.cxi"))


@pytest.mark.parametrize(
    "change", ['"seed": null', '"seed": "x"', '"starts": [2]', '"options": 3', '"budget": [1]', '"input": 5']
)
def test_a_replay_of_a_bad_manifest_ends_before_the_result_is_written(entry, change, tmp_path, capsys):
    name, value = json.loads("{" + change + "}").popitem()
    replaced(entry, "manifest", json.dumps({**json.loads(entry["manifest"][()]), name: value}))
    entry.file.close()
    with pytest.raises(SystemExit) as error:
        main(["run", "--replay", str(tmp_path / "a.cxi"), "--out", str(tmp_path / "b.cxi")])
    assert error.value.code == 2
    assert f"manifest holds {name}=" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "b.cxi").exists()
