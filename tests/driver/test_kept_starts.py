"""Finished starts that a run which was stopped leaves in a folder."""

import numpy as np
import pytest

from retrieve.driver.batch import run_batch
from retrieve.driver.run_spec import RunSpec
from retrieve.driver.solve import run
from retrieve.problem import Problem
from retrieve.simulate import blobs, measure
from retrieve.solvers import HIO
from retrieve.solvers.coherence import Coherence

SPEC = RunSpec(HIO(iterations=30), starts=4, batch=1, seed=3)


@pytest.fixture
def problem():
    return Problem.from_arrays(intensity=1e4 * measure(blobs((24, 24), seed=1)[0]))


@pytest.fixture
def begun(monkeypatch):
    """The numbers of the starts that are run."""
    seen = []

    def watched(solver, context, numbers, x0=None):
        seen.extend(numbers)
        return run_batch(solver, context, numbers, x0)

    monkeypatch.setattr("retrieve.driver.solve.run_batch", watched)
    monkeypatch.setattr("retrieve.driver.parallel.run_batch", watched)
    return seen


def same(one, other):
    np.testing.assert_array_equal(one.estimates, other.estimates)
    np.testing.assert_array_equal(one.supports, other.supports)
    assert one.scores == other.scores
    assert one.chosen == other.chosen
    assert one.account == other.account
    assert (one.cost.ffts, one.cost.steps) == (other.cost.ffts, other.cost.steps)
    assert repr(one.history) == repr(other.history)  # it may hold NaN


def stop_in(start):
    return lambda progress: progress.start == start and progress.step >= 5


@pytest.mark.parametrize("executor", [None, "serial"])
def test_a_stopped_run_goes_on_from_its_finished_starts(problem, begun, tmp_path, executor):
    whole = run(SPEC, problem, executor=executor)
    begun.clear()
    part = run(SPEC, problem, executor=executor, on_step=stop_in(2), kept=tmp_path / "starts")
    assert part.interrupted
    done = len(list((tmp_path / "starts").iterdir()))
    assert done == (3 if executor else 2)  # with an executor a start is heard of when it is done
    begun.clear()
    now = run(SPEC, problem, executor=executor, kept=tmp_path / "starts")
    assert begun == list(range(done, 4))
    same(now, whole)
    begun.clear()
    same(run(SPEC, problem, executor=executor, kept=tmp_path / "starts"), whole)
    assert begun == []


def test_the_blur_of_a_start_is_kept(problem, tmp_path):
    from dataclasses import replace

    spec = replace(SPEC, solver=HIO(iterations=30, coherence=Coherence(when="always", begin=0.3, every=5)), starts=2)
    whole = run(spec, problem, kept=tmp_path / "starts")
    again = run(spec, problem, kept=tmp_path / "starts")
    same(again, whole)
    np.testing.assert_array_equal(again.problem.detector.kernel, whole.problem.detector.kernel)


def test_starts_of_another_run_are_not_taken(problem, begun, tmp_path):
    from dataclasses import replace

    run(SPEC, problem, kept=tmp_path / "starts")
    other = problem.replace(amplitude=problem.amplitude * np.float32(1.01))
    for spec, given in (
        (replace(SPEC, seed=4), problem),
        (replace(SPEC, solver=HIO(iterations=31)), problem),
        (replace(SPEC, hold_out=0.1), problem),
        (SPEC, other),
    ):
        begun.clear()
        run(spec, given, kept=tmp_path / "starts")
        assert begun == [0, 1, 2, 3]


def test_a_damaged_file_is_run_again(problem, begun, tmp_path):
    whole = run(SPEC, problem, kept=tmp_path / "starts")
    torn = sorted((tmp_path / "starts").iterdir())[1]
    torn.write_bytes(torn.read_bytes()[:900])
    begun.clear()
    same(run(SPEC, problem, kept=tmp_path / "starts"), whole)
    assert begun == [1]


@pytest.mark.parametrize(
    "said", ["[" * 100_000, "null", "{}", '{"format": "retrieve starts 99"}', '{"scores": [], "history": [], "cost": {}}']
)
def test_a_damaged_file_of_starts_is_computed_anew(problem, begun, tmp_path, said):
    whole = run(SPEC, problem, kept=tmp_path / "starts")
    first, second, *_ = sorted((tmp_path / "starts").iterdir())
    with np.load(first) as file:
        arrays = dict(file)
    np.savez(first, **{**arrays, "said": np.array(said)})
    np.savez(second, **{**arrays, "estimate": np.zeros((1, 3, 3), complex)})
    begun.clear()
    same(run(SPEC, problem, kept=tmp_path / "starts"), whole)
    assert begun == [0, 1]
