"""What limits a resolution: the data, the starts, the model or the pixel."""

import json
from html import escape as html_text

import numpy as np
import pytest
from numpy.testing import assert_allclose

from retrieve.evaluate.analysis_summary import summary
from retrieve.evaluate.analyze import analyze
from retrieve.evaluate.reach import reach_of
from retrieve.evaluate.resolution import frc, prtf, resolution, within_reach
from retrieve.problem import Problem
from retrieve.problem.likelihood import Gaussian, Poisson
from retrieve.report.analysis_panels import frequency_panel
from retrieve.report.page import page
from retrieve.simulate import Noise, blobs, crystal, measure, object_set


def film(number, **noise):
    return object_set("domains2d-25-cells").problem(number, 5, Noise(**noise))


def cut(problem, counts):
    """The problem with its intensities up to so many counts set to 0."""
    amplitude = np.array(problem.amplitude)
    amplitude[amplitude**2 <= counts] = 0
    return problem.replace(amplitude=amplitude)


def twice(x):
    return np.stack([x, x])


def filtered(x, gain, beyond):
    """x with its far field times `gain` beyond a frequency (1/px)."""
    q = np.sqrt(sum(k**2 for k in np.meshgrid(*map(np.fft.fftfreq, x.shape), indexing="ij")))
    return np.fft.ifftn(np.fft.fftn(x) * np.where(q < beyond, 1, gain))


@pytest.mark.parametrize("counts", [1, 2])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_scan_that_was_cut_is_limited_by_the_data(number, counts):
    """At 10⁴ photons 9 of 10 pixels are zeros; the same scan with 10⁸ photons reaches the last shell, cut or not."""
    few, many = (cut(film(number, photons=photons), counts) for photons in (1e4, 1e8))
    curve = prtf(twice(few.truth), few)
    found = resolution(curve)
    assert found.limit == "data"
    assert 0.05 < found.frequency < 0.3
    assert f"the threshold below {counts + 1}" in found.how
    assert "zeros" in found.how
    end = curve.reach.end
    assert np.isnan(curve.value[end:]).all()
    assert np.nanmax(curve.value[1:]) < 1.15
    assert resolution(prtf(twice(many.truth), many)).limit == "pixel"


def test_a_volume_that_was_cut_is_limited_by_the_data():
    x = crystal((32, 32, 32), seed=1, fill=0.4)
    counts = measure(x, photons=2e5, seed=1)
    x = x * np.sqrt(2e5 / np.sum(np.abs(x) ** 2))
    problem = Problem.from_arrays(intensity=np.where(counts > 2, counts, 0))
    found = resolution(prtf(twice(x), problem))
    assert found.limit == "data"
    assert found.frequency < 0.45


def test_a_right_object_has_a_prtf_of_one_at_few_counts():
    """At half a count a pixel as at 30, where a ratio of amplitudes would be up to 1.6."""
    for number in range(3):
        for photons in (1e4, 3e4, 1e5):
            problem = film(number, photons=photons).replace(likelihood=Poisson(1.0))
            curve = prtf(twice(problem.truth), problem)
            assert_allclose(curve.value[1:][~curve.reach.weak[1:]], 1, atol=0.15)


@pytest.mark.parametrize("photons", [1e3, 1e4])
def test_few_counts_end_where_a_pixel_holds_half_of_one(photons):
    problem = film(0, photons=photons)
    found = resolution(prtf(twice(problem.truth), problem))
    assert found.limit == "data"
    assert "noise hides up to 0." in found.how
    reach = reach_of(problem)
    assert reach.threshold == 0
    assert reach.signal[reach.end - 3 : reach.end].mean() > 0.5 > np.nanmean(reach.signal[reach.end :])


def test_noise_that_was_stated_ends_the_data():
    """Noise of 0.05 of the largest amplitude; the curve ends where the signal is as strong."""
    problem = film(0, sigma=0.05)
    power = np.abs(np.fft.fftn(problem.truth, norm="ortho")) ** 2
    reach = reach_of(problem)
    beyond = np.sqrt(sum(k**2 for k in np.meshgrid(*map(np.fft.fftfreq, power.shape), indexing="ij")))
    end = reach.frequency[reach.end]
    near = np.abs(beyond - end) < 0.03
    assert problem.likelihood.sigma**2 / 3 < power[near].mean() < 2 * problem.likelihood.sigma**2


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e6])
def test_data_without_noise_reach_the_last_shell_in_any_unit(scale):
    """The likelihood of nobody's choice takes them for counts; the estimates show that there is no such noise."""
    x = scale * blobs((48, 48), seed=0, sigma=1.5)[0]
    problem = Problem.from_arrays(amplitude=np.fft.fftshift(np.abs(np.fft.fftn(x, norm="ortho"))), likelihood=Gaussian(0.5))
    assert resolution(prtf(twice(x), problem)).limit == "pixel"


