import dataclasses
import math
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

from retrieve.errors import InputError
from retrieve.evaluate import metrics as m
from retrieve.numerics.alignment import conjugate_inverse, tilt, translate
from retrieve.plugins.registry import registered
from retrieve.problem import Problem
from retrieve.simulate import blobs

NAMES = [metric.name for metric in m.BUILTIN]
OF_TRUTH = [metric.name for metric in m.BUILTIN if metric.needs == "truth"]
OF_DATA = [metric.name for metric in m.BUILTIN if metric.needs == "data"]
PERFECT = dict.fromkeys(NAMES, 0.0) | dict.fromkeys(
    [
        "complex_correlation",
        "amplitude_correlation",
        "inner_amplitude_correlation",
        "phase_similarity",
        "support_overlap",
        "diffraction_correlation",
    ],
    1.0,
)


def problem_of(x, **known):
    pattern = np.fft.fftshift(np.abs(np.fft.fftn(x, norm="ortho")) ** 2)
    return Problem.from_arrays(intensity=pattern, truth=x, **known)


@pytest.fixture(params=[(48, 48), (33, 40), (16, 18, 20)], ids=str)
def truth(request):
    return blobs(request.param, seed=1, number=20, sigma=1.5)[0]


@pytest.fixture
def estimate(truth):
    """The truth with a tenth of noise, inside its support."""
    rng = np.random.default_rng(0)
    noise = (rng.normal(size=truth.shape) + 1j * rng.normal(size=truth.shape)) * (truth != 0)
    return (truth + 0.1 * noise * np.linalg.norm(truth) / np.linalg.norm(noise)).astype(np.complex64)


DISGUISES = {
    "whole shift": lambda x: np.roll(x, (3, -5), (0, 1)),
    "sub-pixel shift": lambda x: translate(x.astype(complex), (0.37, -1.6, 0.8)[: x.ndim]),
    "twin": conjugate_inverse,
    "phase": lambda x: x * np.exp(2.1j),
    "all": lambda x: conjugate_inverse(translate(x.astype(complex), (-4.3, 2.71, 1.5)[: x.ndim])) * np.exp(-1j),
}


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("name", NAMES)
def test_every_metric_is_invariant_under_what_the_pattern_cannot_tell(name, disguise, truth, estimate):
    problem = problem_of(truth)
    plain = m.evaluate(estimate, problem)[name]
    assert m.evaluate(DISGUISES[disguise](estimate), problem)[name] == pytest.approx(plain, rel=0.01, abs=2e-3)


