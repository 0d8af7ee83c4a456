"""The linear search that `diffusion` begins with in a known support."""

import itertools

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from retrieve import solve
from retrieve.driver import parallel
from retrieve.numerics.alignment import align
from retrieve.numerics.arrays import find_device
from retrieve.operators.intensity import Binning
from retrieve.simulate import Noise
from retrieve.simulate.domains import Domains2D
from retrieve.solvers.base import Streams
from retrieve.solvers.learned import linear_search as searches
from retrieve.solvers.learned.base import normalise
from retrieve.solvers.learned.diffusion import Diffusion
from retrieve.solvers.learned.linear_search import Wiener, has_spectrum, wiener_raar
from retrieve.solvers.learned.posed import Posed
from retrieve.solvers.projections import RRR

BLOBS = Domains2D(domains=12, size=32, kind="blobs")
FILMS = Domains2D(domains=50, kind="blobs")


def on_torch(problem):
    return problem.to(find_device("cpu", "torch"))


def test_the_filter_takes_noise_from_a_smooth_field_that_the_support_leaves():
    rng = np.random.default_rng(0)
    for number in range(4):
        problem = BLOBS.problem(number, 5, Noise(sigma=0.01))
        y, truth = on_torch(problem), torch.from_numpy(problem.truth)[None]
        sigma = 0.5 * float(truth[0][y.support].abs().square().mean().sqrt())
        noise = rng.standard_normal((1, 32, 32)) + 1j * rng.standard_normal((1, 32, 32))
        noisy = truth + sigma * torch.from_numpy(noise.astype(np.complex64))
        left = [float((d - truth).abs().square().sum()) for d in (Wiener.of(y)(noisy, sigma), noisy * y.support)]
        assert left[0] < 0.7 * left[1], left


def test_without_noise_the_filter_is_the_support():
    y = on_torch(BLOBS.problem(0, 5, Noise(sigma=0.01)))
    x = torch.randn(2, 32, 32, dtype=torch.complex64)
    assert_allclose(Wiener.of(y)(x, 0.0), x * y.support, atol=1e-5)


def test_unmeasured_pixels_do_not_lower_the_density():
    y = on_torch(BLOBS.problem(0, 5, Noise(sigma=0.0)))
    valid = y.valid.clone()
    valid[::4, ::4] = False
    lost = y.replace(valid=valid, amplitude=torch.where(valid, y.amplitude, 0))
    ratio = float(Wiener.of(lost).density.sum() / Wiener.of(y).density.sum())
    assert 0.9 < ratio < 1.1


def test_there_is_a_linear_search_where_the_pattern_is_the_spectrum_of_a_known_support():
    problem = BLOBS.problem(0, 5, Noise(sigma=0.01))
    assert Diffusion().beginnings_for(problem) == searches.BEGINNINGS[2]
    assert Diffusion(beginnings=3).beginnings_for(problem) == 3
    assert Diffusion(search=0).beginnings_for(problem) == 0
    assert not has_spectrum(problem.replace(support=None))
    assert not has_spectrum(problem.replace(detector=Binning(problem.shape, 1)))


@pytest.mark.slow
def test_it_finds_smooth_fields_that_rrr_does_not():
    """The best of 8 beginnings, chosen by R, against that of RRR of twice as many iterations; five objects of 50 blobs."""
    found = []
    for number in range(5):
        problem, streams = FILMS.problem(number, 5, Noise(sigma=0.01)), Streams.of(number, range(8))
        y = on_torch(problem)
        x = torch.as_tensor(RRR().start(y, streams))
        *_, d = wiener_raar(y, x, 0.95)
        *_, last = RRR(iterations=500).steps(y, x, streams)
        pair = [each[int(y.r_factor(each).argmin())].numpy() for each in (d, last.estimate)]
        found.append([align(each, problem.truth).correlation for each in pair])
    linear, rrr = np.mean(found, axis=0)
    assert linear > rrr + 0.05, found


