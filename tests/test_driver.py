import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from retrieve.arrays import namespace
from retrieve.driver import Budget, shift_to_centre, solve
from retrieve.errors import InputError, SolverError
from retrieve.evaluate import align
from retrieve.likelihood import Poisson
from retrieve.operators import Binning, FarField, Mask, Pad, PartialCoherence
from retrieve.options import option
from retrieve.problem import Problem
from retrieve.score import choose
from retrieve.simulate import blobs, measure
from retrieve.solvers import DM, ER, HIO, OSS, RAAR, RRR, SF, Coherence, ConjugateGradient, Recipe, ShrinkWrap, Solver, Step

# what a solver should reach ----------------------------------------------------------------------

ENOUGH = {
    "auto": {},
    "er": {"iterations": 300},
    "oss": {"iterations": 500},
    "pchio": {"iterations": 200, "phase_min": -math.pi, "phase_max": math.pi},
    "recipe": {"recipe": "100 hio + 20 er"},
    "guided": {"population": 2, "generations": 2, "recipe": Recipe(recipe="60 hio + 10 er")},
}


def test_every_solver_solves_an_easy_problem(easy, short):
    solver = type(short)(**ENOUGH.get(short.name, {"iterations": 200}))
    if short.name == "sf":  # from random phases it may settle outside the support, where its reflection is as stable
        solver = Recipe(recipe="100 hio + 50 sf", twin_cut=None)
    result = solve(solver, easy, hold_out=0, starts=2)
    assert result.score.chi2 < 1e-3
    assert align(result.object, easy.truth).correlation > 0.99


@pytest.mark.parametrize("seed", range(5))
def test_blobs_are_solved_to_the_noise_floor(seed):
    """Noiseless 64² patterns with their support known: HIO 500 and ER 100, the best of four by its free score."""
    x, support = blobs((64, 64), seed=seed, fill=0.17)
    problem = Problem.from_arrays(intensity=measure(x), support=support)
    result = solve(Recipe(recipe="500 hio + 100 er", twin_cut=None), problem, starts=4, batch=4, score_every=100)
    assert result.score.chi2 < 1e-5
    assert problem.chi2(result.object[None])[0] < 1e-5


# other array libraries ---------------------------------------------------------------------------

OTHERS = pytest.mark.parametrize("device", ["strict", "torch"])


@OTHERS
def test_fifty_iterations_of_hio_agree(easy, relative, device):
    here, there = (solve(HIO(iterations=50), easy, device=where, hold_out=0) for where in ("cpu", device))
    assert relative(there.object, here.object) < 1e-4
    assert there.manifest["device"].startswith(device)


@OTHERS
@pytest.mark.parametrize(
    "solver",
    [HIO(iterations=50), RAAR(iterations=50), RRR(iterations=50), ER(iterations=50), OSS(iterations=50)],
    ids=lambda s: s.name,
)
def test_fifty_iterations_agree_on_a_hard_problem_in_double_precision(in_double, relative, solver, device):
    """Rounding grows about 1.4 times an iteration in HIO (it is chaotic), so that float32 would differ by then."""
    results = [solve(solver, in_double.problem, device=where, x0=in_double.x0, hold_out=0) for where in ("cpu", device)]
    assert relative(results[1].object, results[0].object) < 1e-4


@OTHERS
@pytest.mark.parametrize("known", [True, False])
def test_every_solver_agrees(hard, relative, short, known, device):
    problem = hard if known else hard.replace(support=None)
    here, there = (solve(short, problem, device=where, starts=2) for where in ("cpu", device))
    if short.name == "auto" and not known:  # which way scored best may turn on rounding; how well it did may not
        assert_allclose([s.chi2 for s in there.scores], [s.chi2 for s in here.scores], rtol=1)
        return
    assert relative(there.estimates, here.estimates) < (5e-3 if short.name == "cg" else 1e-3)  # a line search branches
    assert_allclose([s.chi2 for s in there.scores], [s.chi2 for s in here.scores], rtol=1e-2, atol=1e-10)
    assert_allclose([s.free for s in there.scores], [s.free for s in here.scores], rtol=1e-2, atol=1e-10)
    assert there.object.dtype == here.object.dtype == np.complex64


def crops_and_bins(hard):
    shape = hard.shape
    return {
        "mask": hard.replace(operator=FarField(shape) @ Mask(hard.support)),
        "pad": hard.replace(operator=FarField(shape) @ Pad((40, 36), shape), support=None),
        "binning": hard.replace(operator=FarField((96, 80)), detector=Binning((96, 80), 2), support=None),
        "coherence": hard.replace(detector=PartialCoherence.gaussian(shape, 0.8)),
        "padded coherence": hard.replace(
            operator=FarField(shape) @ Pad((40, 36), shape), support=None, detector=PartialCoherence.gaussian(shape, 0.8)
        ),
        "poisson": hard.replace(likelihood=Poisson()),
    }


