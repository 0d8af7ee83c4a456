"""What a measurement says of itself: checked before any work, changed with the array, kept by every step."""

from contextlib import suppress

import numpy as np
import pytest

import retrieve
from retrieve.errors import InputError
from retrieve.files import to_json
from retrieve.geometry.experiment import Experiment
from retrieve.io.result import write_problem as save_problem
from retrieve.problem import Problem
from retrieve.problem.meta import binned, check_meta, experiment_of, in_window, joined, of_frames, settled, with_experiment

SHAPE = (8, 16, 12)
PATTERN = np.random.default_rng(0).poisson(9.0, SHAPE).astype(np.float32)
THETA = tuple(0.1 * k for k in range(8))
KNOWN = Experiment(
    diffractometer="34idc",
    energy_kev=9.0,
    distance_m=0.5,
    pixel_size_um=(55.0, 75.0),
    direct_beam=(40.0, -3.0),
    angles_deg={"theta": THETA, "delta": 32.0, "gamma": 12.0},
    hkl=(1, 1, 1),
    lattice_angstrom=4.08,
    monitor=tuple(range(1, 9)),
    exposure_s=0.5,
)


def meta(**more):
    return {"voxel_size_nm": [10.0, 5.0, 4.0], "pixel_size_m": 5.5e-5, "experiment": KNOWN.as_meta(), **more}


@pytest.mark.parametrize(("bad", "why"), [
    ([1, 2], r"meta=\[1, 2\] is no mapping"),
    ("gold, 9 keV", "is no mapping"),
    ({"voxel_size_nm": "ten"}, "voxel_size_nm='ten'"),
    ({"voxel_size_nm": [10, 5]}, "2 lengths.*3 axes"),
    ({"voxel_size_nm": [10, 5, -5]}, "positive lengths in nm"),
    ({"voxel_size_nm": [10, float("nan"), 5]}, "positive lengths"),
    ({"pixel_size_m": [1e-5, 1e-5, 1e-5]}, "3 lengths"),
    ({"pixel_size_m": 0}, "positive lengths in m"),
    ({"steps": "cut"}, "steps='cut', not a valid list; correct it"),
    ({"notes": 5}, "notes=5, not a valid list"),
    ({"input": "a.h5"}, "input='a.h5', not a valid dictionary"),
    ({"alien": 3}, "alien=3, not a valid dictionary"),
    ({"experiment": "9 keV"}, "experiment='9 keV'"),
    ({"experiment": {"energy": 9}}, "'energy', which is unknown"),
    ({"experiment": {"energy_kev": 0}}, "energy_kev=0"),
    ({"experiment": {"distance_m": float("nan")}}, "distance_m"),
    ({"experiment": {"distance_m": "far"}}, "distance_m='far'"),
    ({"experiment": {"angles_deg": {"theta": [0, 1, 2]}}}, "theta has 3 values, the array 8 frame"),
    ({"experiment": {"monitor": [1.0] * 7}}, "monitor has 7 values, the array 8 frame"),
    ({"theta_deg": [0, 1]}, "theta has 2 values"),
    ({"energy_keV": 9, "wavelength_A": 2.0}, "keV"),
])  # fmt: skip
def test_a_bad_meta_is_refused_before_any_work(bad, why, tmp_path):
    with pytest.raises(InputError, match=why):
        Problem.from_arrays(intensity=PATTERN, meta=bad)
    if isinstance(bad, dict):
        np.savez(tmp_path / "a.npz", intensity=PATTERN, meta=repr(bad).replace("'", '"').replace("nan", "NaN"))
        with pytest.raises(InputError, match=rf"a\.npz: .*{why}" if "nan" not in why else "a.npz"):
            retrieve.read(tmp_path / "a.npz")


