"""A pulse train from raw frames to objects, with everything about it known."""

import json
import tracemalloc

import h5py
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import retrieve as rt
from retrieve.errors import InputError
from retrieve.numerics.alignment import align
from retrieve.prepare import Pulses, frames_of, prepare_pulses, read_calibration
from retrieve.prepare.frames import Frames, FrameStack
from retrieve.problem.meta import experiment_of
from retrieve.simulate import PulseTrain, object_set, record
from retrieve.solvers import Recipe


def prepared(path, options=None, **arguments):
    with frames_of([path]) as frames:
        roles = {role: f"{path}:/{role}" for role in ("dark", "gain", "flat", "background")}
        calibration = read_calibration(frames.shape, frames.always, **roles)
        return prepare_pulses(frames, options, calibration, **arguments)


def stack_of(array):
    return Frames((FrameStack("made here", array.shape, array.dtype, lambda part: array[part]),))


def precision_and_recall(kept, good):
    return (kept & good).sum() / kept.sum(), (kept & good).sum() / good.sum()


def test_the_good_frames_are_kept_and_both_sums_phase_to_one_object(train_file, recording):
    train = prepared(train_file(), Pulses(ranges=":24,-55:"))
    precision, recall = precision_and_recall(train.selection.kept, recording.good)
    assert precision >= 0.95
    assert recall >= 0.95
    assert [own.size for own in train.members] == [24, 55]
    solver = Recipe(recipe="300 raar + 200 er")
    objects = []
    for problem in train.problems:
        assert problem.shape == recording.support.shape
        objects.append(rt.solve(solver, problem.replace(support=recording.support), starts=2, seed=0).object)
    assert align(*objects, ramp=True).correlation >= 0.9
    assert min(align(x, recording.truth, ramp=True).correlation for x in objects) >= 0.9


@pytest.mark.parametrize("photons", [0.2, 0.5])
def test_pulses_on_another_place_of_a_film_are_told_by_their_speckles(train_file, photons):
    """They share the film's outline, and so pass the threshold unless it is asked what is finer."""
    made = record(object_set("domains2d-50-cells"), PulseTrain(elsewhere=0.5, photons=photons), seed=0)
    path = train_file(**made._asdict())
    whole, fine = (prepared(path, Pulses(detail=d)).selection.kept for d in (0, 4))
    assert precision_and_recall(whole, made.good)[0] < 0.9
    assert min(precision_and_recall(fine, made.good)) >= 0.95


def test_counts_are_kept_through_padding_and_downsampling(train_file, recording):
    """The sum in photons is that of the planted energies, to counting noise; what was padded is not measured."""
    train = prepared(train_file(), Pulses(bin=1))
    whole, halved = train.problems[0], prepared(train_file()).problems[0]
    assert whole.shape == (128, 128)
    assert halved.shape == (64, 64)
    outside = np.fft.fftshift(~np.asarray(whole.valid))
    assert outside[:, :13].all()
    assert outside[:, 115:].all()
    pads = np.fft.fftshift(np.asarray(halved.valid))
    assert not pads[:, :6].any()
    kept = recording.energy[train.selection.kept].sum() * 0.5 * 128 * 102
    assert_allclose(float(whole.power), kept, rtol=0.05)
    assert_allclose(float(halved.power), kept, rtol=0.05)


def test_gaps_are_not_measured(train_file, recording):
    problem = prepared(train_file(), Pulses(bin=1, square=False)).problems[0]
    assert_array_equal(np.fft.fftshift(np.asarray(problem.valid)), recording.mask)


def test_blocks_do_not_change_the_sums(train_file, monkeypatch):
    path = train_file()
    before = prepared(path)
    monkeypatch.setattr("retrieve.prepare.frames.FRAMES_AT_ONCE", 3 * 4 * 128 * 102)
    with frames_of([path]) as frames:
        parts = [where for where, _ in frames.blocks()]
    assert len(parts) == 47
    assert parts[-1] == slice(138, 140)
    after = prepared(path)
    assert_array_equal(after.selection.kept, before.selection.kept)
    assert_allclose(after.problems[0].amplitude, before.problems[0].amplitude, rtol=1e-4, atol=1e-3)


def test_the_command_writes_patterns_that_run_reads(train_file, calibrated, call, tmp_path):
    path = train_file()
    out = tmp_path / "set.npz"
    code, told, _ = call("prepare", "pulses", path, *calibrated(path), "--ranges", ":24,-55:", "--out", out)
    assert code == 0
    assert "78 of 140 frames kept" in told
    assert "dark subtracted" in told
    assert (tmp_path / "set.png").stat().st_size > 10_000
    first = rt.read(tmp_path / "set-1.npz")
    assert len(first.meta["frames"]) == 24
    assert first.meta["prepare"]["threshold"] == 0.25
    assert [step for step in first.meta["steps"] if "frames summed" in step] == ["24 frames summed, numbers 2 to 42"]
    assert told.count("frames summed") == 2
    code, _, told = call(
        "run", tmp_path / "set-2.npz", "--solver", "er:iterations=3", "--no-picture", "-q", "--out", tmp_path / "x.cxi"
    )
    assert code == 0, told


def test_quiet_says_nothing(train_file, calibrated, call, tmp_path):
    path = train_file()
    code, *told = call("prepare", "pulses", path, *calibrated(path), "--out", tmp_path / "set.cxi", "--no-picture", "-q")
    assert (code, told) == (0, ["", ""])
    with h5py.File(tmp_path / "set.cxi") as file:
        assert json.loads(file["entry_1/meta"][()])["prepare"]["kind"] == "pulses"
    assert not (tmp_path / "set.png").exists()


