"""Every solver, operator and option gives the same in every array library."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from retrieve.driver.solve import solve
from retrieve.numerics.arrays import find_device, to_numpy
from retrieve.operators import Binning, FarField, Mask, Pad, PartialCoherence
from retrieve.problem import Problem
from retrieve.problem.likelihood import Poisson
from retrieve.simulate import blobs, measure
from retrieve.solvers import (
    ER,
    HIO,
    OSS,
    RAAR,
    RRR,
    Coherence,
    ConjugateGradient,
    Recipe,
    ShrinkWrap,
    Streams,
    first_support,
)

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
    if short.name == "auto" and not known:
        pytest.skip("rounding may decide between its ways; its steps are compared below")
    here, there = (solve(short, problem, device=where, starts=2) for where in ("cpu", device))
    assert relative(there.estimates, here.estimates) < (5e-3 if short.name == "cg" else 1e-3)  # a line search branches
    assert_allclose([s.r for s in there.scores], [s.r for s in here.scores], rtol=1e-2, atol=1e-10)
    assert_allclose([s.r_free for s in there.scores], [s.r_free for s in here.scores], rtol=1e-2, atol=1e-10)
    assert there.object.dtype == here.object.dtype == np.complex64


@OTHERS
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("short", ["auto"], indirect=True)
def test_a_search_takes_the_same_steps_until_it_chooses(blind, relative, short, device, seed):
    """Then rounding may decide between its ways. Each ends far below the R of the start."""
    rng = Streams.of(seed, [0])
    x = short.start(blind, rng)
    firsts, ends = [], []
    for name in ("cpu", device):
        where = find_device(name)
        steps = [*short.steps(blind.to(where), where.put(x.copy()), Streams.of(seed, [0]))]
        firsts.append([to_numpy(step.estimate) for step in steps[:20]])
        ends.append(to_numpy(steps[-1].estimate))
    for k, (one, other) in enumerate(zip(*firsts, strict=True)):
        assert relative(other, one) < 1e-4, f"step {k + 1}"
    start = blind.r_factor(np.where(first_support(blind, x)[0], x, 0))[0]
    for end in ends:
        assert blind.r_factor(end)[0] < 0.05 * start


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
    first = result.history[0]["r"][0] if len(result.history[0]["r"]) > 1 else 1
    assert result.score.r < first


EVERYTHING = Recipe(
    recipe="4 hio + 4 raar(positivity=yes) + 4 oss + 3 er(phase_min=-1, phase_max=1) + 2 cg + 2 dm",
    coherence=Coherence(when="always", every=3, begin=0.1),
    shrink_wrap=ShrinkWrap(when="always", every=4, parts=2, fill=True, limit=0.2, reference="rms"),
)


@OTHERS
def test_every_option_of_a_recipe_runs_everywhere(hard, device):
    here, there = (solve(EVERYTHING, hard, device=where) for where in ("cpu", device))
    assert there.score.r == pytest.approx(here.score.r, rel=0.05)
    assert (there.support != here.support).mean() < 0.01


@OTHERS
def test_three_axes_everywhere(relative, device):
    x, support = blobs((20, 18, 16), seed=0, fill=0.1)
    problem = Problem.from_arrays(intensity=1e3 * measure(x), support=support)
    solver = Recipe(recipe="5 hio + 3 oss + 2 cg")
    here, there = (solve(solver, problem, device=where) for where in ("cpu", device))
    assert relative(there.object, here.object) < 1e-3
