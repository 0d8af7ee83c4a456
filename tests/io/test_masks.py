"""Masks of files: the wrong way round, twice, with bits that inform; and flags among the counts."""

import h5py
import numpy as np
import pytest

import retrieve
from retrieve.cli import main
from retrieve.errors import InputError
from retrieve.io import load
from retrieve.io.masks import check_mask
from retrieve.io.results import read_result
from retrieve.prepare import Pulses, frames_of, prepare_pulses, prepare_scan, read_calibration

WRONG = r"the mask hides \d+% of the counts and leaves .* give --mask-convention"


def pattern(shape, scale=1e5, seed=0):
    grid = np.indices(shape)
    r2 = sum(((grid[i] - n // 2) / (n / 8)) ** 2 for i, n in enumerate(shape))
    mean = scale * np.exp(-r2) * (0.5 + 0.5 * np.cos(grid.sum(0)) ** 2)
    return np.random.default_rng(seed).poisson(mean).astype(np.uint32)


def gaps(shape):
    bad = np.zeros(shape, bool)
    bad[..., 10:12] = True
    return bad


def hot_pixels(shape):
    bad = np.zeros(shape, bool)
    for row, column in ((3, 5), (20, 11), (24, 27)):
        bad[..., row, column] = True
    return bad


def beam_stop(shape):
    bad = np.zeros(shape, bool)
    bad[..., shape[-2] // 2 - 3 : shape[-2] // 2 + 3, shape[-1] // 2 - 3 : shape[-1] // 2 + 3] = True
    return bad


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("shape", [(32, 32), (24, 32, 32)])
@pytest.mark.parametrize("fault", [gaps, hot_pixels, beam_stop])
@pytest.mark.parametrize("where", ["option", "npz", "nexus", "cxi"])
def test_a_mask_the_wrong_way_round_is_refused_with_the_remedy(here, shape, fault, where):
    bad, data = fault(shape), pattern(shape).astype(np.int64)
    data[bad] = {gaps: data[bad], hot_pixels: 10**9, beam_stop: 0}[fault]
    if where == "option":
        np.savez("scan.npz", intensity=data)
        np.savez("mask.npz", mask=bad)
        file, how, other = "scan.npz", {"mask": "mask.npz"}, "masked"
    elif where == "npz":
        np.savez("scan.npz", intensity=data, mask=bad.astype(np.uint8))
        file, how, other = "scan.npz", {}, "masked"
    else:
        file, how, other = "scan." + {"nexus": "h5", "cxi": "cxi"}[where], {}, "measured"
        group = {"nexus": "entry/detector", "cxi": "entry_1/instrument_1/detector_1"}[where]
        with h5py.File(file, "w") as to:
            to[f"{group}/data"] = data
            to[f"{group}/{'pixel_mask' if where == 'nexus' else 'mask'}"] = (~bad).astype(np.uint8)
    with pytest.raises(InputError, match=f"{WRONG} {other}"):
        load(file, **how)
    np.testing.assert_array_equal(load(file, **how, mask_convention=other).mask, ~bad)
    taken = "measured" if other == "masked" else "masked"
    np.testing.assert_array_equal(load(file, **how, mask_convention=taken).mask, bad)


@pytest.mark.parametrize("shape", [(32, 32), (24, 32, 32)])
@pytest.mark.parametrize("fault", [gaps, hot_pixels, beam_stop])
def test_a_right_mask_is_taken(here, shape, fault):
    bad, data = fault(shape), pattern(shape).astype(np.int64)
    data[bad] = {gaps: data[bad], hot_pixels: 10**9, beam_stop: 0}[fault]
    np.savez("scan.npz", intensity=data, mask=~bad)
    np.testing.assert_array_equal(load("scan.npz").mask, ~bad)


@pytest.mark.parametrize("seed", range(3))
def test_a_right_mask_of_most_pixels_is_taken(here, seed):
    """Padding, a window on a large detector with background, gaps with flags; and nearly everything that was measured."""
    data = np.zeros((256, 256), np.int64)
    data[112:144, 112:144] = pattern((32, 32), seed=seed)
    window = np.zeros(data.shape, bool)
    window[96:160, 96:160] = True
    np.savez("padded.npz", intensity=data, mask=window)
    background = data + np.random.default_rng(seed).poisson(0.05, data.shape)
    np.savez("window.npz", intensity=background, mask=window)
    np.savez("flags.npz", intensity=np.where(window, data, 2**32 - 1), mask=window)
    for name in ("padded", "window", "flags"):
        np.testing.assert_array_equal(load(f"{name}.npz").mask, window)
    check_mask(np.ones((256, 256), bool), background, "a file", "measured")
    check_mask(np.zeros((256, 256), bool), 0 * background, "a file", "measured")


def test_the_command_refuses_a_wrong_mask_and_replays_with_the_right_convention(here, capsys):
    bad, data = hot_pixels((32, 32)), pattern((32, 32)).astype(np.int64)
    data[bad] = 10**9
    np.savez("scan.npz", intensity=data)
    np.savez("mask.npz", mask=bad)
    words = ["run", "scan.npz", "--mask", "mask.npz", "--solver", "hio:iterations=5", "-q", "--no-picture", "--out", "a.cxi"]
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert "give --mask-convention masked, if not, --mask-convention measured" in capsys.readouterr().err
    assert not (here / "a.cxi").exists()
    main([*words, "--mask-convention", "masked"])
    assert read_result("a.cxi").manifest["input"]["mask_convention"] == "masked"
    with pytest.raises(SystemExit, match="0"):
        main(["run", "--replay", "a.cxi"])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_run_with_nothing_left_to_fit_fails(here, capsys):
    """One measured pixel fits any object."""
    only = np.zeros((32, 32), bool)
    only[16, 16] = True
    np.savez("scan.npz", intensity=pattern((32, 32)), mask=only)
    words = ["run", "scan.npz", "--mask-convention", "measured", "--solver", "hio:iterations=3", "-q", "--out", "a.cxi"]
    with pytest.raises(SystemExit) as done:
        main(words)
    assert done.value.code == 2
    assert "1 measured pixels of 1024, at least 32 are needed" in " ".join(capsys.readouterr().err.split())
    assert not (here / "a.cxi").exists()


def test_a_result_with_a_mask_that_the_user_insisted_on_is_read(here):
    np.savez("scan.npz", intensity=pattern((32, 32)), mask=~beam_stop((32, 32)) & gaps((32, 32)))
    problem = retrieve.read("scan.npz", mask_convention="measured")
    result = retrieve.solve(retrieve.solvers.HIO(iterations=3), problem)
    assert read_result(result.save("a.cxi")).manifest["seed"] == 0


def test_prepare_refuses_a_wrong_mask(here):
    data, bad = pattern((24, 32, 32)), gaps((32, 32))
    np.savez("frames.npz", intensity=data)
    np.save("mask.npy", bad)
    with frames_of(["frames.npz"]) as frames:
        wrong = read_calibration(frames.shape, mask="mask.npy")
        with pytest.raises(InputError, match=f"{WRONG} masked"):
            prepare_scan(frames, calibration=wrong)
        with pytest.raises(InputError, match=f"{WRONG} masked"):
            prepare_pulses(frames, Pulses(), wrong, check_axes=False)
        right = read_calibration(frames.shape, mask="mask.npy", mask_convention="masked")
        assert prepare_scan(frames, calibration=right).problem.valid.mean() > 0.8
    with h5py.File("frames.h5", "w") as file:
        file["entry/data/data"], file["entry/data/pixel_mask"] = data, ~bad
    with frames_of(["frames.h5"]) as frames, pytest.raises(InputError, match=f"{WRONG} measured"):
        prepare_scan(frames)
    with frames_of(["frames.h5"], mask_convention="measured") as frames:
        assert prepare_scan(frames).problem.valid.mean() > 0.8


@pytest.mark.parametrize("data_at", ["entry/instrument/detector/data", "entry/data/data"])
def test_two_masks_of_one_detector_are_joined(here, data_at):
    hot, columns = np.zeros((32, 32), np.uint32), np.zeros((32, 32), np.uint32)
    hot[3, 3], columns[:, 10] = 1, 1
    scan = pattern((24, 32, 32))
    scan[:, 3, 3] = 900_000
    for second, expected, said in ((hot, hot, "is the same as"), (columns, hot | columns, "masks joined")):
        with h5py.File("scan.h5", "w") as file:
            file[data_at] = scan
            file["entry/instrument/detector/pixel_mask"] = hot
            file["entry/instrument/detector/detectorSpecific/pixel_mask"] = second
        found = load("scan.h5")
        np.testing.assert_array_equal(found.mask, np.broadcast_to(expected == 0, scan.shape))
        assert any(said in note for note in found.notes)
        with frames_of(["scan.h5"]) as frames:
            np.testing.assert_array_equal(frames.mask, expected == 0)


def test_masks_that_are_of_no_frame_or_of_several_detectors_are_named(here):
    scan, bad = pattern((24, 32, 32)), np.zeros((32, 32), np.uint32)
    bad[3, 3] = 1
    with h5py.File("other.h5", "w") as file:
        file["entry/detector/data"], file["entry/detector/pixel_mask"] = scan, bad
        file["entry/detector/whole/pixel_mask"] = np.zeros((64, 64), np.uint32)
    found = load("other.h5")
    np.testing.assert_array_equal(found.mask[0], bad == 0)
    assert any("'entry/detector/whole/pixel_mask' left out: its shape 64×64" in note for note in found.notes)
    with h5py.File("several.h5", "w") as file:
        file["entry/data/data"] = scan
        for name in ("one", "two"):
            file[f"entry/{name}/pixel_mask"] = bad
    found = load("several.h5")
    assert found.mask is None
    assert any("several masks left out: entry/one/pixel_mask, entry/two/pixel_mask" in note for note in found.notes)


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.uint32, np.int32])
def test_bits_of_a_cxi_mask_that_inform_mask_nothing(here, dtype):
    bits = np.zeros((64, 64), dtype)
    bits[8:-8, 8:-8] |= 0x4000
    bits[30] |= 0x20
    bits[20:22] |= 1
    with h5py.File("scan.cxi", "w") as file:
        file["entry_1/instrument_1/detector_1/data"] = pattern((64, 64)).astype(np.int32)
        file["entry_1/instrument_1/detector_1/mask"] = bits
    expected = np.ones((64, 64), bool)
    expected[20:22] = False
    found = load("scan.cxi")
    np.testing.assert_array_equal(found.mask, expected)
    assert any("bits that only inform: 0x20 in the peak mask, 0x4000 background corrected" in note for note in found.notes)


@pytest.mark.parametrize("flag", [2**16 - 1, 2**31 - 1, 2**32 - 2, 2**32 - 1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint64])
def test_a_detectors_flag_is_one_in_any_type_of_number(here, flag, dtype):
    scan = pattern((24, 32, 32), scale=3e3).astype(dtype)
    scan[:, 10:13] = flag
    np.savez("scan.npz", intensity=scan)
    found = load("scan.npz")
    assert not found.mask[:, 10:13].any()
    assert found.mask.sum() == 24 * 29 * 32
    assert found.data.max() < 1e4
    assert any("far above all others (detector flag) masked" in note for note in found.notes)


def test_counts_that_reach_a_flag_stay_counts(here):
    scan = np.minimum(pattern((32, 32), scale=3e5), 65535)
    assert (scan == 65535).any()
    for dtype in (np.float32, np.uint16, np.int32):
        np.savez("scan.npz", intensity=scan.astype(dtype))
        assert load("scan.npz").mask is None


def test_saturated_frames_are_called_so(here):
    scan = np.minimum(pattern((24, 64, 64), scale=3e5), 65535).astype(np.uint16)
    np.savez("scan.npz", intensity=scan)
    count = (scan == 65535).any(axis=0).sum()
    with frames_of(["scan.npz"]) as frames:
        with pytest.raises(InputError, match=rf"{count} pixels are saturated \(65535\) in some frames only"):
            prepare_scan(frames)
        assert not prepare_scan(frames, bad_pixels="mask").problem.valid.all()
