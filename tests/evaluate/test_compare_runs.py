import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from retrieve.driver.solve import Budget, solve
from retrieve.errors import InputError
from retrieve.evaluate import benchmarks
from retrieve.evaluate.averaging import weighted_mean
from retrieve.evaluate.compare import CompareCase, compare, summarise
from retrieve.evaluate.metrics import evaluate
from retrieve.evaluate.tables import to_dict
from retrieve.io.external import ExternalResult
from retrieve.plugins.options import build
from retrieve.plugins.registry import find
from retrieve.problem import Problem
from retrieve.simulate import blobs, measure
from retrieve.solvers import ER, HIO, RAAR, Solver, Step


@dataclass(frozen=True)
class Broken(Solver):
    name: ClassVar[str] = "broken"
    how: str = "raise"

    def steps(self, problem, x, rng) -> Iterator[Step]:
        if self.how == "raise":
            raise ValueError("on purpose")
        for k in range(5):
            bad = x * np.float32("nan") if self.how == "nan" else x.copy()
            if self.how == "one":
                bad[rng.normal((1,))[:, 0] > 0] = np.nan
            yield Step(bad if k else x)


def cases(count=2, truth=True, shape=(32, 32)):
    for number in range(count):
        x, support = blobs(shape, seed=number, number=8)
        problem = Problem.from_arrays(intensity=measure(x), support=support, truth=x if truth else None)
        yield CompareCase("blobs", 0.0, number, problem)


def timeless(comparison):
    return {name: value for name, value in to_dict(comparison).items() if name != "times"}


def test_a_row_a_start_and_one_for_the_best_by_the_free_score():
    heard = []
    found = compare({"hio": HIO(iterations=60), "er": ER(iterations=60)}, cases(), starts=3, on_rows=heard.append)
    assert len(found.rows) == 2 * 2 * (3 + 1)
    assert [row.start for row in found.rows[:4]] == [0, 1, 2, None]
    assert [row.solver for row in found.rows[::4]] == ["hio", "er"] * 2
    assert [rows[0].solver for rows in heard] == ["hio", "er"] * 2
    for k in range(0, len(found.rows), 4):
        *starts, best = found.rows[k : k + 4]
        assert best.r_free == min(row.r_free for row in starts)
        assert best.ffts == 3 * starts[0].ffts == 3 * 120
        assert 0 <= best.metrics["agreement"] <= 1
        assert (
            best.metrics["complex_correlation"]
            == starts[[s.r_free for s in starts].index(best.r_free)].metrics["complex_correlation"]
        )
    assert found.solvers["hio"]["options"]["iterations"] == 60
    assert found.settings["starts"] == 3
    assert "numpy" in found.settings["versions"]


def test_the_rows_of_a_start_are_those_of_solve():
    (case,) = cases(1)
    result = solve(HIO(iterations=50), case.problem, starts=3, seed=7)
    rows = compare({"hio": HIO(iterations=50)}, [case], starts=3, seed=7).rows
    assert [row.r for row in rows[:3]] == [score.r for score in result.scores]
    assert [row.r_free for row in rows[:3]] == [score.r_free for score in result.scores]


@pytest.mark.parametrize("name", ["er", "hio", "raar", "hpr", "asr", "dm", "rrr", "oss", "sf", "pchio", "cg", "recipe"])
def test_all_starts_in_one_array_equal_starts_one_by_one(name):
    options = {"recipe": "20 hio + 10 er"} if name == "recipe" else {"iterations": 30}
    (case,) = cases(1)
    solver = build(find("solvers", name), options)
    alone, together = (solve(solver, case.problem, starts=3, batch=batch) for batch in (1, 3))
    np.testing.assert_array_equal(alone.estimates, together.estimates)


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_twice_and_with_any_number_of_workers_the_same(workers):
    solvers = {"hio": HIO(iterations=40), "raar": RAAR(iterations=40), "broken": Broken()}
    serial = timeless(compare(solvers, cases(3), starts=2))
    assert timeless(compare(solvers, cases(3), starts=2, workers=workers)) == serial


