"""Object and support of an earlier result, in the layouts that other programs write."""

import h5py
import numpy as np
import pytest

from retrieve.errors import InputError
from retrieve.io.starting_point import on_detector, starting_point
from retrieve.numerics.alignment import align, correlation
from retrieve.problem import Problem
from retrieve.simulate import blobs, crystal, measure

SHAPE = (32, 28, 24)


@pytest.fixture
def truth():
    """A crystal in three axes of different lengths."""
    return crystal(SHAPE, seed=3)


def problem_of(truth):
    return Problem.from_arrays(intensity=1e5 * measure(truth))


def inside(truth):
    return np.abs(truth) > 0.1 * np.abs(truth).max()


def write_pynx(path, *objects):
    """As PyNX appends an entry a run, with the support under two names, and the last entry as the default."""
    with h5py.File(path, "w") as file:
        file["cxi_version"] = 150
        file.attrs["creator"] = "PyNX"
        for number, x in enumerate(objects, start=1):
            entry = file.create_group(f"entry_{number}")
            entry["program_name"] = "PyNX 2022.1"
            entry["image_1/data"] = x * 31
            entry["image_1/data_space"] = "real"
            entry["image_1/mask"] = inside(x).astype(np.int8)
            entry["image_1/support"] = h5py.SoftLink(f"/entry_{number}/image_1/mask")
            entry["data_1/data"] = h5py.SoftLink(f"/entry_{number}/image_1/data")
            file.attrs["default"] = f"/entry_{number}"
        file["entry_last"] = h5py.SoftLink(f"/entry_{len(objects)}")


def write_cohere(folder, truth, reverse=False):
    """As cohere writes: the conjugate, of maximum 1; its axes are those of a TIFF file reversed."""
    folder.mkdir(parents=True)
    x = np.conj(truth) / np.abs(truth).max()
    np.save(folder / "image.npy", x.transpose() if reverse else x)
    np.save(folder / "support.npy", (inside(truth).transpose() if reverse else inside(truth)).astype(int))
    np.save(folder / "errors.npy", np.ones(3))


def check(found, truth, at_least=0.999):
    assert correlation(found.object, truth) > at_least
    assert found.object.dtype == np.complex64
    assert np.array_equal(found.support, inside(truth))
    assert not found.object[~found.support].any()
    np.testing.assert_allclose(problem_of(truth).r_factor(found.object[None])[0], 0, atol=0.02)  # scaled to the data


def test_the_last_run_of_a_pynx_file(tmp_path, truth):
    write_pynx(tmp_path / "Run0003.cxi", np.roll(truth[::-1], 3, 1), truth)
    found = starting_point(f"{tmp_path}/Run0003.cxi", problem_of(truth))
    check(found, truth)
    assert found.source["start"] == f"{tmp_path}/Run0003.cxi:pynx"
    assert len(found.source["start_sha256"]) == 64


def test_the_first_mode_of_pynx_and_cdiutils(tmp_path, truth):
    with h5py.File(tmp_path / "mode.h5", "w") as file:
        file["entry_1/image_1/data"] = np.stack([truth, truth[::-1]])
        file["entry_1/data_2/data"] = np.array([0.98, 0.02])
        file["entry_1/program_name"] = "PyNX"
    found = starting_point(f"{tmp_path}/mode.h5", problem_of(truth))
    assert correlation(found.object, truth) > 0.999
    assert found.support is None
    flat = blobs((32, 28), seed=1)[0]
    with h5py.File(tmp_path / "flat.h5", "w") as file:
        file["entry_1/image_1/data"] = np.stack([flat, flat[::-1]])
    assert correlation(starting_point(f"{tmp_path}/flat.h5", problem_of(flat)).object, flat) > 0.999


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("shape", [SHAPE, (28, 28, 28)])
def test_a_folder_of_cohere_in_either_order_of_axes(tmp_path, reverse, seed, shape):
    truth = crystal(shape, seed=seed)
    write_cohere(tmp_path / "results", truth, reverse)
    for name in ("results", "results/image.npy"):
        found = starting_point(str(tmp_path / name), problem_of(truth))
        check(found, truth)
        assert ("axes reversed" in found.note) == reverse


