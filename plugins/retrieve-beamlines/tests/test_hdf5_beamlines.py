"""Loaders of beamlines that write HDF5: ID01, ID27, NanoMAX, SIXS, CRISTAL."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from retrieve.errors import InputError
from retrieve.geometry.experiment import Experiment
from retrieve.plugins.registry import registered
from retrieve.testing import parametrize_with_checks

beamlines = pytest.importorskip("retrieve_beamlines", reason="not installed: pip install plugins/retrieve-beamlines")
from retrieve_beamlines import aps34idc, cristal, id01, id27, nanomax, p10, samples, sixs  # noqa: E402
from retrieve_beamlines.hdf5 import KEV, METRES, quantity  # noqa: E402

MODULES = (aps34idc, cristal, id01, id27, nanomax, p10, sixs)
COUNTS = np.random.default_rng(0).poisson(40, (11, 24, 20)).astype(np.uint16)


@parametrize_with_checks([module.LOADER for module in MODULES])
def test_loaders_conform(check):
    check()


def test_every_loader_is_registered():
    assert set(beamlines.register_loaders()) == {module.LOADER.name for module in MODULES}
    assert set(beamlines.register_loaders()) <= set(registered("loaders"))


def opened(loader, text, key=None):
    """Frames, experiment and values of a scan."""
    path, _, scan = text.partition("#")
    with loader.open(Path(path), scan, key) as frames:
        values = np.concatenate([block for _, block in frames.blocks()])
        return frames, Experiment.from_meta(frames.meta), values


def change(text, **datasets):
    """Write, or with None delete, datasets of the file in a source."""
    with h5py.File(text.partition("#")[0], "r+") as file:
        for name, value in datasets.items():
            if name in file:
                del file[name]
            if value is not None:
                file[name] = value
    return text


def test_id01_tells_everything(tmp_path):
    _, experiment, _ = opened(id01.LOADER, samples.write_id01(tmp_path, COUNTS))
    assert experiment.energy_kev == 9
    assert experiment.distance_m == 0.83
    assert_allclose(experiment.pixel_size_um, (55, 55))
    assert experiment.direct_beam == (20.25, 30.5)
    assert experiment.scanned == "eta"
    assert_allclose(experiment.angles_deg["eta"], samples.steps(11))
    assert (experiment.angle("delta"), experiment.angle("nu"), experiment.angle("phi")) == (34.5, 1.25, 3.5)
    assert experiment.monitor == (1e5,) * 11
    assert experiment.exposure_s == 1
    assert experiment.missing() == ()


@pytest.mark.parametrize(
    ("sample", "written", "asked"), [("S1_", 12, "12"), ("", 12, "12"), ("a_b_", 3, "3"), ("S1_", 12, "S1_12.1")]
)
def test_names_of_scans_in_bliss(tmp_path, sample, written, asked):
    text = samples.write_id01(tmp_path, COUNTS, sample, written)
    _, _, values = opened(id01.LOADER, f"{text.partition('#')[0]}#{asked}")
    assert_array_equal(values, COUNTS)


def test_a_scan_that_is_not_there(tmp_path):
    path = samples.write_id01(tmp_path, COUNTS).partition("#")[0]
    with pytest.raises(InputError, match=r"no scan '2'.*there are S1_12\.1"):
        opened(id01.LOADER, f"{path}#2")


def test_one_scan_needs_no_number_and_two_do(tmp_path):
    path = samples.write_id01(tmp_path, COUNTS).partition("#")[0]
    assert_array_equal(opened(id01.LOADER, path)[2], COUNTS)
    change(path, **{"S1_13.1/title": "ct"})
    with pytest.raises(InputError, match=r"several scans; write one behind #, out of S1_12\.1, S1_13\.1"):
        opened(id01.LOADER, path)


def test_several_detectors(tmp_path):
    text = samples.write_id01(tmp_path, COUNTS, **{"measurement/eiger2M": COUNTS[:, :20] + 1})
    with pytest.raises(InputError, match=r"several detectors; name one with --key, out of eiger2M \(11×20×20\), mpx1x4"):
        opened(id01.LOADER, text)
    assert_array_equal(opened(id01.LOADER, text, "mpx1x4")[2], COUNTS)
    frames, experiment, values = opened(id01.LOADER, text, "eiger2M")
    assert_array_equal(values, COUNTS[:, :20] + 1)
    assert experiment.distance_m is None
    with pytest.raises(InputError, match="no detector 'merlin'"):
        opened(id01.LOADER, text, "merlin")


def virtual(folder, there=True):
    """A master file whose frames lie in another file, as BLISS and Lima write them."""
    text = samples.write_id01(folder, COUNTS)
    (folder / "scan0012").mkdir()
    with h5py.File(folder / "scan0012/mpx1x4_0000.h5", "w") as file:
        file["entry_0000/measurement/data"] = COUNTS
    layout = h5py.VirtualLayout(COUNTS.shape, COUNTS.dtype)
    layout[:] = h5py.VirtualSource("scan0012/mpx1x4_0000.h5", "entry_0000/measurement/data", COUNTS.shape)
    with h5py.File(text.partition("#")[0], "r+") as file:
        del file["S1_12.1/measurement/mpx1x4"]
        file.create_virtual_dataset("S1_12.1/measurement/mpx1x4", layout)
    if not there:
        (folder / "scan0012/mpx1x4_0000.h5").unlink()
    return text


def test_frames_of_a_virtual_dataset(tmp_path):
    assert_array_equal(opened(id01.LOADER, virtual(tmp_path))[2], COUNTS)


def test_a_master_copied_alone_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"scan0012/mpx1x4_0000\.h5, which is missing"):
        opened(id01.LOADER, virtual(tmp_path, there=False))


def test_frames_behind_a_link_that_leads_nowhere(tmp_path):
    name = "S1_12.1/measurement/mpx1x4"
    text = change(samples.write_id01(tmp_path, COUNTS), **{name: h5py.ExternalLink("gone.h5", "data")})
    with pytest.raises(InputError, match=r"gone\.h5"):
        opened(id01.LOADER, text)


def test_a_scan_behind_a_link_that_leads_nowhere(tmp_path):
    path = tmp_path / "all.h5"
    with h5py.File(path, "w") as file:
        file["S1_12.1"] = h5py.ExternalLink("S1_0012.h5", "12.1")
    with pytest.raises(InputError, match=r"S1_12\.1' is a link to S1_0012\.h5, which is missing"):
        opened(id01.LOADER, f"{path}#12")


def test_a_file_that_is_still_written(tmp_path):
    """Another process has the file open for writing, and holds its lock."""
    text = samples.write_id01(tmp_path, COUNTS)
    program = "import h5py, sys; file = h5py.File(sys.argv[1], 'r+'); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program, text.partition("#")[0]]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "open\n"
        values = opened(id01.LOADER, text)[2]
        writer.communicate("")
    assert_array_equal(values, COUNTS)


@pytest.mark.parametrize(("frames", "positions"), [(8, 11), (11, 8)])
def test_a_scan_that_was_stopped(tmp_path, frames, positions):
    text = samples.write_id01(tmp_path, COUNTS[:frames])
    change(text, **{"S1_12.1/instrument/positioners/eta": samples.steps(positions)})
    scan, experiment, values = opened(id01.LOADER, text)
    assert_array_equal(values, COUNTS[:8])
    assert len(experiment.angles_deg["eta"]) == 8
    assert f"{frames} frames and {positions} positions of eta: the first 8 are taken" in " ".join(scan.notes)


def test_several_frames_a_position_are_refused(tmp_path):
    text = samples.write_id01(tmp_path, COUNTS[:10])
    change(text, **{"S1_12.1/instrument/positioners/eta": samples.steps(5)})
    with pytest.raises(InputError, match="10 frames and 5 positions of eta, which is 2 frames a position"):
        opened(id01.LOADER, text)


def test_gaps_of_the_maxipix_are_not_measured(tmp_path):
    frames, _, _ = opened(id01.LOADER, samples.write_id01(tmp_path, np.ones((3, 516, 516), np.uint8)))
    assert not frames.mask[255:261].any()
    assert not frames.mask[:, 255:261].any()
    assert frames.mask.sum() == 510**2
    assert "chips of the Maxipix" in " ".join(frames.notes)


def test_a_pixel_size_by_the_detector_is_nominal(tmp_path):
    text = samples.write_id01(tmp_path, np.ones((3, 516, 516), np.uint8))
    change(text, **{"S1_12.1/instrument/mpx1x4/x_pixel_size": None})
    frames, experiment, _ = opened(id01.LOADER, text)
    assert experiment.pixel_size_um == (55, 55)
    assert experiment.nominal == ("pixel_size_um",)
    assert "pixels of 55 µm, by the detector's 516×516 pixels" in frames.notes


def test_units_of_a_dataset_count_more_than_those_of_the_layout(tmp_path):
    path = samples.write_tree(tmp_path / "a.h5", {"d": 830.0, "d@": {"units": "mm"}, "e": 1.0, "nothing": 0.0})
    with h5py.File(path) as file:
        assert_allclose(quantity(file, ("d [m]",), METRES), 0.83)
        assert_allclose(quantity(file, ("e [angstrom]",), KEV), 12.398, rtol=1e-4)
        assert quantity(file, ("nothing [m]", "lost [m]"), METRES) is None


def test_id27(tmp_path):
    _, experiment, _ = opened(id27.LOADER, samples.write_id27(tmp_path, COUNTS))
    assert_allclose(experiment.energy_kev, 33.169, rtol=1e-4)
    assert experiment.scanned == "nath"


@pytest.mark.parametrize("place", ["snapshots/post_scan", "snapshots/pre_scan", "snapshot"])
def test_nanomax_files_of_all_years(tmp_path, place):
    path = samples.write_nanomax(tmp_path, COUNTS)
    if place != "snapshots/post_scan":
        with h5py.File(path, "r+") as file:
            file.move("entry/snapshots/post_scan", f"entry/{place}")
    _, experiment, _ = opened(nanomax.LOADER, path)
    assert experiment.energy_kev == 9.5
    assert experiment.distance_m == 0.65
    assert experiment.scanned == "gontheta"
    assert experiment.angle("delta") == 33.25
    assert experiment.monitor == (2.5e-7,) * 11


def test_sixs_attenuators_are_in_the_monitor(tmp_path):
    frames, experiment, _ = opened(sixs.LOADER, samples.write_sixs(tmp_path, COUNTS))
    assert experiment.energy_kev == 11
    assert experiment.scanned == "mu"
    assert_allclose(experiment.monitor, [1e5] * 5 + [1e5 / 1.5**2] * 6)
    assert "transmissions from 0.444 to 1" in " ".join(frames.notes)


def test_sixs_files_of_2019(tmp_path):
    path = samples.write_sixs(tmp_path, COUNTS)
    with h5py.File(path, "r+") as file:
        del file["com/SIXS/i14-c-cx1-ex-med-v-dif-group.1"]
        for name, value in {"mu": 12.0, "omega": 0.5, "gamma": 2.5, "delta": 31.75}.items():
            file[f"com/SIXS/i14-c-cx1-ex-{name}-med-v/position_pre"] = [value]
        file["com/scan_data/actuator_1_1"].attrs["long_name"] = b"i14-c-cx1/ex/omega-med-v/position"
    _, experiment, _ = opened(sixs.LOADER, path)
    assert experiment.scanned == "omega"
    assert (experiment.angle("mu"), experiment.angle("delta")) == (12, 31.75)


@pytest.mark.parametrize(("name", "circle"), [(b"ascan_mg_omega", "omega"), (b"ascan_mg_phi", "phi")])
def test_cristal_takes_the_scanned_circle_by_the_scans_name(tmp_path, name, circle):
    text = change(samples.write_cristal(tmp_path, COUNTS), **{"exp_0012/scan_config/name": name})
    _, experiment, _ = opened(cristal.LOADER, text)
    assert experiment.scanned == circle
    assert_allclose(experiment.angles_deg[circle], samples.steps(11))
    assert experiment.energy_kev == 8.5
    assert experiment.monitor is None


def test_cristal_angles_in_millionths(tmp_path):
    text = samples.write_cristal(tmp_path, COUNTS)
    change(text, **{"exp_0012/scan_data/actuator_1_1": samples.steps(11) * 1e6})
    assert_allclose(opened(cristal.LOADER, text)[1].angles_deg["omega"], samples.steps(11))


def test_a_scan_without_frames(tmp_path):
    text = change(samples.write_cristal(tmp_path, COUNTS), **{"exp_0012/scan_data/data_06": None})
    with pytest.raises(InputError, match=r"exp_0012 holds no frames \(looked for scan_data"):
        opened(cristal.LOADER, text)


def test_a_file_that_is_no_hdf5(tmp_path):
    (tmp_path / "a.h5").write_text("no")
    with pytest.raises(InputError, match="not a readable HDF5 file"):
        opened(id01.LOADER, f"{tmp_path / 'a.h5'}#1")
