"""What the driver's result holds, and where its starts begin."""

import json
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from retrieve.driver.solve import Budget, solve
from retrieve.numerics.alignment import align, shift_to_centre
from retrieve.operators import PartialCoherence
from retrieve.problem.likelihood import Poisson
from retrieve.solvers import DM, ER, HIO, OSS, RAAR, SF, Coherence, ConjugateGradient, Recipe, ShrinkWrap

WRAPPED = ShrinkWrap(when="always", every=3)
RECOVERED = Coherence(when="always", every=3, begin=0.0, iterations=5)
COSTS = {
    "hio": (HIO(iterations=7), 14),
    "er": (ER(iterations=7), 14),
    "oss": (OSS(iterations=7), 14 + 7 * 2),  # a filter of complex numbers after each iteration
    "dm": (DM(iterations=7), 28),
    "dm at 1": (DM(iterations=7, beta=1), 14),
    "cg": (ConjugateGradient(iterations=7), 15),
    "recipe": (Recipe(recipe="3 hio + 4 er"), 14),
    "shrink-wrap": (HIO(iterations=7, shrink_wrap=WRAPPED), 14 + 2),  # a blur of real numbers, twice
    # a far field and 2 + 2·5 blurs, twice; then a blur in each of the last four iterations
    "coherence recovered": (HIO(iterations=7, coherence=RECOVERED), 14 + 2 * (1 + 2 + 2 * 5) + 4),
}


@pytest.mark.parametrize("name", COSTS)
def test_the_cost_is_counted(hard, name):
    """In transforms of the whole array; scores of the driver, starts and the line search are free of charge."""
    solver, ffts = COSTS[name]
    result = solve(solver, hard, hold_out=0, score_every=2)
    assert (result.cost.ffts, result.cost.steps, result.cost.network_evaluations) == (ffts, 7, 0)
    assert solve(solver, hard, starts=3, batch=3).cost.ffts == 3 * ffts
    assert result.cost.seconds > 0


@pytest.mark.parametrize("accelerated", [True, False])
def test_the_blur_of_a_detector_is_counted(hard, accelerated, off):
    if not accelerated:
        off()
    blurred = hard.replace(detector=PartialCoherence.gaussian(hard.shape, 0.8))
    assert solve(HIO(iterations=7), blurred).cost.ffts == 7 * (2 + 1)
    assert solve(HIO(iterations=7, positivity=True), blurred).cost.ffts == 7 * (2 + 1)
    assert solve(HIO(iterations=99), blurred, budget=Budget(ffts=21)).cost.steps == 7


@pytest.mark.parametrize("seed", range(6))
def test_the_chosen_start_has_the_lowest_free_score_within_its_error(hard, seed):
    result = solve(HIO(iterations=15), hard, starts=5, seed=seed)
    free, r = (np.array([getattr(score, name) for score in result.scores]) for name in ("r_free", "r"))
    near = free <= free.min() * (1 + math.sqrt(2 / result.held.sum()))  # the standard error of a mean of squares
    assert near[result.chosen]
    assert r[result.chosen] == r[near].min()
    blind = solve(HIO(iterations=15), hard.replace(support=None), starts=5, seed=seed)
    assert blind.chosen == int(np.argmin([s.r_free for s in blind.scores]))
    for found in (result, blind):
        assert_array_equal(found.object, found.estimates[found.chosen])
        assert_array_equal(found.support, found.supports[found.chosen])
        assert found.score == found.scores[found.chosen]


def test_free_and_working_scores_are_of_their_own_pixels(hard):
    result = solve(HIO(iterations=15), hard, starts=2)
    held = np.fft.ifftshift(result.held)
    assert 0.03 <= held.sum() / hard.valid.sum() < 0.05
    assert not (held & ~hard.valid).any()
    work = hard.valid & ~held
    intensity = hard.amplitude**2
    for x, score in zip(result.estimates, result.scores, strict=True):
        misfit = (np.abs(np.fft.fft2(x, norm="ortho")) - hard.amplitude) ** 2
        assert score.r == pytest.approx(misfit[work].sum() / intensity[work].sum(), rel=1e-3)
        assert score.r_free == pytest.approx(misfit[held].mean() / intensity[work].mean(), rel=1e-3)
        assert score.nll == pytest.approx(misfit[work].sum() * 2 / work.sum(), rel=1e-3)


def test_nothing_held_out(hard):
    result = solve(HIO(iterations=5), hard, starts=3, hold_out=0)
    assert result.held is None
    assert {s.r_free for s in result.scores} == {None}
    assert result.chosen == int(np.argmin([s.r for s in result.scores]))
    assert all(math.isnan(v) for v in result.history[0]["r_free"])