def test_a_solver_that_fails_is_rows_with_its_reason_and_the_others_go_on():
    solvers = {"raises": Broken(), "nan": Broken(how="nan"), "hio": HIO(iterations=30)}
    found = compare(solvers, cases(2), starts=2)
    by = {label: [row for row in found.rows if row.solver == label] for label in solvers}
    assert all(len(rows) == 2 * 3 for rows in by.values())
    assert {row.failure for row in by["raises"]} == {"ValueError: on purpose"}
    assert all("NaN" in row.failure and math.isnan(row.r) and row.r_free is None for row in by["nan"])
    assert not any(row.failure for row in by["hio"])
    assert [s.failures for s in summarise(found)] == [4, 2, 4, 2, 0, 0]


ERRORS = {"KeyError": KeyError, "OverflowError": OverflowError, "LinAlgError": np.linalg.LinAlgError}


@dataclass(frozen=True)
class Ours(HIO):
    """A solver that fails as one of ours would."""

    error: str = "KeyError"

    def steps(self, problem, x, rng) -> Iterator[Step]:
        raise {"KeyError": KeyError, "OverflowError": OverflowError, "LinAlgError": np.linalg.LinAlgError}[self.error](
            "on purpose"
        )
        yield


Ours.__module__ = "retrieve.solvers.ours"


def test_a_bug_of_ours_is_raised_and_a_failure_of_the_numbers_is_a_row():
    for error in ("OverflowError", "LinAlgError"):
        assert {row.failure for row in compare({"ours": Ours(error=error)}, cases(1)).rows} == {f"{error}: on purpose"}
    with pytest.raises(KeyError, match="on purpose"):
        compare({"ours": Ours()}, cases(1))


def test_a_bug_of_ours_in_a_metric_is_no_failure_of_the_solver(monkeypatch):
    def broken(*arguments, **how):
        raise TypeError("on purpose")

    monkeypatch.setattr("retrieve.evaluate.trial.evaluate", broken)
    with pytest.raises(TypeError, match="on purpose"):
        compare({"hio": HIO(iterations=3)}, cases(1), starts=1)


def test_a_start_that_fails_leaves_the_others():
    found = compare({"one": Broken(how="one")}, cases(1), starts=8)
    failed = [row for row in found.rows if row.failure]
    assert 0 < len(failed) < 8
    assert found.rows[-1].failure is None


def test_every_start_stops_within_a_step_of_the_budget():
    solvers = {
        "hio": HIO(iterations=500),
        "dm": find("solvers", "dm")(iterations=500),
        "short": HIO(iterations=10),
        "even": HIO(iterations=51),
    }
    found = compare(solvers, cases(1), starts=3, budget=Budget(ffts=101))
    spent = {row.solver: row.ffts for row in found.rows if row.start is not None}
    assert spent == {"hio": 102, "dm": 104, "short": 20, "even": 102}
    assert found.settings["stopped_by_budget"] == ["hio", "dm"]


def test_the_mean_of_all_starts_is_judged_beside_the_best():
    given = list(benchmarks.Benchmark(("domains2d-50-blobs",)).cases([0.2], objects=1))
    problem = given[0].problem
    best = compare({"hio": HIO(iterations=40)}, given, starts=4).rows[-1].metrics
    mean, _ = weighted_mean(solve(HIO(iterations=40), problem, starts=4))
    assert best["averaged_complex_correlation"] == pytest.approx(
        evaluate(mean, problem, problem.truth)["complex_correlation"], abs=1e-6
    )
    assert best["averaged_complex_correlation"] != best["complex_correlation"]
    alone = compare({"hio": HIO(iterations=40)}, given, starts=1).rows[-1].metrics
    assert not any(name.startswith("averaged_") for name in alone)


