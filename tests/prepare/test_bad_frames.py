"""Bad input to `retrieve prepare`: exit code 2, one line that names the thing, its value and the remedy, and no file."""

import h5py
import numpy as np
import pytest

FLAT = np.full((12, 32, 32), 3.0, np.float32)
SPOT = np.random.default_rng(0).poisson(50 * np.exp(-np.hypot(*(np.mgrid[-16:16, -16:16])) / 4), (12, 32, 32)).astype(np.float32)


def refused(told, out, *words):
    code, printed, error = told
    assert code == 2, printed + error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    for word in words:
        assert word in error, error
    assert not list(out.parent.glob("*.cxi"))
    assert not list(out.parent.glob("*.png"))


@pytest.fixture
def out(tmp_path):
    return tmp_path / "made.cxi"


@pytest.mark.parametrize("kind", ["pulses", "scan"])
def test_frames_of_different_shapes(kind, frames_file, call, out):
    paths = [frames_file("a.h5", frames=SPOT), frames_file("b.h5", frames=SPOT[:, :20])]
    refused(
        call("prepare", kind, *paths, "--out", out),
        out,
        "b.h5:/frames has frames of 20×32",
        "a.h5:/frames of 32×32",
        "one shape",
    )


@pytest.mark.parametrize("axis", [[], ["--axis", "0"]])
def test_a_scan_of_one_frame(frames_file, call, out, axis):
    told = call("prepare", "scan", frames_file(frames=SPOT[:1]), *axis, "--out", out)
    refused(told, out, "holds one frame of 32×32, and a rocking scan has several")


