"""Every file that cannot be used is refused in a line or two that name it and say what to do."""

import os
import sys

import h5py
import numpy as np
import pytest
import scipy.io
import tifffile

from retrieve.errors import InputError
from retrieve.io import load

GOOD = np.arange(32.0 * 32).reshape(32, 32)


def npz(**arrays):
    return lambda path: np.savez(path, **arrays)


def h5(**arrays):
    def write(path):
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file[name.replace("__", "/")] = array

    return write


def cut(write, keep=0.6):
    def write_and_cut(path):
        write(path)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * keep)])

    return write_and_cut


def pickled(path):
    np.save(path, np.array([{"a": 1}, None], dtype=object), allow_pickle=True)


def reconstruction(path):
    h5(cxi_version=150, entry_1__image_1__data=GOOD.astype(np.complex64), entry_1__image_1__data_space="real")(path)
    with h5py.File(path, "a") as file:
        file["entry_1/data_1/data"] = h5py.SoftLink("/entry_1/image_1/data")


def colour(path):
    tifffile.imwrite(path, np.zeros((32, 32, 3), np.uint8), photometric="rgb")


def two_series(path):
    with tifffile.TiffWriter(path) as file:
        file.write(GOOD)
        file.write(GOOD[:20])


# name, writer (None: nothing is written), options of load, words of the message beside the file's name
BAD = {
    "missing": ("missing.npz", None, {}, ["no file", "check the name"]),
    "near miss": ("scam.npz", lambda p: npz(intensity=GOOD)(p.with_name("scan.npz")), {}, ["did you mean scan.npz?"]),
    "no directory": ("none/scan.npz", None, {}, ["no directory"]),
    "directory": ("folder.npz", lambda p: p.mkdir(), {}, ["is a directory", "name a file"]),
    "empty": ("empty.npz", lambda p: p.write_bytes(b""), {}, ["0 bytes", "again"]),
    "unknown format": ("notes.txt", lambda p: p.write_text("hello"), {}, ["unknown format", "npz", "CXI", "EDF"]),
    "text called npz": ("text.npz", lambda p: p.write_text("hello"), {}, ["cannot be read as npz", "copy it again"]),
    "cut npz": ("cut.npz", cut(npz(intensity=GOOD)), {}, ["cannot be read as npz", "copy it again"]),
    "cut npy": ("cut.npy", cut(lambda p: np.save(p, GOOD)), {}, ["cannot be read as npy", "copy it again"]),
    "cut h5": ("cut.h5", cut(h5(intensity=GOOD)), {}, ["cut short", "copy it again"]),
    "cut cxi": ("cut.cxi", cut(h5(intensity=GOOD)), {}, ["cut short", "copy it again"]),
    "cut tif": ("cut.tif", cut(lambda p: tifffile.imwrite(p, GOOD)), {}, ["cannot be read as TIFF", "copy it again"]),
    "cut mat": ("cut.mat", cut(lambda p: scipy.io.savemat(p, {"intensity": GOOD})), {}, ["cannot be read as MATLAB 5"]),
    "wrong key": ("a.npz", npz(intensity=GOOD, mask=GOOD), {"key": "intesity"}, ["'intesity'", "mean intensity?", "--key"]),
    "wrong h5 key": ("a.h5", h5(a__b=GOOD), {"key": "zzz"}, ["'zzz'", "known: a/b", "--key"]),
    "key of an npy": ("a.npy", lambda p: np.save(p, GOOD), {"key": "data"}, ["leave out --key"]),
    "key of a mask": ("a.npz", npz(intensity=GOOD, mask=GOOD > 3), {"key": "mask"}, ["looks like a mask", "--key"]),
    "several": ("a.npz", npz(a=GOOD, b=GOOD), {}, ["several arrays", "a (32×32), b (32×32)", "--key"]),
    "ambiguous tail": ("a.h5", h5(x__data=GOOD, y__data=GOOD), {"key": "data"}, ["x/data (32×32), y/data (32×32)", "--key"]),
    "complex": ("a.npz", npz(intensity=GOOD + 1j), {}, ["complex values", "|F|²", "--key"]),
    "complex only": ("a.npz", npz(object=GOOD + 1j), {}, ["no measurement", "complex values", "--key"]),
    "complex tif": ("a.tif", lambda p: tifffile.imwrite(p, (GOOD + 1j).astype(np.complex64)), {}, ["complex values", "|F|²"]),
    "text array": ("a.npz", npz(intensity=np.array(["a", "b"])), {}, ["holds no numbers", "--key"]),
    "pickled npy": ("a.npy", pickled, {}, ["Python objects", "array of numbers"]),
    "pickled npz": ("a.npz", npz(intensity=np.array([{}, None], dtype=object)), {}, ["Python objects", "array of numbers"]),
    "no arrays": ("a.h5", h5(), {}, ["holds no arrays", "write the intensity"]),
    "only scalars": ("a.h5", h5(a=1, b=2), {}, ["no 2D or 3D array", "at least 16 pixels"]),
    "1D": ("a.npz", npz(intensity=GOOD.ravel()), {}, ["(1024,)", "2 or 3 axes"]),
    "4D": ("a.npz", npz(intensity=GOOD.reshape(4, 4, 4, 16)), {}, ["4 axes, 4×4×4×16", "--frame", "--key"]),
    "frame of no stack": ("a.npz", npz(intensity=GOOD), {"frame": 0}, ["no stack", "leave out --frame"]),
    "frame too far": ("a.npz", npz(intensity=np.stack([GOOD] * 3)), {"frame": 3}, ["has 3 frames", "between 0 and 2"]),
    "mask of another shape": ("a.npz", npz(intensity=GOOD, mask=GOOD[1:]), {}, ["31×32", "32×32", "--mask"]),
    "all zero": ("a.npz", npz(intensity=0 * GOOD), {}, ["zero", "check the file"]),
    "reconstruction": ("a.cxi", reconstruction, {}, ["holds a reconstruction", "data file"]),
    "colour": ("a.tif", colour, {}, ["colour picture", "grey"]),
    "several series": ("a.tif", two_series, {}, ["0 (32×32), 1 (20×32)", "--key"]),
    "wrong series": ("a.tif", two_series, {"key": "5"}, ["no series '5'", "--key"]),
    "unknown kind": ("a.npz", npz(intensity=GOOD), {"kind": "field"}, ["'field'", "auto, intensity, amplitude"]),
    "unknown centring": ("a.npz", npz(intensity=GOOD), {"centred": "maybe"}, ["'maybe'", "auto, yes, no"]),
}


