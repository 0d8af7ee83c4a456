import numpy as np
import pytest

import retrieve as rt
from retrieve.numerics.alignment import align
from retrieve.simulate import TUNE_SEED, Noise, object_set
from retrieve.solvers import Auto
from retrieve.solvers.blind.breeding import find_consensus, mean_correlation, members_for
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
    found = find_consensus(best, sweeps)
    assert found is not None
    assert found.share == 0.1
    assert found.agreement > 0.8
    assert np.isclose(found.agreement, mean_correlation(sweeps[1][1]))


def test_a_volume_that_does_not_explain_the_pattern_is_not():
    best, sweeps = members(0.1, 0.005, 0), [(0.2, members(0.2, 0.01, 1)), (0.1, members(0.9, 0.05, 2))]
    assert find_consensus(best, sweeps) is None


def test_members_that_agree_at_the_best_scores_stay_there():
    sweeps = [(0.2, members(0.9, 0.01, 1)), (0.1, members(0.92, 0.03, 2))]
    assert find_consensus(members(0.9, 0.005, 0), sweeps) is None


def test_a_start_that_is_not_settled_is_bred():
    result = rt.solve(Auto(effort=0.05), CELLS, starts=2, agree=0)
    assert any("bred 8 searches" in line for said in result.account for line in said)
    large = rt.Problem.from_arrays(intensity=np.ones((256, 256)))
    assert (members_for(CELLS), members_for(large)) == (8, 4)


@pytest.mark.slow
def test_a_population_solves_what_its_starts_do_not(request):
    """Eight starts correlate with the truth by 0.991 on average with breeding, and by 0.744 without."""
    bred = rt.solve(Auto(coherence="never"), CELLS, starts=4, agree=0)
    request.getfixturevalue("without_breeding")
    alone = rt.solve(Auto(coherence="never"), CELLS, starts=4, agree=0)
    after, before = ([align(x, CELLS.truth).correlation for x in result.estimates] for result in (bred, alone))
    assert np.mean(after) > 0.97
    assert np.mean(before) < 0.9