def test_beginnings_are_searched_in_groups_that_fit_the_cache():
    assert searches.groups_of(64, 64**2) == [8, 32, 24]
    assert searches.groups_of(10, 32**3) == [4, 4, 2]
    assert searches.groups_of(3, 10**9) == [1, 1, 1]
    assert searches.groups_of(5, 64) == [5]
    assert searches.groups_of(0, 64) == []


class Exact:
    """A prior of two kinds of objects: it gives what it is given, scaled to a tenth under the kind that does not fit."""

    window, kinds = (32, 32), ("first", "second")

    def __init__(self, fits):
        self.fits = fits

    def denoise(self, x, sigma, support=None, kind=None):
        return x * torch.where(kind[:, self.fits] == 1, 1.0, 0.1)[:, None, None]


@pytest.mark.parametrize(("fits", "explained"), [(0, False), (1, False), (1, True)])
def test_objects_of_another_kind_leave_the_linear_search(fits, explained, monkeypatch):
    """The first kind is searched by all groups. The other one goes on as in a round, unless noise explains it."""
    monkeypatch.setattr(searches, "consistent_with_noise", lambda y, x: torch.full((len(x),), explained))
    problem = on_torch(BLOBS.problem(0, 5, Noise(sigma=0.01)))
    prior, solver, rng = Exact(fits), Diffusion(evaluations=9), Streams.of(0, range(2))
    posed = Posed(problem, *normalise(problem, prior.window), prior)
    steps, stages = searches.linear_search(solver, posed, torch.as_tensor(solver.start(problem, rng)), rng, [2, 1]), []
    while True:
        try:
            step = next(steps)
            stages.append(step.stage)
        except StopIteration as end:
            _, best = end.value
            break
    group, trial = searches.ITERATIONS + searches.POLISH, 2 * len(searches.TRIAL_SIGMAS)
    fall = 2 * searches.FALL_CALLS
    assert stages.count("linear search") == (group if fits else 2 * group)
    assert stages.count("fall") == (trial if fits else trial + fall)
    assert stages.count("diffusion") == (9 if fits and not explained else 0) + 1
    assert_allclose(step.x, best * posed.scale)
    if not fits:
        assert len(stages) == searches.steps_of(prior, [2, 1])
    assert (posed.y.r_factor(best) < 0.3).all()


@pytest.mark.slow
def test_polish_ranks_beginnings_nearer_to_the_truth():
    """The beginning of the lowest R, before and after polish, on eight objects of 50 blobs."""
    found = []
    for number in range(8):
        problem = FILMS.problem(number, 5, Noise(sigma=0.05))
        y = on_torch(problem)
        x = torch.as_tensor(RRR().start(y, Streams.of(number, range(24))))
        ends = itertools.islice(wiener_raar(y, x, 0.95), searches.ITERATIONS - 1, None, searches.POLISH)
        found.append([align(d[int(y.r_factor(d).argmin())].numpy(), problem.truth).correlation for d in ends])
    rough, polished = np.mean(found, axis=0)
    assert polished > rough + 0.03, found


@pytest.mark.slow
def test_starts_do_not_depend_on_their_batch(monkeypatch):
    problem = FILMS.problem(0, 5, Noise(sigma=0.05))
    monkeypatch.setattr(parallel, "cores", lambda: 1)
    monkeypatch.setattr(searches, "FALL_CALLS", 2)
    monkeypatch.setattr(Diffusion, "SHIFT_CALLS", 0)
    solver = Diffusion(beginnings=2, rounds=1, search=20, evaluations=2)
    one, all_ = (solve(solver, problem, starts=3, batch=batch, agree=0) for batch in (1, 3))
    assert_allclose(one.estimates, all_.estimates, atol=1e-3 * np.abs(one.estimates).max())
    assert one.cost.ffts == all_.cost.ffts


def test_records_from_before_it_mean_none():
    assert Diffusion.FORMERLY["beginnings"] == 0
