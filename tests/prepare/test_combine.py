"""Several scans of one reflection: shifts, outliers, exposures, counts that stay counts."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from retrieve.errors import InputError
from retrieve.geometry.experiment import Experiment
from retrieve.prepare import Scan, prepare_scan
from retrieve.prepare.combine import Combination, combine_scans
from retrieve.prepare.frames import Frames, FrameStack

SHAPE = (32, 40, 40)
QUIET = {"hot": None, "dead": False, "aliens": None}


def pattern(shift=(0, 0, 0), seed=0):
    """The mean pattern of a faceted crystal, of sum 1, moved by a shift in pixels."""
    g = np.meshgrid(*(np.arange(n) - n // 2 for n in SHAPE), indexing="ij")
    x = ((abs(g[0]) < 5) & (abs(g[1]) < 6) & (abs(g[2]) < 7) & (g[0] + g[1] + g[2] < 9 + seed)).astype(complex)
    x *= np.exp(1j * (0.4 + seed) * np.sin(g[0] / 4 + g[1] / 6))
    x *= np.exp(2j * np.pi * sum(s * q / n for s, q, n in zip(shift, g, SHAPE, strict=True)))
    p = abs(np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(x)))) ** 2
    return p / p.sum()


def counts(shift=(0, 0, 0), photons=1e6, seed=0, object_=0, exposure=1.0):
    mean = photons * pattern(shift, object_) * np.reshape(exposure, (-1, 1, 1))
    return np.random.default_rng(seed).poisson(mean).astype(np.float32)


def frames(volume, name="scan", mask=None, **experiment):
    known = {"angles_deg": {"eta": tuple(0.01 * k for k in range(len(volume))), "delta": 30.0}, "energy_kev": 9.0, **experiment}
    stack = FrameStack(name, volume.shape, volume.dtype, lambda part: volume[part], 1, mask)
    return Frames((stack,), mask, {"experiment": Experiment(**known).as_meta()})


def combined(*volumes, experiments=None, **options):
    scans = [frames(v, f"s{k}", **(experiments[k] if experiments else {})) for k, v in enumerate(volumes)]
    read = {scan.source: v for scan, v in zip(scans, volumes, strict=True)}
    return combine_scans(scans, lambda scan: read[scan.source].copy(), Combination(**options))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_whole_shifts_keep_every_count(seed):
    places = np.random.default_rng(seed).integers(-3, 4, (3, 3))
    volumes = [counts(place, seed=seed * 10 + k) for k, place in enumerate(places)]
    made = combined(*volumes)
    best = next(k for k, scan in enumerate(made.frames.meta["scans"]) if not any(scan["shift"]))
    assert_array_equal([scan["shift"] for scan in made.frames.meta["scans"]], places - places[best])
    known = np.isfinite(made.volume)
    inside = (slice(8, -8),) * 3
    assert known[inside].all()
    expected = sum(np.roll(v, -(p - places[best]), (0, 1, 2)) for v, p in zip(volumes, places, strict=True))
    assert_array_equal(made.volume[inside], expected[inside])
    assert "counts stay whole numbers" in " ".join(made.frames.notes)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_shifts_are_found_to_a_fraction_of_a_pixel(seed):
    places = np.random.default_rng(seed).uniform(-2, 2, (4, 3))
    volumes = [counts(place, seed=seed * 10 + k) for k, place in enumerate(places)]
    made = combined(*volumes, align="fraction")
    shifts = np.array([scan["shift"] for scan in made.frames.meta["scans"]])
    best = int(np.flatnonzero(~shifts.any(axis=1))[0])
    assert_allclose(shifts, places - places[best], atol=0.05)
    assert "no whole counts" in " ".join(made.frames.notes)


def misfit(volume, place, photons):
    """Mean squared difference of amplitudes over that of counting noise, where 5 counts are expected."""
    mean = photons * pattern(place)
    bright = (mean > 5) & np.isfinite(volume)
    return float(np.mean(4 * (np.sqrt(np.maximum(volume[bright], 0)) - np.sqrt(mean[bright])) ** 2))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_sum_by_fractions_is_as_sharp_as_one_scan(seed):
    places = np.random.default_rng(seed).uniform(-0.5, 0.5, (4, 3))
    volumes = [counts(place, 2.5e6, seed=seed * 10 + k) for k, place in enumerate(places)]
    by = {}
    for align in ("auto", "none"):
        made = combined(*volumes, align=align)
        shifts = np.array([scan["shift"] for scan in made.frames.meta["scans"]])
        best = int(np.flatnonzero(~shifts.any(axis=1))[0])
        by[align] = misfit(made.volume, places[best] if align == "auto" else places.mean(axis=0), 1e7)
    assert by["auto"] < 2.5
    assert by["auto"] < by["none"] / 1.5


def test_a_gap_of_the_detector_is_filled_by_shifted_scans():
    volumes = [counts((0, 0, 0), 4e6, 1), counts((0, 0, 5), 4e6, 2), counts((0, 0, -5), 4e6, 3)]
    for volume in volumes:
        volume[:, :, 24:26] = np.nan
    made = combined(*volumes)
    assert np.isfinite(made.volume[:, :, 8:32]).all()
    assert any("measured in some scans only" in note for note in made.frames.notes)
    best = [scan["shift"] for scan in made.frames.meta["scans"]].index([0, 0, 0])
    place = [(0, 0, 0), (0, 0, 5), (0, 0, -5)][best]
    expected = 1.2e7 * pattern(place)[:, :, 8:32]
    assert_allclose(made.volume[:, :, 8:32].sum(), expected.sum(), rtol=0.03)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_scan_of_another_object_is_left_out(seed):
    volumes = [counts((0, 0.3 * k, 0), 1e6, seed * 10 + k) for k in range(3)]
    volumes.insert(1, counts((0, 0, 0), 1e6, seed * 10 + 9, object_=2))
    made = combined(*volumes)
    assert [scan["kept"] for scan in made.frames.meta["scans"]] == [True, False, True, True]
    assert any(note.startswith("s1 left out: its correlation is ") for note in made.frames.notes)
    assert [scan["kept"] for scan in combined(*volumes, outliers="never").frames.meta["scans"]] == [True] * 4


def test_a_scan_of_few_counts_is_no_outlier():
    volumes = [counts(photons=p, seed=k) for k, p in enumerate((1e6, 1e6, 5e4))]
    assert all(scan["kept"] for scan in combined(*volumes).frames.meta["scans"])


def test_two_scans_that_do_not_agree():
    with pytest.warns(UserWarning, match="correlates with s. by 0"):
        combined(counts(seed=1), counts(seed=2, object_=5))
    with pytest.raises(InputError, match="nothing to sum"):
        combined(counts(seed=1), counts(seed=2, object_=5), outliers="0.95")


def monitor(*readings):
    return [{"monitor": tuple(map(float, own))} for own in readings]


def test_a_steady_monitor_leaves_counts_alone():
    volume = counts(photons=1e5)
    readings = 1e5 * (1 + 0.001 * np.sin(np.arange(SHAPE[0])))
    made = combined(volume, experiments=monitor(readings))
    assert_array_equal(made.volume, volume)
    assert "less than the noise of the brightest voxel" in made.frames.notes[0]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_monitor_that_falls_corrects_the_rocking_curve(seed):
    exposure = np.linspace(1.4, 0.6, SHAPE[0])
    volume = counts(photons=1e6, seed=seed, exposure=exposure)
    made = combined(volume, experiments=monitor(1e5 * exposure))
    assert "no whole counts" in made.frames.notes[0]
    assert misfit(made.volume, (0, 0, 0), 1e6) < 1.4
    assert misfit(volume, (0, 0, 0), 1e6) > 1.8
    assert_array_equal(combined(volume, experiments=monitor(1e5 * exposure), monitor="never").volume, volume)


def test_scans_of_other_exposures_add_up_to_counts():
    volumes = [counts(photons=p, seed=k) for k, p in enumerate((1e6, 3e5))]
    made = combined(*volumes, experiments=monitor(np.full(SHAPE[0], 1e5), np.full(SHAPE[0], 3e4)))
    assert_array_equal(made.volume, sum(volumes))
    assert made.frames.meta["experiment"]["monitor"] == [1.3e5] * SHAPE[0]


@pytest.mark.parametrize("readings", [None, 1e5])
def test_end_frames_that_some_scans_miss_are_scaled(readings):
    volumes = [counts(place, 4e6, seed) for seed, place in enumerate([(0, 0, 0), (4, 0, 0), (-4, 0, 0)])]
    known = None if readings is None else monitor(*[np.full(SHAPE[0], readings)] * 3)
    made = combined(*volumes, experiments=known)
    best = [scan["shift"] for scan in made.frames.meta["scans"]].index([0, 0, 0])
    expected = 1.2e7 * pattern([(0, 0, 0), (4, 0, 0), (-4, 0, 0)][best])
    known = np.isfinite(made.volume).all(axis=(1, 2))
    assert known[4:-4].all()
    assert_allclose(made.volume[known].sum(axis=(1, 2)), expected[known].sum(axis=(1, 2)), rtol=0.05)


def test_a_second_preparation_does_not_divide_again():
    exposure = np.linspace(1.4, 0.6, SHAPE[0])
    made = combined(counts(exposure=exposure), experiments=monitor(1e5 * exposure))
    again = combine_scans([made.frames], lambda scan: made.volume.copy(), Combination())
    assert_array_equal(again.volume, made.volume)
    assert np.ptp(made.frames.meta["experiment"]["monitor"]) == 0


def test_a_scan_without_beam_for_some_frames_is_filled_by_the_others():
    readings = np.full(SHAPE[0], 1e5)
    readings[[14, 15]] = 0
    volumes = [counts(seed=k) for k in range(3)]
    volumes[0][[14, 15]] = 0
    made = combined(*volumes, experiments=monitor(readings, *[np.full(SHAPE[0], 1e5)] * 2))
    assert np.isfinite(made.volume).all()
    assert_allclose(made.volume[[14, 15]].sum(axis=(1, 2)), 3e6 * pattern()[[14, 15]].sum(axis=(1, 2)), rtol=0.02)
    assert_array_equal(made.volume[16:], sum(volumes)[16:])


def test_frames_without_beam_are_not_measured():
    readings = np.full(SHAPE[0], 1e5)
    readings[[3, 4]] = 0
    volume = counts()
    volume[[3, 4]] = 0
    made = combined(volume, experiments=monitor(readings))
    assert np.isnan(made.volume[[3, 4]]).all()
    assert np.isfinite(np.delete(made.volume, [3, 4], 0)).all()
    assert "2 frames without beam" in made.frames.notes[0]


def test_a_monitor_that_is_a_region_of_the_detector_is_not_used():
    volume = counts()
    with pytest.warns(UserWarning, match="follows the counts"):
        made = combined(volume, experiments=monitor(volume.sum(axis=(1, 2)) + 1e4))
    assert_array_equal(made.volume, volume)


def test_a_monitor_that_is_asked_for_must_be_there():
    with pytest.raises(InputError, match="no reading of a beam monitor"):
        combined(counts(), monitor="always")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"energy_kev": 9.1}, "energy_kev is 9.1 and 9"),
        ({"angles_deg": {"eta": tuple(0.01 * k for k in range(SHAPE[0])), "delta": 31.0}}, "delta is 31.000° and 30.000°"),
        ({"angles_deg": {"eta": tuple(0.02 * k for k in range(SHAPE[0])), "delta": 30.0}}, "eta steps by 0.02° and 0.01°"),
        ({"angles_deg": {"phi": tuple(0.01 * k for k in range(SHAPE[0]))}}, "scanned are phi and eta"),
    ],
)
def test_scans_of_other_reflections_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        combined(counts(seed=1), counts(seed=2), experiments=[{}, change])


def test_scans_of_other_frames_are_refused():
    with pytest.raises(InputError, match="32×40|40×32"):
        combined(counts(), counts()[:, :, :32])


def test_an_aborted_scan_adds_its_frames():
    volumes = [counts(seed=1), counts(seed=2)[:24]]
    made = combined(*volumes)
    assert made.volume.shape == SHAPE
    assert_allclose(made.volume[:24], (volumes[0] + np.pad(volumes[1], ((0, 8), (0, 0), (0, 0))))[:24])


@pytest.mark.parametrize("bad", [{"outliers": "often"}, {"outliers": "1.5"}, {"align": "half"}, {"monitor": "yes"}])
def test_options_out_of_range(bad):
    with pytest.raises(InputError):
        Scan(**bad)


def test_hot_pixels_do_not_hold_the_scans_in_place():
    volumes = [counts((0, 3 * k, 0), seed=k) for k in range(3)]
    for volume in volumes:
        volume[:, 18, 22] = 5e4
    made = prepare_scan([frames(v, f"s{k}") for k, v in enumerate(volumes)], Scan(dead=False, aliens=None))
    shifts = np.array([scan["shift"] for scan in made.problem.meta["scans"]])
    assert_array_equal(np.diff(shifts[:, 1]), [3, 3])
    assert made.problem.meta["steps"]


def test_one_scan_passes_as_it_is():
    volume = counts()
    one, same = (prepare_scan(scans, Scan(**QUIET)) for scans in (frames(volume), [frames(volume)]))
    assert_array_equal(one.before, volume)
    assert_array_equal(one.problem.amplitude, same.problem.amplitude)
    assert "scans" not in one.problem.meta
