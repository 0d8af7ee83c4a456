"""The search in three dimensions."""

import numpy as np
import pytest

import retrieve as rt
from retrieve.numerics import fast
from retrieve.numerics.alignment import align
from retrieve.problem.likelihood import Poisson
from retrieve.simulate import TUNE_SEED, Noise
from retrieve.simulate.crystal_kinds import CrystalKinds
from retrieve.simulate.crystals import crystal
from retrieve.solvers import Auto
from retrieve.solvers.blind import volume
from retrieve.solvers.blind.levels import Fit, coarse_problem, counts_of, cropped, interpolated, middle_of, resampled
from retrieve.solvers.blind.second_grain import GrainSpot
from retrieve.solvers.blind.volume_grain import mask_of
from retrieve.solvers.projections import RAAR
from retrieve.solvers.shrinkwrap import ShrinkWrap


def scan(kind="smooth", number=0, size=48, photons=1e6, support="unknown", **noise):
    """A simulated scan of a crystal."""
    return CrystalKinds(kind=kind, size=size).problem(number, TUNE_SEED, Noise(photons=photons, support=support, **noise))


def correlation(result, problem):
    return align(result.object, problem.truth).correlation


@pytest.mark.parametrize("kind", ["smooth", "dislocation", "elongated"])
def test_a_crystal_is_found_in_its_counts(kind):
    problem = scan(kind, 1)
    result = rt.solve(Auto(), problem, starts=1)
    assert correlation(result, problem) > 0.97
    assert result.problem.detector is None
    assert any("Poisson" in line for line in result.account[0])
    assert any("middle 24 × 24 × 24" in line for line in result.account[0])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["smooth", "strained", "dislocation", "domains", "elongated", "soft"])
def test_every_kind_is_found(kind):
    for number in (2, 3):
        problem = scan(kind, number, photons=1e7)
        assert correlation(rt.solve(Auto(), problem, starts=2), problem) > (0.9 if kind == "domains" else 0.95)


@pytest.mark.parametrize("noise", [{"gaps": 2, "dead": 0.01}, {"beam_stop": 2.0}], ids=["gaps", "centre"])
def test_unmeasured_voxels_are_left_free(noise):
    problem = scan("smooth", 1, photons=1e7, **noise)
    assert not problem.valid.all()
    assert correlation(rt.solve(Auto(), problem, starts=1), problem) > 0.95


@pytest.mark.slow
def test_axes_of_other_lengths():
    x = crystal((52, 50, 34), seed=3, fill=0.4)
    problem = rt.Problem.from_arrays(intensity=rt.simulate.measure(x, photons=1e7, seed=1), truth=x)
    assert coarse_problem(problem).shape == (28, 28, 34)
    result = rt.solve(Auto(), problem, starts=1)
    assert result.object.shape == x.shape
    assert correlation(result, problem) > 0.97


def test_a_known_support_is_kept():
    problem = scan("dislocation", 1, support="known")
    result = rt.solve(Auto(), problem, starts=1)
    assert np.array_equal(result.support, problem.support)
    assert correlation(result, problem) > 0.97


@pytest.mark.slow
def test_intensities_that_are_no_counts_are_solved_too():
    x = crystal((48, 48, 48), seed=2, fill=0.4)
    problem = rt.Problem.from_arrays(intensity=0.37 * rt.simulate.measure(x), truth=x)
    assert counts_of(problem) is None
    result = rt.solve(Auto(), problem, starts=1)
    assert correlation(result, problem) > 0.97
    assert any("no counts" in line for line in result.account[0])


@pytest.mark.slow
def test_a_blur_is_found_and_none_where_there_is_none():
    for sigma in (0.5, 0.8):
        problem = scan("dislocation", 1, size=64, photons=1e7, coherence=sigma)
        result = rt.solve(Auto(), problem, starts=1)
        assert result.problem.detector is not None
        assert correlation(result, problem) > 0.95
        plain = rt.solve(Auto(coherence="never"), problem, starts=1)
        assert plain.problem.detector is None
        assert correlation(plain, problem) < correlation(result, problem)


def two_grains(number, size=48, share=0.04, at=(9, -8, 7)):
    """A crystal's pattern, 10⁶ photons, with that of another, displaced, that has a share of the counts."""
    problem = scan("smooth", number, size=size)
    other = np.abs(np.fft.fftn(crystal((size,) * 3, seed=number, fill=0.25))) ** 2
    counts = problem.amplitude.astype(float) ** 2
    counts += np.random.default_rng(number).poisson(np.roll(other * (share * counts.sum() / other.sum()), at, (0, 1, 2)))
    return problem.replace(amplitude=np.sqrt(counts).astype(np.float32))


