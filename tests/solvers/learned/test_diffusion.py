"""`diffusion` with priors whose denoiser is exact, so that the right behaviour is known."""

import numpy as np
import pytest
import torch
from exact_prior import White, on_torch, streams
from numpy.testing import assert_allclose

import retrieve.solvers.learned.base as learned
from retrieve.driver import parallel
from retrieve.driver.solve import Budget, solve
from retrieve.errors import InputError
from retrieve.numerics.alignment import align
from retrieve.problem.likelihood import Poisson
from retrieve.simulate import TUNE_SEED, Noise, object_set
from retrieve.simulate.noise import simulated_problem as simulated
from retrieve.solvers.learned import diffusion
from retrieve.solvers.learned.diffusion import Diffusion
from retrieve.solvers.learned.dps import DPS


def test_diffusion_solves_an_easy_problem_with_an_exact_prior(white):
    result = solve(Diffusion(search=0, rounds=1, evaluations=120), white, starts=8, seed=0, agree=0)
    found = [align(x, white.truth).correlation for x in result.estimates]
    assert np.mean(np.array(found) > 0.99) >= 0.5
    assert align(result.object, white.truth, scale=True).scale == pytest.approx(1, abs=0.02)
    assert result.cost.network_evaluations == 8 * 120


def test_a_start_is_the_same_whatever_the_batch(white):
    solver = Diffusion(search=0, evaluations=6)
    one = solve(solver, white, starts=3, batch=1, agree=0).estimates
    assert_allclose(solve(solver, white, starts=3, batch=3, agree=0).estimates, one, atol=1e-4 * np.abs(one).max())


@pytest.mark.parametrize("cores", [1, 2, 3])
def test_starts_are_shared_out_among_the_cores(white, monkeypatch, constants, cores):
    """A batch in parts side by side gives what it gives in one, and tells of its steps once."""
    threads = torch.get_num_threads()
    monkeypatch.setattr(parallel, "cores", lambda: cores)
    told = []
    constants(CANDIDATES=2, TRIAL_CALLS=2, SHIFT_CALLS=0)
    solver = Diffusion(search=4, beginnings=0, rounds=1, evaluations=2)
    result = solve(solver, white, starts=5, batch=5, agree=0, on_step=told.append)
    alone = solve(solver, white, starts=5, batch=1, agree=0)
    assert_allclose(result.estimates, alone.estimates, atol=1e-4 * np.abs(alone.estimates).max())
    assert [score.r for score in result.scores] == pytest.approx([score.r for score in alone.scores], rel=1e-3)
    assert [step.step for step in told] == list(range(1, 11))
    assert (result.cost.network_evaluations, result.cost.ffts) == (alone.cost.network_evaluations, alone.cost.ffts)
    assert result.cost.steps == 10
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("cores", [1, 3])
def test_a_shared_out_batch_is_stopped_as_one(white, monkeypatch, cores):
    monkeypatch.setattr(parallel, "cores", lambda: cores)
    result = solve(Diffusion(search=0, evaluations=5000), white, starts=3, batch=3, agree=0, on_step=lambda t: t.step == 4)
    assert result.interrupted
    assert len(result.estimates) == 3
    assert np.isfinite([score.r for score in result.scores]).all()


@pytest.mark.parametrize("wrong", [0, 2])
def test_an_error_in_one_part_ends_the_others(white, monkeypatch, wrong):
    monkeypatch.setattr(parallel, "cores", lambda: 3)
    inner = parallel.run_batch

    def run(solver, plan, numbers, x0=None):
        if wrong in numbers:
            raise ValueError("this part is broken")
        return inner(solver, plan, numbers, x0)

    monkeypatch.setattr(parallel, "run_batch", run)
    with pytest.raises(ValueError, match="this part is broken"):
        solve(Diffusion(search=10**9, evaluations=5000), white, starts=3, batch=3, agree=0)


def test_of_the_candidates_the_one_of_the_lowest_error_goes_on(white, constants):
    """Which of the search's states each start goes on with is seen in the first estimate after the trials."""
    constants(TRIAL_CALLS=3, SHIFT_CALLS=0)
    solver = Diffusion(search=40, beginnings=0, rounds=1, evaluations=2, sigma_max=0.8)
    assert solver.marks() == [25, 30, 35, 40]
    problem, told = white.to(on_torch()), []
    for step in solver.steps(problem, solver.start(problem, streams(3)), streams(3)):
        told.append((step.stage, problem.r_factor(step.estimate)))
    assert len(told) == 54
    trials = torch.stack([r for stage, r in told if stage == "trial"][2::3])  # each candidate's last estimate
    first = next(r for stage, r in told if stage == "diffusion")
    assert (first < trials.min(0).values * 1.1).all()
    assert (trials.max(0).values > trials.min(0).values * 1.1).all()  # the candidates differ, so that the choice is one


