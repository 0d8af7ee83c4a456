"""Checks of how a solver behaves: ends, shapes, seeds, starts, masks, scores, array libraries."""

from __future__ import annotations

from functools import partial
from unittest import SkipTest

import numpy as np

from ..driver.progress import Progress
from ..errors import InputError
from ..problem import Problem
from ..solvers.base import Solver
from . import declaration
from .case import LIBRARIES, Checks, device_for, distance, require
from .problems import PROBLEM_SHAPES, one_bright_pixel, small, weak
from .watched_solver import WatchedSolver

checks = Checks(WatchedSolver, declaration.checks)

SAME_DISTANCE = 1e-2
"""What rounding may make of a run of a few steps in another library or batch, relative."""


@checks.add("finishes", declaration.constructs)
def finishes(watched: WatchedSolver) -> None:
    """It comes to its end within the time, in as many steps as it tells."""
    try:
        run = watched.whole()
    except TimeoutError:
        raise AssertionError(
            f"it hangs: no end within {watched.seconds:g} s; bound its loops by an option, or give the kit fewer iterations"
        ) from None
    total = watched.solver.total
    if not run.ended:
        if total is None:
            raise AssertionError(f"after {run.steps} steps and {watched.seconds:g} s it has no end, and tells no `total`")
        require(run.steps < total, f"it tells a total of {total} steps, and goes on after {run.steps}")
        raise SkipTest(
            f"{run.steps} of {total} steps took {0.8 * watched.seconds:g} s; give the kit fewer iterations or more seconds"
        )
    require(run.steps > 0, "it yields no step; yield one after each iteration")
    require(total is None or run.steps == total, f"it tells a total of {total} steps and takes {run.steps}")


@checks.add("shape of the steps", finishes)
def shape_of_steps(watched: WatchedSolver) -> None:
    """Every step has the shape (starts, *shape) of the start."""
    wanted = (1, *watched.problem.shape)
    other = watched.whole().shapes - {wanted}
    require(not other, f"steps of shape {sorted(other)} for one start of {wanted}; yield the whole batch of objects")


@checks.add("dtype of the steps", finishes)
def dtype_of_steps(watched: WatchedSolver) -> None:
    """Every step has the dtype of the start: complex64 for data in single precision."""
    run = watched.whole()
    wanted = {str(run.start.dtype)}
    require(run.dtypes == wanted, f"steps of dtype {sorted(run.dtypes)}, the start of {sorted(wanted)}; keep to the start's")


@checks.add("finite", shape_of_steps)
def finite(watched: WatchedSolver) -> None:
    """No NaN, nothing infinite at the end."""
    last = watched.whole().last
    bad = int((~np.isfinite(last)).sum())
    require(
        not bad, f"{bad} of {last.size} values are NaN or infinite; keep divisions away from zero (retrieve.numerics.arrays.TINY)"
    )


@checks.add("same seed, same result", finite)
def same_seed(watched: WatchedSolver) -> None:
    """Two runs of one seed agree to the bit."""
    one, other = watched.run(seed=3), watched.run(seed=3)
    require(
        np.array_equal(one.last, other.last),
        f"two runs of seed 3 differ by {distance(one.last, other.last):.2g}; draw from the `rng` passed to `steps` alone",
    )


@checks.add("no global random state", same_seed)
def no_global_state(watched: WatchedSolver) -> None:
    """The global generators of Python, NumPy and torch neither move nor matter."""
    one, other = watched.run(world=1), watched.run(world=2)
    require(not one.touched, f"it moves the global generator of {', '.join(one.touched)}; draw from the `rng` passed to `steps`")
    require(
        np.array_equal(one.last, other.last),
        "its result depends on where a global generator stands; draw from the `rng` passed to `steps`",
    )


@checks.add("starts alike where it says so", no_global_state)
def alike_where_told(watched: WatchedSolver) -> None:
    """A solver that calls itself deterministic gives the same object from two starts."""
    if not watched.solver.deterministic:
        raise SkipTest("its starts are random")
    one, other = (watched.run(starts=(k,)).last for k in (0, 1))
    require(
        np.array_equal(one, other),
        f"it is `deterministic`, and starts 0 and 1 differ by {distance(one, other):.2g}; leave `deterministic` False",
    )


SOUND = (no_global_state,)
"""What a comparison of two runs needs: it ends, is finite, and repeats."""


@checks.add("starts one by one", *SOUND)
def starts_one_by_one(watched: WatchedSolver) -> None:
    """A batch of three starts gives what each gives alone."""
    together = watched.run(starts=(0, 1, 2)).last
    for k in range(3):
        alone = watched.run(starts=(k,)).last[0]
        away = distance(together[k], alone)
        require(
            away < SAME_DISTANCE,
            f"start {k} in a batch of three differs from itself alone by {away:.2g}; sums and maxima over a batch couple "
            "its starts: reduce over axes 1 … only",
        )


@checks.add("leaves the problem alone", finite)
def leaves_the_problem_alone(watched: WatchedSolver) -> None:
    """The problem's arrays are what they were."""
    changed = watched.whole().changed
    require(not changed, f"it writes into problem.{' and problem.'.join(changed)}; work on a copy")


