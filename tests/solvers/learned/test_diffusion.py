"""The learned solvers with priors whose denoiser is exact, so that what they should do is known."""

import dataclasses

import numpy as np
import pytest
import torch
from exact_prior import White, on_torch, streams
from numpy.testing import assert_allclose

import retrieve.solvers.learned.base as learned
from retrieve.driver import batch
from retrieve.driver.solve import Budget, solve
from retrieve.errors import InputError
from retrieve.numerics.alignment import align
from retrieve.problem import Problem
from retrieve.problem.likelihood import Gaussian
from retrieve.simulate import Noise, blobs, measure
from retrieve.simulate.noise import simulated_problem as simulated
from retrieve.solvers.learned.diffusion import Diffusion
from retrieve.solvers.learned.dps import DPS


@pytest.fixture
def white(easy, monkeypatch):
    """`easy` with the exact prior of its support in the place of the weights."""
    prior = White((32, 32), float(np.mean(easy.support)))
    monkeypatch.setattr(learned.Learned, "prior", lambda self, device="cpu": prior)
    monkeypatch.setattr(learned.Learned, "record", lambda self: {})
    return easy.replace(likelihood=Gaussian(float(easy.amplitude.max()) * 1e-3))


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
def test_starts_are_shared_out_among_the_cores(white, monkeypatch, cores):
    """A batch in parts side by side gives what it gives in one, and tells of its steps once."""
    threads = torch.get_num_threads()
    monkeypatch.setattr(batch, "cores", lambda: cores)
    told = []
    solver = Diffusion(search=4, heads=2, trial=2, rounds=1, evaluations=2, nudge=0)
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
    monkeypatch.setattr(batch, "cores", lambda: cores)
    result = solve(Diffusion(search=0, evaluations=5000), white, starts=3, batch=3, agree=0, on_step=lambda t: t.step == 4)
    assert result.interrupted
    assert len(result.estimates) == 3
    assert np.isfinite([score.r for score in result.scores]).all()


@pytest.mark.parametrize("wrong", [0, 2])
def test_an_error_in_one_part_ends_the_others(white, monkeypatch, wrong):
    monkeypatch.setattr(batch, "cores", lambda: 3)
    inner = batch.run_batch

    def run(solver, plan, numbers, x0=None):
        if wrong in numbers:
            raise ValueError("this part is broken")
        return inner(solver, plan, numbers, x0)

    monkeypatch.setattr(batch, "run_batch", run)
    with pytest.raises(ValueError, match="this part is broken"):
        solve(Diffusion(search=10**9, evaluations=5000), white, starts=3, batch=3, agree=0)


def test_of_the_heads_the_one_of_the_lowest_error_goes_on(white):
    """Which of the search's states each start goes on with is seen in the first estimate after the trials."""
    solver = Diffusion(search=40, heads=4, trial=3, rounds=1, evaluations=2, high=0.8, nudge=0)
    assert solver.marks() == [25, 30, 35, 40]
    problem, told = white.to(on_torch()), []
    for step in solver.steps(problem, solver.start(problem, streams(3)), streams(3)):
        told.append((step.stage, problem.r_factor(step.estimate)))
    assert len(told) == solver.total == 54
    trials = torch.stack([r for stage, r in told if stage == "trial"][2::3])  # each head's last estimate
    first = next(r for stage, r in told if stage == "diffusion")
    assert (first < trials.min(0).values * 1.1).all()
    assert (trials.max(0).values > trials.min(0).values * 1.1).all()  # the heads differ, so that the choice is one


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


@pytest.mark.parametrize("heads", [3, 4])
def test_the_kind_of_object_that_fits_is_assumed(white, monkeypatch, heads):
    prior = Kinds((32, 32), float(np.mean(white.support)))
    monkeypatch.setattr(learned.Learned, "prior", lambda self, device="cpu": prior)
    solve(Diffusion(search=8, heads=heads, trial=3, rounds=1, evaluations=2, nudge=0), white, starts=3, batch=1, agree=0)
    per_start = len(prior.told) // 3
    assert per_start == heads * 3 + 2
    trials = [[1.0, 0.0], [0.0, 1.0]] * 2
    for k in range(3):
        told = [kind.tolist()[0] for kind in prior.told[k * per_start : (k + 1) * per_start]]
        assert told == [each for each in trials[:heads] for _ in range(3)] + [[0.0, 1.0]] * 2