class Kinds(White):
    """A prior of two kinds of objects: under the second it is exact, under the first its objects are of other power."""

    kinds = ("wrong", "right")

    def __init__(self, window, share):
        super().__init__(window, share)
        self.told = []

    def denoise(self, x, sigma, support=None, kind=None):
        self.told.append(kind)
        d = super().denoise(x, sigma, support)
        return d if kind is None else torch.where(kind[:, :1, None] == 1, d / 3, d)


@pytest.mark.parametrize("candidates", [3, 4])
def test_the_kind_of_object_that_fits_is_assumed(white, monkeypatch, constants, candidates):
    prior = Kinds((32, 32), float(np.mean(white.support)))
    monkeypatch.setattr(learned.Learned, "prior", lambda self, device="cpu": prior)
    constants(CANDIDATES=candidates, TRIAL_CALLS=3, SHIFT_CALLS=0)
    solve(Diffusion(search=8, beginnings=0, rounds=1, evaluations=2), white, starts=3, batch=1, agree=0)
    per_start = len(prior.told) // 3
    assert per_start == candidates * 3 + 2
    trials = [[1.0, 0.0], [0.0, 1.0]] * 2
    for k in range(3):
        told = [kind.tolist()[0] for kind in prior.told[k * per_start : (k + 1) * per_start]]
        assert told == [each for each in trials[:candidates] for _ in range(3)] + [[0.0, 1.0]] * 2


def test_noise_explains_the_truth_and_nothing_else(easy):
    wrong = torch.from_numpy(np.roll(easy.truth, 3, axis=0) * easy.support)
    truth = torch.from_numpy(easy.truth)
    for level in (0.0, 0.01, 0.05, 0.2):
        problem = simulated(easy.truth, easy.support, Noise(sigma=level), seed=3).to(on_torch())
        scale = float(learned.optimal_scale(problem, truth[None]))
        found = learned.consistent_with_noise(problem, scale * torch.stack([truth, wrong, 1.3 * truth]))
        assert found.tolist() == [True, False, level > 0.1], level  # in much noise a wrong scale does not show


@pytest.mark.parametrize("photons", [1e3, 1e4, 1e5, 1e7])
def test_counting_noise_explains_the_truth_at_few_counts_as_at_many(photons):
    """From 0.2 to 2000 counts a pixel; another object is told from the truth."""
    films, explained = object_set("domains2d-25-cells"), []
    for number in range(6):
        measured = films.problem(number, TUNE_SEED, Noise(photons=photons)).replace(likelihood=Poisson(1.0))
        other = films.problem(number + 6, TUNE_SEED, Noise(photons=photons)).truth
        problem = measured.to(on_torch())
        x = torch.from_numpy(np.stack([measured.truth, other]).astype(np.complex64))
        x = x * learned.optimal_scale(problem, x)
        explained.append(learned.consistent_with_noise(problem, x).tolist())
    truth, other = np.array(explained).T
    assert truth.sum() >= 5
    assert other.sum() <= 1


def test_a_start_that_noise_does_not_explain_begins_anew(white, constants):
    """The explained ones stay as they are, and of the others the better of two rounds is kept and shown."""
    constants(SHIFT_CALLS=0)
    options = {"starts": 8, "batch": 4, "agree": 0, "hold_out": 0, "score_every": 1}
    once, twice = (solve(Diffusion(search=0, rounds=rounds, evaluations=10), white, **options) for rounds in (1, 2))
    r = np.array([[score.r for score in result.scores] for result in (once, twice)])
    done = learned.consistent_with_noise(white.to(on_torch()), torch.from_numpy(once.estimates)).numpy()
    assert 0 < done.sum() < 8
    assert_allclose(twice.estimates[done], once.estimates[done], atol=1e-4 * np.abs(once.estimates).max())
    assert (r[1] <= r[0] * (1 + 1e-3)).all()
    assert (r[1] < 0.9 * r[0]).any()  # one of them was helped
    assert twice.cost.network_evaluations == 10 * (8 + (~done).sum())
    for k in np.flatnonzero(~done):  # while a start is tried anew it shows what it has
        assert max(twice.history[k]["r"][9:]) <= r[0, k] * (1 + 1e-3)


