"""One object made of many starts."""

import dataclasses

import numpy as np
import pytest

from retrieve.errors import InputError
from retrieve.evaluate import averaging
from retrieve.evaluate.averaging import average_starts, mean_to_max, scatter_and_filter, weighted_mean
from retrieve.io.result import Cost, Result
from retrieve.numerics.alignment import align, conjugate_inverse, correlation
from retrieve.problem import Problem
from retrieve.problem.scoring import Score
from retrieve.simulate import crystal


def test_mean_to_max():
    flat = np.zeros((16, 16))
    flat[4:9, 4:9] = 2
    assert mean_to_max(flat) == 1
    flat[6, 6] = 4
    assert mean_to_max(flat) == pytest.approx((24 * 2 + 4) / 25 / 4)
    flat[0, 0] = 0.3  # below a tenth of the maximum: not of the object
    assert mean_to_max(flat) == pytest.approx((24 * 2 + 4) / 25 / 4)
    assert mean_to_max(np.zeros((4, 4))) == 0


def test_scatter_and_filter_keeps_the_homogeneous():
    good = crystal((48, 48), seed=0, phase=2.0)
    rng = np.random.default_rng(0)
    hole = good * (1 - 0.9 * (np.hypot(*np.indices(good.shape) - 24) < 5))
    bad = good * np.exp(rng.normal(size=good.shape))
    stack = np.stack([bad, hole, np.roll(good, 4, 0), np.full_like(good, np.nan), conjugate_inverse(good)]).astype(np.complex64)
    mode, kept, fraction = scatter_and_filter(stack, 2, [True, True, True, False, True])
    assert set(kept.tolist()) == {2, 4}
    assert fraction == pytest.approx(1, abs=1e-4)
    assert correlation(np.abs(mode), np.abs(stack[kept[0]])) == pytest.approx(1, abs=1e-4)
    with pytest.raises(InputError, match="keep=5.*1 to 4"):
        scatter_and_filter(stack, 5, [True, True, True, False, True])


@pytest.fixture
def truth():
    return crystal((32, 32), seed=3, phase=2.0).astype(np.complex64)


def result_of(truth, estimates, r, failures=()):
    scores = tuple(Score(c, c, failure="lost" if k in failures else None) for k, c in enumerate(r))
    problem = Problem.from_arrays(intensity=np.abs(np.fft.fftshift(np.fft.fft2(truth, norm="ortho"))) ** 2)
    return Result(estimates[0], estimates, None, scores, 0, ({},) * len(scores), Cost(), problem)


def noisy(truth, n, amount=0.3):
    """Estimates off by independent noise, each shifted and turned, every other one the twin."""
    rng = np.random.default_rng(2)
    made = []
    for k in range(n):
        x = truth + amount * (rng.normal(size=truth.shape) + 1j * rng.normal(size=truth.shape)) * (truth != 0)
        x = np.roll(x * np.exp(1j * k), k, 0)
        made.append(conjugate_inverse(x) if k % 2 else x)
    return np.stack(made).astype(np.complex64)


def likeness(x, truth):
    return correlation(align(x, truth).object, truth)


def test_the_mean_of_starts_that_fit_alike_is_nearer_to_the_truth_than_each(truth):
    estimates = noisy(truth, 6)
    x, weights = weighted_mean(result_of(truth, estimates, [0.1] * 6))
    assert weights == pytest.approx(1 / 6)
    assert likeness(x, truth) > 0.01 + max(likeness(one, truth) for one in estimates)