@pytest.mark.parametrize("device", ["cpu", "strict", "torch"])
@pytest.mark.parametrize("name", ["mask", "pad", "binning", "coherence", "padded coherence", "poisson"])
@pytest.mark.parametrize("solver", [HIO(iterations=6), ConjugateGradient(iterations=4)], ids=lambda s: s.name)
def test_every_operator_goes_through_every_library(hard, relative, solver, name, device):
    problem = crops_and_bins(hard)[name]
    result = solve(solver, problem, device=device, starts=2)
    assert result.object.shape == problem.operator.in_shape
    assert result.supports.shape == (2, *problem.operator.in_shape)
    here = solve(solver, problem, starts=2)
    assert relative(result.estimates, here.estimates) < 5e-3
    first = result.history[0]["chi2"][0] if len(result.history[0]["chi2"]) > 1 else 1
    assert result.score.chi2 < first


EVERYTHING = Recipe(
    recipe="4 hio + 4 raar(positivity=yes) + 4 oss + 3 er(phase_min=-1, phase_max=1) + 2 cg + 2 dm",
    coherence=Coherence(when="always", every=3, begin=0.1),
    shrink_wrap=ShrinkWrap(when="always", every=4, parts=2, fill=True, limit=0.2, reference="rms"),
)


@OTHERS
def test_every_option_of_a_recipe_runs_everywhere(hard, device):
    here, there = (solve(EVERYTHING, hard, device=where) for where in ("cpu", device))
    assert there.score.chi2 == pytest.approx(here.score.chi2, rel=0.05)
    assert (there.support != here.support).mean() < 0.01


@OTHERS
def test_three_axes_everywhere(relative, device):
    x, support = blobs((20, 18, 16), seed=0, fill=0.1)
    problem = Problem.from_arrays(intensity=1e3 * measure(x), support=support)
    solver = Recipe(recipe="5 hio + 3 oss + 2 cg")
    here, there = (solve(solver, problem, device=where) for where in ("cpu", device))
    assert relative(there.object, here.object) < 1e-3


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
    five = solve(short, problem, starts=5, agree=0)
    assert_array_equal(one.estimates[0], five.estimates[0])
    for batch in (2, 5, 8):
        together = solve(short, problem, starts=5, batch=batch, agree=0)
        assert_array_equal(together.estimates, five.estimates)
        assert_array_equal(together.supports, five.supports)
        assert_allclose([s.chi2 for s in together.scores], [s.chi2 for s in five.scores], rtol=1e-5)
        assert together.chosen == five.chosen


# budgets and stopping ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("budget", "steps"), [(Budget(steps=7), 7), (Budget(ffts=9), 5), (Budget(steps=7, ffts=8), 4), (Budget(), 30), (None, 30)]
)
@pytest.mark.parametrize("batch", [1, 2])
def test_a_budget_of_steps_or_transforms(hard, budget, steps, batch):
    result = solve(HIO(iterations=30), hard, starts=2, batch=batch, budget=budget, score_every=10)
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
    assert np.isfinite(result.score.chi2)


def test_on_step_hears_of_every_step(hard):
    told = []
    solve(Recipe(recipe="3 hio + 3 er"), hard, starts=2, batch=1, score_every=2, on_step=told.append)
    assert [t.step for t in told] == [1, 2, 3, 4, 5, 6] * 2
    assert [t.start for t in told] == [0] * 6 + [1] * 6
    assert [t.stage for t in told] == ["hio", "hio", "hio", "er", "er", "er"] * 2
    assert {(t.starts, t.total) for t in told} == {(2, 6)}
    assert math.isnan(told[0].chi2)
    assert 0 < told[1].chi2 < 1
    assert told[2].chi2 == told[1].chi2 != told[3].chi2
    assert told[1].free > 0


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
    how: str = option("nan", "what goes wrong", choices=("nan", "inf", "shape", "batch", "none", "once"))

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
    with pytest.raises(SolverError, match=rf"solver odd: step 3 has shape {shape}, not \(1, 48, 40\)"):
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


