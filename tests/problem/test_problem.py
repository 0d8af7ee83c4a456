import dataclasses

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

from retrieve.driver.solve import solve
from retrieve.numerics.arrays import find_device, to_numpy
from retrieve.operators import Binning, FarField, Mask, Pad, PartialCoherence
from retrieve.problem import Problem
from retrieve.problem.likelihood import Gaussian, Poisson

SHAPE = (12, 10)
GOOD = np.random.default_rng(3).random(SHAPE) + 0.1
INSIDE = np.zeros(SHAPE, bool)
INSIDE[4:8, 3:7] = True

# gradients ---------------------------------------------------------------------------------------

VALID = np.random.default_rng(4).random(SHAPE) > 0.1
KERNEL = np.zeros(SHAPE)
KERNEL[[0, 1, 0, 11], [0, 0, 1, 8]] = 0.5, 0.2, 0.2, 0.1
FIELDS = {
    "far field": FarField(SHAPE),
    "padded": FarField(SHAPE) @ Pad((6, 5), SHAPE),
    "masked": FarField(SHAPE) @ Mask(INSIDE),
    "weighted": FarField(SHAPE) @ Mask(GOOD),
}
DETECTORS = {
    "none": None,
    "binning": Binning((24, 30), (2, 3)),
    "coherence": PartialCoherence(KERNEL),
    "both": Binning((24, 20), 2) @ PartialCoherence(PartialCoherence.gaussian((24, 20), 0.8).kernel.astype(float)),
}


def in_double(operator, detector=None, likelihood=None):
    """A problem in double precision whose model does not fit its data."""
    amplitude = np.where(VALID, np.sqrt(GOOD), 0)
    return Problem(amplitude, VALID, operator, likelihood or Gaussian(), detector=detector)


def autograd(problem, x, loss):
    """∂loss/∂Re x + i ∂loss/∂Im x by torch."""
    there = problem.to(find_device("torch"))
    z = torch.tensor(x, requires_grad=True)
    loss(there, z).sum().backward()
    return z.grad.numpy()


@pytest.mark.parametrize("field", FIELDS)
def test_a_modulus_step_is_a_gradient_step(random_complex, field):
    """x − fit_modulus(x) = ∇ ½Σ_valid(|A x| − y)²."""
    problem = in_double(FIELDS[field])
    x = random_complex(2, *problem.shape)

    def half_squares(there, z):
        return 0.5 * ((there.operator.forward(z).abs() - there.amplitude)[:, there.valid] ** 2).sum()

    gradient = autograd(problem, x, half_squares)
    assert_allclose(x - problem.fit_modulus(x), gradient, atol=1e-9)
    assert np.abs(gradient).max() > 0.1


@pytest.mark.parametrize("likelihood", [Gaussian(0.3), Poisson(20.0)], ids=repr)
@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("field", ["far field", "masked"])
def test_nll_gradient_is_that_of_autograd(random_complex, field, detector, likelihood):
    seen = DETECTORS[detector]
    shape = SHAPE if seen is None else seen.in_shape
    operator = FarField(shape)
    if field == "masked":
        operator = operator @ Mask(np.random.default_rng(1).random(shape) > 0.5)
    problem = in_double(operator, seen, likelihood)
    x = random_complex(2, *shape)
    gradient = autograd(problem, x, lambda there, z: there.nll(z))
    assert_allclose(problem.nll_gradient(x), gradient, rtol=1e-6, atol=1e-6 * np.abs(gradient).max())


def test_nll_sums_the_valid_pixels(random_complex):
    problem = in_double(FarField(SHAPE), likelihood=Gaussian(0.3))
    x = random_complex(2, *SHAPE)
    f = np.abs(np.fft.fft2(x, norm="ortho"))
    assert_allclose(problem.nll(x), [(((a - np.sqrt(GOOD)) ** 2)[VALID]).sum() / 2 / 0.3**2 for a in f])
    assert_allclose(problem.r_factor(x), [(((a - np.sqrt(GOOD)) ** 2)[VALID]).sum() / GOOD[VALID].sum() for a in f])


# the modulus projection --------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["far field", "padded"])
def test_measured_amplitudes_are_set_and_unmeasured_ones_kept(random_complex, field):
    problem = in_double(FIELDS[field])
    x = random_complex(1, *problem.shape)
    before, after = problem.operator.forward(x), FarField(SHAPE).forward(problem.fit_modulus(x))
    if field == "far field":
        assert_allclose(np.abs(after[0])[VALID], np.sqrt(GOOD)[VALID], rtol=1e-12)
        assert_allclose(np.angle(after), np.angle(before), atol=1e-12)
        assert_allclose(after[0][~VALID], before[0][~VALID], rtol=1e-12)
        assert_allclose(problem.fit_modulus(problem.fit_modulus(x)), problem.fit_modulus(x), atol=1e-12)
    else:
        wanted = np.where(VALID, np.sqrt(GOOD) * np.exp(1j * np.angle(before)), before)
        assert_allclose(problem.fit_modulus(x), problem.operator.adjoint(wanted), atol=1e-12)


