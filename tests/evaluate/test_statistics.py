import math

import pytest

from retrieve.evaluate.compare import paired, summarise
from retrieve.evaluate.comparison import Comparison, Row
from retrieve.evaluate.statistics import SUCCESS, exact_interval, mcnemar, success


def row(number, solver, correlation, start=None, failure=None, group="set", noise=0.0):
    metrics = {} if correlation is None else {SUCCESS: correlation}
    return Row(group, noise, number, solver, start, 0.1 * number, 0.2, metrics, 2.0, 100, 3, failure)


def comparison(*rows):
    return Comparison({}, {}, rows)


def test_rates_medians_and_costs_of_hand_made_rows():
    values = [0.999, 0.97, 0.5, 0.2]
    (summary,) = summarise(comparison(*(row(k, "a", v) for k, v in enumerate(values))))
    assert (summary.group, summary.noise, summary.solver, summary.best, summary.objects) == ("set", 0.0, "a", True, 4)
    assert summary.success95.rate == 0.5
    assert summary.success99.rate == 0.25
    assert summary.success95.low == 0.0
    assert summary.success95.high == 1.0
    assert summary.medians[SUCCESS] == pytest.approx(0.735)
    assert summary.medians["r"] == pytest.approx(0.15)
    assert (summary.seconds, summary.ffts, summary.network_evaluations, summary.failures) == (2.0, 100, 3, 0)


@pytest.mark.parametrize("n", [1, 5, 20])
def test_none_and_all_solved_have_the_exact_interval(n):
    none, all_ = success([0.0] * n), success([1.0] * n)
    edge = 0.025 ** (1 / n)  # P(no success in n | p = 1 − edge) = 0.025
    assert none == pytest.approx((0, 0, 1 - edge))
    assert all_ == pytest.approx((1, edge, 1))


def test_the_bootstrap_is_seeded_and_covers_the_rate():
    values = [1.0] * 30 + [0.0] * 70
    found = success(values)
    assert found == success(values)
    assert found.rate == 0.3
    assert found.low == pytest.approx(0.21, abs=0.02)
    assert found.high == pytest.approx(0.39, abs=0.02)


def test_starts_of_an_object_count_together():
    rows = [row(k, "a", 0.99 if k == 0 else 0.1, start) for k in range(2) for start in range(50)]
    (summary,) = summarise(comparison(*rows))
    assert not summary.best
    assert summary.objects == 2
    assert summary.success95 == (0.5, 0.0, 1.0)  # two objects, not a hundred starts


def test_a_failed_row_is_no_success_and_one_object_has_an_interval():
    rows = [row(0, "a", 1.0), row(0, "b", None, failure="NaN")]
    good, bad = summarise(comparison(*rows))
    assert good.success95 == pytest.approx((1, 0.025, 1))
    assert bad.success95 == pytest.approx((0, 0, 0.975))
    assert bad.failures == 1
    assert math.isnan(bad.medians.get(SUCCESS, math.nan))


def test_without_truth_there_is_no_rate_and_no_pair():
    rows = comparison(row(0, "a", None), row(0, "b", None))
    assert all(math.isnan(s.success95.rate) for s in summarise(rows))
    assert paired(rows) == []


def test_paired_counts_and_p():
    solved = {"a": [1, 1, 1, 1, 1, 1, 1, 0], "b": [1, 0, 0, 0, 0, 0, 0, 0]}
    rows = [
        row(k, solver, 0.99 * yes, start) for solver, each in solved.items() for k, yes in enumerate(each) for start in (0, None)
    ]
    (pair,) = paired(comparison(*rows))
    assert (pair.a, pair.b, pair.both, pair.only_a, pair.only_b, pair.neither) == ("a", "b", 1, 6, 0, 1)
    assert pair.p == pytest.approx(2 * 0.5**6)


def test_pairs_take_only_objects_that_both_were_given():
    rows = [row(0, "a", 1.0), row(1, "a", 1.0), row(1, "b", 0.0)]
    (pair,) = paired(comparison(*rows))
    assert (pair.both, pair.only_a, pair.only_b, pair.neither) == (0, 1, 0, 0)


def test_mcnemar_is_two_sided_and_sure_of_nothing_without_disagreement():
    assert mcnemar(0, 0) == 1
    assert mcnemar(5, 0) == mcnemar(0, 5) == pytest.approx(0.0625)
    assert mcnemar(3, 3) == 1


def test_the_exact_interval_is_that_of_clopper_and_pearson():
    assert exact_interval(8, 10) == pytest.approx((0.4439, 0.9748), abs=1e-4)  # tabled
    low, high = exact_interval(1.5, 3)
    assert (low, high) == (exact_interval(1, 3)[0], exact_interval(2, 3)[1])
