"""The experiment in CXI and NeXus files: read from its usual places with their units, and written there."""

import h5py
import numpy as np
import pytest

from retrieve.errors import InputError
from retrieve.geometry.experiment import Experiment
from retrieve.io import load
from retrieve.io.numpy_files import write_npz
from retrieve.io.result import write_problem
from retrieve.plugins.options import build
from retrieve.prepare import Scan, frames_of, prepare_scan
from retrieve.problem import Problem
from retrieve.problem.meta import experiment_of

SHAPE = (12, 32, 32)
DATA = np.random.default_rng(0).poisson(9.0, SHAPE).astype(np.int32)
THETA = 0.05 * np.arange(12)
KNOWN = Experiment(
    diffractometer="34idc",
    energy_kev=9.0,
    distance_m=0.5,
    pixel_size_um=(55.0, 75.0),
    direct_beam=(40.0, -3.0),
    angles_deg={"theta": tuple(THETA), "delta": 32.0, "gamma": 12.0},
    hkl=(1, 1, 1),
    lattice_angstrom=4.08,
    monitor=tuple(range(1, 13)),
    exposure_s=0.5,
)


def put(file, place, value, units=None, nexus=None):
    group, _, name = place.rpartition("/")
    group = file.require_group(group)
    if nexus:
        group.attrs["NX_class"] = nexus
    group[name] = value
    if units:
        group[name].attrs["units"] = units


@pytest.fixture
def file(tmp_path):
    """Writes a NeXus file with facts: place, value, units."""

    def write(*facts, name="a.nxs", data="entry/instrument/detector/data"):
        with h5py.File(tmp_path / name, "w") as to:
            to[data] = DATA
            for fact in facts:
                put(to, *fact)
        return tmp_path / name

    return write


def close(experiment, **expected):
    for name, value in expected.items():
        assert getattr(experiment, name) == pytest.approx(value, rel=1e-6), name


def test_what_we_write_is_read_without_our_own_text(tmp_path):
    problem = Problem.from_arrays(intensity=DATA, meta={"experiment": KNOWN.as_meta()})
    path = write_problem(problem, tmp_path / "a.cxi")
    assert experiment_of(load(path).meta) == KNOWN
    with h5py.File(path, "a") as to:
        units = {place: to["entry_1/instrument_1"][place].attrs["units"] for place in (
            "source_1/energy", "beam_1/incident_wavelength", "detector_1/distance", "detector_1/x_pixel_size",
            "detector_1/beam_center_x", "positioners_1/theta", "detector_1/count_time")}  # fmt: skip
        del to["entry_1/meta"]
        to.attrs["creator"] = "another"
    assert list(units.values()) == ["J", "m", "m", "m", "pixel", "deg", "s"]
    got = experiment_of(load(path).meta)
    for name in ("diffractometer", "hkl", "monitor"):
        assert getattr(got, name) == getattr(KNOWN, name)
    for name in ("energy_kev", "distance_m", "pixel_size_um", "direct_beam", "lattice_angstrom", "exposure_s"):
        assert getattr(got, name) == pytest.approx(getattr(KNOWN, name))
    assert got.angles_deg["theta"] == pytest.approx(KNOWN.angles_deg["theta"])
    assert not got.missing()


def test_common_places_of_nexus_with_their_units(file):
    path = file(
        ("entry/instrument/beam/incident_wavelength", 1.3776, "angstrom"),
        ("entry/instrument/detector/distance", 500.0, "mm"),
        ("entry/instrument/detector/x_pixel_size", 75.0, "um"),
        ("entry/instrument/detector/y_pixel_size", 55e-6, "m"),
        ("entry/instrument/detector/beam_center_x", -3.0, "pixel"),
        ("entry/instrument/detector/beam_center_y", 40 * 55e-6, "m"),
        ("entry/instrument/detector/count_time", 500, "ms"),
        ("entry/instrument/positioners/delta", np.deg2rad(32.0), "rad"),
        ("entry/instrument/positioners/nu", 12.0, "deg"),
        ("entry/instrument/positioners/sx", 12.0, "mm"),
        ("entry/sample/goniometer/phi", THETA, "degree"),
        ("entry/monitor/data", np.arange(12.0)),
    )  # the direct beam in metres, as NeXus allows
    with h5py.File(path, "a") as to:
        to["entry/instrument/detector/beam_center_x"][...] = -3 * 75e-6
        to["entry/instrument/detector/beam_center_x"].attrs["units"] = "m"
    e = experiment_of(load(path).meta)
    close(e, distance_m=0.5, pixel_size_um=(55.0, 75.0), direct_beam=(40.0, -3.0), exposure_s=0.5, monitor=tuple(range(12)))
    assert e.energy_kev == pytest.approx(9.0, rel=1e-4)
    assert set(e.angles_deg) == {"delta", "nu", "phi"}
    assert e.angles_deg["delta"] == pytest.approx(32.0)
    assert e.scanned == "phi"


