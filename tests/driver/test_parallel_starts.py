"""The starts of one solve, shared out: the same to the bit wherever they run."""

import threading

import numpy as np
import pytest
from dying import Killed
from numpy.testing import assert_array_equal

from retrieve.driver.solve import Budget, solve
from retrieve.errors import InputError, SolverError
from retrieve.problem import Problem
from retrieve.simulate import TUNE_SEED, Noise, blobs, measure
from retrieve.simulate.crystal_kinds import CrystalKinds
from retrieve.solvers import HIO, Recipe
from retrieve.solvers.blind.auto import Auto
from retrieve.solvers.learned.diffusion import Diffusion

SAME = ("object", "estimates", "supports", "spread", "samples", "held")


@pytest.fixture(scope="module")
def pattern():
    x, support = blobs((32, 32), seed=0, number=8)
    return Problem.from_arrays(intensity=1e4 * measure(x), support=support)


def same(one, other):
    """Two results are alike to the bit, but for times."""
    for name in SAME:
        assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert one.scores == other.scores
    assert one.history == other.history
    assert one.chosen == other.chosen
    spent = [(r.cost.steps, r.cost.ffts, r.cost.network_evaluations, r.interrupted) for r in (one, other)]
    assert spent[0] == spent[1]


@pytest.mark.parametrize(
    ("executor", "workers", "known"), [("serial", 1, True), ("threads", 3, True), ("threads", 2, False), (None, 2, True)]
)
def test_a_classical_solver_gives_what_it_gives_here(pattern, executor, workers, known):
    """Without a name the workers are processes."""
    problem = pattern if known else pattern.replace(support=None)
    solver = Recipe(recipe="30 hio + 10 er + 5 cg")
    same(solve(solver, problem, starts=5, seed=3, executor=executor, workers=workers), solve(solver, problem, starts=5, seed=3))


@pytest.mark.slow
@pytest.mark.parametrize(("executor", "workers"), [("threads", 3), ("processes", 2)])
def test_a_network_and_its_samples_are_the_same_in_any_number_of_workers(executor, workers):
    """One by one in one thread; in one array, as without an executor, they differ in rounding."""
    x, support = blobs((64, 64), seed=0, number=8)
    pattern = Problem.from_arrays(intensity=1e4 * measure(x), support=support)
    solver, settings = Diffusion(search=20, evaluations=6), {"starts": 3, "samples": 3, "agree": 0, "seed": 1}
    found = solve(solver, pattern, executor=executor, workers=workers, **settings)
    same(found, solve(solver, pattern, executor="serial", **settings))
    here = solve(solver, pattern, **settings)
    assert np.abs(found.estimates - here.estimates).max() < 1e-3 * np.abs(here.estimates).max()


@pytest.mark.slow
def test_auto_in_three_dimensions_is_the_same_in_two_processes():
    """A scan of a crystal, as the command runs it with --workers 2."""
    noise = Noise(photons=1e6, support="unknown")
    scan = CrystalKinds(kind="smooth", size=32).problem(0, TUNE_SEED, noise)
    solver, settings = Auto(effort=0.05), {"starts": 3, "agree": 0, "seed": 1}
    here = solve(solver, scan, **settings)
    found = solve(solver, scan, workers=2, **settings)
    same(found, here)
    assert found.manifest["problem"] == here.manifest["problem"]


def test_batches_agreement_and_own_starts(pattern):
    """Starts that are not needed are the same, and each begins with its own x0."""
    x0 = np.random.default_rng(0).standard_normal((6, *pattern.shape)).astype(np.complex64)
    solver, settings = HIO(iterations=60), {"starts": 6, "batch": 2, "agree": 0.2, "x0": x0}
    here = solve(solver, pattern, **settings)
    assert len(here.scores) in (2, 4)
    same(solve(solver, pattern, executor="threads", workers=3, **settings), here)


def test_on_step_hears_of_each_start_and_stops(pattern):
    told = []
    solve(HIO(iterations=20), pattern, starts=4, executor="threads", workers=2, on_step=told.append)
    assert sorted((t.start, t.step, t.total) for t in told) == [(n, 20, 20) for n in range(4)]
    assert np.isfinite([t.r_free for t in told]).all()
    result = solve(HIO(iterations=20), pattern, starts=4, executor="serial", on_step=lambda t: t.start == 1)
    assert result.interrupted
    assert len(result.scores) == 2


def test_a_budget_is_of_each_start(pattern):
    result = solve(HIO(iterations=20), pattern, starts=2, batch=1, executor="serial", budget=Budget(steps=7))
    assert result.cost.steps == 14


def test_a_start_that_is_lost_with_its_worker_is_done_again(pattern, tmp_path):
    result = solve(Killed(folder=str(tmp_path), times=2), pattern, starts=4, workers=2)
    assert len(list(tmp_path.iterdir())) == 2
    same(result, solve(Killed(folder=str(tmp_path), times=2), pattern, starts=4))


@pytest.mark.slow
def test_one_that_its_workers_die_of_is_named(pattern, tmp_path):
    with pytest.raises(SolverError, match=r"start \d: its worker process died with SIGKILL.* tried 3 times.*--workers"):
        solve(Killed(folder=str(tmp_path), times=99), pattern, starts=1, executor="processes")


def test_what_a_start_raises_comes_through(pattern):
    with pytest.raises(SolverError, match="NaN"):
        solve(HIO(iterations=3), pattern, starts=2, executor="threads", x0=np.full(pattern.shape, np.nan, np.complex64))


def test_an_executor_that_is_not_there(pattern):
    with pytest.raises(InputError, match="unknown executor 'nowhere'"):
        solve(HIO(iterations=3), pattern, executor="nowhere")


def test_starts_that_are_needed_for_certain_run_at_once_and_change_no_bit(monkeypatch):
    """Two starts of a run that ends when two agree, in two threads, with arrays of their own to begin with."""
    problem = CrystalKinds(kind="smooth", size=32).problem(0, TUNE_SEED, Noise(photons=1e6, support="unknown"))
    monkeypatch.setattr("retrieve.driver.parallel.SIDE_BY_SIDE", range(1, 1 << 21))
    x0 = np.random.default_rng(0).standard_normal((3, *problem.shape)).astype(np.complex64)
    threads, found = set(), []
    for cores in (1, 2):
        monkeypatch.setattr("retrieve.driver.parallel.cores", lambda cores=cores: cores)
        threads.clear()
        settings = {"starts": 3, "batch": 1, "agree": 1, "x0": x0}
        found.append(solve(HIO(iterations=5), problem, on_step=lambda _: threads.add(threading.get_ident()), **settings))
        assert len(threads) == (1 if cores == 1 else 3)  # the third start runs here
    same(*found)
