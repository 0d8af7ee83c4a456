import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from retrieve.driver.solve import Budget, solve
from retrieve.errors import InputError, SolverError
from retrieve.numerics.alignment import align
from retrieve.numerics.arrays import namespace
from retrieve.plugins.options import option
from retrieve.problem import Problem
from retrieve.simulate import blobs, measure
from retrieve.solvers import ER, HIO, Recipe, Solver, Step

# what a solver should reach ----------------------------------------------------------------------

ENOUGH = {
    "auto": {},
    "er": {"iterations": 300},
    "oss": {"iterations": 500},
    "pchio": {"iterations": 300, "phase_min": 0.1, "phase_max": 1.3},
    "recipe": {"recipe": "100 hio + 20 er"},
    "guided": {"population": 2, "generations": 2, "recipe": Recipe(recipe="60 hio + 10 er")},
}


def test_every_solver_solves_an_easy_problem(easy, narrow, short):
    easy = narrow(1) if short.name == "pchio" else easy
    solver = type(short)(**ENOUGH.get(short.name, {"iterations": 200}))
    if short.name == "sf":  # from random phases it may settle outside the support, where its reflection is as stable
        solver = Recipe(recipe="100 hio + 50 sf", twin_cut=None)
    result = solve(solver, easy, hold_out=0, starts=2)
    assert result.score.r < 1e-3
    assert align(result.object, easy.truth).correlation > 0.99


@pytest.mark.parametrize("seed", range(5))
def test_blobs_are_solved_to_the_noise_floor(seed):
    """Noiseless 64² patterns with their support known: HIO 500 and ER 100, the best of four by its free score."""
    x, support = blobs((64, 64), seed=seed, fill=0.17)
    problem = Problem.from_arrays(intensity=measure(x), support=support)
    result = solve(Recipe(recipe="500 hio + 100 er", twin_cut=None), problem, starts=4, batch=4, score_every=100)
    assert result.score.r < 1e-5
    assert problem.r_factor(result.object[None])[0] < 1e-5


# randomness --------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bits(blind, short):
    one, other = (solve(short, blind, starts=2, seed=5) for _ in range(2))
    assert_array_equal(one.estimates, other.estimates)
    assert_array_equal(one.held, other.held)
    assert one.scores == other.scores
    assert one.history == other.history


def test_seeds_and_starts_differ(hard):
    runs = [solve(HIO(iterations=3), hard, starts=2, seed=seed) for seed in (0, 1)]
    estimates = np.concatenate([run.estimates for run in runs])
    for i in range(4):
        for j in range(i):
            assert np.abs(estimates[i] - estimates[j]).max() > 0.1 * np.abs(estimates[i]).max()
    assert (runs[0].held != runs[1].held).any()


def test_seed_0_is_a_seed(hard):
    one, other = (solve(ER(iterations=2), hard, seed=0) for _ in range(2))
    assert_array_equal(one.object, other.object)
    assert one.manifest["seed"] == 0


@pytest.mark.parametrize("known", [True, False])
def test_a_start_does_not_depend_on_the_number_of_starts_or_on_the_batch(hard, short, known):
    """Bit for bit, on NumPy."""
    problem = hard if known else hard.replace(support=None)
    one = solve(short, problem, starts=1)
    three = solve(short, problem, starts=3, agree=0)
    assert_array_equal(one.estimates[0], three.estimates[0])
    for batch in (2, 4):
        together = solve(short, problem, starts=3, batch=batch, agree=0)
        assert_array_equal(together.estimates, three.estimates)
        assert_array_equal(together.supports, three.supports)
        assert_allclose([s.r for s in together.scores], [s.r for s in three.scores], rtol=1e-5)
        assert together.chosen == three.chosen


