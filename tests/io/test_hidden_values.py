"""Values under the mask change nothing: neither the data nor a guess, in any format, by `load` and by `prepare`."""

import importlib.util

import h5py
import numpy as np
import pytest
import scipy.io
import tifffile

from retrieve.io import load
from retrieve.prepare import Pulses, frames_of, prepare_pulses, prepare_scan, read_calibration
from retrieve.problem import Problem

HAVE_FABIO = importlib.util.find_spec("fabio") is not None
SHAPE = (12, 32, 32)


def counts(shape=SHAPE, seed=0):
    grid = np.indices(shape)
    r2 = sum(((grid[i] - n // 2) / (n / 6)) ** 2 for i, n in enumerate(shape))
    return np.random.default_rng(seed).poisson(3e3 * np.exp(-r2)).astype(np.int32)


def some_pixels(shape, seed=1):
    """True = measured, on nearly all pixels."""
    return np.random.default_rng(seed).random(shape) > 0.03


def npz(path, data, mask):
    np.savez(path, data=data, mask=mask)


def mat(path, data, mask):
    scipy.io.savemat(path, {"data": data, "mask": mask.astype(np.uint8)})


def h5(path, data, mask):
    with h5py.File(path, "w") as file:
        file["entry/data"], file["entry/mask"] = data, mask.astype(np.uint8)


def cxi(path, data, mask):
    with h5py.File(path, "w") as file:
        file["cxi_version"] = 150
        file["entry_1/instrument_1/detector_1/data"] = data
        file["entry_1/instrument_1/detector_1/mask"] = (~mask).astype(np.int32)


def alone(write):
    def made(path, data, mask):
        write(path, data)
        np.save(path.with_name("mask.npy"), mask)

    return made


def by_fabio(module, kind):
    def write(path, data):
        fabio = pytest.importorskip("fabio")
        getattr(getattr(fabio, module), kind)(data=data).write(str(path))

    return write


# file name → writer, whether it holds floats, number of axes
FORMATS = {
    "a.npz": (npz, True, 3),
    "a.mat": (mat, True, 3),
    "a.h5": (h5, True, 3),
    "a.cxi": (cxi, True, 3),
    "a.npy": (alone(np.save), True, 3),
    "a.tif": (alone(tifffile.imwrite), True, 3),
    "a.edf": (alone(by_fabio("edfimage", "edfimage")), True, 2),
    "a.cbf": (alone(by_fabio("cbfimage", "cbfimage")), False, 2),
}
FLOATS = (0.3, -7.0, 1e30, -1e38, np.nan, np.inf, 65535.0, 2.0**31 - 1, 2.0**32 - 1)
INTEGERS = (-7, 1, 65535, 2**31 - 1, -(2**31))


def hidden(data, mask, value):
    return np.where(mask, data, np.asarray(value, data.dtype))


def options_of(path):
    beside = path.with_name("mask.npy")
    return {"mask": beside} if beside.exists() else {}


@pytest.mark.parametrize("as_amplitude", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_load(tmp_path, name, as_amplitude):
    write, floats, axes = FORMATS[name]
    if as_amplitude and not floats:
        pytest.skip("holds whole numbers only, which are counts")
    data = counts()[: SHAPE[0] if axes == 3 else 1].squeeze()
    data = np.sqrt(data).astype(np.float32) if as_amplitude else data.astype(np.float32) if floats else data
    mask = some_pixels(data.shape)
    write(tmp_path / name, hidden(data, mask, 0), mask)
    wanted = load(tmp_path / name, **options_of(tmp_path / name))
    assert wanted.kind == ("amplitude" if as_amplitude and name not in ("a.edf", "a.cxi") else "intensity")
    clean = wanted.problem()
    for value in FLOATS if floats else INTEGERS:
        write(tmp_path / name, hidden(data, mask, value), mask)
        found = load(tmp_path / name, **options_of(tmp_path / name))
        assert (found.kind, found.centred, found.data.shape) == (wanted.kind, wanted.centred, wanted.data.shape), value
        made = found.problem()
        np.testing.assert_array_equal(made.valid, clean.valid)
        np.testing.assert_array_equal(made.amplitude[made.valid], clean.amplitude[clean.valid])


@pytest.mark.parametrize("way", ["own mask", "--mask"])
@pytest.mark.parametrize("kind", ["scan", "pulses"])
@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint16])
def test_prepare(tmp_path, kind, way, dtype):
    data = counts().astype(dtype)
    mask = np.broadcast_to(some_pixels(SHAPE[1:]), SHAPE)

    def prepared(value):
        name = "a.npz" if way == "own mask" else "a.npy"
        FORMATS[name][0](tmp_path / name, hidden(data, mask, value), mask)
        np.save(tmp_path / "mask.npy", mask[0])
        with frames_of([tmp_path / name]) as frames:
            given = {} if way == "own mask" else {"mask": tmp_path / "mask.npy"}
            calibration = read_calibration(frames.shape, frames.always, **given)
            if kind == "scan":
                return prepare_scan([frames], calibration=calibration).problem
            return prepare_pulses(frames, Pulses(threshold=-1), calibration, check_axes=False).problems[0]

    clean = prepared(0)
    for value in FLOATS if dtype is np.float32 else INTEGERS if dtype is np.int32 else (1, 65534, 65535):
        made: Problem = prepared(value)
        np.testing.assert_array_equal(made.valid, clean.valid)
        np.testing.assert_array_equal(made.amplitude[made.valid], clean.amplitude[clean.valid])


@pytest.mark.parametrize("bad", [
    np.array(["a"] * 4), np.array(["2020-01-01"] * 4, "M8[D]"), np.array([1, 1, np.nan, 0.0]), np.array([1, 0, np.inf, 0.0]),
    np.ones(4, complex), np.ones(0),
])  # fmt: skip
def test_masks_that_are_none_are_refused(tmp_path, bad):
    from retrieve.errors import InputError

    data = counts((32, 32)).astype(np.float32)
    mask = bad if not bad.size else np.broadcast_to(bad[:, None], (4, 256)).reshape(32, 32)
    np.savez(tmp_path / "own.npz", intensity=data, mask=mask)
    np.savez(tmp_path / "data.npz", intensity=data)
    np.savez(tmp_path / "mask.npz", mask=mask)
    with pytest.raises(InputError, match="mask"):
        load(tmp_path / "own.npz")
    with pytest.raises(InputError, match="mask"):
        load(tmp_path / "data.npz", mask=tmp_path / "mask.npz")
    with pytest.raises(InputError, match="mask"):
        load(tmp_path / "data.npz", mask=f"{tmp_path}/mask.npz:mask")
    with pytest.raises(InputError, match="mask"):
        read_calibration((1, 32, 32), mask=tmp_path / "mask.npz")


@pytest.mark.parametrize("role", ["support", "truth"])
def test_a_support_or_truth_of_text_is_refused(tmp_path, role):
    from retrieve.errors import InputError

    np.savez(tmp_path / "a.npz", intensity=counts((32, 32)), **{role: np.full((32, 32), "x")})
    with pytest.raises(InputError, match=f"its {role} holds no numbers but <U1"):
        load(tmp_path / "a.npz")


@pytest.mark.parametrize("shape", [(0, 32), (32, 0), (0, 32, 32), (4, 0, 32), (4, 32, 0), (0, 0)])
@pytest.mark.parametrize("name", ["a.npz", "a.npy", "a.mat", "a.h5", "a.cxi"])
def test_empty_axes_are_refused(tmp_path, name, shape):
    from retrieve.errors import InputError

    FORMATS[name][0](tmp_path / name, np.zeros(shape), np.ones(shape, bool))
    for key in (None, None if name in ("a.npy",) else "data"):
        with pytest.raises(InputError, match=r"a\.\w+"):
            load(tmp_path / name, key=key)
    with pytest.raises(InputError, match=r"a\.\w+"), frames_of([tmp_path / name]):
        pass