@pytest.mark.parametrize("case", BAD)
def test_refused(tmp_path, case):
    name, write, options, words = BAD[case]
    path = tmp_path / name
    if write:
        write(path)
    with pytest.raises(InputError) as error:
        load(path, **options).problem()
    message = str(error.value)
    assert message.count("\n") <= 1
    assert len(message) < 600
    about = [] if case.startswith("unknown k") or case.startswith("unknown c") else [str(path)]
    for word in [*about, *words]:
        assert word in message


def test_a_dataset_of_no_file_is_refused_for_the_file(tmp_path):
    with pytest.raises(InputError, match=r"no file .*missing\.h5; check the name"):
        load(f"{tmp_path}/missing.h5:/dark")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root and Windows may read any file")
def test_unreadable(tmp_path):
    path = tmp_path / "a.npz"
    npz(intensity=GOOD)(path)
    path.chmod(0)
    with pytest.raises(InputError, match="may not be read by this user.*chmod"):
        load(path)


def test_unreadable_without_permissions(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    npz(intensity=GOOD)(path)

    def refuse(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(InputError, match="may not be read by this user.*chmod"):
        load(path)


@pytest.mark.parametrize("name", ["a.edf", "a.cbf"])
def test_without_fabio(tmp_path, monkeypatch, name):
    (tmp_path / name).write_bytes(b"###CBF: VERSION 1.5" if name == "a.cbf" else b"{\nEDF_DataBlockID = 1 ;\n}\n")
    monkeypatch.setitem(sys.modules, "fabio", None)
    with pytest.raises(InputError, match=r"fabio; pip install 'retrieve-phase\[detectors\]'"):
        load(tmp_path / name)


@pytest.mark.parametrize(("plugin", "words"), [(None, r"pip install 'retrieve-phase\[detectors\]'"), (sys, "h5repack -f GZIP=4")])
def test_unknown_compression(tmp_path, monkeypatch, plugin, words):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("intensity", data=GOOD, compression="gzip")
    monkeypatch.setitem(sys.modules, "hdf5plugin", plugin)
    monkeypatch.setattr(h5py.h5z, "filter_avail", lambda number: False)
    with pytest.raises(InputError, match=words) as error:
        load(tmp_path / "a.h5")
    assert str(tmp_path / "a.h5") in str(error.value)
    assert "'/intensity' is compressed with filter 1" in str(error.value)


def test_tiff_that_needs_imagecodecs(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", GOOD)

    def refuse(self, *args, **kwargs):
        raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", refuse)
    with pytest.raises(InputError, match=r"LZW.*pip install 'retrieve-phase\[detectors\]'"):
        load(tmp_path / "a.tif")


def test_a_bad_mask_file_is_named(tmp_path):
    npz(intensity=GOOD)(tmp_path / "a.npz")
    with pytest.raises(InputError, match="mask.npz"):
        load(tmp_path / "a.npz", mask=tmp_path / "mask.npz")


def test_a_broken_link_is_passed_over(tmp_path):
    h5(data=GOOD)(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["lost"] = h5py.SoftLink("/nowhere")
        file["away"] = h5py.ExternalLink("gone.h5", "data")
        file["loop"] = h5py.SoftLink("/")
    assert load(tmp_path / "a.h5").data.shape == (32, 32)
