"""The experiment behind a pattern: read from meta, checked, kept through crop and binning."""

import json

import numpy as np
import pytest

from retrieve.errors import InputError
from retrieve.geometry.experiment import Experiment

GOLD = {
    "beamline": "APS 34-ID-C, staff beamtime",
    "sample": "gold nanocrystal, 111 Bragg peak (a=4.08 A)",
    "energy_keV": 9.0,
    "wavelength_A": 1.3776022222222222,
    "detector": "Timepix quad 34idcTIM2, quadrant 0:256,0:256, pixel 55 um",
    "detector_distance_mm": 500.0,
    "delta_deg": 32.174,
    "gamma_deg": 12.6346,
    "scan": "th -0.279996 .. 0.720004 in 200 steps of 0.005 deg, 0.25 s/pt (x N accumulations in the frame counter)",
}


@pytest.fixture
def experiment():
    return Experiment(
        diffractometer="34idc",
        energy_kev=9,
        distance_m=0.5,
        pixel_size_um=55,
        direct_beam=(100, 130.5),
        angles_deg={"theta": np.linspace(-0.2, 0.2, 41), "delta": 32.174, "gamma": 12.6346},
        monitor=np.arange(1, 42),
        exposure_s=0.25,
    )


def test_facts_and_texts_of_an_older_file():
    found = Experiment.from_meta(GOLD)
    assert found.diffractometer == "34idc"
    assert (found.energy_kev, found.distance_m, found.lattice_angstrom, found.exposure_s) == (9, 0.5, 4.08, 0.25)
    assert found.pixel_size_um == (55, 55)
    assert found.hkl == (1, 1, 1)
    assert (found.scanned, found.frame_count) == ("theta", 201)
    assert found.step_deg == pytest.approx(0.005)
    assert found.angles_deg["delta"] == 32.174
    assert found.missing() == ()


def test_si_facts_of_cxi():
    found = Experiment.from_meta({"energy_J": 1.4419589706e-15, "detector_distance_m": 0.5, "pixel_size_m": 55e-6})
    assert found.energy_kev == pytest.approx(9, rel=1e-6)
    assert found.pixel_size_um == pytest.approx((55, 55))
    assert Experiment.from_meta({"wavelength_m": 1.3776e-10}).energy_kev == pytest.approx(9, rel=1e-4)
    assert Experiment.from_meta({}) == Experiment()


def test_meta_goes_round_through_json(experiment):
    known = experiment.with_options(hkl="1,1,1", lattice_angstrom="4.08", nominal=("direct_beam",))
    assert Experiment.from_meta({"experiment": json.loads(json.dumps(known.as_meta()))}) == known
    assert "direct_beam_px" in known.as_meta()
    assert Experiment().as_meta() == {}


def test_a_given_value_is_not_nominal_any_more(experiment):
    nominal = experiment.with_options(nominal=("direct_beam", "delta"))
    assert nominal.with_options(direct_beam=(1, 2)).nominal == ("delta",)
    changed = nominal.with_options(angles_deg={"delta": 30}, energy_kev=None)
    assert changed.nominal == ("direct_beam",)
    assert (changed.angles_deg["delta"], changed.angles_deg["gamma"], changed.energy_kev) == (30, 12.6346, 9)


def test_crop_and_padding_move_the_beam_and_the_angles(experiment):
    cut = experiment.crop((5, 20, 30), (30, 64, 64))
    assert cut.direct_beam == (80, 100.5)
    assert cut.angles_deg["theta"] == pytest.approx(np.linspace(-0.2, 0.2, 41)[5:35])
    assert cut.monitor == tuple(range(6, 36))
    padded = experiment.crop((-3, -8, 0), (46, 300, 256))
    assert padded.direct_beam == (108, 130.5)
    assert padded.angles_deg["theta"] == pytest.approx(np.linspace(-0.23, 0.22, 46))
    assert padded.monitor[:4] == (0, 0, 0, 1)
    assert padded.monitor[-2:] == (0, 0)
    assert padded.step_deg == pytest.approx(experiment.step_deg)