def test_a_fringe_does_not_end_the_data():
    """A minimum of the pattern is passed over where the data go on beyond it."""
    problem = film(0, photons=1e8)
    amplitude = np.array(problem.amplitude)
    q = np.sqrt(sum(k**2 for k in np.meshgrid(*map(np.fft.fftfreq, amplitude.shape), indexing="ij")))
    amplitude[np.abs(q - 0.2) < 0.02] = 0
    curve = prtf(twice(problem.truth), problem.replace(amplitude=amplitude))
    assert np.isnan(curve.value[12])
    assert curve.reach.end is None
    assert resolution(curve).limit == "pixel"


def test_what_brings_a_curve_down_is_named():
    problem = film(0, photons=1e9)
    rng = np.random.default_rng(0)
    phases = [filtered(problem.truth, np.exp(2j * np.pi * rng.random(problem.shape)), 0.25) for _ in range(12)]
    starts = resolution(prtf(np.stack(phases), problem))
    assert starts.limit == "starts"
    assert "phases disagree" in starts.how
    model = resolution(prtf(twice(filtered(problem.truth, 0.2, 0.25)), problem))
    assert model.limit == "model"
    assert "puts 0.2 of the measured amplitude there in phases that agree" in model.how
    assert starts.frequency == pytest.approx(0.25, abs=0.03)
    assert model.frequency == pytest.approx(0.25, abs=0.03)


def test_a_prtf_above_1_is_named():
    problem = film(0, photons=1e9)
    found = resolution(prtf(twice(filtered(problem.truth, 1.75, 0.3)), problem))
    assert "exceeds 1 from 0.297 to 0.500/px" in found.how
    assert "with 1.75 at" in found.how
    assert "the model puts more there than was measured" in found.how
    assert "exceeds" not in resolution(prtf(twice(problem.truth), problem)).how


def test_an_frc_ends_with_its_data():
    problem = cut(film(0, photons=1e4), 2)
    alone = frc(problem.truth, problem.truth)
    assert resolution(alone).limit is None
    assert "not judged" in resolution(alone).how
    assert resolution(within_reach(alone, reach_of(problem))).limit == "data"


def test_data_that_hold_nothing_have_no_resolution():
    problem = Problem.from_arrays(intensity=np.random.default_rng(0).poisson(0.05, (32, 32)))
    found = resolution(prtf(np.random.default_rng(1).normal(size=(2, 32, 32)), problem))
    assert found.frequency is None
    assert found.limit == "data"
    assert "no shell above zero frequency holds a signal" in found.how


def test_an_analysis_tells_the_limit_and_its_evidence(ensemble):
    result = ensemble()
    made = analyze([result])
    made_json = json.loads(json.dumps(summary(made), allow_nan=False))
    for one, curve in zip(made.curves, made_json["curves"], strict=True):
        assert curve["resolution"]["limit"] == one.resolution.limit
        assert len(curve["data"]["signal"]) == len(curve["data"]["hidden"]) == len(curve["value"])
        assert (curve["data"]["end"] is None) == (one.curve.reach.end is None)
    labels = [curve.label for curve in frequency_panel(made).curves if curve.label]
    assert all(f"limit: {one.resolution.limit}" in label for one, label in zip(made.curves, labels, strict=True))
    html = page(made)
    assert all(html_text(one.resolution.how) in html for one in made.curves)


def test_a_measured_scan_that_was_cut_at_2_counts_ends_before_its_last_shell(data_folder):
    """Gold, APS 34-ID-C: 98 % zeros in the outer shells. Not cut, the same scan reaches further."""
    with np.load(data_folder / "aps34idc_s0054_prepared.npz") as file:
        scans = [Problem.from_arrays(intensity=file[key], mask=file["mask"]) for key in ("intensity", "intensity_nothreshold")]
    cut_at_2, whole = map(reach_of, scans)
    assert cut_at_2.threshold == pytest.approx(2, abs=0.01)
    assert whole.threshold == 0
    assert cut_at_2.zeros[-1] > 0.97
    ends = [reach.frequency[reach.end] for reach in (cut_at_2, whole)]
    assert 0.2 < ends[0] < 0.32
    assert ends[0] + 0.05 < ends[1] < 0.5
