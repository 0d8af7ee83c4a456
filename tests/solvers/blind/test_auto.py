import numpy as np
import pytest

import retrieve as rt
from retrieve.errors import OptionError
from retrieve.numerics.alignment import align
from retrieve.plugins.options import build
from retrieve.problem.survey import survey
from retrieve.simulate import TUNE_SEED, Noise, object_set
from retrieve.simulate.crystals import crystal
from retrieve.solvers import HIO, Auto
from retrieve.solvers.base import Streams
from retrieve.solvers.blind.coarse import crop_pattern, factor_for, interpolate
from retrieve.solvers.blind.search import scaled, volume_parts
from retrieve.solvers.blind.state import SearchContext

BLIND = Noise(support="unknown")


@pytest.fixture(scope="module")
def film():
    return object_set("domains2d-50-blobs").problem(0, TUNE_SEED, BLIND)


def test_half_the_autocorrelation_is_the_support_of_an_ellipse(film):
    found = survey(film)
    assert np.array_equal(found.half, film.truth != 0)
    assert found.volume <= (film.truth != 0).sum() * 1.1
    assert found.centre
    assert not found.real


def test_unmeasured_pixels_are_completed_from_the_autocorrelations_extent(film):
    working, _ = film.hold_out(0.05, np.random.default_rng(1))
    assert np.array_equal(survey(working).half, film.truth != 0)


def test_weak_counts_widen_half_the_autocorrelation():
    problem = object_set("domains2d-50-blobs").problem(0, TUNE_SEED, Noise(photons=1e6, support="unknown"))
    found, truth = survey(problem), problem.truth != 0
    assert (truth & ~found.half).sum() < 0.03 * truth.sum()
    assert found.level > 1e-3


def test_a_real_object_is_recognised_by_its_pattern():
    inside = np.zeros((32, 32), bool)
    inside[12:19, 10:21] = True
    real = inside * np.random.default_rng(0).uniform(0.5, 1, inside.shape)
    turned = real * np.exp(2j * np.pi * np.random.default_rng(1).random(inside.shape))
    seen = [survey(rt.Problem.from_arrays(intensity=rt.simulate.measure(x))) for x in (real, turned)]
    assert seen[0].real
    assert seen[0].asymmetry < 1e-6
    assert not seen[1].real


def test_a_cut_below_a_threshold_is_told_from_counts():
    rng = np.random.default_rng(0)
    mean = 30 * np.exp(-np.hypot(*np.meshgrid(*(np.arange(64) - 32,) * 2)) / 8)
    counts = rng.poisson(mean).astype(float)
    spread = counts + rng.normal(0, 0.3, counts.shape)
    several = counts, 1e-9 * counts, np.where(spread > 2, spread, 0), np.where(counts > 1, counts, 0)
    seen = [survey(rt.Problem.from_arrays(intensity=i)).threshold for i in several]
    assert seen[:2] == [0, 0]
    assert 2 <= seen[2] < 2.1
    assert seen[3] == pytest.approx(2)


def test_a_film_whose_support_nobody_knows_is_solved(film):
    result = rt.solve(Auto(), film, starts=2, batch=2)
    assert align(result.object, film.truth).correlation > 0.95
    assert all("two ways agree" in " ".join(said) or "long round" in " ".join(said) for said in result.account)
    assert any("half the autocorrelation" in line for said in result.account for line in said)


def test_a_known_support_is_kept(film):
    known = film.replace(support=film.truth != 0)
    result = rt.solve(Auto(), known, starts=1)
    assert np.array_equal(result.support, known.support)
    assert align(result.object, film.truth).correlation > 0.95


def test_the_start_of_a_batch_that_ends_first_rests(film):
    """A start is searched alone, whatever runs beside it, and a budget of steps is each start's own."""
    together, apart = (rt.solve(Auto(effort=0.02), film, starts=3, batch=batch, agree=0) for batch in (3, 1))
    assert np.array_equal(together.estimates, apart.estimates)
    assert together.account == apart.account
    assert together.cost.steps < apart.cost.steps
    cut = rt.solve(Auto(), film, starts=2, batch=2, budget=rt.Budget(steps=30))
    assert cut.cost.steps == 30
    assert all(len(history["step"]) == 2 for history in cut.history)