@pytest.mark.parametrize(("value", "unit", "kev"), [
    (9.0, "keV", 9.0), (9000, "eV", 9.0), (1.441958986e-15, "J", 9.0), (9.0, None, 9.0), (9000.0, None, 9.0),
    (1.441958986e-15, None, 9.0),
])  # fmt: skip
def test_an_energy_in_any_unit(file, value, unit, kev):
    got = load(file(("entry/instrument/monochromator/energy", value, unit)))
    assert experiment_of(got.meta).energy_kev == pytest.approx(kev, rel=1e-6)
    assert (unit is None) == any("has no unit, taken as" in note for note in got.notes)


def test_the_detector_that_holds_the_frames_counts(file):
    path = file(
        ("entry/instrument/detector/distance", 0.5, "m"),
        ("entry/instrument/camera_detector/distance", 2.0, "m"),
    )
    assert experiment_of(load(path).meta).distance_m == 0.5


def test_unknown_is_zero_and_other_numbers_of_frames_are_told(file):
    path = file(
        ("entry/instrument/beam/incident_wavelength", 0.0, "angstrom"),
        ("entry/instrument/detector/detector_distance", 0.0, "m"),
        ("entry/instrument/positioners/eta", np.arange(7.0), "deg"),
        ("entry/instrument/positioners/mu", 0.0, "deg"),
    )
    got = load(path)
    assert experiment_of(got.meta) == Experiment(angles_deg={"mu": 0.0})
    assert any("eta has 7 values for 12 frame(s): not taken" in note for note in got.notes)


@pytest.mark.parametrize("value", [-0.5, float("nan"), float("inf"), 1e9])
def test_an_impossible_distance_is_refused_until_it_is_given(file, value):
    path = file(("entry/instrument/detector/distance", value, "m"))
    for read in (load, lambda path: frames_of([path]).__enter__()):
        with pytest.raises(InputError, match="distance_m"):
            read(path)
    assert experiment_of(load(path, experiment={"distance_m": 0.5}).meta).distance_m == 0.5
    with frames_of([path], experiment={"distance_m": "0.5"}) as frames:
        assert experiment_of(frames.meta).distance_m == 0.5


def test_our_text_goes_before_the_fields_of_others(file):
    path = file(
        ("entry/instrument/detector/distance", 0.5, "m"),
        ("entry/instrument/positioners/delta", 30.0, "deg"),
        ("entry/meta", '{"experiment": {"distance_m": 0.7, "angles_deg": {"gamma": 12}}, "sample": "gold"}'),
    )
    got = load(path).meta
    assert got["sample"] == "gold"
    assert experiment_of(got) == Experiment(distance_m=0.7, angles_deg={"delta": 30.0, "gamma": 12.0})


@pytest.mark.parametrize("kind", ["nexus", "ours", "npz"])
def test_a_prepared_scan_keeps_the_experiment(tmp_path, file, kind):
    grid = np.indices((24, 32, 32))
    far = sum(((grid[k] - n // 2) / 4) ** 2 for k, n in enumerate((24, 32, 32)))
    scan = np.random.default_rng(0).poisson(3000 * np.exp(-far / 2))
    theta = 0.1 * np.arange(24)
    known = Experiment(
        energy_kev=9, distance_m=0.5, pixel_size_um=(55, 55), direct_beam=(100, 7), angles_deg={"theta": tuple(theta)}
    )
    if kind == "nexus":
        path = file(
            ("entry/instrument/monochromator/energy", 9000, "eV"),
            ("entry/instrument/detector/distance", 0.5, "m"),
            ("entry/instrument/detector/x_pixel_size", 55e-6, "m"),
            ("entry/instrument/detector/beam_center_x", 7.0),
            ("entry/instrument/detector/beam_center_y", 100.0),
            ("entry/instrument/positioners/theta", theta, "deg"),
        )
        with h5py.File(path, "a") as to:
            del to["entry/instrument/detector/data"]
            to["entry/instrument/detector/data"] = scan
    elif kind == "ours":
        path = write_problem(Problem.from_arrays(intensity=scan, meta={"experiment": known.as_meta()}), tmp_path / "a.cxi")
    else:
        path = write_npz(Problem.from_arrays(intensity=scan, meta={"experiment": known.as_meta()}), tmp_path / "a.npz")
    with frames_of([path]) as frames:
        made = prepare_scan(frames, build(Scan, {"size": "16,16,48", "bin": "2,1,2", "centre": "12,16,16"})).problem
    e = experiment_of(made.meta)
    assert made.shape == (8, 16, 24)
    close(e, energy_kev=9.0, distance_m=0.5, pixel_size_um=(55.0, 110.0), direct_beam=(92.0, (15 - 0.5) / 2))
    np.testing.assert_allclose(e.angles_deg["theta"], 0.45 + 0.2 * np.arange(8), atol=1e-9)
    again = write_problem(made, tmp_path / "b.cxi")
    assert experiment_of(load(again).meta) == e
