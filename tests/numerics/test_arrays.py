import os

import array_api_strict
import numpy as np
import pytest
import scipy.fft
import torch
from numpy.testing import assert_allclose, assert_array_equal

from retrieve.errors import InputError
from retrieve.numerics import arrays, processors
from retrieve.numerics.arrays import cores, fftn, find_device, ifftn, like, namespace, synchronise, threads_for, to_numpy
from retrieve.numerics.processors import NO_QUOTA, _quota, allowed_cores

PORTABLE = ["cpu", "strict", "torch"]


@pytest.mark.parametrize("device", PORTABLE)
@pytest.mark.parametrize("dtype", [np.float32, np.complex64, np.bool_, np.complex128])
def test_there_and_back(random_complex, device, dtype):
    host = random_complex(3, 4)
    host = (host.real if dtype in (np.float32, np.bool_) else host).astype(dtype)
    there = find_device(device).put(host)
    assert namespace(there) is namespace(find_device(device).put(np.zeros(1)))
    back = to_numpy(there)
    assert isinstance(back, np.ndarray)
    assert back.dtype == dtype
    assert_array_equal(back, host)


@pytest.mark.parametrize("device", PORTABLE)
@pytest.mark.parametrize("value", [None, True, 3, 0.5, 1j])
def test_what_is_no_array_is_left_alone(device, value):
    assert find_device(device).put(value) is value


def test_a_torch_tensor_comes_to_a_numpy_device():
    assert_array_equal(find_device("cpu").put(torch.arange(3)), [0, 1, 2])
    z = torch.tensor([1 + 2j], requires_grad=True)
    assert_array_equal(to_numpy(z.conj()), [1 - 2j])


def test_like_takes_library_from_the_other():
    strict = array_api_strict.asarray([1.0])
    assert type(like(np.ones(2), strict)) is type(strict)
    assert isinstance(like(torch.ones(2), np.ones(1)), np.ndarray)
    assert like(None, strict) is None
    assert like(strict, strict) is strict


@pytest.mark.parametrize("device", PORTABLE)
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_the_transform_is_orthonormal_over_the_last_axes(random_complex, device, ndim):
    host = random_complex(2, 3, 4, 5)
    x = find_device(device).put(host)
    expected = np.fft.fftn(host, axes=tuple(range(4 - ndim, 4)), norm="ortho")
    assert_allclose(to_numpy(fftn(x, ndim)), expected, atol=1e-12)
    assert_allclose(to_numpy(ifftn(fftn(x, ndim), ndim)), host, atol=1e-12)
    assert to_numpy(fftn(find_device(device).put(host.astype(np.complex64)), ndim)).dtype == np.complex64


@pytest.mark.parametrize("name", ["gpu", "cpu:1", "cuda:x", "cuda:", "torch:tpu", "torch:", "torchcpu", "", "CPU"])
def test_unknown_devices(name):
    with pytest.raises(InputError, match=f"device '{name}' is unknown; give auto, cpu"):
        find_device(name)


def test_devices_that_are_not_there(monkeypatch):
    monkeypatch.setattr(arrays, "_cuda_devices", lambda: 0)
    with pytest.raises(InputError, match="no CUDA card found through CuPy; install the extra cuda12 or cuda13"):
        find_device("cuda")
    with pytest.raises(InputError, match=r"'torch:cuda:99': torch sees \d+ CUDA"):
        find_device("torch:cuda:99")
    monkeypatch.setattr(arrays, "_cuda_devices", lambda: 1)
    with pytest.raises(InputError, match=r"'cuda:1': 1 CUDA card\(s\) found"):
        find_device("cuda:1")


def test_auto_without_a_card_is_the_cpu(monkeypatch):
    monkeypatch.setattr(arrays, "_cuda_devices", lambda: 0)
    assert find_device("auto").name == "cpu"
    assert find_device("auto", library="torch").name == "torch:cpu"
    assert "thread(s)" in find_device("cpu").describe()
    assert find_device("torch").describe() == "torch"
    synchronise(find_device("torch"))


def test_threads(monkeypatch):
    have = allowed_cores()
    monkeypatch.delenv("RETRIEVE_THREADS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert 1 <= cores() == have <= os.cpu_count()
    monkeypatch.setenv("OMP_NUM_THREADS", "1,2")
    assert cores() == 1
    monkeypatch.delenv("OMP_NUM_THREADS")
    for asked, expected in (("1", 1), ("9999", have), ("0", have), ("many", have)):
        monkeypatch.setenv("RETRIEVE_THREADS", asked)
        assert cores() == expected
    monkeypatch.setattr(processors, "cores", lambda: 8)
    assert threads_for(256 * 256) == 1
    assert threads_for(128**3) == 8


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "max 100000"}, NO_QUOTA),
        ({"job/cpu.max": "150000 100000", "cpu.max": "800000 100000"}, 2),
        ({"cpu/job/cpu.cfs_quota_us": "300000", "cpu/job/cpu.cfs_period_us": "100000"}, 3),
        ({"cpu/job/cpu.cfs_quota_us": "-1", "cpu/job/cpu.cfs_period_us": "100000"}, NO_QUOTA),
        ({}, NO_QUOTA),
    ],
)
def test_the_quota_of_a_cgroup(tmp_path, files, expected):
    own = tmp_path / "own"
    own.write_text("0::/job/step\n")
    for name, text in files.items():
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    assert _quota.__wrapped__(tmp_path / "root", own) == expected


@pytest.mark.parametrize("shape", [(17,), (12, 30), (8, 9, 10)])
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128, np.float32])
@pytest.mark.parametrize("core", [True, False])
def test_the_transform_is_scipys_whichever_way_it_is_called(monkeypatch, shape, dtype, core):
    monkeypatch.setattr("retrieve.numerics.fast.planned", lambda shape: None)
    if not core:
        monkeypatch.setattr("retrieve.numerics.arrays._c2c", None)
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(3, *shape)) + (1j * rng.normal(size=(3, *shape)) if dtype != np.float32 else 0)).astype(dtype)
    axes = tuple(range(1, x.ndim))
    before = x.copy()
    np.testing.assert_array_equal(fftn(x, len(shape)), scipy.fft.fftn(x, axes=axes, norm="ortho"))
    np.testing.assert_array_equal(ifftn(x, len(shape)), scipy.fft.ifftn(x, axes=axes, norm="ortho"))
    np.testing.assert_array_equal(x, before)