# budgets and stopping ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("budget", "steps"), [(Budget(steps=7), 7), (Budget(ffts=9), 5), (Budget(steps=7, ffts=8), 4), (Budget(), 30), (None, 30)]
)
@pytest.mark.parametrize("batch", [1, 2])
def test_a_budget_of_steps_or_transforms(hard, budget, steps, batch):
    result = solve(HIO(iterations=30), hard, starts=2, batch=batch, budget=budget or Budget(), score_every=10)
    assert [h["step"][-1] for h in result.history] == [steps, steps]
    assert result.cost.steps == (2 * steps if batch == 1 else steps)
    assert result.cost.ffts == 2 * 2 * steps
    assert not result.interrupted
    whole = solve(HIO(iterations=steps), hard, starts=2)
    assert_array_equal(result.estimates, whole.estimates)


def test_a_budget_of_seconds(hard):
    result = solve(HIO(iterations=10**7), hard, budget=Budget(seconds=0.05))
    assert 1 <= result.cost.steps < 10**6
    assert result.cost.seconds < 10
    assert np.isfinite(result.score.r)


def test_on_step_hears_of_every_step(hard):
    told = []
    solve(Recipe(recipe="3 hio + 3 er"), hard, starts=2, batch=1, score_every=2, on_step=told.append)
    assert [t.step for t in told] == [1, 2, 3, 4, 5, 6] * 2
    assert [t.start for t in told] == [0] * 6 + [1] * 6
    assert [t.stage for t in told] == ["hio", "hio", "hio", "er", "er", "er"] * 2
    assert {(t.starts, t.total) for t in told} == {(2, 6)}
    assert math.isnan(told[0].r)
    assert 0 < told[1].r < 1
    assert told[2].r == told[1].r != told[3].r
    assert told[1].r_free > 0


@pytest.mark.parametrize("start", [0, 1])
def test_stopping_leaves_what_there_is(hard, start):
    result = solve(HIO(iterations=40), hard, starts=3, batch=1, on_step=lambda t: t.start == start and t.step == 4)
    assert result.interrupted
    assert len(result.estimates) == len(result.scores) == start + 1
    assert_array_equal(result.estimates[start], solve(HIO(iterations=4), hard, starts=3).estimates[start])
    assert result.history[start]["step"] == [4.0]
    assert not solve(HIO(iterations=4), hard, on_step=lambda t: None).interrupted


# failures ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Odd(Solver):
    """A solver that does what it is told wrong from its third step on."""

    name: ClassVar[str] = "odd"
    how: str = option("nan", "what goes wrong", choices=("nan", "inf", "shape", "batch", "none", "once", "huge"))

    def steps(self, problem, x, rng) -> Iterator[Step]:
        if self.how == "none":
            return
        xp = namespace(x)
        first = rng.generators[0].random()
        for n in range(4):
            if n >= 2 and (self.how != "once" or first < 0.5):
                if self.how == "shape":
                    x = x[:, 1:]
                elif self.how == "batch":
                    x = xp.concat([x, x])
                elif self.how == "huge":
                    x = x * 1e18
                else:
                    x = x + (math.inf if self.how == "inf" else math.nan)
            yield Step(x)


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("how", ["nan", "inf"])
def test_a_failed_start_raises(hard, how):
    with pytest.raises(SolverError, match=r"start 0: NaN or infinite values after 4 steps of odd; .*`retrieve inspect`"):
        solve(Odd(how), hard)
    with pytest.raises(SolverError, match="all 2 starts failed; the first: start 0: NaN"):
        solve(Odd(how), hard, starts=2, strict=False)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_a_start_without_a_finite_r_fails(hard):
    with pytest.raises(SolverError, match=r"start 0: R is (inf|nan) on \d+ fitted pixels after 4 steps of odd; check the mask"):
        solve(Odd("huge"), hard)
    with pytest.raises(SolverError, match="all 2 starts failed; the first: start 0: R is (inf|nan)"):
        solve(Odd("huge"), hard, starts=2, strict=False)