def test_binning_keeps_the_direct_beam_where_it_is(experiment):
    small = experiment.bin((2, 2, 4))
    assert small.pixel_size_um == (110, 220)
    assert small.exposure_s == 0.5
    assert small.frame_count == 20
    assert small.step_deg == pytest.approx(2 * experiment.step_deg)
    assert small.angles_deg["theta"][0] == pytest.approx(-0.195)
    assert small.monitor[0] == 3
    for axis, (factor, pixel) in enumerate(zip((2, 4), (55, 55), strict=True)):
        edge = (experiment.direct_beam[axis] + 0.5) * pixel  # distance of the beam from the array's edge
        assert (small.direct_beam[axis] + 0.5) * pixel * factor == pytest.approx(edge)


def test_a_crop_then_a_bin_is_that_of_any_way(experiment):
    assert experiment.crop((2, 4, 4), (32, 64, 64)).bin((2, 2, 2)) == experiment.bin((2, 2, 2)).crop((1, 2, 2), (16, 32, 32))


def test_chosen_frames(experiment):
    assert experiment.frames(range(3, 10)).angles_deg["theta"] == experiment.angles_deg["theta"][3:10]
    uneven = experiment.frames([0, 1, 2, 10, 11, 12])
    with pytest.raises(InputError, match="steps unevenly.*mask frames"):
        _ = uneven.step_deg


def test_a_single_frame_takes_two_numbers(experiment):
    frame = Experiment(energy_kev=9, pixel_size_um=(50, 60), direct_beam=(3, 4))
    assert frame.crop((1, 1), (8, 8)).direct_beam == (2, 3)
    assert frame.bin((2, 2)).pixel_size_um == (100, 120)
    assert experiment.crop((1, 1), (8, 8)).angles_deg == experiment.angles_deg
    with pytest.raises(InputError, match="4 numbers"):
        experiment.crop((0, 0, 0, 0), (1, 1, 1, 1))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"energy_kev": 0}, "energy_kev=0 keV is impossible"),
        ({"energy_kev": 9000}, "energy_kev=9000 keV is impossible"),
        ({"energy_kev": float("nan")}, "energy_kev=nan is no finite number"),
        ({"energy_kev": "nine"}, "'nine' is no finite number"),
        ({"distance_m": -0.5}, "distance_m=-0.5 m is impossible"),
        ({"pixel_size_um": (55, 0)}, "pixel_size_um=0 µm is impossible"),
        ({"pixel_size_um": (55, 55, 55)}, "has 3 numbers; give 2"),
        ({"lattice_angstrom": 0}, "lattice_angstrom=0 Å is impossible"),
        ({"hkl": (0, 0, 0)}, "is no reflection"),
        ({"hkl": "1,1"}, "has 2 numbers; give 3"),
        ({"angles_deg": {"delta": 3e4}}, "impossible"),
        ({"angles_deg": {"delta": None}}, "no finite number"),
        ({"angles_deg": {"theta": (1, 2)}, "monitor": (1, 2, 3)}, "theta 2, monitor 3"),
        ({"monitor": (1, -2)}, "negative readings"),
        ({"direct_beam": (1, float("inf"))}, "no finite number"),
        ({"nominal": ("beam",)}, "'beam' is no field"),
    ],
)
def test_impossible_values_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        Experiment(**given)


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({"energy_J": 0.0}, "energy_J=0 is impossible"),
        ({"energy_J": 9000.0}, r"energy_J=9000, 5.62e\+19 keV, is impossible; correct its unit"),
        ({"energy_keV": 9, "wavelength_A": 1.5}, "energy_keV=9 is 9 keV but wavelength_A=1.5 is 8.26"),
        ({"detector_distance_m": -1}, "distance_m=-1 m is impossible"),
        ({"experiment": {"enery_kev": 9}}, "'enery_kev', which is unknown"),
        ({"experiment": 9}, "no mapping"),
    ],
)
def test_impossible_meta_is_refused(meta, message):
    with pytest.raises(InputError, match=message):
        Experiment.from_meta(meta)


def test_words_name_what_is_missing(experiment):
    assert any("energy 9 keV, wavelength 0.13776" in line for line in experiment.words())
    assert (
        "missing for strain: diffractometer, distance_m, pixel_size_um, angles_deg of the scanned circle"
        in Experiment(energy_kev=9).words()
    )
    assert "nominal" in Experiment.from_meta(GOLD).words()[-1]
    without = {key: value for key, value in GOLD.items() if key != "gamma_deg"}
    assert Experiment.from_meta(without).missing() == ("angles_deg of gamma",)
    with pytest.raises(InputError, match="energy is unknown"):
        _ = Experiment().wavelength_nm
