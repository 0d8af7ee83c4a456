"""Every format gives back what was written, in one convention, and says what it assumed."""

import json

import h5py
import numpy as np
import pytest
import scipy.io
import tifffile

from retrieve.errors import InputError, PluginError
from retrieve.io import RawFile, Reader, builtin_readers, load, read, readers


def write_npz(path, data):
    np.savez(path, intensity=data)


def write_mat73(path, data):
    with h5py.File(path, "w", userblock_size=512) as file:
        file["intensity"] = data.T
        file["intensity"].attrs["MATLAB_class"] = np.bytes_("single")
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


def write_h5(path, data):
    with h5py.File(path, "w") as file:
        file["scan/intensity"] = data


def write_cxi(path, data):
    with h5py.File(path, "w") as file:
        file["cxi_version"] = 150
        file["entry_1/instrument_1/detector_1/data"] = data


def write_fabio(path, data):
    fabio = pytest.importorskip("fabio", reason="EDF and CBF need the extra `detectors`")
    image = fabio.edfimage.EdfImage(data) if path.suffix == ".edf" else fabio.cbfimage.CbfImage(data.astype(np.int32))
    image.write(str(path))


FORMATS = {
    "scan.npz": write_npz,
    "scan.npy": np.save,
    "scan.tif": tifffile.imwrite,
    "v5.mat": lambda path, data: scipy.io.savemat(path, {"intensity": data}),
    "v73.mat": write_mat73,
    "scan.h5": write_h5,
    "scan.cxi": write_cxi,
    "scan.edf": write_fabio,
    "scan.cbf": write_fabio,
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("suffix", ["", ".renamed"], ids=["named", "by-content"])
def test_round_trip(tmp_path, counts, name, suffix):
    path = tmp_path / name
    FORMATS[name](path, counts)
    path = path.rename(tmp_path / (name + suffix))
    got = load(path)
    np.testing.assert_array_equal(got.data, counts)
    assert got.data.dtype == np.float32
    assert (got.kind, got.centred, got.source) == ("intensity", True, path)
    assert any("peak at (16, 20): centred" in note for note in got.notes)


@pytest.mark.parametrize("name", ["scan.npz", "scan.npy", "scan.tif", "v5.mat", "v73.mat", "scan.h5", "scan.cxi"])
def test_volumes_keep_their_axis_order(tmp_path, name):
    volume = np.random.default_rng(0).integers(0, 50, (17, 18, 20)).astype(np.float32)
    FORMATS[name](tmp_path / name, volume)
    np.testing.assert_array_equal(load(tmp_path / name).data, volume)


@pytest.mark.parametrize("name", FORMATS)
def test_problem(tmp_path, counts, name):
    FORMATS[name](tmp_path / name, counts)
    problem = read(tmp_path / name)
    np.testing.assert_allclose(np.fft.fftshift(problem.amplitude), np.sqrt(counts), rtol=1e-6)
    assert problem.meta["input"]["path"] == str(tmp_path / name)
    assert len(problem.meta["input"]["sha256"]) == 64
    assert problem.meta["notes"]


def test_npz_companions(tmp_path, counts, mask, support, truth):
    path = tmp_path / "all.npz"
    meta = json.dumps({"wavelength_m": 1.3e-10})
    np.savez(path, intensity=counts, mask=mask.astype(np.uint8), support=support, object=truth, meta=meta)
    got = load(path)
    np.testing.assert_array_equal(got.mask, mask)
    np.testing.assert_array_equal(got.support, support)
    np.testing.assert_array_equal(got.truth, truth)
    assert got.meta == {"wavelength_m": 1.3e-10}
    assert "mask 'mask': 1 = measured, 99.6 % measured" in got.notes
    problem = got.problem()
    np.testing.assert_array_equal(np.fft.fftshift(problem.valid), mask)
    assert problem.meta["wavelength_m"] == 1.3e-10


@pytest.mark.parametrize(("stored", "meta"), [("plain words", {"text": "plain words"}), ("[1]", {"text": [1]}), ("{}", {})])
def test_meta_is_never_in_the_way(tmp_path, counts, stored, meta):
    np.savez(tmp_path / "a.npz", intensity=counts, meta=stored)
    assert load(tmp_path / "a.npz").meta == meta


def test_key_chooses(tmp_path, counts):
    np.savez(tmp_path / "two.npz", intensity=counts, raw_counts=2 * counts)
    assert load(tmp_path / "two.npz", key="raw_counts").data.max() == 2 * counts.max()
    assert load(f"{tmp_path / 'two.npz'}:raw_counts").options == {"key": "raw_counts"}


@pytest.mark.parametrize(("names", "why"), [(["image"], "only picture or volume"), (["image", "flat"], "by far the biggest")])
def test_the_only_or_the_biggest_array(tmp_path, counts, names, why):
    arrays = {"image": np.stack([counts] * 16), "flat": counts}
    np.savez(tmp_path / "a.npz", temperature=np.arange(100.0), **{n: arrays[n] for n in names})
    assert any(why in note for note in load(tmp_path / "a.npz").notes)


def test_frame(tmp_path, counts, mask):
    np.savez(tmp_path / "stack.npz", intensity=np.stack([counts, 3 * counts, counts]), mask=np.stack([~mask, mask, mask]))
    got = load(tmp_path / "stack.npz", frame=1)
    np.testing.assert_array_equal(got.data, 3 * counts)
    np.testing.assert_array_equal(got.mask, mask)
    assert "frame 1 of 3 taken" in got.notes


def test_one_mask_for_a_stack(tmp_path, counts, mask):
    np.savez(tmp_path / "stack.npz", intensity=np.stack([counts] * 4), mask=mask)
    got = load(tmp_path / "stack.npz")
    np.testing.assert_array_equal(got.mask, np.stack([mask] * 4))
    assert "one mask used for all frames of axis 0" in got.notes


def test_axes_of_length_one_are_dropped(tmp_path, counts):
    np.savez(tmp_path / "a.npz", intensity=counts[None])
    got = load(tmp_path / "a.npz")
    assert got.data.shape == counts.shape
    assert "axes of length 1 of 1×32×40 dropped" in got.notes


MASK_FILES = {
    "mask.npy": lambda path, mask: np.save(path, mask),
    "mask.npz": lambda path, mask: np.savez(path, mask=mask, other=np.ones((32, 40))),
    "mask.tif": lambda path, mask: tifffile.imwrite(path, 255 * mask.astype(np.uint8)),
    "mask.cxi": lambda path, mask: write_detector_mask(path, mask),
}


def write_detector_mask(path, mask):
    with h5py.File(path, "w") as file:
        file["cxi_version"] = 150
        file["entry_1/instrument_1/detector_1/mask"] = (~mask).astype(np.uint32) * 4


@pytest.mark.parametrize("name", MASK_FILES)
def test_mask_of_another_file(tmp_path, counts, mask, name):
    np.savez(tmp_path / "scan.npz", intensity=counts, mask=np.zeros_like(mask))
    MASK_FILES[name](tmp_path / name, mask)
    np.testing.assert_array_equal(load(tmp_path / "scan.npz", mask=tmp_path / name).mask, mask)


def test_support_of_another_file(tmp_path, counts, support):
    np.save(tmp_path / "scan.npy", counts)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["a/inside"], file["a/other"] = support.astype(np.uint8), counts
    got = load(tmp_path / "scan.npy", support=f"{tmp_path / 'other.h5'}:/a/inside")
    np.testing.assert_array_equal(got.problem().support, support)


def nexus(file, counts, **attributes):
    file.attrs.update(attributes)
    entry = file.create_group("scan1")
    entry.attrs.update({"NX_class": "NXentry"})
    for name in ("plot", "other"):
        group = entry.create_group(name)
        group.attrs.update({"NX_class": "NXdata", "signal": "values"})
        group["values"] = counts if name == "plot" else counts + 1
    entry["detector/pixel_mask"] = (counts == counts.max()).astype(np.uint32)
    entry.attrs["default"] = "plot"


@pytest.mark.parametrize("attributes", [{"default": "scan1"}, {}], ids=["default", "only-entry"])
def test_nexus_default(tmp_path, counts, attributes):
    with h5py.File(tmp_path / "a.nxs", "w") as file:
        nexus(file, counts, **attributes)
    got = load(tmp_path / "a.nxs")
    np.testing.assert_array_equal(got.data, counts)
    np.testing.assert_array_equal(got.mask, counts != counts.max())
    assert "array 'scan1/plot/values' read because NeXus marks it as the signal to plot" in got.notes
    assert any("pixel_mask': 0 = good" in note for note in got.notes)


def test_nexus_default_may_be_a_link(tmp_path, counts):
    with h5py.File(tmp_path / "a.nxs", "w") as file:
        nexus(file, counts)
        file["elsewhere/values"] = counts + 2
        file["scan1/linked/values"] = h5py.SoftLink("/elsewhere/values")
        file["scan1/linked"].attrs["signal"] = "values"
        file["scan1"].attrs["default"] = "linked"
    np.testing.assert_array_equal(load(tmp_path / "a.nxs").data, counts + 2)


def test_nexus_key_may_name_a_group(tmp_path, counts):
    with h5py.File(tmp_path / "a.nxs", "w") as file:
        nexus(file, counts)
    np.testing.assert_array_equal(load(tmp_path / "a.nxs", key="scan1/other").data, counts + 1)


def test_nexus_old_signal_attribute(tmp_path, counts):
    with h5py.File(tmp_path / "old.nxs", "w") as file:
        entry = file.create_group("entry")
        data = entry.create_group("data")
        entry.attrs["NX_class"], data.attrs["NX_class"] = "NXentry", "NXdata"
        data["a"], data["b"] = counts + 1, counts
        data["b"].attrs["signal"] = 1
    np.testing.assert_array_equal(load(tmp_path / "old.nxs").data, counts)


def test_eiger_master_with_its_parts(tmp_path, counts):
    pytest.importorskip("hdf5plugin", reason="Eiger compression needs the extra `detectors`")
    import hdf5plugin

    stack = np.stack([counts] * 4).astype(np.uint32)
    stack[:, 0, 0] = np.iinfo(np.uint32).max
    for number in (1, 2):
        with h5py.File(tmp_path / f"data_{number}.h5", "w") as file:
            file.create_dataset("entry/data/data", data=stack[2 * number - 2 : 2 * number], **hdf5plugin.Bitshuffle())
    with h5py.File(tmp_path / "master.h5", "w") as file:
        for number in (1, 2, 3):
            file[f"entry/data/data_{number:06d}"] = h5py.ExternalLink(f"data_{number}.h5", "entry/data/data")
    got = load(tmp_path / "master.h5")
    assert got.data.shape == (4, *counts.shape)
    assert not got.mask[:, 0, 0].any()
    assert got.mask.sum() == got.mask.size - 4
    assert any("4 pixels at the largest uint32" in note for note in got.notes)


def test_negative_detector_flags(tmp_path, counts):
    counts[5, 5] = -1
    write_fabio(tmp_path / "a.cbf", counts)
    got = load(tmp_path / "a.cbf")
    assert not got.mask[5, 5]
    assert got.mask.sum() == counts.size - 1
    got.problem()


def test_pynx_flags_and_cxi_mask(tmp_path, counts, mask):
    counts[7, 7] = -1e38
    write_cxi(tmp_path / "a.cxi", counts)
    with h5py.File(tmp_path / "a.cxi", "a") as file:
        file["entry_1/instrument_1/detector_1/mask"] = (~mask).astype(np.int8)
        file["entry_1/instrument_1/detector_1/distance"] = 0.5
    got = load(tmp_path / "a.cxi")
    mask[7, 7] = False
    np.testing.assert_array_equal(got.mask, mask)
    assert any("1 pixels below -1e38" in note for note in got.notes)
    assert any("0 = good" in note for note in got.notes)
    assert got.meta == {"detector_distance_m": 0.5, "experiment": {"distance_m": 0.5}}
    got.problem()


def test_extra_reader(tmp_path, counts):
    raw = Reader("raw", (".raw",), lambda path, key: RawFile(np.fromfile(path, np.float32).reshape(32, 40), "raw"))
    counts.tofile(tmp_path / "scan.raw")
    np.testing.assert_array_equal(load(tmp_path / "scan.raw", extra=[raw]).data, counts)


def test_two_readers_of_one_name():
    with pytest.raises(PluginError, match="'npz'.*rename one"):
        readers([Reader("npz", (".npz",), "elsewhere:read_npz")])


def broken(head, path):
    raise RuntimeError("broken sniff")


PLUGIN_READERS = [
    ({"mine": Reader("mine", (".x",), "m:f", sniff=broken)}, "reader 'mine' left out: RuntimeError: broken sniff"),
    ({"mine": "no_such_module:reader"}, "no_such_module"),
]


@pytest.mark.parametrize(("registered", "warning"), PLUGIN_READERS)
def test_a_broken_plugin_reader_is_a_warning(tmp_path, counts, monkeypatch, registered, warning):
    targets = {name: (target, "third") for name, target in registered.items()}
    for module in ("plugins", "io"):
        monkeypatch.setattr(f"retrieve.{module}.registry.registered", lambda kind: targets)
    np.savez(tmp_path / "a.npz", intensity=counts)
    with pytest.warns(UserWarning, match=warning):
        assert load(tmp_path / "a.npz").kind == "intensity"


def test_every_builtin_reader_loads(tmp_path):
    for reader in builtin_readers():
        with pytest.raises((InputError, OSError, ValueError)):
            reader.read(tmp_path / "missing", None)
