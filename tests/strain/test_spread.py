"""The spread over starts and samples, the experiment behind Q, and results that have no strain."""

import dataclasses

import numpy as np
import pytest
from made_crystals import D_NM, OPTIONS, blurred, places, result_of, rms, scattering
from scipy import ndimage

from retrieve import InputError, Score
from retrieve.geometry.experiment import Experiment
from retrieve.strain.measure import strain_in, strain_of
from retrieve.strain.members import Spread, members_of
from retrieve.strain.scattering import scattering_of
from retrieve.strain.table import figures_of, table_of

CUBE = np.eye(3) * 4.0
EXPERIMENT = Experiment(
    diffractometer="34idc",
    energy_kev=9.0,
    distance_m=0.5,
    pixel_size_um=(110.0, 110.0),
    angles_deg={"delta": 32.174, "gamma": 12.6346, "theta": tuple(0.005 * k for k in range(40))},
)


def starts(number, noise, seed=0):
    """Objects that differ by a smooth random phase of this standard deviation (rad), by place and by global phase."""
    rng = np.random.default_rng(seed)
    r = places((36, 36, 36), np.eye(3))
    amplitude = blurred(11 - np.linalg.norm(r, axis=0))
    made = []
    for k in range(number):
        field = ndimage.gaussian_filter(rng.normal(size=amplitude.shape), 2)
        angle = 0.02 * r[1] ** 2 + noise * field / field.std() + k
        made.append(np.roll(amplitude * np.exp(1j * angle), (k, -2 * k, k), (0, 1, 2)))
    return np.stack(made)


def test_the_spread_of_maps_is_that_of_the_starts():
    found = strain_in(result_of(starts(8, 0.05)), CUBE, scattering(), OPTIONS)
    assert found.members == 8
    assert set(found.spread) == set(found.maps)
    expected = 0.05 * D_NM / (2 * np.pi)
    assert 0.6 * expected < rms(found.spread["displacement"][found.bulk]) < 1.4 * expected
    quiet = strain_in(result_of(starts(8, 0.005)), CUBE, scattering(), OPTIONS)
    ratio = rms(found.spread["strain"][found.bulk]) / rms(quiet.spread["strain"][quiet.bulk])
    assert 5 < ratio < 20
    assert not any("read means over regions" in note for note in quiet.notes)
    noisy = strain_in(result_of(starts(4, 0.5)), CUBE, scattering(), OPTIONS)
    assert any("read means over regions" in note for note in noisy.notes)
    figure = found.table["bulk"]["strain_rms"]
    assert 0 < figure["spread"] < 0.5 * figure["value"]
    assert found.facts["strain_spread_in_bulk"] == pytest.approx(rms(found.spread["strain"][found.bulk]), rel=1e-3)


def test_only_starts_that_explain_the_data_count():
    stack = starts(5, 0.05)
    stack[4] = np.nan
    scores = [Score(0.01, 0.0100), Score(0.01, 0.0104), Score(0.01, 0.02), Score(0.01, 0.01, failure="NaN"), Score(0.01, 0.01)]
    members = members_of(result_of(stack, scores))
    assert members.indices.tolist() == [0, 1]
    assert "2 of 5 starts" in members.note


def test_one_start_has_no_spread_and_says_how_to_get_one():
    found = strain_in(result_of(starts(1, 0.05)), CUBE, scattering(), OPTIONS)
    assert found.members == 1
    assert not found.spread
    assert found.facts["strain_spread_in_bulk"] is None
    assert found.table["bulk"]["strain_rms"]["spread"] is None
    assert any("--starts" in note for note in found.notes)


def test_samples_go_before_starts():
    stack = starts(6, 0.05)
    found = strain_in(result_of(stack[:1], samples=stack), CUBE, scattering(), OPTIONS)
    assert (found.kind, found.members) == ("samples", 6)


