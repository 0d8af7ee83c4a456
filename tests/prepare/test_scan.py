"""A rocking scan from frames to a pattern: spots planted in simulated peaks, and the gold crystal."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import retrieve as rt
from retrieve.errors import InputError
from retrieve.prepare import Scan, frames_of, prepare_scan, read_calibration
from retrieve.prepare.frames import Frames, FrameStack
from retrieve.prepare.spots import find_aliens, hot_and_dead
from retrieve.problem.meta import experiment_of


def stack_of(array, mask=None):
    return Frames((FrameStack("made here", array.shape, array.dtype, lambda part: array[part]),), mask)


def valid_of(made):
    return np.fft.fftshift(np.asarray(made.problem.valid))


def counts_of(made):
    return np.fft.fftshift(np.asarray(made.problem.amplitude)) ** 2


def test_the_peak_comes_to_the_middle_and_counts_stay(peak):
    scan = peak(middle=(17, 38, 29))
    made = prepare_scan(stack_of(scan), Scan(bin="1,2,2", size="pad"))
    assert np.abs(np.subtract(made.peak, (17, 38, 29))).max() <= 1
    assert made.problem.shape == (48, 40, 36)
    assert np.unravel_index(counts_of(made).argmax(), made.problem.shape) == (24, 20, 18)
    assert counts_of(made).sum() == pytest.approx(scan.sum(), rel=1e-5)
    assert valid_of(made).sum() < valid_of(made).size  # what was padded is not measured
    cut = prepare_scan(stack_of(scan), Scan(size="32,32,32")).problem
    assert cut.shape == (32, 32, 32)
    assert np.asarray(cut.valid).all()


def test_hot_dead_and_single_hot_voxels_are_masked(peak):
    scan = peak()
    scan[:, 10, 12] += 40  # hot
    scan[:, 31, 30] = 0  # dead, in the peak
    scan[5, 50, 50] = 500  # once
    made = prepare_scan(stack_of(scan), Scan(centre="20,32,32"))
    assert made.removed[:, 10, 12].all()
    assert made.removed[:, 31, 30].all()
    assert made.removed[5, 50, 50]
    assert made.removed.sum() == 40 + 40 + 1
    assert "1 hot pixels and 1 single hot voxels masked" in made.steps
    assert "1 dead pixels masked" in made.steps
    assert not valid_of(made)[:, 10, 12].any()
    kept = prepare_scan(stack_of(scan), Scan(hot=None, dead=False, aliens=None))
    assert not kept.removed.any()


def test_nothing_is_removed_from_a_clean_scan(peak):
    made = prepare_scan(stack_of(peak(seed=3)), Scan(centre="20,32,32"))
    assert not made.removed.any()
    assert valid_of(made).all()


@pytest.mark.parametrize("top", [300.0, 3000.0])
def test_an_alien_spot_is_masked_and_a_pair_is_not(peak, top):
    scan, away = peak(top=top), (20, 12, 50)
    spot = peak(middle=away, top=40, width=(2, 2, 2), seed=1) - peak(middle=away, top=0, width=(2, 2, 2))
    made = prepare_scan(stack_of(scan + spot))
    [found] = made.spots
    assert all(part.start <= a < part.stop for part, a in zip(found.box, away, strict=True))
    assert found.counts > 6 * found.opposite
    assert made.removed[away]
    assert made.removed[spot > 2].all()
    assert made.removed.sum() < 20 * (spot > 2).sum()
    mirrored = 2 * np.array([20, 32, 32]) - away
    both = scan + spot + peak(middle=mirrored, top=40, width=(2, 2, 2), seed=2)
    assert not prepare_scan(stack_of(both)).spots
    assert not prepare_scan(stack_of(scan + spot), Scan(aliens=None)).removed.any()


def test_a_spot_whose_partner_was_not_measured_stays(peak):
    scan, valid = peak(), np.ones((40, 64, 64), bool)
    scan += peak(middle=(20, 12, 50), top=40, width=(2, 2, 2), seed=1)
    valid[:, 44:60, 6:24] = False
    found = find_aliens(scan, valid, (20, 32, 32), ratio=6, level=0.5, least=100, grow=3)
    assert not found[1]


def test_few_counts_make_no_dead_pixels(rng):
    values = rng.poisson(0.05, (40, 64, 64)).astype(np.float32)
    hot, dead = hot_and_dead(values, np.ones(values.shape, bool), 5.0)
    assert not dead.any()
    assert not hot.any()


def test_hot_and_dead_pixels_are_the_same_band_by_band(rng, monkeypatch):
    values = rng.poisson(3, (9, 41, 24)).astype(np.float32)
    values[:, rng.random((41, 24)) < 0.05] = 0
    values[:, rng.random((41, 24)) < 0.05] *= 40
    valid = rng.random(values.shape) > 0.1
    whole = hot_and_dead(values, valid, 3.0)
    monkeypatch.setattr("retrieve.prepare.spots.BAND", 24 * 5)
    assert_array_equal(whole, hot_and_dead(values, valid, 3.0))
    assert all(one.any() for one in whole)


def test_hot_and_dead_pixels_of_a_large_frame_take_little_memory():
    """Looked at as a whole, each of its 4 million pixels took 70 bytes."""
    values, valid = np.zeros((2, 2000, 2000), np.float32), np.ones((2, 2000, 2000), bool)
    tracemalloc.start()
    try:
        hot_and_dead(values, valid, 5.0)
        assert tracemalloc.get_traced_memory()[1] < 30 * 2000**2
    finally:
        tracemalloc.stop()


def test_flat_field_and_its_weak_pixels(peak, frames_file, rng):
    scan = peak()
    flat = rng.normal(1000, 30, scan.shape[1:]).astype(np.float32)
    flat[5, 6] = 0
    path = frames_file(flat=flat, dark=np.full(scan.shape[1:], 2, np.float32))
    calibration = read_calibration(scan.shape, flat=f"{path}:/flat", dark=f"{path}:/dark")
    made = prepare_scan(stack_of(scan * flat / 1000 + 2), Scan(centre="20,32,32"), calibration)
    assert not valid_of(made)[:, 5, 6].any()
    bright = valid_of(made) & (scan > 50)
    assert_allclose(counts_of(made)[bright], scan[bright] * flat[flat > 0].mean() / 1000, rtol=0.001)
    assert any("divided by the flat field" in step for step in made.problem.meta["steps"])


def test_threshold(peak):
    made = prepare_scan(stack_of(peak()), Scan(threshold=3, centre="20,32,32"))
    assert counts_of(made)[counts_of(made) > 0].min() > 3
    assert valid_of(made).all()  # a count that is too low is a measured zero


def test_a_mask_of_each_frame(peak):
    mask = np.ones((40, 64, 64), bool)
    mask[20:25, 10:14, 10:14] = False
    scan = np.where(mask, peak(), 1e7).astype(np.float32)
    made = prepare_scan(stack_of(scan, mask), Scan(centre="20,32,32"))
    assert_array_equal(valid_of(made), mask)


def test_a_peak_that_touches_the_edge_warns(peak):
    with pytest.warns(UserWarning, match=r"touches the edge, 1 px from the end of axis 1 \(0 to 63\).*taken as not measured"):
        made = prepare_scan(stack_of(peak(middle=(20, 62, 32))))
    assert any("touches the edge" in step for step in made.problem.meta["steps"])


def test_the_command_warns_of_the_edge_and_goes_on(peak, frames_file, call, tmp_path):
    out = tmp_path / "edge.cxi"
    code, told, error = call("prepare", "scan", frames_file(frames=peak(middle=(1, 32, 32))), "--out", out)
    assert code == 0, error
    assert error.startswith("warning: the peak at (1, 32, 32) touches the edge, 1 px from the end of axis 0")
    assert "put in the middle, the peak" in told
    assert (tmp_path / "edge.png").stat().st_size > 10_000
    assert rt.read(out).shape == (40, 64, 64)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"bin": "2,2"}, "bin='2,2' is not understood; give three whole numbers"),
        ({"bin": "0,1,1"}, "bin='0,1,1' is out of range"),
        ({"size": "32,33,32", "bin": "1,2,2"}, "size='32,33,32' does not go with bin='1,2,2'"),
        ({"centre": "99,1,1"}, r"centre \(99, 1, 1\) lies outside the scan of 40×64×64"),
        ({"threshold": -1}, "threshold=-1 is out of range"),
    ],
)
def test_options_that_cannot_be(peak, options, match):
    with pytest.raises(InputError, match=match):
        prepare_scan(stack_of(peak()), Scan(**options))


@pytest.mark.parametrize("seed", range(4))
def test_a_saturated_peak_is_put_in_the_middle(tmp_path, peak, seed):
    middle = np.random.default_rng(seed).integers(-4, 5, 3) + (16, 32, 32)
    scan = np.minimum(peak((32, 64, 64), middle=middle, top=1e6, seed=seed), 65535).astype(np.uint16)
    np.save(tmp_path / "scan.npy", scan)
    with frames_of([tmp_path / "scan.npy"]) as frames:
        made = prepare_scan(frames, bad_pixels="mask")
    assert abs(np.array(made.peak) - middle).max() <= 1
    assert any("the peak is saturated" in step for step in made.steps)


def test_a_scan_without_counts():
    with pytest.raises(InputError, match="no counts on its measured pixels"):
        prepare_scan(stack_of(np.zeros((8, 16, 16), np.float32)))


@pytest.mark.data
@pytest.mark.slow
def test_the_gold_crystal_comes_out_as_it_was_prepared(data_folder, call, tmp_path):
    """The mask of bad pixels is given, the second grain is found; the prepared file took it out by hand."""
    with np.load(data_folder / "aps34idc_s0054_raw_crop.npz") as raw:
        np.savez(tmp_path / "scan.npz", counts=raw["intensity"])
        np.save(tmp_path / "mask.npy", raw["mask"].any(axis=0))
    with np.load(data_folder / "aps34idc_s0054_prepared.npz") as file:
        expected, mask = file["intensity"], file["mask"] > 0
    out = tmp_path / "scan.cxi"
    words = ["--mask", tmp_path / "mask.npy", "--size", "192,256,256", "--bin", "1,2,2", "--threshold", 2, "--no-picture"]
    code, told, error = call("prepare", "scan", tmp_path / "scan.npz", *words, "--out", out)
    assert code == 0, error
    assert "1 alien spots masked" in told
    problem = rt.read(out)
    made, valid = (np.fft.fftshift(np.asarray(a)) for a in (problem.amplitude**2, problem.valid))
    assert made.shape == expected.shape
    assert made.sum(dtype=float) == pytest.approx(expected.sum(dtype=float), rel=0.01)
    assert np.unravel_index(made.argmax(), made.shape) == (96, 64, 64)
    lost = ~mask & (np.indices(mask.shape)[0] > 140) & (np.indices(mask.shape)[0] < 176)
    assert valid.mean() > 0.98
    assert (~valid & lost).sum() > 1000  # the grain


@pytest.mark.data
@pytest.mark.slow
def test_the_experiment_of_the_gold_crystal_is_complete_from_its_file(data_folder, call, tmp_path):
    out = tmp_path / "scan.cxi"
    code, _, error = call(
        "prepare", "scan", data_folder / "aps34idc_s0054_raw_crop.npz", "--bin", "1,2,2", "--no-picture", "--out", out
    )
    assert code == 0, error
    e = experiment_of(rt.read(out).meta)
    assert not e.missing()
    assert (e.diffractometer, e.energy_kev, e.distance_m, e.pixel_size_um) == ("34idc", 9.0, 0.5, (110.0, 110.0))
    assert (e.hkl, e.lattice_angstrom, e.scanned) == ((1, 1, 1), 4.08, "theta")
    assert e.step_deg == pytest.approx(0.005)
    assert (e.angle("delta"), e.angle("gamma")) == (32.174, 12.6346)
    assert "the direct beam is unknown" in " ".join(call("inspect", out)[1].split())  # it is nominal