def test_held_out_pixels_are_kept_from_the_solver(hard):
    """What was measured there changes its free score and nothing else."""
    result = solve(HIO(iterations=10), hard)
    held = np.fft.ifftshift(result.held)
    other = solve(HIO(iterations=10), hard.replace(amplitude=np.where(held, hard.amplitude + 1, hard.amplitude)))
    assert_array_equal(other.held, result.held)
    assert_array_equal(other.object, result.object)
    assert other.score.r == result.score.r
    assert other.score.r_free != result.score.r_free


def test_the_truth_is_kept_from_the_solver(hard):
    without = solve(HIO(iterations=5), hard.replace(truth=None))
    assert_array_equal(without.object, solve(HIO(iterations=5), hard).object)


def test_history(hard):
    result = solve(HIO(iterations=25), hard, starts=2, score_every=10)
    for history, score in zip(result.history, result.scores, strict=True):
        assert history["step"] == [10.0, 20.0, 25.0]
        assert {len(v) for v in history.values()} == {3}
        assert history["r"][-1] == score.r
        assert history["r_free"][-1] == score.r_free
        assert history["r"][0] > history["r"][-1]


def test_the_manifest_tells_all_and_is_json(hard):
    solver = RAAR(iterations=4, beta=0.7, shrink_wrap=ShrinkWrap(threshold=0.2))
    manifest = solve(solver, hard.replace(likelihood=Poisson(2.0), meta={"input": {"path": "a.npz"}}), seed=3, starts=2).manifest
    assert manifest["solver"] == "raar"
    assert manifest["options"]["beta"] == 0.7
    assert manifest["options"]["shrink_wrap.threshold"] == 0.2
    assert (manifest["seed"], manifest["starts"], manifest["hold_out"], manifest["batch"]) == (3, 2, 0.03, solver.batch_for(hard))
    assert manifest["likelihood"] == {"name": "poisson", "scale": 2.0}
    assert manifest["device"] == "cpu"
    assert {"python", "numpy", "scipy", "retrieve-phase"} <= set(manifest["versions"])
    assert manifest["input"] == {"path": "a.npz"}
    assert json.loads(json.dumps(manifest)) == manifest


def test_arrays_of_a_result(hard):
    result = solve(HIO(iterations=4), hard, starts=3)
    assert (result.object.dtype, result.estimates.shape) == (np.complex64, (3, 48, 40))
    assert (result.supports.dtype, result.supports.shape) == (bool, (3, 48, 40))
    assert (result.spread.dtype, result.spread.shape) == (np.float32, (48, 40))
    assert result.problem.amplitude is hard.amplitude
    assert solve(HIO(iterations=4), hard).spread is None
    assert not result.object[~hard.support].any()


# starts ------------------------------------------------------------------------------------------


def test_a_start_of_ones_own(hard):
    near = hard.truth * np.float32(1.01)
    for x0 in (near, near[None], np.stack([near, near])):
        before = x0.copy()
        result = solve(ER(iterations=1), hard, x0=x0, starts=2, batch=len(x0) if x0.ndim == 3 else 1)
        assert_array_equal(x0, before)
        assert result.score.r < 1e-5
        assert_array_equal(result.estimates[0], result.estimates[1])


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_each_start_has_its_own(hard, batch):
    own = np.stack([hard.truth, hard.truth * 1j, -hard.truth])
    result = solve(ER(iterations=1), hard, x0=own, starts=3, batch=batch)
    for estimate, start in zip(result.estimates, own, strict=True):
        assert_allclose(estimate, start, atol=1e-2 * np.abs(start).max())


def test_blind_estimates_are_centred(blind):
    moved = np.roll(blind.truth, (9, -7), axis=(0, 1))
    result = solve(ER(iterations=1, shrink_wrap=ShrinkWrap(when="never")), blind, x0=moved, hold_out=0)
    assert shift_to_centre(result.object) == (0, 0)
    known = blind.replace(support=np.roll(np.abs(blind.truth) > 0, (9, -7), axis=(0, 1)))
    stays = solve(SF(iterations=1), known, x0=moved, hold_out=0)
    assert align(stays.object, moved).shift == (0, 0)
    assert_array_equal(stays.support, known.support)


@pytest.mark.parametrize("shift", [(0, 0), (3, -2), (20, 15), (-23, 19)])
def test_shift_to_centre(shift):
    x = np.zeros((48, 40), np.complex64)
    x[20:29, 17:24] = 1j
    found = shift_to_centre(np.roll(x, shift, axis=(0, 1)))
    assert_array_equal((np.array(found) + shift) % x.shape, (0, 0))


def test_support_and_estimate_are_moved_together(blind):
    result = solve(Recipe(recipe="30 hio + 10 er"), blind, starts=2)
    for x, support in zip(result.estimates, result.supports, strict=True):
        assert shift_to_centre(x) == (0, 0)
        assert not x[~support].any()