def test_frames_in_several_files_along_another_axis(frames_file, recording, call, tmp_path):
    turned = np.moveaxis(recording.frames, 0, 2)
    paths = [frames_file(f"part{k}.h5", frames=part) for k, part in enumerate(np.split(turned, [50], axis=2))]
    path = frames_file("calibration.h5", **{name: getattr(recording, name) for name in ("dark", "gain", "mask")})
    flags = [w for role in ("dark", "gain", "mask") for w in (f"--{role}", f"{path}:/{role}")]
    code, told, wrong = call("prepare", "pulses", *paths, "--axis", 2, *flags, "--out", tmp_path / "a.cxi", "--no-picture")
    assert code == 0, wrong
    assert "140 frames of 128×102" in told


def test_steps_follow_those_that_the_file_tells_of(recording, frames_file):
    meta = json.dumps({"steps": ["cooled"], "energy_keV": 8.8})
    path = frames_file(frames=recording.frames, dark=recording.dark, gain=recording.gain, mask=recording.mask, meta=meta)
    with frames_of([path]) as frames:
        calibration = read_calibration(frames.shape, frames.always, dark=f"{path}:/dark")
        train = prepare_pulses(frames, Pulses(border=2, detail=4), calibration)
    steps = train.problems[0].meta["steps"]
    assert steps[:4] == ["cooled", "mask 'mask': 1 = measured, 93.1 % measured", f"dark from {path}:/dark", "dark subtracted"]
    assert tuple(steps[1:]) == train.steps
    assert "from each frame its mean over a border of 2 px subtracted" in steps
    assert any("in what is finer than 4 px" in step for step in steps)
    assert train.problems[0].meta["energy_keV"] == 8.8


def test_ranges(rng):
    frames = stack_of(rng.poisson(np.exp(-np.arange(32)[:, None] / 4 - np.arange(32) / 4) * 50, (10, 32, 32)).astype(np.float32))
    train = prepare_pulses(frames, Pulses(ranges=":3, 4:-2"))
    assert [own.tolist() for own in train.members] == [[0, 1, 2], [4, 5, 6, 7]]
    with pytest.raises(InputError, match=r"range '10:' of the 10 kept frames is empty"):
        prepare_pulses(frames, Pulses(ranges="10:"))
    with pytest.raises(InputError, match=r"ranges='1-3': '1-3' is no range; write START:STOP"):
        Pulses(ranges="1-3")


def test_nan_that_is_in_some_frames_only(recording):
    counts = recording.frames.astype(np.float32) - recording.dark
    counts[:, :, 5] = np.nan  # a gap: never measured
    assert prepare_pulses(stack_of(counts)).selection.kept.any()
    counts[3] = np.nan
    counts[7, 20, 30] = np.nan
    with pytest.raises(
        InputError, match=r"1 of 140 frames are NaN on every pixel \(frames 3\), 1 pixels are NaN in some .*frames 7"
    ):
        prepare_pulses(stack_of(counts))
    train = prepare_pulses(stack_of(counts), Pulses(bin=1, square=False), bad_pixels="mask")
    assert np.isnan(train.selection.correlation[3])
    assert not train.selection.kept[3]
    assert not np.fft.fftshift(np.asarray(train.problems[0].valid))[20, 30]


def test_the_mean_may_be_taken_again(train_file):
    once, twice = (prepared(train_file(), Pulses(rounds=k)).selection for k in (1, 2))
    assert_array_equal(once.kept, twice.kept)
    assert twice.correlation[twice.kept].mean() >= once.correlation[once.kept].mean()


@pytest.mark.slow
def test_a_file_larger_than_the_memory_that_is_used(tmp_path):
    """A sparse file of 0.6 GB; the same code read one of 21 GB within 0.24 GB."""
    path, shape = tmp_path / "sparse.h5", (2400, 256, 256)
    y, x = np.mgrid[-128:128, -128:128]
    frame = np.random.default_rng(0).poisson(20 * np.exp(-np.hypot(y, x) / 20)).astype(np.float32)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("frames", shape, "f4", chunks=(1, *shape[1:]), fillvalue=0)
        for k in range(0, shape[0], 100):
            data[k] = frame
    assert path.stat().st_size < 16e6
    tracemalloc.start()  # counts NumPy's arrays
    with frames_of([path]) as frames:
        train = prepare_pulses(frames)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert train.selection.kept.sum() == 24
    assert float(train.problems[0].power) == pytest.approx(24 * frame.sum())
    assert most < 0.25e9 < np.prod(shape) * 4


def test_the_lengths_of_a_train_follow_padding_and_bins(frames_file):
    frames = np.random.default_rng(0).poisson(50, (12, 32, 24))
    meta = json.dumps(
        {"voxel_size_nm": [4, 8], "pixel_size_m": 1e-5, "experiment": {"direct_beam": [16, 12], "monitor": [1] * 12}}
    )
    with frames_of([frames_file(frames=frames, meta=meta)]) as opened:
        train = prepare_pulses(opened, Pulses(bin=2, threshold=-1), check_axes=False)
    meta = train.problems[0].meta
    assert train.problems[0].shape == (16, 16)
    assert meta["voxel_size_nm"] == [4, 6]
    assert meta["pixel_size_m"] == 2e-5
    e = experiment_of(meta)
    assert e.direct_beam == (7.75, 7.75)
    assert e.monitor == (12.0,)
