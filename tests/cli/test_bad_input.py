"""Bad input to `retrieve run`: exit code 2, a line that names the thing, its value and the remedy, and no file."""

import h5py
import numpy as np
import pytest

from retrieve.cli import main

SHAPE = (32, 32)
INTENSITY = np.random.default_rng(0).poisson(5, SHAPE).astype(np.float32)


def _npz(path, **arrays):
    np.savez(path, **arrays)


def _h5(path):
    with h5py.File(path, "w") as file:
        file["entry/counts"] = INTENSITY


def _truncated(path):
    _h5(path)
    path.write_bytes(path.read_bytes()[:1500])


def _spoiled(value):
    spoiled = INTENSITY.copy()
    spoiled[3, 4] = value
    return spoiled


FILES = {
    "ok.npz": lambda p: _npz(p, intensity=INTENSITY),
    "empty.npz": lambda p: p.write_bytes(b""),
    "cut.h5": _truncated,
    "good.h5": _h5,
    "complex.npz": lambda p: _npz(p, intensity=INTENSITY * 1j),
    "negative.npz": lambda p: _npz(p, intensity=_spoiled(-3)),
    "nan.npz": lambda p: _npz(p, intensity=_spoiled(np.nan)),
    "zero.npz": lambda p: _npz(p, intensity=INTENSITY * 0),
    "line.npy": lambda p: np.save(p, INTENSITY[0]),
    "four.npy": lambda p: np.save(p, np.ones((4, 4, 8, 8), np.float32)),
    "mask.npz": lambda p: _npz(p, intensity=INTENSITY, mask=np.ones((9, 9))),
    "support.npz": lambda p: _npz(p, intensity=INTENSITY, support=np.ones(SHAPE)),
    "stack.npz": lambda p: _npz(p, intensity=np.stack([INTENSITY] * 5)),
    "folder": lambda p: p.mkdir(),
}

BAD = [  # file, arguments, what the message must hold
    ("missing.npz", [], ["missing.npz", "check"]),
    ("folder", [], ["folder", "is a directory", "name a file"]),
    ("empty.npz", [], ["empty.npz", "empty", "again"]),
    ("cut.h5", [], ["cut.h5", "again"]),
    ("good.h5", ["--key", "entry/count"], ["entry/count", "entry/counts", "--key"]),
    ("complex.npz", [], ["intensity", "complex", "|F|²"]),
    ("negative.npz", [], ["1 negative", "--bad-pixels mask"]),
    ("nan.npz", [], ["1 NaN", "--bad-pixels mask"]),
    ("zero.npz", [], ["zero", "check"]),
    ("line.npy", [], ["(32,)", "2 or 3"]),
    ("four.npy", [], ["4 axes", "--frame"]),
    ("mask.npz", [], ["mask", "9×9", "32×32", "--mask"]),
    ("support.npz", [], ["support", "100.0%", "50 %", "pad"]),
    ("stack.npz", ["--frame", "7"], ["7", "5"]),
    ("ok.npz", ["--solver", "hoi"], ["solver 'hoi'", "did you mean hio"]),
    ("ok.npz", ["--recipe", "default", "--betta", "1"], ["--betta", "--beta"]),
    ("ok.npz", ["--solver", "hio", "--beta", "7"], ["beta=7", "(0, 2]"]),
    ("ok.npz", ["--solver", "hio:betta=1"], ["betta", "did you mean beta"]),
    ("ok.npz", ["--solver", "hio:beta"], ["beta", "NAME:OPTION=VALUE"]),
    ("ok.npz", ["--solver", "recipe", "--shrink-wrap.threshold", "x"], ["shrink_wrap.threshold", "'x'", "(0, 1)"]),
    ("ok.npz", ["--recipe", "3*(20 er"], ["3*(20 er", "')' is missing"]),
    ("ok.npz", ["--recipe", "20 foo"], ["'foo'", "hio"]),
    ("ok.npz", ["--solver", "recipe", "--phase-min", "-1"], ["phase_min", "both or neither"]),
    ("ok.npz", ["--out", "nowhere/x.cxi"], ["nowhere", "mkdir"]),
    ("ok.npz", ["--out", "folder"], ["folder", "is a directory"]),
    ("ok.npz", ["--picture", "nowhere/x.png"], ["nowhere", "mkdir"]),
    ("ok.npz", ["--out", "ok.npz"], ["ok.npz", "the input itself"]),
    ("ok.npz", ["--device", "gpu"], ["'gpu'", "cuda:N"]),
    ("ok.npz", ["--starts", "0"], ["0", ">=1"]),
    ("ok.npz", ["--recipe", "default", "--average", "common-mode"], ["takes 2 starts or more", "--starts 1"]),
    ("ok.npz", ["--average", "common-mode", "--keep", "5", "--starts", "3"], ["takes 5 starts or more", "--starts 3"]),
    ("example:crystal4d", [], ["crystal4d", "crystal3d"]),
    ("ok.npz", ["--replay", "ok.npz"], ["ok.npz", "no result"]),
]


@pytest.mark.parametrize(("name", "arguments", "held"), BAD, ids=[f"{n}{''.join(a)}".replace("/", "_") for n, a, _ in BAD])
def test_bad_input(tmp_path, monkeypatch, capsys, name, arguments, held):
    monkeypatch.chdir(tmp_path)
    for file in {name, "folder"} & set(FILES):
        FILES[file](tmp_path / file)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(SystemExit) as stopped:
        main(["run", name, "--quiet", *arguments])
    told = capsys.readouterr().err.strip()
    assert stopped.value.code == 2
    assert told.startswith("error: ")
    assert len(told.splitlines()) <= 2
    assert "Traceback" not in told
    for words in held:
        assert words in told
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("name", ["negative.npz", "nan.npz"])
def test_bad_pixels_can_be_masked(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    FILES[name](tmp_path / name)
    main(["run", name, "--quiet", "--bad-pixels", "mask", "--recipe", "4 er", "--no-picture", "--out", "out.cxi"])
    with h5py.File("out.cxi") as file:
        mask = file["entry_1/instrument_1/detector_1/mask"][()]
    assert mask[3, 4] == 1  # CXI: 1 is not measured
    assert mask.sum() == 1
