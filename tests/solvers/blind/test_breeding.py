import numpy as np

import retrieve as rt
from retrieve.numerics.alignment import align
from retrieve.simulate import TUNE_SEED, Noise, object_set
from retrieve.solvers import Auto
from retrieve.solvers.blind.breeding import agreement, concert
from retrieve.solvers.blind.state import SearchState

CELLS = object_set("domains2d-10-cells").problem(3, TUNE_SEED, Noise(support="unknown"))


def members(same: float, score: float, seed: int) -> SearchState:
    """Four objects that share a part of their amplitude, with a score each."""
    rng = np.random.default_rng(seed)
    common, own = (rng.standard_normal((n, 24, 24)) + 1j * rng.standard_normal((n, 24, 24)) for n in (1, 4))
    x = (np.sqrt(same) * common + np.sqrt(1 - same) * own).astype(np.complex64)
    return SearchState(x, np.ones(x.shape, bool), score * np.array([1.0, 1.1, 1.2, 1.3]), ("",) * 4)


def test_a_smaller_volume_at_which_the_members_agree_is_taken():
    best, sweeps = members(0.1, 0.005, 0), [(0.2, members(0.2, 0.01, 1)), (0.1, members(0.9, 0.03, 2))]
    found = concert(best, sweeps, past=4)
    assert found is not None
    assert found.share == 0.1
    assert found.agreement > 0.8
    assert np.isclose(found.agreement, agreement(sweeps[1][1]))


def test_a_volume_that_does_not_explain_the_pattern_is_not():
    best, sweeps = members(0.1, 0.005, 0), [(0.2, members(0.2, 0.01, 1)), (0.1, members(0.9, 0.05, 2))]
    assert concert(best, sweeps, past=4) is None


def test_members_that_agree_at_the_best_scores_stay_there():
    sweeps = [(0.2, members(0.9, 0.01, 1)), (0.1, members(0.92, 0.03, 2))]
    assert concert(members(0.9, 0.005, 0), sweeps, past=4) is None


def test_a_population_solves_what_its_starts_do_not():
    alone = rt.solve(Auto(members=1), CELLS, starts=2, seed=3)
    bred = rt.solve(Auto(), CELLS, starts=2, seed=3)
    found = [max(align(x, CELLS.truth).correlation for x in result.estimates) for result in (alone, bred)]
    assert found[0] < 0.95 < 0.99 < found[1]
    assert any("bred 8 searches" in line for said in bred.account for line in said)


def test_a_start_has_its_own_population_whatever_runs_beside_it():
    options = Auto(search=60, wrapped=60, levels=3, effort=20, rounds=1, length=60, members=3, generations=2)
    together, apart = (rt.solve(options, CELLS, starts=2, batch=batch, agree=0) for batch in (2, 1))
    assert any("bred" in line for said in together.account for line in said)
    assert np.array_equal(together.estimates, apart.estimates)