def test_noise_explains_the_truth_and_nothing_else(easy):
    wrong = torch.from_numpy(np.roll(easy.truth, 3, axis=0) * easy.support)
    truth = torch.from_numpy(easy.truth)
    for level in (0.0, 0.01, 0.05, 0.2):
        problem = simulated(easy.truth, easy.support, Noise(sigma=level), seed=3).to(on_torch())
        scale = float(learned.optimal_scale(problem, truth[None]))
        found = learned.consistent_with_noise(problem, scale * torch.stack([truth, wrong, 1.3 * truth]))
        assert found.tolist() == [True, False, level > 0.1], level  # in much noise a wrong scale does not show


def test_a_start_that_noise_does_not_explain_begins_anew(white):
    """The explained ones stay as they are, and of the others the better of two rounds is kept and shown."""
    options = {"starts": 8, "batch": 4, "agree": 0, "hold_out": 0, "score_every": 1}
    once, twice = (solve(Diffusion(search=0, rounds=rounds, evaluations=10), white, **options) for rounds in (1, 2))
    r = np.array([[score.r for score in result.scores] for result in (once, twice)])
    done = learned.consistent_with_noise(white.to(on_torch()), torch.from_numpy(once.estimates)).numpy()
    assert 0 < done.sum() < 8
    assert_allclose(twice.estimates[done], once.estimates[done], atol=1e-4 * np.abs(once.estimates).max())
    assert (r[1] <= r[0] * (1 + 1e-3)).all()
    assert (r[1] < r[0] / 2).any()  # one of them was helped
    assert twice.cost.network_evaluations == 10 * (8 + (~done).sum())
    for k in np.flatnonzero(~done):  # while a start is tried anew it shows what it has
        assert max(twice.history[k]["r"][9:]) <= r[0, k] * (1 + 1e-3)


@pytest.mark.parametrize(("evaluations", "nudge", "steps"), [(3, 0, 3 + 4 + 4 + 2), (3, 4, 3 + 4 + 4 + 5 + 2), (60, 4, 60 + 2)])
def test_progress_hears_how_many_steps_there_will_be(white, evaluations, nudge, steps):
    """Of so few evaluations none is enough, and all rounds are needed and a nudge is tried; of so many the first round is."""
    solver, heard = Diffusion(search=0, rounds=3, evaluations=evaluations, refine=2, nudge=nudge), []
    assert solver.total is None
    result = solve(solver, white, starts=1, on_step=heard.append)
    assert result.cost.steps == heard[-1].step == heard[-1].total == steps
    assert heard[0].total == evaluations + 2


def test_without_a_search_there_are_no_heads():
    assert Diffusion(search=0).marks() == []
    assert Diffusion(search=0, evaluations=9, rounds=1, nudge=0).total == 9
    assert Diffusion(search=0, evaluations=9, rounds=1).total is None
    assert Diffusion(search=2, heads=9).marks() == [1, 2]


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


def test_the_scale_is_fitted_where_the_power_was_not_measured(white):
    q = np.fft.fftfreq(32, 1 / 32)
    hidden = white.replace(valid=white.valid & (q[:, None] ** 2 + q**2 > 3**2))
    told = [
        align(
            solve(Diffusion(search=0, evaluations=120, high=1.3, middle=0.7, fit=fit), hidden, starts=4, agree=0).object,
            white.truth,
            scale=True,
        ).scale
        for fit in (0.0, 0.1)
    ]
    assert abs(np.log(told[1])) < abs(np.log(told[0]))


def test_samples_keep_the_scale_that_was_fitted_where_the_power_was_not_measured(white):
    hidden = white.without(np.abs(np.fft.fftfreq(32, 1 / 32)[:, None]) < 4)  # seven of the 32 rows
    begun, scale = 1.2 * white.truth[None], normalised(hidden)
    drawn = Diffusion(sweeps=3).samples(hidden.to(on_torch()), torch.from_numpy(begun), streams(1))
    *_, last = drawn
    assert scale < 0.95 * normalised(white)
    assert np.linalg.norm(last.x) == pytest.approx(np.linalg.norm(begun), rel=1e-4)


def normalised(problem):
    """The scale that the measured power tells."""
    return learned.normalise(problem, (32, 32)).scale