@pytest.mark.parametrize("seed", range(4))
def test_lengths_and_experiment_follow_a_window_and_bins(seed):
    rng = np.random.default_rng(seed)
    start = rng.integers(-3, 3, 3).tolist()
    shape = (2 * rng.integers(3, 8, 3)).tolist()
    cut = in_window(meta(), SHAPE, start, shape)
    np.testing.assert_allclose(cut["voxel_size_nm"], [v * n / m for v, n, m in zip((10, 5, 4), SHAPE, shape, strict=True)])
    assert cut["pixel_size_m"] == 5.5e-5
    e = experiment_of(cut)
    np.testing.assert_allclose(e.angles_deg["theta"], 0.1 * (start[0] + np.arange(shape[0])))
    np.testing.assert_allclose(e.direct_beam, (40 - start[1], -3 - start[2]))
    done = binned(cut, (2, 2, 1))
    np.testing.assert_allclose(done["voxel_size_nm"], cut["voxel_size_nm"])  # N/f bins of f times the step
    np.testing.assert_allclose(done["pixel_size_m"], [1.1e-4, 5.5e-5])
    e = experiment_of(done)
    assert e.pixel_size_um == (110.0, 75.0)
    assert len(e.angles_deg["theta"]) == shape[0] // 2
    assert (e.energy_kev, e.distance_m, e.hkl) == (9.0, 0.5, (1.0, 1.0, 1.0))


def test_a_cell_of_the_far_field_stays_what_it_is():
    """λD/(N p): the voxel of a window that is binned is that of its own pixels and their number."""
    n, p = 64, 55e-6
    voxel = 1.38e-10 * 0.5 / (n * p) * 1e9
    done = binned(in_window({"voxel_size_nm": voxel, "pixel_size_m": p}, (n, n), (8, 8), (48, 48)), (2, 2))
    assert done["voxel_size_nm"] == pytest.approx(1.38e-10 * 0.5 / (24 * 2 * p) * 1e9)
    assert done["pixel_size_m"] == pytest.approx(2 * p)


def test_one_number_for_all_axes_becomes_one_an_axis_where_they_differ():
    assert in_window({"voxel_size_nm": 6.0}, (32, 32), (0, 0), (16, 32))["voxel_size_nm"] == [12.0, 6.0]
    assert in_window({"voxel_size_nm": 6.0}, (32, 32), (8, 8), (16, 16))["voxel_size_nm"] == 12.0


def test_a_frame_of_a_scan_loses_the_first_length_and_has_its_own_angle(tmp_path):
    np.savez(tmp_path / "a.npz", intensity=PATTERN, meta=to_json(meta()))
    got = retrieve.read(tmp_path / "a.npz", frame=3).meta
    assert got["voxel_size_nm"] == [5.0, 4.0]
    e = experiment_of(got)
    assert e.angles_deg == {"theta": pytest.approx(0.3), "delta": 32.0, "gamma": 12.0}
    assert e.monitor == (4.0,)
    with pytest.raises(InputError, match="3 lengths.*2 axes"):
        Problem.from_arrays(intensity=PATTERN[3], meta=meta())


def test_the_sum_of_frames_has_their_mean_angle_and_monitor():
    e = experiment_of(of_frames(meta(), SHAPE, [1, 2, 3]))
    assert e.angles_deg["theta"] == pytest.approx(0.2)
    assert e.monitor == (9.0,)


@pytest.mark.parametrize(("shape", "kept"), [((1, 16, 12), [5.0, 4.0]), ((16, 12, 1), [10.0, 5.0])])
def test_axes_of_length_1_take_their_length_with_them(tmp_path, shape, kept):
    np.savez(tmp_path / "a.npz", intensity=PATTERN[0].reshape(shape), meta='{"voxel_size_nm": [10, 5, 4]}')
    assert retrieve.read(tmp_path / "a.npz").meta["voxel_size_nm"] == kept


