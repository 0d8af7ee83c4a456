"""Files that claim too much, link away, go in circles, or are no files: refused in words, before memory or time is spent."""

import bz2
import gzip
import lzma
import os
import zipfile

import h5py
import numpy as np
import pytest
import scipy.io
import tifffile

from retrieve.errors import InputError
from retrieve.files import NotEnoughMemory, limited
from retrieve.files.children import CAN_FORK
from retrieve.io import compressed as compressed_files
from retrieve.io import load
from retrieve.io.external import ExternalResult
from retrieve.prepare import frames_of, prepare_scan, read_calibration

GOOD = np.random.default_rng(0).poisson(50, (32, 32)).astype(np.float32)
in_a_child = pytest.mark.skipif(not CAN_FORK, reason="parsers run in this process here")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(file, match, prepared=True):
    """Refused by `load` and by `prepare`, with the file's name."""
    with pytest.raises(InputError, match=match) as error:
        load(file)
    assert str(file) in str(error.value)
    if prepared:
        with pytest.raises(InputError, match=match), frames_of([file]) as frames:
            prepare_scan(frames)


@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "dangling", "device", "NUL", "surrogate"])
def test_what_is_no_file_is_refused_wherever_it_is_read(here, kind):
    np.save("good.npy", GOOD)
    name = {"NUL": "a\0.npy", "device": "/dev/zero", "surrogate": "a\udcff.npy"}.get(kind, "a.npy")
    if kind == "pipe":
        os.mkfifo(name)
    elif kind == "link to a pipe":
        os.mkfifo("pipe")
        os.symlink("pipe", name)
    elif kind == "dangling":
        os.symlink("gone.npy", name)
    said = "is a pipe|is missing|is a device|NUL character|no valid UTF-8"
    for read in (
        lambda: load(name),
        lambda: load("good.npy", mask=name),
        lambda: load("good.npy", support=name),
        lambda: read_calibration((1, 32, 32), dark=name),
        lambda: frames_of([name]).__enter__(),
        lambda: ExternalResult.named(f"{name}:plain"),
    ):
        with pytest.raises(InputError, match=said):
            read()


def npz_with_header(path, shape):
    """An npz whose header tells of a shape, with hardly any values."""
    np.save("a.npy", GOOD)
    body = (path.parent / "a.npy").read_bytes()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("intensity.npy", with_shape(body, shape))


def with_shape(body, shape):
    text = body[10 : 10 + int.from_bytes(body[8:10], "little")]
    new = text.replace(b"(32, 32)", str(shape).encode()).rstrip().ljust(len(text) - 1) + b"\n"
    return body[:10] + new + body[10 + len(text) :]


def test_numpy_headers_that_tell_of_too_much(here):
    for shape in ((10**6, 10**6), (64, 64)):
        npz_with_header(here / "b.npz", shape)
        refused("b.npz", "by its header, but holds")
        (here / "a.npy").write_bytes(with_shape((here / "a.npy").read_bytes(), shape))
        refused("a.npy", "by its header, but holds|cannot be read as npy")


def test_arrays_that_unpack_to_much_more_than_the_file(here):
    np.savez_compressed("a.npz", intensity=np.zeros((10_000, 10_000), np.uint8))
    refused("a.npz", r"needs 400 MB of memory, of which the file holds .* --max-memory 1GB")
    with h5py.File("fill.h5", "w") as file:
        file.create_dataset("d", (40_000, 40_000), "f4", chunks=(100, 100), fillvalue=1)
    refused("fill.h5", "needs 6.4 GB of memory, of which the file holds 0 bytes")
    with h5py.File("virtual.h5", "w", libver="latest") as file:
        file.create_virtual_dataset("d", h5py.VirtualLayout((40_000, 40_000), dtype="f4"))
    refused("virtual.h5", "needs 6.4 GB of memory, of which the file holds 0 bytes")
    with h5py.File("meta.h5", "w") as file:
        file["intensity"] = GOOD
        file.create_dataset("meta", (10**11,), "u1", chunks=(10**6,))
    with pytest.raises(InputError, match=r"meta\.h5: '/meta' needs 400 GB"):
        load("meta.h5")


def test_facts_that_claim_too_many_values_are_passed_over(here):
    with h5py.File("a.h5", "w") as file:
        file["entry/data"] = GOOD
        file.create_dataset("entry/instrument/detector/distance", (10**11,), "f8", chunks=(10**6,), fillvalue=1)
    assert load("a.h5").data.shape == (32, 32)


def test_many_empty_frames_are_read_in_parts(here):
    with h5py.File("a.h5", "w") as file:
        made = file.create_dataset("d", (600, 256, 256), "u4", chunks=(600, 256, 256), compression="gzip")
        made[300, 100:150, 100:150] = np.random.default_rng(0).poisson(9, (50, 50))
    with pytest.raises(NotEnoughMemory, match="allow it with --max-memory 1GB"):
        load("a.h5")
    with frames_of(["a.h5"]) as frames:
        assert frames.shape == (600, 256, 256)