def test_samples_come_with_their_spread(white):
    result = solve(Diffusion(search=0, evaluations=120, sweeps=3), white, starts=4, samples=6)
    assert result.samples.shape == (6, 32, 32)
    assert_allclose(result.spread, np.abs(result.samples).std(axis=0, ddof=1), rtol=1e-5)
    assert min(align(x, result.object).correlation for x in result.samples) > 0.9
    with pytest.raises(InputError, match="dps draws no posterior samples"):
        solve(DPS(), white, samples=2)


def test_dps_passes_the_support_with_the_batch(white, monkeypatch):
    shapes = []

    class Told(White):
        def denoise(self, x, sigma, support=None):
            shapes.append(tuple(support.shape))
            return super().denoise(x, sigma, support)

    monkeypatch.setattr(learned.Learned, "prior", lambda self, device="cpu": Told((32, 32), 0.06))
    solve(DPS(timesteps=3), white, starts=2)
    solve(Diffusion(search=0, evaluations=2), white, starts=2, agree=0)
    assert set(shapes) <= {(1, 32, 32), (2, 32, 32)}


def test_dps_needs_its_guidance_and_counts_three_evaluations_a_step(white):
    result = solve(DPS(timesteps=60), white, starts=2)
    blind = solve(DPS(timesteps=60, step=1e-9), white, starts=2)
    assert result.cost.network_evaluations == 2 * 60 * 3
    assert result.score.r < 0.5 * blind.score.r


def test_dps_without_guidance_draws_from_the_prior(white):
    prior = White((32, 32), float(np.mean(white.support)))
    x = np.zeros((24, 32, 32), np.complex64)
    drawn = None
    for step in DPS(timesteps=100, step=1e-9).steps(white.to(on_torch()), torch.from_numpy(x), streams(24)):
        drawn = step.x
    scale = learned.normalise(white, (32, 32)).scale
    inside = drawn.numpy()[:, white.support] / scale
    assert np.mean(np.abs(inside) ** 2) == pytest.approx(2 * prior.variance, rel=0.1)
    assert np.abs(drawn.numpy()[:, ~white.support]).max() == 0


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("solver", [DPS(timesteps=20), Diffusion(search=0, evaluations=20)])
def test_refinement_goes_downhill_and_stays_in_its_support(white, solver, known):
    problem = white if known else white.replace(support=None)

    def run(**options):
        return solve(dataclasses.replace(solver, **options), problem, starts=1)

    plain, still, refined = run(), run(refine=5), run(refine=30, refine_step=0.5)
    assert refined.score.r < plain.score.r
    assert still.score.r == pytest.approx(plain.score.r, rel=0.2)  # the paper's step hardly changes a thing
    assert refined.supports is not None
    assert not refined.object[~refined.supports[0]].any()
    if known:
        assert np.array_equal(refined.supports[0], white.support)


def test_units_are_those_of_the_problem_whatever_they_are(white):
    solver = Diffusion(search=0, evaluations=20)
    loud = white.replace(amplitude=white.amplitude * 1000, likelihood=white.likelihood.scaled(1000))
    x, y = solve(solver, white).object, solve(solver, loud).object
    assert_allclose(y, 1000 * x, rtol=1e-2, atol=5 * np.abs(x).max())


def test_what_the_prior_was_not_trained_for_is_refused(white, monkeypatch):
    def refused(problem, text):
        with pytest.raises(InputError, match=text):
            solve(Diffusion(weights="domains2d"), problem)

    volume, inside = blobs((16, 16, 16), seed=0, fill=0.1)
    refused(Problem.from_arrays(intensity=measure(volume), support=inside), "has 3 axes")
    monkeypatch.setattr(learned.Learned, "prior", lambda self, device="cpu": White((16, 16), 1.0))
    wide = np.zeros((32, 32), bool)
    wide[6:26, 12:20] = True
    refused(white.replace(support=wide), "the support spans 20 × 8")
    monkeypatch.setattr(learned.Learned, "prior", lambda self, device="cpu": White((40, 40), 1.0))
    refused(white, "the object's array has 32 × 32; pad the data")
    monkeypatch.setattr(learned.Learned, "prior", lambda self, device="cpu": White((32, 32), 1.0))
    hidden = white.replace(amplitude=white.amplitude / white.amplitude.max(), likelihood=Gaussian())
    refused(hidden, r"no amplitude exceeds 1, and noise of 0.5 .* --likelihood gaussian:σ")


def test_unknown_weights_are_named(easy):
    with pytest.raises(InputError, match="unknown weights 'nothing'"):
        solve(Diffusion(weights="nothing"), easy)


# the pieces --------------------------------------------------------------------------------------