# what a result holds -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("solver", "ffts"),
    [
        (HIO(iterations=7), 14),
        (ER(iterations=7), 14),
        (OSS(iterations=7), 14),
        (DM(iterations=7), 28),
        (DM(iterations=7, beta=1), 14),
        (ConjugateGradient(iterations=7), 15),
        (Recipe(recipe="3 hio + 4 er"), 14),
    ],
    ids=lambda v: getattr(v, "name", v),
)
def test_the_cost_is_counted(hard, solver, ffts):
    """Two transforms an iteration; scoring, starting and the line search are free of charge."""
    result = solve(solver, hard, hold_out=0, score_every=2)
    assert (result.cost.ffts, result.cost.steps, result.cost.network_evaluations) == (ffts, 7, 0)
    assert solve(solver, hard, starts=3, batch=3).cost.ffts == 3 * ffts
    assert result.cost.seconds > 0


def test_the_chosen_start_has_the_lowest_free_score_within_its_error(hard):
    for seed in range(3):
        result = solve(HIO(iterations=15), hard, starts=5, seed=seed)
        assert result.chosen == choose(result.scores, int(result.held.sum()), True)
        blind = solve(HIO(iterations=15), hard.replace(support=None), starts=5, seed=seed)
        assert blind.chosen == int(np.argmin([s.free for s in blind.scores]))
        assert_array_equal(result.object, result.estimates[result.chosen])
        assert_array_equal(result.support, result.supports[result.chosen])
        assert result.score == result.scores[result.chosen]


def test_free_and_working_scores_are_of_their_own_pixels(hard):
    result = solve(HIO(iterations=15), hard, starts=2)
    held = np.fft.ifftshift(result.held)
    assert 0.03 <= held.sum() / hard.valid.sum() < 0.05
    assert not (held & ~hard.valid).any()
    work = hard.valid & ~held
    intensity = hard.amplitude**2
    for x, score in zip(result.estimates, result.scores, strict=True):
        misfit = (np.abs(np.fft.fft2(x, norm="ortho")) - hard.amplitude) ** 2
        assert score.chi2 == pytest.approx(misfit[work].sum() / intensity[work].sum(), rel=1e-3)
        assert score.free == pytest.approx(misfit[held].mean() / intensity[work].mean(), rel=1e-3)
        assert score.nll == pytest.approx(misfit[work].sum() * 2 / work.sum(), rel=1e-3)


def test_nothing_held_out(hard):
    result = solve(HIO(iterations=5), hard, starts=3, hold_out=0)
    assert result.held is None
    assert {s.free for s in result.scores} == {None}
    assert result.chosen == int(np.argmin([s.chi2 for s in result.scores]))
    assert all(math.isnan(v) for v in result.history[0]["free"])


def test_held_out_pixels_are_kept_from_the_solver(hard):
    """What was measured there changes its free score and nothing else."""
    result = solve(HIO(iterations=10), hard)
    held = np.fft.ifftshift(result.held)
    other = solve(HIO(iterations=10), hard.replace(amplitude=np.where(held, hard.amplitude + 1, hard.amplitude)))
    assert_array_equal(other.held, result.held)
    assert_array_equal(other.object, result.object)
    assert other.score.chi2 == result.score.chi2
    assert other.score.free != result.score.free


def test_the_truth_is_kept_from_the_solver(hard):
    without = solve(HIO(iterations=5), hard.replace(truth=None))
    assert_array_equal(without.object, solve(HIO(iterations=5), hard).object)


def test_history(hard):
    result = solve(HIO(iterations=25), hard, starts=2, score_every=10)
    for history, score in zip(result.history, result.scores, strict=True):
        assert history["step"] == [10.0, 20.0, 25.0]
        assert {len(v) for v in history.values()} == {3}
        assert history["chi2"][-1] == score.chi2
        assert history["free"][-1] == score.free
        assert history["chi2"][0] > history["chi2"][-1]


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


def test_the_random_start_has_the_measured_amplitudes(hard):
    result = solve(Odd("none"), hard.replace(valid=np.ones(hard.shape, bool)), hold_out=0)
    assert_allclose(np.abs(np.fft.fft2(result.object, norm="ortho")), hard.amplitude, atol=1e-3)
    phase = np.angle(np.fft.fft2(result.object, norm="ortho"))
    assert np.histogram(phase, 4, (-np.pi, np.pi))[0].min() > 0.2 * phase.size


def test_a_start_of_ones_own(hard):
    near = hard.truth * np.float32(1.01)
    for x0 in (near, near[None], np.stack([near, near])):
        before = x0.copy()
        result = solve(ER(iterations=1), hard, x0=x0, starts=2, batch=len(x0) if x0.ndim == 3 else 1)
        assert_array_equal(x0, before)
        assert result.score.chi2 < 1e-5
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