@checks.add("masked pixels have no say", *SOUND, leaves_the_problem_alone)
def respects_the_mask(watched: WatchedSolver) -> None:
    """Values stored under pixels that are not valid change nothing."""
    problem = watched.problem
    if problem.valid.all():
        raise SkipTest("every pixel of the problem is valid; give the kit one with masked pixels")
    junk = np.random.default_rng(0).uniform(0, 3 * float(problem.amplitude.max()), problem.amplitude.shape).astype(np.float32)
    other = watched.run(problem.replace(amplitude=np.where(problem.valid, problem.amplitude, junk))).last
    away = distance(other, watched.run(problem).last)
    require(
        away < 1e-5,
        f"other values on unmeasured pixels change the result by {away:.2g}; go through problem.fit_modulus or "
        "problem.nll_gradient, or use amplitudes only where problem.valid",
    )


@checks.add("beats its start", finite)
def beats_its_start(watched: WatchedSolver) -> None:
    """Inside the support, the end fits the data better than the start."""
    problem, run = watched.problem, watched.whole()
    inside = np.ones(problem.shape, bool) if problem.support is None else problem.support
    before, after = (float(problem.r_factor(x * inside)[0]) for x in (run.start, run.last))
    require(after < before, f"R inside the support goes from {before:.3g} at the start to {after:.3g} after {run.steps} steps")


@checks.add("stops when asked", finite)
def stops(watched: WatchedSolver) -> None:
    """`retrieve.solve` can stop it at its first step, before the rest of the work is done."""
    told: list[int] = []

    def on_step(progress: Progress) -> bool:
        told.append(progress.step)
        return True

    result = watched.solve(on_step=on_step)
    require(result.interrupted and told == [1], f"asked to stop at step 1 it went on to step {told[-1:]}")
    run = watched.whole()
    if run.steps > 1 and run.ended:
        whole = watched.solve().cost
        require(
            result.cost.ffts < whole.ffts or not whole.ffts,
            f"its first step costs as many transforms as all {run.steps}; yield each step as soon as it is done",
        )


def _runs_or_refuses(watched: WatchedSolver, problem: Problem) -> None:
    """Run a few steps; a refusal in `check` skips, any other error fails."""
    if (refusal := watched.refusal(problem)) is not None:
        raise SkipTest(f"refused: {refusal}")
    try:
        last = watched.run(problem, steps=3).last
    except InputError as error:
        raise AssertionError(f"it refuses while running ({error}); refuse in `check`, before any work") from error
    require(last.shape == (1, *problem.shape), f"the object has shape {last.shape}, the problem's {(1, *problem.shape)}")
    require(np.isfinite(last).all(), f"{int((~np.isfinite(last)).sum())} of {last.size} values are NaN or infinite")


def _of_axes(watched: WatchedSolver, axes: int) -> None:
    tried = [problem for problem in (*watched.problems, *map(small, PROBLEM_SHAPES)) if len(problem.shape) == axes]
    _runs_or_refuses(watched, next((problem for problem in tried if watched.refusal(problem) is None), tried[0]))


@checks.add("two axes, or a clear refusal", finite)
def two_axes_or_refusal(watched: WatchedSolver) -> None:
    """It runs in 2D, or `check` raises `InputError`."""
    _of_axes(watched, 2)


@checks.add("three axes, or a clear refusal", finite)
def three_axes_or_refusal(watched: WatchedSolver) -> None:
    """It runs in 3D, or `check` raises `InputError`."""
    _of_axes(watched, 3)


@checks.add("unknown support, or a clear refusal", finite)
def unknown_support(watched: WatchedSolver) -> None:
    """It runs without a support, or `check` raises `InputError`."""
    _runs_or_refuses(watched, watched.problem.replace(support=None))


@checks.add("finite on dark data", finite)
def dark(watched: WatchedSolver) -> None:
    """One bright pixel, or amplitudes of a billionth, give no NaN."""
    _runs_or_refuses(watched, one_bright_pixel(watched.problem))
    _runs_or_refuses(watched, weak(watched.problem))


@checks.add("posterior samples", *SOUND)
def samples(watched: WatchedSolver) -> None:
    """Where it draws samples, they have the problem's shape, no NaN, and are the same for the same seed."""
    if type(watched.solver).samples is Solver.samples:
        raise SkipTest("it draws no posterior samples")
    one, other = watched.run(steps=1, samples=True), watched.run(steps=1, samples=True)
    wanted = (1, *watched.problem.shape)
    require(one.last.shape == wanted, f"a sample has shape {one.last.shape}, the problem's is {wanted}")
    require(np.isfinite(one.last).all(), "a sample holds NaN or infinite values")
    require(np.array_equal(one.last, other.last), "two samples of one seed differ; draw from the `rng` passed to `samples`")


def _runs_on(device: str, watched: WatchedSolver) -> None:
    if watched.solver.library != "any":
        raise SkipTest(f"it claims library {watched.solver.library!r} alone")
    device_for(device)
    there = watched.run(device=device, steps=5)
    foreign = ", ".join(there.libraries)
    require(not foreign, f"steps are {foreign}, the start is not; take every function from retrieve.numerics.arrays.namespace(x)")
    away = distance(there.last, watched.run(steps=5).last)
    require(away < SAME_DISTANCE, f"five steps there differ from those on NumPy by {away:.2g}")


for library, name in LIBRARIES.items():
    checks.add(f"runs on {library}", *SOUND)(partial(_runs_on, name))