def test_starts_judge_by_pixels_of_their_own(film):
    one, other = (SearchContext.of(film, Streams.of(0, [start]), 1.0).held for start in (0, 1))
    assert 0.02 < one.mean() < 0.04
    assert (one & other).sum() < 0.2 * one.sum()


# large patterns ----------------------------------------------------------------------------------


def test_a_coarse_problem_is_the_same_object_on_larger_pixels():
    x = np.zeros((64, 64), np.complex64)
    x[26:40, 28:38] = np.outer(np.hanning(14), np.hanning(10)) * np.exp(1j)
    fine = rt.Problem.from_arrays(intensity=rt.simulate.measure(x))
    assert factor_for(fine, 32 * 32) == 2
    assert factor_for(fine, 64 * 64) == 1
    coarse = crop_pattern(fine, 2)
    small = coarse.operator.adjoint(np.fft.ifftshift(np.fft.fftshift(fine.operator.forward(x[None])[0])[16:48, 16:48])[None])
    back, support = interpolate(small, np.abs(small) > 0.1 * np.abs(small).max(), coarse, fine)
    assert float(coarse.r_factor(small)[0]) < 1e-10
    assert align(back[0], x, twin=False).shift == (0.0, 0.0)
    assert align(back[0], x, twin=False).correlation > 0.999
    assert support[0][np.abs(x) > 0.1].all()


def test_a_large_pattern_is_searched_on_its_middle(searched_on_middle):
    problem = object_set("crystal2d").problem(0, TUNE_SEED, BLIND)
    result = rt.solve(Auto(), problem, starts=1)
    assert result.object.shape == (64, 64)
    assert any("middle 32 × 32" in line for line in result.account[0])


def test_a_support_is_looked_for_in_half_the_array_at_most(film):
    """A search on the middle of a senseless pattern may leave a larger one."""
    context = SearchContext.of(film, Streams.of(0, [0]), 1.0)
    assert volume_parts(context, 0.56, 2.0)[0].shrink_wrap.area == 0.5


# three dimensions --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def volume():
    x = crystal((24, 24, 24), seed=1, fill=0.4)
    return rt.Problem.from_arrays(intensity=1e3 * rt.simulate.measure(x), truth=x)


def test_a_crystal_of_three_axes_is_solved(volume):
    result = rt.solve(Auto(), volume)
    assert align(result.object, volume.truth).correlation > 0.995  # coherent as it is, it is solved without a kernel
    assert result.problem.detector is None
    assert (Auto().starts_for(volume), Auto().batch_for(volume)) == (4, 1)


# options -----------------------------------------------------------------------------------------


def test_effort_scales_iterations_and_leaves_one_at_least():
    assert [part.iterations for part in scaled([HIO(iterations=400), HIO(iterations=3)], 0.01)] == [4, 1]
    assert [part.iterations for part in scaled([HIO(iterations=15)], 1.5)] == [23]


FORMER = {
    **{"search": 400, "wrapped": 480, "levels": 12, "ratio": 0.86, "effort": 60, "rounds": 3, "length": 800, "members": 8},
    **{"generations": 5, "blurs": 12, "blurred": 0.9, "aliens": 8, "kept": 0.03, "past": 4.0, "most": 2**17, "settled": 0.95},
}


def test_options_of_old_manifests_are_taken_with_a_note():
    with pytest.warns(FutureWarning) as notes:
        assert build(Auto, FORMER) == Auto()
    assert len(notes) == len(FORMER)
    with pytest.warns(FutureWarning, match="option blurs is now coherence"):
        assert build(Auto, {"blurs": "0"}) == Auto(coherence="never")
    with pytest.warns(FutureWarning, match="option aliens is now second_grain"):
        assert build(Auto, {"aliens": 0}) == Auto(second_grain="never")


def test_a_large_effort_is_a_former_number_of_iterations():
    with pytest.warns(FutureWarning, match="effort=60 is taken for the former option"):
        assert Auto(effort=60).effort == 1
    assert Auto(effort=19).effort == 19
    with pytest.raises(OptionError, match="effort"):
        Auto(effort=0)