@pytest.mark.parametrize("starts", [1, 3])
def test_a_mask_that_leaves_a_hot_pixel_alone_is_refused(starts):
    """A mask the wrong way round over a hot pixel: that pixel is held out, and no intensity is left to fit."""
    intensity = measure(blobs((32, 32), seed=0)[0], photons=1e6)
    intensity[20, 11] = 1e9
    mask = np.fft.ifftshift(intensity == 1e9)
    alone = Problem.from_arrays(intensity=intensity).replace(valid=mask)
    with pytest.raises(InputError, match=r"1 of 1 measured pixels are held out and hold all the intensity; check the mask"):
        solve(HIO(iterations=5), alone, starts=starts, strict=False)


def test_a_start_has_its_deviance(easy):
    counts = measure(easy.truth, photons=1e5)
    problem = Problem.from_arrays(intensity=counts, support=easy.support)
    result = solve(HIO(iterations=300), problem, starts=2, batch=2)
    assert all(0.5 < score.deviance < 2 and 0.5 < score.deviance_free < 4 for score in result.scores)
    single = solve(HIO(iterations=300), problem, starts=2, hold_out=0).scores
    assert all(0.5 < score.deviance < 2 and score.deviance_free is None for score in single)
    assert solve(HIO(iterations=5), easy).score.deviance is None  # its intensities are no counts, and their noise unknown


def test_a_failed_start_is_kept_as_failed_when_not_strict(hard):
    first = [np.random.default_rng([0, 1 + k]) for k in range(6)]
    for generator in first:
        generator.random(hard.shape, dtype=np.float32)  # what the random start draws
    failing = [k for k, generator in enumerate(first) if generator.random() < 0.5]
    assert 0 < len(failing) < 6
    result = solve(Odd("once"), hard, starts=6, strict=False)
    assert [k for k, s in enumerate(result.scores) if s.failure] == failing
    assert all(result.scores[k].rank == math.inf for k in failing)
    assert result.chosen not in failing
    assert np.isfinite(result.object).all()
    assert np.isfinite(result.spread).all()
    assert f"start {failing[0]}: NaN" in result.scores[failing[0]].failure


@pytest.mark.parametrize(("how", "shape"), [("shape", r"\(1, 47, 40\)"), ("batch", r"\(2, 48, 40\)")])
def test_a_step_of_the_wrong_shape(hard, how, shape):
    with pytest.raises(SolverError, match=rf"solver odd: step 3 is ndarray of shape {shape}; yield x of \(1, 48, 40\)"):
        solve(Odd(how), hard)


def test_a_solver_without_steps_leaves_its_start(hard):
    result = solve(Odd("none"), hard)
    assert result.cost.steps == 0
    assert result.history[0]["step"] == [0.0]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"starts": 0}, "starts=0 must be a whole number of at least 1"),
        ({"starts": 1.5}, "starts=1.5"),
        ({"seed": -1}, "seed=-1 must be a whole number of at least 0"),
        ({"batch": 0}, "batch=0"),
        ({"score_every": 0}, "score_every=0"),
        ({"hold_out": 0.5}, "hold_out=0.5 must be at least 0 and below 0.5"),
        ({"hold_out": -0.1}, "hold_out=-0.1"),
        ({"hold_out": math.nan}, "hold_out=nan"),
        ({"x0": np.zeros((4, 4), np.complex64)}, r"x0 has shape \(4, 4\); give one of the object.s shape \(48, 40\)"),
        ({"x0": np.zeros((3, 48, 40), np.complex64), "starts": 2}, r"x0 has shape \(3, 48, 40\)"),
        ({"device": "abacus"}, "device 'abacus' is unknown"),
    ],
)
def test_arguments_out_of_range(hard, given, words):
    with pytest.raises(InputError, match=words):
        solve(ER(iterations=1), hard, **given)


def test_the_random_start_has_the_measured_amplitudes(hard):
    result = solve(Odd("none"), hard.replace(valid=np.ones(hard.shape, bool)), hold_out=0)
    assert_allclose(np.abs(np.fft.fft2(result.object, norm="ortho")), hard.amplitude, atol=1e-3)
    phase = np.angle(np.fft.fft2(result.object, norm="ortho"))
    assert np.histogram(phase, 4, (-np.pi, np.pi))[0].min() > 0.2 * phase.size