def test_a_pattern_padded_around_its_peak_keeps_its_lengths_right(tmp_path):
    grid = np.indices((40, 40))
    data = np.random.default_rng(0).poisson(3000 * np.exp(-((grid[0] - 33) ** 2 + (grid[1] - 20) ** 2) / 9.0))
    text = to_json({"voxel_size_nm": 5, "experiment": {"direct_beam": [33, 20]}})
    np.savez(tmp_path / "a.npz", intensity=data, meta=text)
    problem = retrieve.read(tmp_path / "a.npz")
    n = problem.shape
    assert n[0] > 40
    np.testing.assert_allclose(np.broadcast_to(problem.meta["voxel_size_nm"], 2), [5 * 40 / m for m in n])
    assert experiment_of(problem.meta).direct_beam == (n[0] // 2, n[1] // 2)


def test_the_steps_of_a_problem_keep_its_meta():
    problem = Problem.from_arrays(intensity=PATTERN, meta=meta())
    held, _ = problem.hold_out(0.05, np.random.default_rng(0))
    for other in (held, problem.without(~problem.valid), problem.replace(truth=None)):
        assert other.meta == problem.meta


TEXT = {"scan": "th 0 .. 1 in 10 steps of 0.1 deg", "detector": "Timepix, pixel 55 um", "energy_keV": 9.0}


def test_texts_that_tell_of_another_scan_are_told_and_left_out():
    got, notes = settled(TEXT, (11, 16, 16))
    assert len(experiment_of(got).angles_deg["theta"]) == 11
    assert not notes
    got, notes = settled(TEXT, (8, 16, 16))
    e = experiment_of(got)
    assert e.energy_kev == 9.0
    assert e.pixel_size_um is None
    assert e.scanned is None
    assert "11 angles of theta, the array has 8 frame" in notes[0]


@pytest.mark.parametrize(("given", "theta"), [("0:0.7", THETA), ("5", 5.0), (",".join(map(str, THETA)), THETA), (5.0, 5.0)])
def test_what_is_given_replaces_what_is_known(given, theta):
    wrong = meta(experiment={**KNOWN.as_meta(), "angles_deg": {"theta": [1, 2], "delta": 32.0}, "energy_kev": -1})
    e = experiment_of(settled(wrong, SHAPE, {"energy_kev": "8", "angles_deg": {"theta": given}})[0])
    assert e.energy_kev == 8.0
    assert e.angles_deg["theta"] == pytest.approx(theta)
    assert e.angles_deg["delta"] == 32.0
    with pytest.raises(InputError, match="a.h5: theta has 2 values"):
        settled({}, SHAPE, {"angles_deg": {"theta": "1,2"}}, "a.h5")


def test_stacks_put_together_have_the_angles_of_all_frames():
    def part(first, last, **more):
        e = Experiment(angles_deg={"theta": tuple(THETA[first:last]), "delta": 32.0}, monitor=tuple(range(first, last)))
        return with_experiment({}, e.with_options(**more)), last - first

    e = experiment_of(joined([part(0, 3), part(3, 8)]))
    assert e.angles_deg == {"theta": THETA, "delta": 32.0}
    assert e.monitor == tuple(range(8))
    singles = [(with_experiment({}, Experiment(angles_deg={"theta": a, "delta": 32.0})), 1) for a in THETA]
    assert experiment_of(joined(singles)).angles_deg == {"theta": THETA, "delta": 32.0}
    with pytest.raises(InputError, match="only some of the files tell theta"):
        joined([part(0, 3), (with_experiment({}, Experiment(angles_deg={"delta": 32.0})), 5)])


def test_a_single_note_is_a_list_of_one():
    assert check_meta({"notes": "rows near the edge are 0"}, (8, 8)) == {"notes": ["rows near the edge are 0"]}


VALUES = (None, True, -1, 10**400, float("inf"), "x", "\ud800", [], {}, [1, 2, 3, 4], [None], [[1]], {"name": 3}, {"path": 3},
          {"nominal": [[1]]}, {"diffractometer": 3}, {"angles_deg": {"theta": {}}}, "th 1..2 in 99999999999999 steps",
          "th 1.2.3..2 in 3 steps", np.float32(3), np.array(3), np.zeros(3))  # fmt: skip
KEYS = [
    "likelihood",
    "voxel_size_nm",
    "pixel_size_m",
    "alien",
    "energy_keV",
    "energy_J",
    "wavelength_nm",
    "title",
    "notes",
    "steps",
    "prepare",
    "input",
    "experiment",
    "scan",
    "detector",
    "sample",
    "beamline",
    "hkl",
    "direct_beam",
    "monitor",
    "theta_deg",
    "detector_distance_m",
    "exposure_s",
    "text",
]


@pytest.mark.parametrize("key", KEYS)
def test_a_meta_of_any_value_is_refused_in_words_or_can_be_written(key, tmp_path):
    for value in VALUES:
        with suppress(InputError):
            save_problem(Problem.from_arrays(intensity=PATTERN, meta={key: value}), tmp_path / "a.cxi")
            retrieve.read(tmp_path / "a.cxi")


def test_a_meta_that_is_nested_without_end_is_refused():
    deep = {}
    for _ in range(5000):
        deep = {"a": deep}
    with pytest.raises(InputError, match="nested deeper"):
        Problem.from_arrays(intensity=PATTERN, meta=deep)