@pytest.mark.parametrize(
    ("evaluations", "shift_calls", "steps"), [(3, 0, 3 + 4 + 4 + 2), (3, 4, 3 + 4 + 4 + 5 + 2), (60, 4, 60 + 2)]
)
def test_progress_hears_how_many_steps_there_will_be(white, constants, evaluations, shift_calls, steps):
    """Few evaluations are not enough: all rounds are run and a pixel shift is tried. Of many the first round is enough."""
    constants(SHIFT_CALLS=shift_calls)
    solver, heard = Diffusion(search=0, rounds=3, evaluations=evaluations, refine=2), []
    assert solver.total is None
    result = solve(solver, white, starts=1, on_step=heard.append)
    assert result.cost.steps == heard[-1].step == heard[-1].total == steps
    assert heard[0].total == evaluations + 2


@pytest.mark.parametrize(("same", "rounds"), [(True, 2), (False, 4)])
def test_a_start_ends_when_two_rounds_found_the_same_object(white, constants, monkeypatch, same, rounds):
    constants(SHIFT_CALLS=0)
    monkeypatch.setattr(diffusion, "same_object", lambda a, b: torch.full((len(a),), same))
    result = solve(Diffusion(search=0, rounds=4, evaluations=3), white, starts=1)
    assert result.cost.network_evaluations == 3 * rounds


def test_without_a_search_there_are_no_candidates(constants):
    assert Diffusion(search=0).marks() == []
    constants(CANDIDATES=9)
    assert Diffusion(search=2).marks() == [1, 2]


def test_it_stops_when_the_best_starts_agree(white):
    solver = Diffusion(search=0, rounds=1, evaluations=120)
    few = solve(solver, white, starts=16, agree=0.9)
    assert len(few.estimates) < 16
    assert len(solve(solver, white, starts=16, agree=0).estimates) == 16
    assert few.manifest["agree"] == 0.9


def test_network_evaluations_can_be_bounded(white):
    result = solve(
        Diffusion(search=0, rounds=1, evaluations=120), white, starts=2, batch=2, agree=0, budget=Budget(evaluations=7)
    )
    assert result.cost.network_evaluations == 2 * 7


class UnitPower(White):
    """Its estimates have an rms of 1 over the window, as all that a trained prior knows."""

    def denoise(self, x, sigma, support=None):
        d = super().denoise(x, sigma, support)
        return d * (d[0].numel() / d.abs().square().sum((1, 2), keepdim=True)).sqrt()


def test_the_scale_is_fitted_where_the_power_was_not_measured(white, monkeypatch, constants):
    prior = UnitPower((32, 32), float(np.mean(white.support)))
    monkeypatch.setattr(learned.Learned, "prior", lambda self, device="cpu": prior)
    solver, off = Diffusion(search=0, evaluations=120, sigma_max=1.3, sigma_mid=0.7), []
    for rate in (0.0, 0.1):
        constants(SCALE_RATE=rate, SHIFT_CALLS=0)
        found = solve(solver, without_rows(white), starts=4, agree=0).object
        off.append(np.log(align(found, white.truth, scale=True).scale))
    assert abs(off[1]) < 0.7 * abs(off[0])


def test_samples_keep_the_scale_that_was_fitted_where_the_power_was_not_measured(white, constants):
    hidden = without_rows(white)
    begun, scale = 1.2 * white.truth[None], normalised(hidden)
    constants(GIBBS_SWEEPS=3)
    drawn = Diffusion().samples(hidden.to(on_torch()), torch.from_numpy(begun), streams(1))
    *_, last = drawn
    assert scale < 0.95 * normalised(white)
    assert np.linalg.norm(last.x) == pytest.approx(np.linalg.norm(begun), rel=1e-4)


def without_rows(problem):
    """Seven of the 32 rows were not measured."""
    return problem.without(np.abs(np.fft.fftfreq(32, 1 / 32)[:, None]) < 4)


def normalised(problem):
    """The scale that the measured power tells."""
    return learned.normalise(problem, (32, 32)).scale


def test_samples_come_with_their_spread(white, constants):
    constants(GIBBS_SWEEPS=3)
    result = solve(Diffusion(search=0, evaluations=120), white, starts=4, samples=6)
    assert result.samples.shape == (6, 32, 32)
    assert_allclose(result.spread, np.abs(result.samples).std(axis=0, ddof=1), rtol=1e-5)
    assert min(align(x, result.object).correlation for x in result.samples) > 0.9
    with pytest.raises(InputError, match="dps draws no posterior samples"):
        solve(DPS(), white, samples=2)