@pytest.mark.parametrize("detector", ["binning", "coherence"])
def test_with_a_detector_the_field_is_scaled_by_measured_over_expected(random_complex, detector):
    seen = DETECTORS[detector]
    problem = in_double(FarField(seen.in_shape), seen)
    x = random_complex(1, *seen.in_shape)
    f = np.fft.fft2(x, norm="ortho")
    ratio = np.where(VALID, np.sqrt(GOOD / seen.forward(np.abs(f) ** 2)[0]), 1)
    gain = seen.adjoint(ratio[None])[0] if detector == "binning" else ratio
    assert_allclose(problem.fit_modulus(x), np.fft.ifft2(f * gain, norm="ortho"), atol=1e-12)
    if detector == "binning":  # then the binned intensities are right, and stay so
        assert_allclose(problem.intensity(problem.fit_modulus(x))[0][VALID], GOOD[VALID], rtol=1e-9)


@pytest.mark.parametrize("detector", DETECTORS)
def test_what_is_stored_on_unmeasured_pixels_has_no_say(random_complex, detector):
    seen = DETECTORS[detector]
    shape = SHAPE if seen is None else seen.in_shape
    honest = in_double(FarField(shape), seen)
    lying = honest.replace(amplitude=np.where(VALID, honest.amplitude, 1e3))
    broken = honest.replace(amplitude=np.where(VALID, honest.amplitude, np.nan))
    x = random_complex(2, *shape)
    for other in (lying, broken):
        for name in ("fit_modulus", "nll", "nll_gradient", "r_factor"):
            assert_array_equal(getattr(other, name)(x), getattr(honest, name)(x), err_msg=name)
        assert_array_equal(other.misfit(x)[:, VALID], honest.misfit(x)[:, VALID])
        assert other.power == honest.power


@pytest.mark.parametrize("lie", [1e3, np.nan])
@pytest.mark.parametrize("blind", [False, True])
def test_unmeasured_pixels_have_no_say_in_a_result(hard, short, blind, lie):
    honest = hard.replace(support=None) if blind else hard
    lying = honest.replace(amplitude=np.where(hard.valid, hard.amplitude, lie).astype(np.float32))
    one, other = (solve(short, problem, starts=2) for problem in (lying, honest))
    assert_array_equal(one.estimates, other.estimates)
    assert one.scores == other.scores


def test_no_solver_writes_into_its_problem(hard, short):
    arrays = {f.name: getattr(hard, f.name) for f in dataclasses.fields(hard) if isinstance(getattr(hard, f.name), np.ndarray)}
    assert set(arrays) == {"amplitude", "valid", "support", "truth"}
    for array in arrays.values():
        array.flags.writeable = False
    copies = {name: array.copy() for name, array in arrays.items()}
    solve(short, hard, hold_out=0)
    for name, array in arrays.items():
        assert_array_equal(array, copies[name])
        assert getattr(hard, name) is array


# held-out pixels ---------------------------------------------------------------------------------


@pytest.mark.parametrize("fraction", [0.01, 0.03, 0.2])
def test_hold_out(hard, fraction):
    left, held = hard.hold_out(fraction, np.random.default_rng(7))
    assert held.dtype == bool
    assert fraction <= held.sum() / hard.valid.sum() < fraction + 0.02
    assert not (held & ~hard.valid).any()
    assert_array_equal(left.valid, hard.valid & ~held)
    assert not left.amplitude[held].any()
    assert_array_equal(left.amplitude[left.valid], hard.amplitude[left.valid])
    assert hard.amplitude[held].any()


def test_held_out_pixels_lie_in_islands_of_a_speckle(hard):
    """An object a third of the array has speckles three pixels wide, and so are the islands."""
    fine = hard.replace(support=ndimage.binary_erosion(hard.support, iterations=5), valid=np.ones(hard.shape, bool))
    width = np.array(hard.shape) / [np.ptp(np.flatnonzero(fine.support.any(axis=1 - a))) + 1 for a in (0, 1)]
    _, held = fine.hold_out(0.02, np.random.default_rng(1))
    labels, count = ndimage.label(np.pad(held, 1))
    assert held.sum() / count > 0.5 * np.prod(width)
    assert held.sum() / count > 4


def test_hold_out_repeats_with_its_seed(hard):
    masks = [hard.hold_out(0.05, np.random.default_rng(seed))[1] for seed in (0, 0, 1)]
    assert_array_equal(masks[0], masks[1])
    assert (masks[0] != masks[2]).any()


# copies ------------------------------------------------------------------------------------------


def test_a_problem_is_frozen(hard):
    with pytest.raises(dataclasses.FrozenInstanceError):
        hard.valid = None
    assert hard.replace(support=None).support is None
    assert hard.support is not None


@pytest.mark.parametrize("device", ["strict", "torch"])
def test_on_another_device_it_is_the_same_without_its_truth(hard, random_complex, device):
    where = find_device(device)
    hard = hard.replace(detector=PartialCoherence.gaussian(hard.shape, 0.7), likelihood=Poisson())
    there = hard.to(where)
    assert there.truth is None
    x = random_complex(2, *hard.shape).astype(np.complex64)
    for name in ("fit_modulus", "nll", "nll_gradient", "r_factor"):
        here = getattr(hard, name)(x)
        assert_allclose(to_numpy(getattr(there, name)(where.put(x))), here, rtol=1e-3, atol=1e-4 * np.abs(here).max())