def test_a_picture_within_a_known_support_is_moved_by_whole_pixels():
    """By a part of one the walls of a wrong object become stripes, which it does not have."""
    given = list(benchmarks.Benchmark(("domains2d-50-cells",)).cases([0.1], objects=1))
    problem = given[0].problem
    shown = {}
    for name, case in (("known", given[0]), ("unknown", given[0]._replace(problem=problem.replace(support=None)))):
        x = solve(HIO(iterations=40), case.problem, starts=2).object
        shape = np.sort(np.abs(x).ravel()) / np.linalg.norm(x)
        drawn = compare({"hio": HIO(iterations=40)}, [case], starts=2).pictures[0].estimate
        shown[name] = np.abs(np.sort(np.abs(drawn).ravel()) / np.linalg.norm(drawn) - shape).max()
    assert shown["known"] < 1e-5 < 1e-3 < shown["unknown"]


def test_one_start_has_no_agreement_and_no_truth_no_success():
    found = compare({"hio": HIO(iterations=20)}, cases(1, truth=False), starts=1)
    best = found.rows[-1]
    assert math.isnan(best.metrics["agreement"])
    assert "complex_correlation" not in best.metrics
    assert best.metrics["diffraction_correlation"] > 0.5


def test_pictures_show_the_estimate_aligned_to_the_truth():
    given = list(cases(2))
    found = compare({"hio": HIO(iterations=200)}, given, starts=4, pictures=1)
    (picture,) = found.pictures
    assert picture.row.object == 0
    assert picture.row.start is None
    assert np.linalg.norm(picture.estimate - picture.truth) < 0.02 * np.linalg.norm(picture.truth)
    np.testing.assert_array_equal(np.fft.ifftshift(picture.amplitude), given[0].problem.amplitude)
    assert len(picture.history["step"]) == len(picture.history["r"]) > 1


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_an_interrupt_keeps_what_there_is(workers):
    def stop(rows):
        if rows[0].object == 1:
            raise KeyboardInterrupt

    found = compare({"hio": HIO(iterations=3000)}, cases(12), starts=1, workers=workers, on_rows=stop)
    assert found.settings["interrupted"]
    assert 2 <= len(found.rows) < 24


def test_a_foreign_result_is_one_row_of_its_own(tmp_path):
    (case,) = cases(1)
    np.save(tmp_path / "theirs.npy", 3 * case.problem.truth)
    (tmp_path / "damaged.npy").write_bytes(b"\x93NUMPY\x01\x00 nothing")
    entrants = {
        "hio": HIO(iterations=20),
        "theirs": ExternalResult.named(f"{tmp_path}/theirs.npy:plain"),
        "damaged": ExternalResult.named(f"{tmp_path}/damaged.npy:plain"),
    }
    *_, theirs, damaged = compare(entrants, [case], starts=2).rows
    assert theirs.start is None
    assert theirs.r_free is None
    assert theirs.r < 1e-6
    assert theirs.metrics["complex_correlation"] == pytest.approx(1)
    assert math.isnan(theirs.seconds)
    assert "damaged.npy cannot be read" in damaged.failure


def test_benchmarks_are_locked_and_say_what_is_unknown():
    chosen = benchmarks.benchmark("domains2d-50")
    assert chosen.noise == (0.0, 0.01, 0.05, 0.1, 0.2)
    assert chosen.objects == 100
    first, *_, last = chosen.cases(noise=[0, 0.05], objects=2)
    assert (first.group, first.noise, first.object) == ("domains2d-50-blobs", 0.0, 0)
    assert (last.group, last.noise, last.object) == ("domains2d-50-cells", 0.05, 1)
    again = next(chosen.cases(noise=[0], objects=1))
    np.testing.assert_array_equal(first.problem.amplitude, again.problem.amplitude)
    assert first.problem.support is not None
    with pytest.raises(InputError, match="unknown benchmark 'domains2d-5'.*domains2d-50"):
        benchmarks.benchmark("domains2d-5")
    with pytest.raises(InputError, match="objects=0"):
        chosen.cases(objects=0)
    with pytest.raises(InputError, match="sigma=2"):
        chosen.cases(noise=[2])
