"""Loaders of beamlines with a text file beside the frames: P10 (FIO) and 34-ID-C (SPEC)."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from numpy.testing import assert_allclose, assert_array_equal

from retrieve.errors import InputError
from retrieve.geometry.experiment import Experiment
from retrieve.prepare import prepare_scan

pytest.importorskip("retrieve_beamlines", reason="not installed: pip install plugins/retrieve-beamlines")
from retrieve_beamlines import aps34idc, p10, samples
from retrieve_beamlines.fio import read_fio

COUNTS = np.random.default_rng(0).poisson(40, (11, 24, 20)).astype(np.uint16)


def opened(loader, text, key=None):
    path, _, scan = text.partition("#")
    with loader.open(Path(path), scan, key) as frames:
        values = np.concatenate([block for _, block in frames.blocks()])
        return frames, Experiment.from_meta(frames.meta), values


# P10 ---------------------------------------------------------------------------------------------


def test_p10_tells_everything(tmp_path):
    frames, experiment, _ = opened(p10.LOADER, samples.write_p10(tmp_path, COUNTS))
    assert experiment.energy_kev == 8.5
    assert experiment.distance_m == 1.85
    assert_allclose(experiment.pixel_size_um, (75, 75))
    assert experiment.direct_beam == (20.25, 30.5)
    assert experiment.scanned == "om"
    assert_allclose(experiment.angles_deg["om"], samples.steps(11))
    assert (experiment.angle("del"), experiment.angle("gam"), experiment.angle("chi")) == (31.75, 0.5, 90)
    assert experiment.monitor == (99.5,) * 11
    assert experiment.exposure_s == 0.5
    assert frames.meta["scan"] == "ascan om 12 12.1 10 1"


def test_p10_by_its_fio_file_or_a_number(tmp_path):
    folder = Path(samples.write_p10(tmp_path, COUNTS))
    assert_array_equal(opened(p10.LOADER, str(folder / "gold_00063.fio"))[2], COUNTS)


def test_the_pixel_mask_of_the_master_file(tmp_path):
    folder = Path(samples.write_p10(tmp_path, COUNTS))
    with h5py.File(folder / "e4m/gold_00063_master.h5", "r+") as file:
        file["entry/instrument/detector/detectorSpecific/pixel_mask"][3, 4] = 1
    assert_array_equal(np.argwhere(~opened(p10.LOADER, str(folder))[0].mask), [[3, 4]])


def test_a_missing_data_file_among_others(tmp_path):
    folder = Path(samples.write_p10(tmp_path, COUNTS, parts=3))
    (folder / "e4m/gold_00063_data_000002.h5").unlink()
    with pytest.raises(InputError, match=r"gold_00063_data_000002\.h5"):
        opened(p10.LOADER, str(folder))


def test_p10_with_fewer_rows_than_frames(tmp_path):
    folder = Path(samples.write_p10(tmp_path, COUNTS, parts=3))
    fio = folder / "gold_00063.fio"
    fio.write_text("\n".join(fio.read_text().splitlines()[:-4]) + "\n 12.0")  # the last row is cut short
    frames, experiment, values = opened(p10.LOADER, str(folder))
    assert_array_equal(values, COUNTS[:7])
    assert len(experiment.angles_deg["om"]) == 7
    assert "11 frames and 7 rows in gold_00063.fio" in " ".join(frames.notes)


def test_p10_eh2(tmp_path):
    folder = Path(samples.write_p10(tmp_path, COUNTS))
    fio = folder / "gold_00063.fio"
    fio.write_text(fio.read_text().replace("Col 1 om ", "Col 1 samth ").replace("del =", "e2_t02 =").replace("gam =", "other ="))
    _, experiment, _ = opened(p10.LOADER, str(folder))
    assert experiment.scanned == "om"
    assert experiment.angle("del") == 31.75
    assert "gam" not in experiment.angles_deg


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "gold_00063.fio").unlink(), r"0 files \*\.fio with the motors \(none\)"),
        (lambda folder: (folder / "e4m/gold_00063_master.h5").unlink(), r"0 master files \(none\)"),
        (lambda folder: (folder / "gold_00063.fio").write_text("?"), "none of the sections"),
    ],
)
def test_p10_without_a_file(tmp_path, spoil, message):
    folder = Path(samples.write_p10(tmp_path, COUNTS))
    spoil(folder)
    with pytest.raises(InputError, match=message):
        opened(p10.LOADER, str(folder))


def test_p10_with_two_detectors(tmp_path):
    folder = Path(samples.write_p10(tmp_path, COUNTS))
    (folder / "e500").mkdir()
    samples.write_tree(folder / "e500/gold_00063_master.h5", {"entry/data/data_000001": COUNTS + 1})
    with pytest.raises(InputError, match="2 master files .*--key"):
        opened(p10.LOADER, str(folder))
    assert_array_equal(opened(p10.LOADER, str(folder), "e4m")[2], COUNTS)


def test_text_in_a_fio_file(tmp_path):
    (tmp_path / "a.fio").write_text("%p\na = 1\nb = e4m\n%d\n Col 1 om DOUBLE\n Col 2 name STRING\n 1.5 x_1\n 2.5 x_2\n")
    fio = read_fio(tmp_path / "a.fio")
    assert fio.number("a") == 1
    assert fio.number("b") is None
    assert_array_equal(fio.column("om"), [1.5, 2.5])
    assert fio.column("name") is None


# 34-ID-C -----------------------------------------------------------------------------------------


def test_34idc_tells_everything(tmp_path):
    frames, experiment, _ = opened(aps34idc.LOADER, samples.write_34idc(tmp_path, COUNTS))
    assert experiment.energy_kev == 9
    assert experiment.distance_m == 0.5
    assert experiment.pixel_size_um == (55, 55)
    assert experiment.scanned == "theta"
    assert_allclose(experiment.angles_deg["theta"], samples.steps(11, -0.28, 0.005))
    assert (experiment.angle("delta"), experiment.angle("gamma")) == (32.174, 12.6346)
    assert experiment.monitor == (1e5,) * 11
    assert frames.meta["detector"] == "34idcTIM2"
    assert frames.meta["scan"].split() == ["54", "ascan", "th", "-0.28", "0.72", "10", "0.5"]


def test_the_seam_of_the_detector_is_inserted(tmp_path):
    text = samples.write_34idc(tmp_path, COUNTS, first=(250, 244))
    frames, _, values = opened(aps34idc.LOADER, text)
    assert frames.shape == (11, 24 + 5, 20 + 4)
    assert not frames.mask[6:11].any()
    assert not frames.mask[:, 12:16].any()
    assert_array_equal(values[:, :6, :12], COUNTS[:, :6, :12])
    assert_array_equal(values[:, 11:, 16:], COUNTS[:, 6:, 12:])
    assert "seam of 34idcTIM2 inserted: 29×24 pixels instead of 24×20" in frames.notes
    assert opened(aps34idc.LOADER, text.replace("gold.spec", "gold.spec"))[1].direct_beam is None


@pytest.mark.parametrize(("detector", "first"), [("34idcTIM1", (250, 244)), ("34idcTIM2", (256, 256)), ("34idcTIM2", (0, 0))])
def test_no_seam_where_there_is_none(tmp_path, detector, first):
    frames, _, _ = opened(aps34idc.LOADER, samples.write_34idc(tmp_path, COUNTS, detector=detector, first=first))
    assert frames.shape == COUNTS.shape
    assert frames.mask is None


def test_a_scan_number_that_comes_twice(tmp_path):
    text = samples.write_34idc(tmp_path, COUNTS)
    spec = tmp_path / "gold.spec"
    head, scan = spec.read_text().split("#S 54", 1)
    spec.write_text(f"{head}#S 54{scan}\n#S 54{scan.replace(' 9.0', ' 8.0')}")
    frames, experiment, _ = opened(aps34idc.LOADER, text)
    assert experiment.energy_kev == 8
    assert "scan 54 is 2 times in gold.spec: the last one, 54.2, is taken" in frames.notes
    assert opened(aps34idc.LOADER, text + ".1")[1].energy_kev == 9


def test_a_scan_that_was_stopped(tmp_path):
    text = samples.write_34idc(tmp_path, COUNTS)
    for k in (9, 10):
        (tmp_path / f"gold_S0054/gold_S0054_{k:05d}.tif").unlink()
    frames, experiment, values = opened(aps34idc.LOADER, text)
    assert_array_equal(values, COUNTS[:9])
    assert len(experiment.angles_deg["theta"]) == len(experiment.monitor) == 9
    assert "9 frames and 11 points" in " ".join(frames.notes)


def test_a_frame_missing_among_others(tmp_path):
    text = samples.write_34idc(tmp_path, COUNTS)
    (tmp_path / "gold_S0054/gold_S0054_00004.tif").unlink()
    path, _, scan = text.partition("#")
    with (
        aps34idc.LOADER.open(Path(path), scan) as frames,
        pytest.raises(InputError, match="between gold_S0054_00003.tif and gold_S0054_00005.tif"),
    ):
        prepare_scan(frames)


def test_frames_by_number_and_not_by_letter(tmp_path):
    text = samples.write_34idc(tmp_path, COUNTS)
    for k, path in enumerate(sorted((tmp_path / "gold_S0054").iterdir())):
        path.rename(path.with_name(f"gold_{k}.tif"))
    assert_array_equal(opened(aps34idc.LOADER, text)[2], COUNTS)


def test_the_folder_of_the_frames(tmp_path):
    text = samples.write_34idc(tmp_path, COUNTS)
    (tmp_path / "ADgold").mkdir()
    (tmp_path / "gold_S0054").rename(tmp_path / "ADgold/gold_S0054")
    assert_array_equal(opened(aps34idc.LOADER, text)[2], COUNTS)
    (tmp_path / "ADgold/gold_S0054").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="no folder of frames of scan 54 beside it, whose name ends in 0054; name it"):
        opened(aps34idc.LOADER, text)
    assert_array_equal(opened(aps34idc.LOADER, text, str(tmp_path / "elsewhere"))[2], COUNTS)
    for name in ("gold_a_S0054", "gold_b_S0054"):
        (tmp_path / name).mkdir()
    with pytest.raises(InputError, match="several folders"):
        opened(aps34idc.LOADER, text)


@pytest.mark.parametrize(("change", "message"), [("#53", "no scan '53'; write one behind #, out of 54"), ("#", "no scan ''")])
def test_a_scan_that_is_not_there(tmp_path, change, message):
    path = samples.write_34idc(tmp_path, COUNTS).partition("#")[0]
    with pytest.raises(InputError, match=message):
        opened(aps34idc.LOADER, path + change)


def test_a_file_that_is_no_spec(tmp_path):
    (tmp_path / "a.spec").write_text("hello")
    with pytest.raises(InputError, match="is no SPEC file"):
        opened(aps34idc.LOADER, f"{tmp_path / 'a.spec'}#1")


def test_frames_of_two_sizes(tmp_path):
    text = samples.write_34idc(tmp_path, COUNTS)
    tifffile.imwrite(tmp_path / "gold_S0054/gold_S0054_00005.tif", COUNTS[5, :20])
    with pytest.raises(InputError, match=r"gold_S0054_00005\.tif has 20×20 pixels, the first frame 24×20"):
        opened(aps34idc.LOADER, text)
