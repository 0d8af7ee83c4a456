"""Frames from files of any kind, and their calibration."""

import h5py
import numpy as np
import pytest
import tifffile
from numpy.testing import assert_allclose, assert_array_equal

from retrieve.errors import InputError
from retrieve.prepare import Calibration, Pulses, frames_of, prepare_pulses, read_calibration
from retrieve.prepare.frames import Frames, FrameStack

FRAMES = np.random.default_rng(0).poisson(30, (6, 24, 20)).astype(np.uint16)


def all_of(*paths, **options):
    with frames_of(paths, **options) as frames:
        made = np.concatenate([block for _, block in frames.blocks()])
        assert made.shape == frames.shape
        return made


@pytest.fixture
def eiger(tmp_path):
    with h5py.File(tmp_path / "master.h5", "w") as file:
        file["entry/data/data_000001"] = FRAMES[:4]
        file["entry/data/data_000002"] = FRAMES[4:]
        bad = np.zeros((24, 20), np.uint32)
        bad[5, 6] = 8
        file["entry/instrument/detector/pixel_mask"] = bad
    return tmp_path / "master.h5"


def test_a_stack_in_any_format(tmp_path, frames_file, eiger):
    np.save(tmp_path / "a.npy", FRAMES)
    np.savez(tmp_path / "a.npz", frames=FRAMES)
    tifffile.imwrite(tmp_path / "a.tif", FRAMES)
    for path in (tmp_path / "a.npy", tmp_path / "a.npz", tmp_path / "a.tif", frames_file(frames=FRAMES), eiger):
        assert_array_equal(all_of(path), FRAMES)


def test_the_pixel_mask_of_a_master_file(eiger):
    with frames_of([eiger]) as frames:
        assert_array_equal(np.argwhere(~frames.mask), [[5, 6]])


def test_one_file_a_frame(tmp_path):
    paths = [tmp_path / f"{k}.tif" for k in range(6)]
    for path, frame in zip(paths, FRAMES, strict=True):
        tifffile.imwrite(path, frame)
    assert_array_equal(all_of(*paths), FRAMES)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_frames_along_any_axis(axis, frames_file, tmp_path):
    stack = np.concatenate([FRAMES] * 3)
    turned = np.moveaxis(stack, 0, axis)
    np.save(tmp_path / "a.npy", turned)
    for path in (frames_file(frames=turned), tmp_path / "a.npy"):
        assert_array_equal(all_of(path, axis=axis), stack)


def test_flags_of_a_detector_are_not_counts(frames_file):
    flagged = FRAMES.copy()
    flagged[2, 3, 4] = 65535
    made = all_of(frames_file(frames=flagged))
    assert np.isnan(made[2, 3, 4])
    assert np.isnan(made).sum() == 1


def test_masks_of_files_are_taken_together(frames_file):
    masks = np.ones((2, 24, 20), np.uint8)
    masks[0, 1, 1] = masks[1, 2, 2] = 0
    paths = [frames_file(f"{k}.h5", frames=FRAMES, mask=mask) for k, mask in enumerate(masks)]
    with frames_of(paths) as frames:
        assert_array_equal(frames.mask, masks.all(axis=0))
    voxels = np.ones(FRAMES.shape, np.uint8)
    voxels[3, 4, 5] = 0
    with frames_of([paths[0], frames_file("v.h5", frames=FRAMES, mask=voxels)]) as frames:
        assert frames.mask.shape == (12, 24, 20)
        assert not frames.mask[9, 4, 5]
        assert frames.ever[4, 5]
        assert not frames.always[4, 5]
        assert not frames.always[1, 1]


def test_a_mask_that_does_not_fit(frames_file):
    with (
        pytest.raises(InputError, match=r"its mask is 9×9, the frames 24×20; they must agree"),
        frames_of([frames_file(frames=FRAMES, mask=np.ones((9, 9), np.uint8))], key="frames"),
    ):
        pass


def test_calibration_inverts_what_the_detector_did(rng, frames_file):
    counts = rng.poisson(5, (3, 24, 20)).astype(np.float32)
    dark, gain = rng.normal(100, 5, (24, 20)), rng.normal(60, 2, (24, 20))
    flat, background = rng.normal(1, 0.02, (24, 20)), rng.uniform(0, 1, (24, 20))
    raw = ((counts + background) * flat / flat.mean() * gain + dark).astype(np.float32)
    path = frames_file(dark=np.stack([dark - 1, dark + 1]), gain=gain, flat=7 * flat, background=background)
    files = {name: f"{path}:/{name}" for name in ("dark", "gain", "flat", "background")}
    made = read_calibration(raw.shape, **files)
    assert_allclose(made.apply(raw), counts, atol=1e-3)
    assert made.mask is None
    assert any("mean of 2 frames" in text for text in made.notes)
    steps = ("dark subtracted", "divided by the gain", "divided by the flat field", "background subtracted")
    assert made.steps == (*made.notes, *steps)


def test_pixels_without_gain_or_light_are_not_measured(frames_file):
    gain, flat = np.full((24, 20), 60.0), np.ones((24, 20))
    gain[1, 2], flat[3, 4] = 0, 0
    path = frames_file(gain=gain, flat=flat, mask=np.ones((24, 20), np.uint8))
    files = {name: f"{path}:/{name}" for name in ("gain", "flat", "mask")}
    made = read_calibration(FRAMES.shape, **files)
    assert_array_equal(np.argwhere(~made.mask), [[1, 2], [3, 4]])
    assert np.isnan(made.apply(FRAMES.astype(np.float32))).sum() == 2 * 6
    assert any("1 pixels of the flat field" in text for text in made.notes)


def test_no_pixel_is_left(frames_file):
    path = frames_file(mask=np.zeros((24, 20), np.uint8))
    with pytest.raises(InputError, match="the calibration leaves no measured pixel"):
        read_calibration(FRAMES.shape, mask=f"{path}:/mask")


def test_the_level_of_the_border_is_taken_off(rng):
    """Each frame has another level; what its border says of it comes off, and gaps say nothing."""
    spot = 50 * np.exp(-np.hypot(*np.mgrid[-16:16, -16:16]) / 3)
    levels = rng.uniform(0, 100, 8)
    stack = (spot + levels[:, None, None]).astype(np.float32)
    mask = np.ones((32, 32), bool)
    mask[0] = False
    stack[:, 0] = 1e6
    frames = Frames((FrameStack("made here", stack.shape, stack.dtype, lambda part: stack[part]),), mask)
    problem = prepare_pulses(frames, Pulses(border=3, bin=1, clip="last"), check_axes=False).problems[0]
    made = np.fft.fftshift(np.asarray(problem.amplitude)) ** 2
    assert_allclose(made[8:24, 8:24], 8 * spot[8:24, 8:24], atol=8 * 0.5)
    assert not np.fft.fftshift(np.asarray(problem.valid))[0].any()


def test_a_calibration_does_nothing_by_default():
    assert Calibration().steps == ()
    assert_array_equal(Calibration().apply(FRAMES.astype(np.float32)), FRAMES)


@pytest.mark.parametrize("level", [1, 0.1])
def test_a_flat_field_that_is_the_same_everywhere_masks_nothing(tmp_path, level):
    np.save(tmp_path / "flat.npy", np.full((6, 5), level, np.float32))
    calibration = read_calibration((3, 6, 5), None, flat=str(tmp_path / "flat.npy"))
    assert calibration.mask is None or calibration.mask.all()
    np.testing.assert_allclose(calibration.flat, 1, rtol=1e-6)