def test_welford_gives_the_standard_deviation():
    values = np.random.default_rng(0).normal(3, 0.1, (7, 4, 5)).astype(np.float32)
    spread = Spread()
    for one in values:
        spread.add({"strain": one})
    np.testing.assert_allclose(spread.deviations()["strain"], values.std(axis=0, ddof=1), rtol=1e-4)
    assert Spread().deviations() == {}


def test_figures_leave_out_voxels_without_a_value():
    values = np.array([1.0, np.nan, 3.0])
    figures = figures_of({"strain": values}, {"bulk": np.ones(3, bool)})
    assert figures["bulk"]["strain_mean"] == 2.0
    table = table_of(figures, [figures, figures_of({"strain": values + 1}, {"bulk": np.ones(3, bool)})])
    assert table["bulk"]["strain_mean"] == {"value": 2.0, "spread": pytest.approx(2**-0.5)}


def test_q_is_nominal_without_a_direct_beam_and_that_of_the_lattice_once_it_is_given():
    shape = (40, 128, 128)
    nominal = scattering_of(EXPERIMENT, shape)
    assert np.linalg.norm(nominal.q) / 10 == pytest.approx(2.691, abs=1e-3)
    assert nominal.spacing is None
    assert any("--hkl and --lattice" in note for note in nominal.notes)
    known = scattering_of(EXPERIMENT.with_options(hkl=(1, 1, 1), lattice_angstrom=4.08), shape)
    assert np.linalg.norm(known.q) / 10 == pytest.approx(2.667, abs=1e-3)
    assert known.spacing == pytest.approx(4.08 / 3**0.5)
    measured = scattering_of(EXPERIMENT.with_options(hkl=(1, 1, 1), lattice_angstrom=4.08, direct_beam=(64.0, 64.0)), shape)
    assert measured.spacing is None
    assert measured.facts["strain_of_mean_lattice"] == pytest.approx(2.667 / 2.691 - 1, abs=3e-4)


def test_a_lattice_far_from_the_angles_is_named():
    found = scattering_of(EXPERIMENT.with_options(hkl=(1, 1, 1), lattice_angstrom=5.43), (40, 128, 128))
    assert any("wrong angle" in note for note in found.notes)


def test_the_mean_spacing_follows_the_peak_where_the_beam_is_measured():
    x = starts(1, 0.0)
    r = places((36, 36, 36), np.eye(3))
    slope = 0.2 / 4.0  # rad/nm along Q
    plain = strain_in(result_of(x), CUBE, scattering(), OPTIONS)
    moved = strain_in(result_of(x * np.exp(1j * 0.2 * r[1])), CUBE, scattering(), OPTIONS)
    q = 2 * np.pi / D_NM
    ratio = moved.table["bulk"]["d_spacing_mean_angstrom"]["value"] / plain.table["bulk"]["d_spacing_mean_angstrom"]["value"]
    assert ratio == pytest.approx(q / (q + slope), abs=2e-5)


def test_a_result_of_two_axes_is_refused():
    flat = dataclasses.replace(result_of(starts(1, 0.05)), object=np.ones((32, 32), np.complex64))
    with pytest.raises(InputError, match=r"32×32.*rocking scan"):
        strain_of(flat)


def test_an_object_with_nan_is_refused():
    broken = dataclasses.replace(result_of(starts(1, 0.05)), object=np.full((16, 16, 16), np.nan, np.complex64))
    with pytest.raises(InputError, match="NaN"):
        strain_of(broken)


def test_every_missing_fact_is_named_with_its_option():
    result = result_of(starts(1, 0.05))
    with pytest.raises(InputError) as raised:
        strain_of(result)
    for option in ("--diffractometer", "--energy", "--distance", "--pixel-size", "--angle"):
        assert option in str(raised.value)
    with pytest.raises(InputError) as raised:
        strain_of(result, Experiment(diffractometer="34idc", energy_kev=9, distance_m=0.5, pixel_size_um=(55, 55)))
    assert "--angle" in str(raised.value)
    assert "--energy" not in str(raised.value)
