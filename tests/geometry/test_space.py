"""Reciprocal steps and voxel vectors, against xrayutilities at each diffractometer."""

import math

import numpy as np
import pytest
from setups_at import ANGLES, SHAPE, by_xrayutilities, experiment_at

from retrieve.errors import InputError
from retrieve.geometry.experiment import Experiment
from retrieve.geometry.space import q_of, q_steps, reflection, voxel_vectors

GOLD = {
    "diffractometer": "34idc",
    "energy_kev": 9,
    "distance_m": 0.5,
    "pixel_size_um": 55,
    "angles_deg": {"theta": np.linspace(-0.28, 0.72, 201), "delta": 32.174, "gamma": 12.6346},
}


@pytest.mark.parametrize("name", ANGLES)
def test_steps_and_voxels_are_those_of_xrayutilities(name):
    experiment = experiment_at(name)
    q, steps = by_xrayutilities(experiment, SHAPE)
    assert np.linalg.norm(q_of(experiment, SHAPE)[0] - q) < 1e-3 * np.linalg.norm(q)
    for ours, theirs in zip(q_steps(experiment, SHAPE), steps, strict=True):
        assert np.linalg.norm(ours - theirs) < 1e-3 * np.linalg.norm(theirs)
    voxels = 2 * np.pi * np.linalg.inv(steps).T / np.array(SHAPE)[:, None]
    for ours, theirs in zip(voxel_vectors(experiment, SHAPE), voxels, strict=True):
        assert np.linalg.norm(ours - theirs) < 1e-3 * np.linalg.norm(theirs)


@pytest.mark.parametrize("scanned", ["phi", "chi"])
def test_inner_circles_are_those_of_xrayutilities(scanned):
    angles = dict(experiment_at("34idc").angles_deg)
    angles |= {"theta": 7.0, "chi": 80.0, "phi": 3.0}
    angles[scanned] = angles[scanned] + 0.01 * np.arange(-16, 16)
    experiment = experiment_at("34idc", angles_deg=angles)
    _, steps = by_xrayutilities(experiment, SHAPE)
    assert np.abs(q_steps(experiment, SHAPE) - steps).max() < 1e-3 * np.abs(steps).max()


def test_the_gold_scan_by_its_angles_and_by_its_lattice():
    shape = (201, 256, 256)
    found = reflection(Experiment(**GOLD), shape)
    assert found.length == found.measured == pytest.approx(26.91, abs=0.005)
    assert "nominal: direct_beam" in found.notes[0]
    assert found.lattice_angstrom is None
    known = reflection(Experiment(**GOLD, hkl=(1, 1, 1), lattice_angstrom=4.08), shape)
    assert known.length == pytest.approx(20 * math.pi * math.sqrt(3) / 4.08)
    assert known.length == pytest.approx(26.67, abs=0.005)
    assert np.linalg.norm(known.q) == pytest.approx(known.length)
    assert known.measured == found.measured
    assert known.lattice_angstrom == pytest.approx(4.044, abs=0.001)
    assert "2.667 Å⁻¹" in known.notes[1]
    assert "+0.89 %" in known.notes[1]


def test_voxels_and_steps_are_reciprocal():
    experiment = experiment_at("id01")
    product = voxel_vectors(experiment, SHAPE) @ q_steps(experiment, SHAPE).T
    assert product == pytest.approx(np.diag(2 * np.pi / np.array(SHAPE)), abs=1e-12)


def test_crop_and_bin_keep_the_direction_and_the_extent():
    experiment = experiment_at("p10")
    whole = q_steps(experiment, SHAPE)
    middle = q_of(experiment, SHAPE)[0]
    binned = experiment.bin((2, 2, 2))
    small = q_steps(binned, tuple(n // 2 for n in SHAPE))
    assert np.abs(small - 2 * whole).max() < 1e-3 * np.abs(whole).max()
    cut = experiment.crop((8, 10, 12), (16, 20, 24))  # the middle stays
    assert q_of(cut, (16, 20, 24))[0] == pytest.approx(middle)
    off = experiment.crop((0, 5, -7), (32, 40, 48))
    shift = q_of(off, SHAPE)[0] - middle
    assert shift == pytest.approx(5 * whole[1] - 7 * whole[2], rel=0.01)


def test_the_sign_of_the_scan():
    """A crystal turned by a positive angle shows, turned back, the Q that lies behind."""
    forth = q_steps(experiment_at("34idc"), SHAPE)
    back = q_steps(experiment_at("34idc", step=-0.012), SHAPE)
    assert back[0] == pytest.approx(-forth[0])
    assert np.linalg.det(forth) * np.linalg.det(back) < 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"diffractometer": None}, "diffractometer is unknown; voxels in nm still need diffractometer"),
        ({"distance_m": None}, "distance_m is unknown"),
        ({"energy_kev": None}, "photon energy is unknown"),
        ({"diffractometer": "34id"}, "did you mean 34idc"),
        ({"angles_deg": {"theta": tuple(range(5)), "delta": 30, "gamma": 1}}, "angles of 5 frames, the array 32"),
        ({"angles_deg": {"theta": 3.0, "delta": 30, "gamma": 1}}, "no circle has one angle a frame"),
        ({"angles_deg": {"theta": tuple(range(32)), "delta": 30}}, "angle of gamma is unknown"),
        ({"angles_deg": {"theta": tuple(range(32)), "delta": 0, "gamma": 0}, "direct_beam": None}, "is the direct beam"),
    ],
)
def test_what_is_missing_is_named(change, message):
    with pytest.raises(InputError, match=message):
        voxel_vectors(Experiment(**({**vars(experiment_at("34idc"))} | change)), SHAPE)


def test_a_scan_in_the_detector_plane_spans_no_volume():
    experiment = Experiment(
        **(GOLD | {"angles_deg": {"theta": np.arange(8.0), "delta": 0.0, "gamma": 1e-6}, "direct_beam": (4, 4)})
    )
    with pytest.raises(InputError, match="span no volume"):
        voxel_vectors(experiment, (8, 8, 8))