@pytest.mark.parametrize(("size", "number"), [(48, 2), pytest.param(64, 1, marks=pytest.mark.slow)])
def test_a_second_grain_is_left_out(size, number):
    problem = two_grains(number, size)
    result, plain = (rt.solve(Auto(second_grain=choice), problem, starts=1) for choice in ("auto", "never"))
    assert any("second grain's, left out" in line for line in result.account[0])
    left_out = np.fft.fftshift(np.asarray(problem.valid) & ~np.asarray(result.problem.valid))
    assert left_out[tuple(size // 2 + at for at in (9, -8, 7))]
    assert left_out.mean() < 0.05
    assert correlation(result, problem) > correlation(plain, problem)


@pytest.mark.parametrize("kind", ["smooth", "domains"])
def test_a_pattern_of_one_crystal_stays_whole_to_the_bit(kind):
    problem = scan(kind, 2)
    looked, plain = (rt.solve(Auto(second_grain=choice), problem, starts=1) for choice in ("auto", "never"))
    assert np.array_equal(looked.estimates, plain.estimates)
    assert not any("grain" in line for line in looked.account[0])


def test_spots_of_the_middle_lie_at_the_same_place_on_all_of_it():
    spot = GrainSpot((6, -5, 4), np.zeros((16, 16, 16), bool))
    inside = mask_of([spot], (2.0, 2.0, 2.0), (32, 40, 36))
    assert np.mean(np.argwhere(np.fft.fftshift(inside)), axis=0) == pytest.approx((22, 15, 22))
    assert middle_of(inside, (16, 16, 16)).sum() < inside.sum()


# options, budget, replay ---------------------------------------------------------------------------


def test_effort_is_a_factor_on_the_iterations():
    problem = scan(size=32)
    costs = [rt.solve(Auto(effort=effort, coherence="never"), problem, starts=1, agree=0).cost.ffts for effort in (0.1, 0.5)]
    assert costs[0] < 0.4 * costs[1]


def test_a_start_is_the_same_alone_and_is_stopped_by_a_budget():
    problem = scan(size=32)
    together, apart = (rt.solve(Auto(effort=0.05), problem, starts=2, batch=batch, agree=0) for batch in (2, 1))
    assert np.array_equal(together.estimates, apart.estimates)
    assert together.account == apart.account
    cut = rt.solve(Auto(), problem, starts=1, budget=rt.Budget(steps=3))
    assert cut.cost.steps == 3


def test_progress_tells_the_story():
    told = []
    rt.solve(Auto(effort=0.2), scan(size=48), starts=1, on_step=told.append)
    stages = [step.stage for step in told]
    assert stages[0].startswith("coarse, 24 × 24 × 24: batch 1")
    assert any(stage.startswith("all of the pattern, support ") for stage in stages)
    assert stages[-1] == "end"


# parts -----------------------------------------------------------------------------------------------


def test_counts_are_known_by_their_steps():
    rng = np.random.default_rng(0)
    counts = rng.poisson(3 * np.exp(rng.normal(size=(16, 16, 16))))
    for factor in (1.0, 1e-9, 4.2):
        problem = rt.Problem.from_arrays(intensity=factor * counts)
        assert counts_of(problem) * factor == pytest.approx(1, rel=1e-3)
    assert counts_of(rt.Problem.from_arrays(intensity=counts + rng.random(counts.shape))) is None
    assert counts_of(rt.Problem.from_arrays(intensity=counts, likelihood=Poisson(scale=2.0))) == 2.0


def test_levels_show_one_object():
    x = np.zeros((64, 52, 50), np.complex64)
    x[26:40, 20:32, 18:30] = np.einsum("i,j,k->ijk", np.hanning(14), np.hanning(12), np.hanning(12)) * np.exp(1j)
    fine = rt.Problem.from_arrays(intensity=rt.simulate.measure(x))
    coarse = coarse_problem(fine)
    assert coarse.shape == (32, 28, 28)
    small = cropped(x[None], fine, coarse)
    assert float(coarse.r_factor(small)[0]) < 1e-6
    back, support = interpolated(small, np.abs(small) > 0.1 * np.abs(small).max(), coarse, fine)
    found = align(back[0], x, twin=False)
    assert found.correlation > 0.999
    assert found.shift == pytest.approx((0, 0, 0), abs=0.1)
    assert support[0][np.abs(x) > 0.1].all()
    assert np.array_equal(resampled(x != 0, x.shape), x != 0)


def test_the_cost_counts_voxels():
    problem = scan(size=32)
    fit = Fit.of(problem, 1.0)
    tight = problem.truth != 0
    loose = np.ones_like(tight)
    one, other = (fit.score(problem.truth[None], support[None], ("",)).score[0] for support in (tight, loose))
    assert other - one == pytest.approx(tight.size - tight.sum(), rel=1e-4)


def test_the_cost_of_unknown_noise_is_positive_and_counts_voxels():
    """So that a share of it is a share of the misfit."""
    problem = scan(size=32, photons=None)
    fit = Fit.of(problem, 1.0)
    assert not fit.counts
    tight = problem.truth != 0
    one, other = (fit.score(1.1 * problem.truth[None], mask[None], ("",)).score[0] for mask in (tight, np.ones_like(tight)))
    assert 0 < one < other
    assert other / one == pytest.approx(np.exp(2 - 2 * tight.sum() / tight.size), rel=1e-4)


@pytest.mark.parametrize("counts", [True, False])
def test_unknown_noise_is_searched_at_the_higher_threshold_alone(counts):
    problem = scan(size=32, photons=1e6 if counts else None)
    parts = volume.coarse_parts(Fit.of(problem, 1.0))
    assert [part.shrink_wrap.threshold for part in parts][-2:] == ([0.12] * 2 if counts else [0.25] * 2)
    assert {part.shrink_wrap.threshold for part in parts[:-2]} == {0.25}
    result = rt.solve(Auto(effort=0.05, coherence="never"), problem, starts=1, agree=0)
    assert ("higher threshold alone" in result.account[0][0]) is not counts


def test_unknown_noise_is_fitted_in_tight_supports_below_all_of_the_pattern():
    counts, other = (Fit.of(scan(size=24, photons=photons), 1.0) for photons in (1e6, None))
    above = volume.Plan(False, 0.2, "counts")
    assert volume.thresholds_for(other, volume.Plan(), last=False) == (0.3, 0.2)
    assert volume.thresholds_for(other, above, last=False) == (0.2,)
    assert volume.thresholds_for(other, above, last=True) == volume.FINE_THRESHOLDS[-1:]
    assert volume.thresholds_for(other, volume.Plan(), last=True) == volume.FINE_THRESHOLDS
    assert volume.thresholds_for(counts, volume.Plan(), last=False) == volume.FINE_THRESHOLDS
    assert volume.thresholds_for(counts, above, last=True) == (above.threshold,)


def test_a_fit_tempered_by_counts_is_the_proximal_step_of_poisson(monkeypatch):
    problem = scan(size=16, photons=1e4, gaps=1)
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(2, 16, 16, 16)) + 1j * rng.normal(size=(2, 16, 16, 16))).astype(np.complex64)
    found = RAAR(fit="counts").tempered(problem, x)
    monkeypatch.setattr(fast, "fit_modulus", lambda *_, **__: None)
    assert np.allclose(found, RAAR(fit="counts").tempered(problem, x), atol=1e-4)
    v, y = np.abs(problem.operator.forward(x)), problem.amplitude
    wanted = np.where(problem.valid, (v / 2 + np.sqrt(v**2 / 4 + 20 * y**2)) / 5, v)
    assert np.allclose(np.abs(problem.operator.forward(found)), wanted, atol=1e-3)


def test_a_threshold_of_the_bright_pixels_holds_for_a_hot_one_and_any_unit():
    x = np.zeros((1, 16, 16), np.complex64)
    x[:, 4:12, 4:12] = 1
    x[:, 12, 4:12] = 0.2
    wrap = ShrinkWrap(sigma=0, sigma_end=0, threshold=0.3, reference="bright")
    for unit in (1e-15, 1.0, 1e9):
        assert np.array_equal(wrap.update(unit * x, x != 0, 0.0), np.abs(x) > 0.5)
    few = ShrinkWrap(sigma=0, sigma_end=0, threshold=0.1, reference="bright", most=0.25)
    assert few.update(x, x != 0, 0.0).sum() == 64