@pytest.mark.parametrize("name", OF_TRUTH)
def test_metrics_of_the_truth_do_not_see_the_scale(name, truth, estimate):
    problem = problem_of(truth)
    plain = m.evaluate(estimate, problem)[name]
    assert m.evaluate(estimate * 7, problem)[name] == pytest.approx(plain, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_is_perfect_for_the_truth_worse_for_noise_and_in_range(name, truth, estimate):
    metric, problem = m.metrics()[name], problem_of(truth)
    perfect, noisy = m.evaluate(truth, problem)[name], m.evaluate(estimate, problem)[name]
    assert perfect == pytest.approx(PERFECT[name], abs=1e-5)
    assert (noisy < perfect) if metric.direction == "higher" else (noisy > perfect)
    for value in (perfect, noisy):
        assert metric.range[0] <= value <= metric.range[1]


def test_raw_leaves_the_estimate_where_it_lies(truth):
    problem = problem_of(truth)
    shifted = np.roll(truth, 5, 0)
    raw, aligned = m.evaluate(shifted, problem, raw=True), m.evaluate(shifted, problem)
    assert list(raw) == list(aligned) == NAMES
    assert raw["complex_correlation"] == pytest.approx(abs(np.vdot(shifted, truth)) / np.linalg.norm(truth) ** 2, abs=1e-5)
    assert raw["complex_correlation"] < 0.7 < aligned["complex_correlation"]
    for name in OF_DATA:
        assert raw[name] == aligned[name]
    assert m.evaluate(truth * 1j, problem, raw=True)["nrmse"] == pytest.approx(0, abs=1e-6)


def test_ramp_is_removed_only_when_asked(truth):
    problem = problem_of(truth)
    x = tilt(truth, [0.2] * truth.ndim)
    assert m.evaluate(x, problem, ramp=True)["complex_correlation"] > 0.999
    assert m.evaluate(x, problem)["complex_correlation"] < 0.97


def test_without_a_truth_only_the_data_speak(truth, estimate):
    assert list(m.evaluate(estimate, problem_of(truth).replace(truth=None))) == OF_DATA
    assert list(m.evaluate(estimate, problem_of(truth).replace(truth=None), truth)) == NAMES


# each metric by hand ----------------------------------------------------------------------------

ALL = np.ones(4, bool)


@pytest.mark.parametrize(
    ("x", "t", "expected"),
    [
        ([1, 0, 0, 0], [1, 1, 0, 0], 1 / math.sqrt(2)),
        ([1j, 1j, 0, 0], [1, 1, 0, 0], 1),
        ([1, -1, 0, 0], [1, 1, 0, 0], 0),
        ([0, 0, 0, 0], [1, 1, 0, 0], 0),
    ],
)
def test_complex_correlation_and_nrmse(x, t, expected):
    x, t = np.array(x, complex), np.array(t, complex)
    assert m.complex_correlation(x, t, ALL) == pytest.approx(expected)
    assert m.nrmse(x, t, ALL) == pytest.approx(math.sqrt(1 - expected**2), abs=1e-12)


def test_amplitude_correlation():
    t = np.array([0, 1, 2, 3], complex)
    assert m.amplitude_correlation(np.array([1, 3j, -5, 7]), t, ALL) == pytest.approx(1)
    assert m.amplitude_correlation(np.array([3, 2, 1, 0]), t, ALL) == pytest.approx(-1)
    assert m.amplitude_correlation(np.array([1, 1j, 1, 1]), t, ALL) == 0


def test_phase_similarity():
    t = np.array([1, 1, 1, 1], complex)
    assert m.phase_similarity(5 * t * np.exp(1j), t, ALL) == pytest.approx(1)
    assert m.phase_similarity(np.array([1, 1, 1j, 1j]), t, ALL) == pytest.approx(abs(2 + 2j) / 4)
    assert m.phase_similarity(np.array([1, -1, 1, -1]), t, ALL) == pytest.approx(0)
    assert m.phase_similarity(np.array([1, -1, 1, -1]), t, np.array([1, 0, 1, 0], bool)) == pytest.approx(1)
    assert m.phase_similarity(np.array([1, 1, 0, 0]), t, ALL) == pytest.approx(0.5)  # no amplitude, no phase


def test_the_phase_is_compared_where_the_truth_is_and_nowhere_else():
    t = np.array([[10, 5, 0.9, 0]], complex)
    assert m.truth_mask(t).tolist() == [[True, True, False, False]]
    assert m.truth_mask(t, 0.5).tolist() == [[True, False, False, False]]
    with pytest.raises(InputError, match="zero everywhere"):
        m.truth_mask(np.zeros((2, 2)))


def test_chi2_object():
    t = np.array([1, 0.5, 0, 0], complex)
    assert m.chi2_object(np.array([2, 2j, 0, 0]), t, ALL) == pytest.approx(0.25 / 2)
    assert m.chi2_object(3j * t, t, ALL) == pytest.approx(0)
    assert m.chi2_object(0 * t, t, ALL) == math.inf


def test_support_overlap():
    t = np.array([1, 1, 1, 0], complex)
    assert m.support_overlap(np.array([0, 1, 1, 1]), t, t != 0) == pytest.approx(2 / 4)
    assert m.support_overlap(np.array([0, 1, 1, 0.05]), t, t != 0) == pytest.approx(2 / 3)
    assert m.support_overlap(0 * t, t, t != 0) == 0


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.5, 1.0])
def test_twin_fraction_is_the_share_that_was_mixed_in(share):
    t = blobs((64, 64), seed=0)[0]
    w = np.roll(conjugate_inverse(t), (2, -1), (0, 1)) * 1j
    x = math.sqrt(1 - share) * t + math.sqrt(share) * w
    assert m.twin_fraction(x, t, m.truth_mask(t)) == pytest.approx(share, abs=0.02)
    assert m.evaluate(x, problem_of(t))["twin_fraction"] == pytest.approx(min(share, 1 - share), abs=0.05)


def test_an_object_that_is_its_own_twin_has_none():
    yy, xx = np.indices((32, 32)) - 16
    t = np.exp(-(yy**2 + xx**2) / 30).astype(complex)
    assert m.twin_fraction(t, t, ALL) == pytest.approx(0, abs=1e-6)
    assert m.twin_fraction(0 * t, t, ALL) == 0


def test_metrics_of_the_data_by_hand():
    y = np.arange(1, 17, dtype=float).reshape(4, 4)
    mask = np.ones((4, 4), bool)
    mask[3, 3] = False  # the largest amplitude is not measured
    problem = Problem.from_arrays(amplitude=y, mask=mask, centred=False)
    z = np.where(mask, 2 * y + 1, 99.0)
    x = np.fft.ifftn(z, norm="ortho")
    z, v = z[mask], y[mask]
    assert m.r(x, problem) == pytest.approx(np.sum((z - v) ** 2) / np.sum(v**2), rel=1e-5)
    assert m.chi2_diffraction(x, problem) == pytest.approx(np.sum((z / 31 - v / 15) ** 2) / np.sum((z / 31) ** 2), rel=1e-4)
    assert m.diffraction_correlation(x, problem) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("raw", [True, False])