def test_a_folder_of_several_results_names_one(tmp_path, truth):
    write_cohere(tmp_path / "results" / "0", truth)
    with pytest.raises(InputError, match="holds no image.npy; give one of its results, such as .*results/0"):
        starting_point(str(tmp_path / "results"), problem_of(truth))
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="give the folder of a result of cohere, or a file"):
        starting_point(str(tmp_path / "none"), problem_of(truth))


@pytest.mark.parametrize("shape", [(24, 28, 16), (40, 36, 28)])
def test_an_object_of_a_detector_cropped_in_another_way(tmp_path, truth, shape):
    """Its voxels are larger or smaller; its pattern is the middle of ours, or the other way round."""
    write_pynx(tmp_path / "x.cxi", on_detector(truth, shape).astype(np.complex64))
    found = starting_point(f"{tmp_path}/x.cxi", problem_of(truth))
    assert "detector cropped or padded" in found.note
    assert align(found.object, truth).correlation > 0.9
    overlap = (found.support & inside(truth)).sum() / (found.support | inside(truth)).sum()
    assert overlap > 0.6


@pytest.mark.parametrize("shape", [(24, 22, 20), (48, 40, 36)])
def test_an_object_of_a_detector_binned_in_another_way(tmp_path, truth, shape):
    """Its voxels are the same, its window is smaller or larger, and it lies elsewhere in it."""
    there = np.zeros(shape, complex)
    cut = tuple(slice(n // 2 - 9, n // 2 + 9) for n in SHAPE)
    there[tuple(slice(k, k + 18) for k in (1, 3, 0))] = truth[cut]
    truth = np.where(np.pad(np.ones((18,) * 3), [(n // 2 - 9, n - n // 2 - 9) for n in SHAPE]), truth, 0).astype(np.complex64)
    write_pynx(tmp_path / "x.cxi", there)
    found = starting_point(f"{tmp_path}/x.cxi", problem_of(truth))
    assert "detector binned" in found.note
    moved = align(found.object, truth, subpixel=1)
    assert moved.correlation > 0.99
    assert found.support.sum() == inside(truth).sum()


def test_an_object_of_another_pattern_and_shape_is_refused(tmp_path, truth):
    write_pynx(tmp_path / "x.cxi", crystal((20, 24, 30), seed=8))
    with pytest.raises(InputError, match=r"has shape \(20, 24, 30\), the problem's object \(32, 28, 24\).*correlations"):
        starting_point(f"{tmp_path}/x.cxi", problem_of(truth))
    np.savez(tmp_path / "flat.npz", object=truth[16])
    with pytest.raises(InputError, match="give a result of this pattern"):
        starting_point(f"{tmp_path}/flat.npz", problem_of(truth))


def test_a_poor_start_of_the_same_shape_is_a_start(tmp_path, truth):
    other = np.random.default_rng(0).normal(size=SHAPE) + 0j
    write_cohere(tmp_path / "results", other)
    found = starting_point(str(tmp_path / "results"), problem_of(truth))
    assert np.abs(correlation(found.object, np.where(inside(other), other, 0))) > 0.999


def test_a_damaged_file_is_an_error(tmp_path, truth):
    write_pynx(tmp_path / "x.cxi", truth)
    (tmp_path / "x.cxi").write_bytes((tmp_path / "x.cxi").read_bytes()[:3000])
    with pytest.raises(InputError, match="is cut short; copy it again"):
        starting_point(f"{tmp_path}/x.cxi", problem_of(truth))


def test_a_support_that_does_not_fit_is_left_out(tmp_path, truth):
    with h5py.File(tmp_path / "x.cxi", "w") as file:
        file["entry_1/image_1/data"] = truth
        file["entry_1/image_1/support"] = np.ones((4, 4, 4))
    assert starting_point(f"{tmp_path}/x.cxi", problem_of(truth)).support is None