def test_where_supports_differ_the_free_score_weighs(truth):
    """And so not what fits best because it may fit more."""
    fit = result_of(truth, noisy(truth, 3), [0.1, 0.2, 0.3])
    held = np.zeros(truth.shape, bool)
    held[:10, :20] = True
    error = averaging.FREE_SCORE_ERRORS * np.sqrt(2 / held.sum())
    scores = tuple(Score(s.r, free) for s, free in zip(fit.scores, (1.0, 0.1 * (1 + error), 0.1), strict=True))
    other = np.arange(3)[:, None, None] < np.indices(truth.shape)[0]
    free = dataclasses.replace(fit, scores=scores, held=held, supports=other)
    _, weights = weighted_mean(free)
    assert weights[1] / weights[2] == pytest.approx(np.exp(-1), rel=1e-4)
    assert weights[0] < 0.01
    known = fit.problem.replace(support=np.ones(truth.shape, bool))
    _, weights = weighted_mean(dataclasses.replace(free, supports=None, problem=known))
    assert weights[0] > 0.99


def test_starts_weigh_by_the_standard_error_of_chi2(truth):
    estimates = noisy(truth, 4)
    error = np.sqrt(2 / truth.size)
    _, weights = weighted_mean(result_of(truth, estimates, [0.1 * (1 + error), 0.1, 0.5, 0.0], failures={3}))
    assert weights[0] / weights[1] == pytest.approx(np.exp(-1), rel=1e-4)
    assert weights[2] < 1e-6
    assert weights[3] == 0
    assert weights.sum() == pytest.approx(1)


def test_a_start_that_alone_explains_the_data_is_the_mean(truth):
    estimates = noisy(truth, 3)
    x, weights = weighted_mean(result_of(truth, estimates, [0.5, 0.1, 0.5]))
    assert weights[1] == pytest.approx(1)
    np.testing.assert_allclose(x, estimates[1], atol=1e-5)
    perfect, _ = weighted_mean(result_of(truth, estimates, [0.0, 0.1, 0.0]))
    assert np.isfinite(perfect).all()


def test_failed_starts_are_no_part_of_the_mean(truth):
    estimates = noisy(truth, 3)
    estimates[2] = np.nan
    x, _ = weighted_mean(result_of(truth, estimates, [0.1, 0.1, np.nan], failures={2}))
    assert np.isfinite(x).all()


def test_a_combined_result_is_scored_anew_and_says_how_it_was_made(truth):
    result = average_starts(result_of(truth, noisy(truth, 4), [0.1, 0.1, 0.1, 0.9]), "mean")
    assert result.manifest["averaging"] == "mean"
    assert result.manifest["weights"] == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0], abs=1e-3)
    assert result.averaged.r == pytest.approx(float(result.problem.r_factor(result.object[None])[0]), rel=1e-4)
    with pytest.raises(InputError, match="at least two usable"):
        average_starts(result_of(truth, noisy(truth, 2), [0.1, np.nan], failures={1}), "common-mode")
    with pytest.raises(InputError, match="'median'; did you mean mean"):
        average_starts(result_of(truth, noisy(truth, 2), [0.1, 0.1]), "median")


def test_the_mean_of_one_start_is_that_start(truth):
    alone = result_of(truth, noisy(truth, 2), [0.1, np.nan], failures={1})
    made = average_starts(alone, "mean")
    assert made.averaging is None
    np.testing.assert_array_equal(made.object, alone.object)


def test_a_start_of_another_object_does_not_agree(truth):
    other = crystal((32, 32), seed=8, phase=2.0).astype(np.complex64)
    estimates = np.stack([*noisy(truth, 2, 0.05), other])
    made = average_starts(result_of(truth, estimates, [0.1, 0.1, 0.1]), "agreeing")
    assert made.manifest["weights"] == pytest.approx([0.5, 0.5, 0])
    assert made.averaging == "mean"
    assert likeness(made.object, truth) > likeness(estimates[0], truth)
    assert weighted_mean(result_of(truth, estimates, [0.1, 0.1, 0.1]))[1] == pytest.approx(1 / 3)


@pytest.mark.parametrize("how", ["mean", "common-mode"])
def test_a_combination_lies_as_the_chosen_start_does(truth, how):
    result = result_of(truth, noisy(truth, 4), [0.13, 0.1, 0.1, 0.1])  # the first, chosen, is not what the others are aligned to
    found = align(average_starts(result, how).object, result.object)
    assert np.abs(found.shift).max() < 0.1
    assert not found.twin