@pytest.mark.parametrize(("module", "suffix"), [(gzip, ".gz"), (bz2, ".bz2"), (lzma, ".xz")])
def test_compressed_files_unpack_within_bounds(here, monkeypatch, module, suffix):
    np.save("a.npy", np.zeros((1200, 1200)))
    file = here / f"a.npy{suffix}"
    file.write_bytes(module.compress((here / "a.npy").read_bytes()))
    with pytest.raises(InputError, match="zero"):
        load(file).problem()
    monkeypatch.setattr(compressed_files, "ALWAYS_ALLOWED", 10_000_000)
    refused(file, r"unpacks to more than 10 MB; if it is not damaged, allow it with --max-memory")
    with limited(max_memory="20MB"):
        load(file)
    file.write_bytes(module.compress(module.compress(b"x" * 100)))
    refused(file, "is compressed twice; unpack it once")


def test_picture_headers_that_tell_of_too_much(here):
    tifffile.imwrite("a.tif", GOOD)
    with tifffile.TiffFile("a.tif", mode="r+") as file:
        for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            file.pages[0].tags[name].overwrite(60_000)
    refused("a.tif", "needs 14.4 GB of memory, of which the file holds")
    scipy.io.savemat("a.mat", {"intensity": np.zeros((10_000, 3_000), np.uint8)}, do_compression=True)
    refused("a.mat", "needs 240 MB of memory, of which the file holds")


def frames_by_fabio(path):
    fabio = pytest.importorskip("fabio")
    data = GOOD.astype(np.int32)
    made = fabio.cbfimage.cbfimage(data=data) if path.suffix == ".cbf" else fabio.edfimage.edfimage(data=data)
    made.write(str(path))
    return path.read_bytes()


def test_a_frame_that_is_cut_at_any_place_is_refused(here):
    body = frames_by_fabio(here / "a.cbf")
    for end in (200, body.index(b"X-Binary-Size"), body.index(b"\x0c\x1a\x04\xd5"), body.index(b"\x0c\x1a\x04\xd5") + 40):
        (here / "a.cbf").write_bytes(body[:end])
        refused("a.cbf", r"a\.cbf .*(cut short|cannot be read|damaged)")
    body = frames_by_fabio(here / "a.edf")
    for end in (60, 400, 700):
        (here / "a.edf").write_bytes(body[:end])
        refused("a.edf", r"a\.edf .*(truncated|cannot be read|unknown format)")
    for number in (b"99999999", b"0"):
        (here / "a.edf").write_bytes(body.replace(b"Dim_1 = 32", b"Dim_1 = " + number))
        refused("a.edf", r"a\.edf")


def test_a_frame_with_a_wrong_checksum_is_refused(here):
    body = bytearray(frames_by_fabio(here / "a.cbf"))
    body[body.index(b"\x0c\x1a\x04\xd5") + 60] ^= 1
    (here / "a.cbf").write_bytes(body)
    refused("a.cbf", "do not fit their checksum")


@in_a_child
def test_an_hdf5_file_whose_tree_is_a_loop_is_refused(here):
    with h5py.File("a.h5", "w") as file:
        made = file.create_dataset("intensity", data=np.zeros((64, 64), np.float32), chunks=(2, 2))
        made[...] = np.random.default_rng(0).poisson(9, (64, 64))
    body = bytearray((here / "a.h5").read_bytes())
    place, seen = body.find(b"TREE"), 0
    while place >= 0:
        level = body[place + 5]
        if body[place + 4] == 1 and level:  # a node of chunks above the leaves: its children become itself
            size = 8 + 8 * 3
            for k in range(int.from_bytes(body[place + 6 : place + 8], "little")):
                child = place + 24 + (k + 1) * size + 8 * k
                body[child : child + 8] = place.to_bytes(8, "little")
                seen += 1
        place = body.find(b"TREE", place + 4)
    assert seen
    (here / "a.h5").write_bytes(body)
    refused("a.h5", r"a\.h5.*(cannot be read|damaged|copy)")


def virtual(file, source, name="d"):
    layout = h5py.VirtualLayout((32, 32), dtype="f4")
    layout[:] = h5py.VirtualSource(source, name, shape=(32, 32))
    with h5py.File(file, "a", libver="latest") as made:
        made.create_virtual_dataset("d", layout)


def test_virtual_datasets_in_a_circle(here):
    virtual("self.h5", ".")
    refused("self.h5", "takes values from itself")
    virtual("named.h5", "named.h5")
    refused("named.h5", "takes values from itself")
    for one, other in (("a", "b"), ("b", "c"), ("c", "a")):
        virtual(f"{one}.h5", f"{other}.h5")
    refused("b.h5", "takes values from itself")
    with h5py.File("end.h5", "w") as file:
        file["d"] = GOOD
    virtual("one.h5", "end.h5")
    virtual("two.h5", "one.h5")
    np.testing.assert_array_equal(load("two.h5").data, GOOD)
