"""Support, sign and range of phases, and what the algorithms make of them."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import retrieve as rt
from retrieve.errors import OptionError
from retrieve.numerics.alignment import align
from retrieve.solvers import ALGORITHMS, ER, HIO, PCHIO, Constraint

RANGES = [(-0.5, 0.5), (0.2, 1.0), (-math.pi / 2, math.pi / 2), (-2.5, 2.0), (-3.0, -2.0)]


@pytest.mark.parametrize("phase", RANGES)
def test_the_phase_projection_is_the_nearest_allowed_value(random_complex, phase):
    low, high = phase
    m = random_complex(1, 6, 5)
    inside = np.arange(30).reshape(6, 5) % 4 != 0
    project = Constraint(inside[None], phase=phase)
    found = project(m)
    assert not found[0][~inside].any()
    r = np.linspace(0, 5, 400)
    wedge = (r[:, None] * np.exp(1j * np.linspace(low, high, 400))).ravel()
    for value, near in zip(m[0][inside], found[0][inside], strict=True):
        assert abs(value - near) <= np.abs(value - wedge).min() + 1e-12
        assert abs(near) < 1e-12 or low - 1e-9 <= np.angle(near) <= high + 1e-9
    assert_allclose(project(found), found, atol=1e-12)


@pytest.mark.parametrize("phase", RANGES)
def test_what_the_phase_range_allows(random_complex, phase):
    m = random_complex(1, 20, 20)
    inside = np.arange(400).reshape(20, 20) % 3 != 0
    allowed = Constraint(inside[None], phase=phase).allows(m)
    assert_array_equal(allowed[0], inside & (np.angle(m[0]) >= phase[0]) & (np.angle(m[0]) <= phase[1]))
    assert 0 < allowed.sum() < inside.sum()


def test_positivity(rng):
    m = rng.normal(size=(1, 6, 5)) + 1j
    inside = np.arange(30).reshape(6, 5) % 4 != 0
    project = Constraint(inside[None], positive=True)
    assert_array_equal(project(m), np.where(inside & (m.real > 0), m.real, 0))
    assert_array_equal(project.allows(m), inside & (m.real >= 0)[None][0])


@pytest.mark.parametrize(
    ("solver", "allowed"),
    [
        (HIO(beta=0.7, positivity=True), lambda m: m.real >= 0),
        (HIO(beta=0.7, phase_min=-0.4, phase_max=1.1), lambda m: (np.angle(m) >= -0.4) & (np.angle(m) <= 1.1)),
        (PCHIO(beta=0.7), lambda m: m.real >= 0),
        (PCHIO(beta=0.7, phase_min=0, phase_max=1), lambda m: (np.angle(m) >= 0) & (np.angle(m) <= 1)),
    ],
)
def test_hio_feeds_back_where_the_constraint_is_broken(random_complex, easy, solver, allowed):
    x, m = random_complex(1, 32, 32), random_complex(1, 32, 32)
    if solver.positivity:
        x, m = x.real + 0j, m.real + 0j
    expected = np.where(easy.support & allowed(m), m, x - 0.7 * m)
    assert_allclose(solver.update(x, m, solver.constrain(easy.support[None]), easy, 0.5), expected, atol=1e-12)


@pytest.mark.parametrize("name", ["hio", "rrr"])
def test_a_positive_object_is_found_from_a_complex_start(easy, name):
    """Nothing imaginary of the start may stay outside the support, where HIO and RRR would keep it for ever."""
    real = np.abs(easy.truth)
    positive = easy.replace(amplitude=np.abs(np.fft.fft2(real, norm="ortho")).astype(np.float32))
    result = rt.solve(ALGORITHMS[name](iterations=300, positivity=True), positive, starts=4)
    assert result.score.r < 1e-3


@pytest.mark.parametrize("name", ["er", "hio", "raar"])
def test_positive_solvers_yield_what_is_positive(easy, name):
    solver = ALGORITHMS[name](iterations=5, positivity=True)
    positive = easy.replace(amplitude=np.abs(np.fft.fft2(np.abs(easy.truth), norm="ortho")).astype(np.float32))
    x = np.fft.ifft2(positive.amplitude * np.exp(2j * np.pi * np.random.default_rng(0).random(easy.shape)), norm="ortho")[None]
    for step in solver.steps(positive, x, None):
        assert_array_equal(step.x.imag, 0)
        assert (step.estimate.real >= 0).all()
        assert step.estimate.any()


@pytest.mark.parametrize("sign", [1, -1])
def test_a_real_object_is_taken_with_the_sign_that_is_positive(easy, relative, sign):
    real = np.abs(easy.truth).astype(np.complex64)
    positive = easy.replace(amplitude=np.abs(np.fft.fft2(real, norm="ortho")).astype(np.float32))
    *_, last = ER(iterations=3, positivity=True).steps(positive, np.stack([sign * real, real]), None)
    for x in last.estimate:
        assert relative(x, real) < 1e-4


def test_phase_constrained_solvers_yield_what_is_in_range(easy):
    for step in ER(iterations=4, phase_min=-0.3, phase_max=0.4).steps(easy, easy.truth[None], None):
        inside = step.estimate[np.abs(step.estimate) > 1e-6]
        assert inside.size > 10
        assert np.angle(inside).min() >= -0.3 - 1e-5
        assert np.angle(inside).max() <= 0.4 + 1e-5


@pytest.mark.parametrize("seed", range(4))
def test_pchio_finds_an_object_within_the_range_of_its_phases(narrow, seed):
    """Each estimate is in the range; of a range too narrow for the object no estimate fits the data."""
    problem = narrow(seed)
    low, high = 0.1, 1.3
    found = rt.solve(PCHIO(iterations=300, phase_min=low, phase_max=high), problem, starts=4, hold_out=0)
    phases = np.angle(found.estimates[np.abs(found.estimates) > 0])
    assert low - 1e-3 < phases.min() < phases.max() < high + 1e-3
    assert align(found.object, problem.truth).correlation > 0.99
    tight = rt.solve(PCHIO(iterations=300, phase_min=low, phase_max=low + 0.4), problem, starts=4, hold_out=0)
    assert min(score.r for score in tight.scores) > 10 * found.score.r


@pytest.mark.parametrize(("low", "high"), [(0.1, None), (None, 0.1), (1.0, 0.5), (0.3, 0.3)])
def test_phase_bounds_go_together(low, high):
    with pytest.raises(OptionError, match="phase_min=.* and phase_max=.* go together"):
        HIO(phase_min=low, phase_max=high)
