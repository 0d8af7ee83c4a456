"""Incomplete files: holes, missing sources, no frames, compressed as a whole; and pixels that are always bright."""

import bz2
import gzip
import importlib.util
import lzma

import h5py
import numpy as np
import pytest
import tifffile

from retrieve.cli import main
from retrieve.errors import InputError
from retrieve.files import limited
from retrieve.io import load
from retrieve.prepare import frames_of, prepare_scan


def pattern(shape=(24, 32, 32), scale=1e5, seed=0):
    grid = np.indices(shape)
    r2 = sum(((grid[i] - n // 2) / (n / 8)) ** 2 for i, n in enumerate(shape))
    mean = scale * np.exp(-r2) * (0.5 + 0.5 * np.cos(grid.sum(0)) ** 2)
    return np.random.default_rng(seed).poisson(mean).astype(np.uint32)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read_all(file):
    """The array by both ways in: `load`, and the frames of `prepare`."""
    data = load(file).data
    with frames_of([file]) as frames:
        got = np.concatenate([block for _, block in frames.blocks()])
        notes = frames.notes
    np.testing.assert_array_equal(data, got)
    return data, notes


def refused(file, match):
    with pytest.raises(InputError, match=match):
        load(file)
    with pytest.raises(InputError, match=match), frames_of([file]) as frames:
        prepare_scan(frames)


def eiger(written, linked, scan, link=h5py.ExternalLink):
    """A master file with links to data files, of which some are written, each with a third of the scan."""
    with h5py.File("x_master.h5", "w") as file:
        for k in linked:
            file.require_group("entry/data")[f"data_{k:06d}"] = link(f"x_data_{k:06d}.h5", "/entry/data/data")
    for k in written:
        with h5py.File(f"x_data_{k:06d}.h5", "w") as file:
            file["entry/data/data"] = scan[8 * k - 8 : 8 * k]


@pytest.mark.parametrize(("written", "linked", "missing"), [
    ((1, 3), (1, 2, 3), "x_data_000002.h5"),
    ((2, 3), (1, 2, 3), "x_data_000001.h5"),
    ((1, 3), (1, 3), "data_000002"),
])  # fmt: skip
def test_a_hole_among_the_data_files_of_a_master_is_named(here, written, linked, missing):
    eiger(written, linked, pattern())
    refused("x_master.h5", rf"x_master.h5: {missing} of 'entry/data/data' is missing")


def test_data_files_that_are_missing_at_the_end_are_a_note_with_both_counts(here):
    scan = pattern()
    eiger((1, 2), (1, 2, 3), scan)
    data, notes = read_all("x_master.h5")
    np.testing.assert_array_equal(data, scan[:16])
    words = "2 of 3 data files are there, with 16 frames; missing at the end: x_data_000003.h5"
    assert any(words in note for note in notes)
    assert any(words in note for note in load("x_master.h5").notes)


def test_no_data_file_at_all(here):
    eiger((), (1, 2), pattern())
    refused("x_master.h5", r"'entry/data/data_000001' is a link to x_data_000001.h5")


def test_data_files_with_other_frames_are_refused(here):
    eiger((1, 2, 3), (1, 2, 3), pattern())
    with h5py.File("x_data_000002.h5", "w") as file:
        file["entry/data/data"] = np.ones((8, 32, 40))
    refused("x_master.h5", "hold frames of 32×32 and 32×40")


def test_a_damaged_data_file_is_named(here):
    eiger((1, 2, 3), (1, 2, 3), pattern())
    (here / "x_data_000002.h5").write_bytes(b"nothing")
    refused("x_master.h5", "x_data_000002.h5")


def test_a_link_that_is_asked_for_and_leads_nowhere_is_named(here):
    with h5py.File("a.h5", "w") as file:
        file["entry/data/data"] = h5py.ExternalLink("gone.h5", "/d")
        file["dark"] = np.ones((32, 32))
    with pytest.raises(InputError, match="'entry/data/data' is a link to gone.h5"):
        load("a.h5", key="entry/data/data")
    assert any("gone.h5" in note for note in load("a.h5").notes)  # the dark is read, and the link is told


def virtual(scan, sources, shapes=None, frames=None):
    """A virtual dataset of so many frames from each source."""
    frames = frames or len(scan)
    layout = h5py.VirtualLayout((frames, *scan.shape[1:]), dtype=scan.dtype)
    step = len(scan) // len(sources)
    for k, name in enumerate(sources):
        layout[step * k : step * (k + 1)] = h5py.VirtualSource(name, "d", shape=(step, *scan.shape[1:]))
    with h5py.File("v.h5", "w", libver="latest") as file:
        file.create_virtual_dataset("entry/data/data", layout)


def source(name, array):
    with h5py.File(name, "w") as file:
        file["d"] = array


def test_a_virtual_dataset_with_every_source_is_read(here):
    scan = pattern()
    source("a.h5", scan[:12])
    source("b.h5", scan[12:])
    virtual(scan, ["a.h5", "b.h5"])
    np.testing.assert_array_equal(read_all("v.h5")[0], scan)


@pytest.mark.parametrize(
    "fault", ["missing", "short", "damaged", "without the dataset", "missing behind another", "from no source"]
)
def test_a_virtual_dataset_without_a_source_is_refused(here, fault):
    scan = pattern()
    source("a.h5", scan[:12])
    if fault == "short":
        source("b.h5", scan[12:20])
    elif fault == "damaged":
        (here / "b.h5").write_bytes(b"nothing")
    elif fault == "without the dataset":
        with h5py.File("b.h5", "w") as file:
            file["other"] = 1
    elif fault == "missing behind another":
        layout = h5py.VirtualLayout((12, 32, 32), dtype=scan.dtype)
        layout[:] = h5py.VirtualSource("deep.h5", "d", shape=(12, 32, 32))
        with h5py.File("b.h5", "w") as file:
            file.create_virtual_dataset("d", layout)
    elif fault == "from no source":
        source("b.h5", scan[12:])
    virtual(scan, ["a.h5", "b.h5"], frames=30 if fault == "from no source" else None)
    name = {"missing behind another": "deep.h5", "from no source": "6 of 30 frames without a source"}.get(fault, "b.h5")
    refused("v.h5", rf"v.h5: '/entry/data/data' .*{name}")


def test_a_virtual_dataset_is_found_from_another_folder(here, monkeypatch):
    scan = pattern()
    source("a.h5", scan)
    virtual(scan, ["a.h5"])
    (here / "away").mkdir()
    monkeypatch.chdir(here / "away")
    np.testing.assert_array_equal(load("../v.h5").data, scan)


def test_values_in_an_external_file_that_is_missing(here):
    scan = pattern().astype(np.int32)
    with h5py.File("a.h5", "w") as file:
        file.create_dataset("data", scan.shape, scan.dtype, external=[("raw.bin", 0, h5py.h5f.UNLIMITED)])[:] = scan
    refused("a.h5", "a.h5: '/data' has its values in raw.bin, which may be any file; give --follow-links")
    with limited(follow_links=True):
        np.testing.assert_array_equal(read_all("a.h5")[0], scan)
        (here / "raw.bin").unlink()
        refused("a.h5", "a.h5: '/data' has its values in raw.bin, which is missing")


def test_frames_with_a_damaged_chunk_are_refused(here):
    scan = pattern()
    with h5py.File("a.h5", "w") as file:
        made = file.create_dataset("data", data=scan, chunks=(1, 32, 32), compression="gzip")
        place = made.id.get_chunk_info(11).byte_offset
    with open("a.h5", "r+b") as file:
        file.seek(place)
        file.write(b"\xff" * 64)
    refused("a.h5", "a.h5.* cannot be read")


@pytest.mark.parametrize("kind", ["h5", "npz", "npy"])
def test_a_file_without_frames_says_so(here, capsys, kind):
    empty = np.zeros((0, 64, 64), np.uint32)
    file = f"empty.{kind}"
    if kind == "h5":
        with h5py.File(file, "w") as to:
            to.create_dataset("entry/data/data", data=empty, maxshape=(None, 64, 64))
    else:
        np.savez(file, intensity=empty) if kind == "npz" else np.save(file, empty)
    for command in (["inspect"], ["run"], ["prepare", "scan"], ["prepare", "pulses"]):
        with pytest.raises(SystemExit) as stop:
            main([*command, file])
        assert stop.value.code == 2
        assert "holds no frames" in capsys.readouterr().err


def test_a_picture_beside_frames_that_were_never_written_is_no_measurement(here):
    with h5py.File("a.h5", "w") as file:
        file["data"], file["flat"] = np.zeros((0, 64, 64)), np.ones((64, 64))
    with pytest.raises(InputError, match="'data' holds no frames"):
        load("a.h5")
    assert load("a.h5", key="flat").data.shape == (64, 64)


PACK = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


def written(kind, frame):
    file = f"a.{kind}"
    if kind == "edf":
        if not importlib.util.find_spec("fabio"):
            pytest.skip("EDF needs the extra `detectors`")
        import fabio

        fabio.edfimage.EdfImage(data=frame).write(file)
    elif kind == "tif":
        tifffile.imwrite(file, frame)
    elif kind == "npz":
        np.savez(file, intensity=frame)
    elif kind == "h5":
        with h5py.File(file, "w") as to:
            to["entry/data/data"] = frame
    else:
        np.save(file, frame)
    return file


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("kind", ["edf", "tif", "npy", "npz", "h5"])
def test_a_compressed_file_is_read(here, kind, suffix):
    frame = pattern((40, 48), 3e5).astype(np.int32)
    plain = here / written(kind, frame)
    packed = PACK[suffix](plain.read_bytes())
    plain.unlink()
    (here / f"{plain.name}{suffix}").write_bytes(packed)
    np.testing.assert_array_equal(load(f"{plain.name}{suffix}").data, frame)
    with frames_of([f"{plain.name}{suffix}"]) as frames:
        np.testing.assert_array_equal(next(frames.blocks())[1][0], frame)
    (here / f"{plain.name}{suffix}").write_bytes(packed[:-20])
    with pytest.raises(InputError, match=f"{plain.name}{suffix} cannot be unpacked .* damaged"):
        load(f"{plain.name}{suffix}")


def test_a_compressed_file_of_no_format_is_named(here):
    (here / "a.txt.gz").write_bytes(gzip.compress(b"words"))
    with pytest.raises(InputError, match="^a.txt.gz: unknown format"):
        load("a.txt.gz")
    (here / "b.gz").write_bytes(b"words")
    with pytest.raises(InputError, match="b.gz is not compressed"):
        load("b.gz")


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_pixels_as_bright_in_every_frame_are_no_peak(here, size, seed):
    rng = np.random.default_rng(seed)
    scan = np.roll(pattern(seed=seed), (3, -4, 2), (0, 1, 2)).astype(np.int64)
    place = rng.integers(2, 6, 2)
    scan[:, place[0] : place[0] + size, place[1] : place[1] + size] = rng.poisson(900_000, (24, size, size))
    np.savez("scan.npz", intensity=scan)
    note = next(note for note in load("scan.npz").notes if "peak at" in note)
    peak = np.array(eval(note.partition("peak at ")[2].partition(")")[0] + ")"))
    assert (abs(peak - [15, 12, 18]) <= 2).all()
    with frames_of(["scan.npz"]) as frames:
        made = prepare_scan(frames)
    assert (abs(np.array(made.peak) - [15, 12, 18]) <= 2).all()


def test_frames_that_are_all_alike_keep_their_peak(here):
    np.savez("scan.npz", intensity=np.broadcast_to(pattern((32, 32)), (20, 32, 32)))
    assert any("(16, 16)" in note or "16, 16)" in note for note in load("scan.npz").notes)


def test_flags_are_told_when_frames_are_prepared(here):
    flagged = pattern()
    flagged[:, 10:13] = 2**32 - 1
    np.savez("scan.npz", intensity=flagged.astype(np.float32))
    with frames_of(["scan.npz"]) as frames:
        made = prepare_scan(frames)
    assert "96 pixels are flagged (4294967296) in every frame: not measured" in made.steps
    assert abs(np.array(made.peak) - [12, 16, 16]).max() <= 1
