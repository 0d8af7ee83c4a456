"""The iterations of the accelerated path against the algorithms as they are written."""

import numpy as np
import pytest
from fast_cases import SHAPES, needs, needs_both, noise, problem
from numpy.testing import assert_allclose

import retrieve as rt
from retrieve.numerics.fast import mix
from retrieve.numerics.fast.loops import loop_for
from retrieve.solvers import ALGORITHMS, HIO, Constraint
from retrieve.solvers.shrinkwrap import ShrinkWrap

ONE_PROJECTION = [name for name in ALGORITHMS if name != "dm"]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_weights_of_the_compiled_pass_are_the_algorithm(name):
    """Under a plain support, written out in NumPy."""
    solver = ALGORITHMS[name]()
    data, x, m = problem((64, 64)), noise(2, 64, 64), noise(4, 64, 64)[2:]

    def mixed(x, m, inside, outside):
        a, b = (np.where(data.support, *pair) for pair in zip(inside, outside, strict=True))
        return a * x + b * m

    step = solver.compiled()
    second = step.second_projection
    assert (second is not None) == (name == "dm")
    found = mixed(x, m, step.inside, step.outside)
    if second is not None:
        found = found + np.where(data.support, *second.weights) * data.fit_modulus(mixed(x, m, second.inside, second.outside))
    for t in (0.0, 0.7):
        assert_allclose(found, solver.update(x, m, Constraint(data.support[None]), data, t), atol=1e-5)


@needs_both
@pytest.mark.parametrize("phase", [(-0.5, 0.5), (0.2, 1.0), (-2.5, 2.0), (-3.0, -2.0)])
@pytest.mark.parametrize("name", ONE_PROJECTION)
def test_one_step_under_a_range_of_phases(name, phase):
    solver, data, x = ALGORITHMS[name](phase_min=phase[0], phase_max=phase[1]), problem((64, 48)), noise(2, 64, 48)
    project = solver.constrain(data.support[None])
    loop = loop_for(x, data, solver.compiled(), project)
    m = loop.modulus(data, x)
    expected = solver.update(x, m, project, data, 0.0), project(m)
    for found, other in zip(loop.update(x, m, project, data), expected, strict=True):
        assert_allclose(found, other, atol=2e-5)


@needs_both
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", ONE_PROJECTION)
def test_one_step_of_a_positive_object(name, sign):
    solver, data, x = ALGORITHMS[name](positivity=True), problem((64, 48)), noise(1, 64, 48).real.astype(np.complex64)
    project = solver.constrain(data.support[None])
    loop = loop_for(x, data, solver.compiled(), project)
    m = loop.modulus(data, x)
    m *= sign * np.sign(np.sum(m, where=data.support))
    expected = solver.update(sign * x, sign * m + 0j, project, data, 0.0), project(sign * m + 0j)
    for found, other in zip(loop.update(x, m, project, data), expected, strict=True):
        assert_allclose(found, other, atol=2e-5)


@needs_both
@pytest.mark.parametrize("shape", SHAPES)
def test_the_modulus_of_a_real_object(shape, off):
    """By half spectra, also where a pixel is measured and the one opposite is not."""
    data, x = problem(shape), noise(2, *shape).real.astype(np.complex64)
    loop = loop_for(x, data, HIO().compiled(), Constraint(data.support[None], positive=True))
    m = loop.modulus(data, x)
    assert m.dtype == np.float32
    off()
    assert_allclose(m, data.fit_modulus(x).real, atol=2e-5)


@needs_both
@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("support", [True, False])
@pytest.mark.parametrize("detector", [True, False])
def test_a_few_iterations_of_a_positive_object_agree_with_the_reference(name, support, detector, off):
    data = problem((64, 48), support)
    if detector:
        data = data.replace(detector=rt.operators.PartialCoherence.gaussian((64, 48), 0.7))
    solver = ALGORITHMS[name](iterations=3, positivity=True, twin_cut=1, shrink_wrap=ShrinkWrap(every=2))
    found = rt.solve(solver, data, starts=2)
    off()
    expected = rt.solve(solver, data, starts=2)
    assert found.cost.ffts == expected.cost.ffts
    assert np.linalg.norm(found.estimates - expected.estimates) < 1e-3 * np.linalg.norm(expected.estimates)


@needs["passes"]
@pytest.mark.parametrize("rows", [1, 2])
def test_the_mixing_pass(rows):
    x, m, support = noise(2, 30, 31), noise(4, 30, 31)[2:], np.random.default_rng(0).random((rows, 30, 31)) > 0.5
    a, b, c, d = np.float32([1.0, 0.25, 0.5, -0.9])
    expected = np.where(support, a * x + b * m, c * x + d * m)
    assert_allclose(mix(x, m, support, (a, b), (c, d), np.empty_like(x)), expected, atol=1e-6)
    assert_allclose(mix(x, m, support, (a, b), (c, d), x), expected, atol=1e-6)


@needs_both
@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("support", [True, False])
def test_a_few_iterations_agree_with_the_reference(name, support, off):
    data, solver = problem((64, 48), support), ALGORITHMS[name](iterations=4)
    found = rt.solve(solver, data)
    off()
    expected = rt.solve(solver, data)
    assert found.cost.ffts == expected.cost.ffts
    assert_allclose(found.object, expected.object, atol=1e-3 * np.abs(expected.object).max())
    assert_allclose(found.score.r, expected.score.r, rtol=1e-3)


@needs_both
def test_dm_has_no_compiled_pass_beyond_a_plain_support():
    """Its second P_M depends on the constraint; the algorithm then runs as it is written."""
    data, solver = problem((64, 48)), ALGORITHMS["dm"](positivity=True)
    assert loop_for(noise(1, 64, 48), data, solver.compiled(), solver.constrain(data.support[None])) is None