def test_a_flat_box_has_no_correlation_inside_the_object(raw):
    """Of a real, positive object the box has most of the complex correlation, and all of it comes from the outline."""
    t, support = blobs((48, 48), seed=3)
    t = np.abs(t)
    box = np.zeros_like(t)
    box[np.ix_(*(np.flatnonzero(support.any(axis=1 - axis)) for axis in (0, 1)))] = 2.0
    found = m.evaluate(box, problem_of(t), raw=raw)
    assert found["complex_correlation"] > 0.6
    assert abs(found["inner_amplitude_correlation"]) < (1e-6 if raw else 0.1)
    assert m.evaluate(t + 0.2 * box, problem_of(t))["inner_amplitude_correlation"] == pytest.approx(1, abs=1e-3)


def test_where_the_truth_is_flat_there_is_no_inner_correlation():
    _, support = blobs((48, 48), seed=3)
    t = (support * np.exp(1j * np.random.default_rng(0).uniform(0, 1, support.shape))).astype(np.complex64)
    assert math.isnan(m.evaluate(np.abs(t), problem_of(t))["inner_amplitude_correlation"])


def test_an_empty_estimate_has_the_worst_values():
    t = blobs((16, 16), seed=0)[0]
    found = m.evaluate(np.zeros_like(t), problem_of(t))
    expected = {
        "complex_correlation": 0,
        "amplitude_correlation": 0,
        "phase_similarity": 0,
        "nrmse": 1,
        "chi2_object": math.inf,
        "twin_fraction": 0,
        "support_overlap": 0,
        "r": 1,
        "chi2_diffraction": math.inf,
        "diffraction_correlation": 0,
    }
    assert_allclose([found[name] for name in expected], list(expected.values()), atol=1e-6)


def test_what_cannot_be_compared_is_refused(truth):
    problem = problem_of(truth)
    with pytest.raises(InputError, match="estimate has shape .* problem's object"):
        m.evaluate(truth[1:], problem)
    with pytest.raises(InputError, match="estimate has shape .* the truth"):
        m.evaluate(truth, problem, truth[1:], raw=True)
    with pytest.raises(InputError, match="estimate holds NaN"):
        m.evaluate(np.full_like(truth, np.nan), problem)
    with pytest.raises(InputError, match="truth holds NaN"):
        m.evaluate(truth, problem, np.full_like(truth, np.inf))
    with pytest.raises(InputError, match="truth is zero"):
        m.evaluate(truth, problem, np.zeros_like(truth))


# registration -----------------------------------------------------------------------------------


def test_the_built_in_metrics_come_through_the_hook_and_say_what_they_are():
    assert {name for name, (_, plugin) in registered("metrics").items() if plugin == "retrieve"} == set(NAMES)
    for name, metric in m.metrics().items():
        assert metric.name == name
        assert metric.formula
        assert metric.source
        assert metric.function.__doc__


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"direction": "up"}, "'nrmse' has direction='up'; give higher or lower"),
        ({"needs": "both"}, "'nrmse' has needs='both'; give truth or data"),
        ({"range": (1, 1)}, r"'nrmse' has range=\(1, 1\)"),
    ],
)
def test_a_metric_that_is_declared_wrong_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(m.nrmse, **change)


def test_a_plugin_s_metric_that_fails_costs_no_other(truth, monkeypatch):
    broken = dataclasses.replace(m.nrmse, name="broken", function=lambda x, t, mask: 1 / 0)
    monkeypatch.setattr(m, "metrics", lambda: {"broken": broken, "nrmse": m.nrmse})
    with pytest.warns(UserWarning, match="metric 'broken' was left out: ZeroDivisionError: division by zero"):
        assert list(m.evaluate(truth, problem_of(truth))) == ["nrmse"]


def test_a_built_in_metric_that_fails_is_an_error(truth, monkeypatch):
    def fail(*arguments):
        raise ZeroDivisionError

    monkeypatch.setattr(type(m.nrmse), "__call__", fail)
    with pytest.raises(ZeroDivisionError):
        m.evaluate(truth, problem_of(truth))


@pytest.mark.parametrize(
    "module", ["evaluate.metrics", "evaluate.ensemble", "evaluate.modes", "evaluate.resolution", "numerics.alignment"]
)
def test_importing_loads_nothing_heavy(module):
    code = f"import sys, retrieve.{module}; print(*({{'torch', 'sklearn', 'matplotlib'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == ""