def nearly_empty(path, frames, side):
    """A file of kilobytes with many pixels."""
    with h5py.File(path, "w") as file:
        made = file.create_dataset("frames", (frames, side, side), np.uint8, chunks=(1, side, side), compression="gzip")
        made[0, side // 2 - 50 : side // 2 + 50, side // 2 - 40 : side // 2 + 40] = 3
    return path


def test_a_scan_that_grows_too_much_in_memory(tmp_path, call, out):
    """Of a pulse train the frames are read one by one; a scan is held in memory."""
    path = nearly_empty(tmp_path / "a.h5", 100, 1000)
    told = call("prepare", "scan", path, "--out", out)
    refused(told, out, "needs 400 MB of memory", "its header may be damaged", "--max-memory")


def test_a_train_with_every_frame_rejected(frames_file, call, out):
    path = frames_file(frames=SPOT)
    told = call("prepare", "pulses", path, "--threshold", "0.999", "--out", out)
    refused(
        told,
        out,
        "all 12 frames are rejected",
        "12 correlate with their mean by less than threshold=0.999",
        "the best by 0.",
        "lower --threshold",
    )
    told = call("prepare", "pulses", frames_file("flat.h5", frames=FLAT), "--out", out)
    refused(told, out, "all 12 frames are rejected", "the best by 0.000")


@pytest.mark.parametrize("kind", ["pulses", "scan"])
def test_nan_frames(kind, frames_file, call, out):
    frames = SPOT.copy()
    frames[[2, 5]] = np.nan
    told = call("prepare", kind, frames_file(frames=frames), "--out", out)
    refused(told, out, "2 of 12 frames are NaN on every pixel (frames 2, 5)", "--bad-pixels mask")
    told = call("prepare", kind, frames_file("all.h5", frames=frames * np.nan), "--out", out)
    refused(told, out, "all 12 frames of", "are NaN on every pixel")


@pytest.mark.parametrize("kind", ["pulses", "scan"])
@pytest.mark.parametrize("role", ["dark", "flat", "mask"])
def test_calibration_that_is_not_there(kind, role, frames_file, call, out):
    path = frames_file(frames=SPOT)
    told = call("prepare", kind, path, f"--{role}", path.parent / "calibratoin.h5", "--out", out)
    refused(told, out, "calibratoin.h5", "check the name")
    refused(call("prepare", kind, path, f"--{role}", f"{path}:/{role}", "--out", out), out, f"unknown array '/{role}'")


def test_wrong_axis_order(frames_file, train_file, recording, calibrated, call, out):
    turned = np.ascontiguousarray(np.moveaxis(recording.frames, 0, 2))
    path = train_file(frames=turned)
    told = call("prepare", "pulses", path, *calibrated(path), "--out", out)
    refused(told, out, "its mask is 128×102", "along axis 2", "--axis 2")
    path = frames_file("turned.h5", frames=turned)
    told = call("prepare", "scan", path, "--dark", f"{train_file()}:/dark", "--out", out)
    refused(told, out, "is 128×102, the frames are 102×140", "along axis 2", "--axis 2")
    path = frames_file(frames=np.where(recording.mask[..., None], turned - recording.dark[..., None], 0))
    told = call("prepare", "pulses", path, "--out", out)
    refused(told, out, "along axis 0 the 128 frames of 102×140 follow each other smoothly", "--axis 2")
    code, _, error = call("prepare", "pulses", path, "--axis", 0, "--out", out, "--no-picture")
    assert code == 0, error  # who insists is believed


def test_wrong_axis_order_of_a_scan(peak, frames_file, call, out):
    path = frames_file(frames=np.moveaxis(peak(), 0, 2))
    told = call("prepare", "scan", path, "--out", out)
    refused(told, out, "its 64 frames along axis 0 are 64×40, those along axis 2 would be 64×64", "--axis 2")
    for axis in (0, 2):
        assert call("prepare", "scan", path, "--axis", axis, "--out", out, "--no-picture", "--force")[0] == 0


@pytest.mark.parametrize(
    ("changes", "flags", "words"),
    [
        ({"dark": FLAT[0].T[:20]}, [], ["dark of", "is 20×32, the frames are 32×32"]),
        ({"dark": FLAT[0], "frames": SPOT[:, :, :20]}, [], ["the frames are 32×20"]),
        ({"frames": SPOT[None]}, [], ["4 axes", "a stack of three"]),
        ({"frames": SPOT * 1j}, [], ["complex", "real"]),
        ({}, ["--border", "16"], ["border=16 covers the whole frame of 32×32", "less than 16"]),
        ({}, ["--ranges", "5"], ["ranges='5'", "START:STOP"]),
        ({}, ["--ranges", "20:"], ["range '20:' of the 12 kept frames is empty"]),
        ({}, ["--bin", "0"], ["bin", "[1, 64]"]),
        ({}, ["--axis", "3"], ["--axis", "0<=x<=2"]),
    ],
)
def test_pulses_that_do_not_go_together(changes, flags, words, frames_file, call, out):
    path = frames_file(**{"frames": SPOT, "dark": np.zeros((32, 32), np.float32), **changes})
    refused(call("prepare", "pulses", path, "--key", "frames", "--dark", f"{path}:/dark", *flags, "--out", out), out, *words)


def test_output_that_is_no_pattern_or_the_input(frames_file, call, out):
    path = frames_file(frames=SPOT)
    refused(call("prepare", "pulses", path, "--out", out.with_suffix(".tif")), out, "made.tif", ".cxi or .npz")
    refused(call("prepare", "pulses", path, "--out", out.parent / "nowhere" / "x.cxi"), out, "no directory")
    told = call("prepare", "scan", path, "--out", out, "--picture", out.with_suffix(".bmp2"))
    refused(told, out, "cannot draw a picture as 'made.bmp2'", "png")


def test_a_damaged_file(call, out):
    path = out.parent / "cut.npy"
    np.save(path, SPOT)
    path.write_bytes(path.read_bytes()[:4000])
    refused(call("prepare", "pulses", path, "--out", out), out, "cut.npy cannot be read as npy")


def test_no_file(call, out):
    refused(call("prepare", "pulses", out.parent / "none.h5", "--out", out), out, "no file", "none.h5")
