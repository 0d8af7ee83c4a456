import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from retrieve.numerics.arrays import find_device, to_numpy
from retrieve.operators import Binning, Crop, FarField, Mask, Pad, PartialCoherence, richardson_lucy

SHAPE = (12, 10)
INSIDE = np.random.default_rng(5).random(SHAPE) > 0.4
WEIGHTS = np.random.default_rng(6).random(SHAPE)
LOPSIDED = np.zeros(SHAPE)
LOPSIDED[[0, 1, 0, 2, 11], [0, 0, 1, 3, 9]] = 0.4, 0.3, 0.1, 0.15, 0.05

# name: the operator, whether it promises to be an isometry, whether it takes complex fields
OPERATORS = {
    "far field 1D": (FarField((15,)), True, True),
    "far field 2D": (FarField(SHAPE), True, True),
    "far field 3D": (FarField((4, 6, 5)), True, True),
    "pad even to even": (Pad((4, 6), SHAPE), True, True),
    "pad odd to even": (Pad((5, 7), SHAPE), True, True),
    "pad even to odd": (Pad((4, 6), (9, 11)), True, True),
    "crop": (Crop(SHAPE, (5, 6)), False, True),
    "mask": (Mask(INSIDE), False, True),
    "weights": (Mask(WEIGHTS), False, True),
    "binning": (Binning(SHAPE, (3, 2)), False, False),
    "odd binning": (Binning((15, 21), (5, 3)), False, False),
    "binning 3D": (Binning((4, 6, 10), (2, 3, 1)), False, False),
    "binning by one": (Binning(SHAPE, 1), False, False),
    "Gaussian coherence": (PartialCoherence.gaussian(SHAPE, (1.0, 2.0)), False, False),
    "lopsided coherence": (PartialCoherence(LOPSIDED), False, False),
    "far field of padded": (FarField(SHAPE) @ Pad((6, 5), SHAPE), True, True),
    "far field of masked": (FarField(SHAPE) @ Mask(INSIDE), False, True),
    "three deep": (Crop(SHAPE, (6, 6)) @ FarField(SHAPE) @ Pad((4, 4), SHAPE), False, True),
    "binned coherence": (Binning(SHAPE, (3, 2)) @ PartialCoherence(LOPSIDED), False, False),
}
ALL = pytest.mark.parametrize("name", OPERATORS)


def draw(rng, name, side, batch=2):
    """Random input of an operator; detector operators take non-negative intensities."""
    operator, _, field = OPERATORS[name]
    shape = (batch, *(operator.in_shape if side == "in" else operator.out_shape))
    return rng.normal(size=shape) + 1j * rng.normal(size=shape) if field else rng.random(shape)


@ALL
def test_shapes(rng, name):
    operator = OPERATORS[name][0]
    assert operator.forward(draw(rng, name, "in", 3)).shape == (3, *operator.out_shape)
    assert operator.adjoint(draw(rng, name, "out", 3)).shape == (3, *operator.in_shape)
    assert operator.size == np.prod(operator.out_shape)


@ALL
def test_adjoint_identity(rng, name):
    operator = OPERATORS[name][0]
    x, y = draw(rng, name, "in"), draw(rng, name, "out")
    left, right = np.vdot(y, operator.forward(x)), np.vdot(operator.adjoint(y), x)
    assert left == pytest.approx(right, rel=1e-6)
    assert abs(left) > 1e-3


@ALL
def test_linear(rng, name):
    operator, _, field = OPERATORS[name]
    x, z = draw(rng, name, "in"), draw(rng, name, "in")
    a, b = (0.3 - 1j, 2.0) if field else (0.3, 2.0)
    both = operator.forward(a * x + b * z)
    assert_allclose(both, a * operator.forward(x) + b * operator.forward(z), atol=1e-6 * np.abs(both).max())


@ALL
def test_an_isometry_only_where_promised(rng, name):
    operator, isometry, _ = OPERATORS[name]
    assert operator.isometry is isometry
    x = draw(rng, name, "in")
    back = operator.adjoint(operator.forward(x))
    if name == "binning by one":  # an isometry that is not claimed to be one
        isometry = True
    assert np.allclose(back, x, rtol=1e-6, atol=1e-9) is isometry


@ALL
def test_a_batch_equals_one_by_one(rng, name):
    operator = OPERATORS[name][0]
    x, y = draw(rng, name, "in", 3), draw(rng, name, "out", 3)
    for k in range(3):
        assert_allclose(operator.forward(x)[k], operator.forward(x[k : k + 1])[0], rtol=1e-12, atol=1e-14)
        assert_allclose(operator.adjoint(y)[k], operator.adjoint(y[k : k + 1])[0], rtol=1e-12, atol=1e-14)


@ALL
@pytest.mark.parametrize("device", ["strict", "torch"])
def test_to_another_device(rng, name, device):
    operator, isometry, _ = OPERATORS[name]
    where = find_device(device)
    there = operator.to(where)
    assert there.isometry is isometry
    x, y = draw(rng, name, "in"), draw(rng, name, "out")
    assert_allclose(to_numpy(there.forward(where.put(x))), operator.forward(x), rtol=1e-5, atol=1e-6)
    assert_allclose(to_numpy(there.adjoint(where.put(y))), operator.adjoint(y), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("outer", "inner"),
    [(FarField(SHAPE), Pad((4, 4), (12, 12))), (Mask(INSIDE), FarField((12, 10, 3))), (Crop(SHAPE, (4, 4)), FarField((4, 4)))],
)
def test_shapes_that_do_not_meet(outer, inner):
    with pytest.raises(ValueError, match=r"inner operator gives \(.*\), the outer takes \("):
        outer @ inner


@pytest.mark.parametrize(
    "make",
    [
        lambda: Pad((8, 8), (6, 10)),
        lambda: Pad((4, 4), (8,)),
        lambda: Crop((4, 4), (4, 6)),
        lambda: Binning((12, 10), 4),
        lambda: Binning((12, 10), (3,)),
        lambda: Binning((12, 10), 0),
    ],
)
def test_impossible_shapes(make):
    with pytest.raises(ValueError, match=r"Pad goes from|does not divide"):
        make()


# the far field -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(7,), (6, 5), (4, 3, 6)])
def test_the_far_field_is_the_fourier_sum(random_complex, shape):
    x = random_complex(1, *shape)
    expected = x[0]
    for axis, n in enumerate(shape):
        wave = np.exp(-2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n) / np.sqrt(n)
        expected = np.moveaxis(np.tensordot(wave, expected, axes=(1, axis)), 0, axis)
    assert_allclose(FarField(shape).forward(x)[0], expected, atol=1e-12)


@pytest.mark.parametrize(("small", "large"), [((4, 4), (8, 8)), ((5, 4), (8, 7)), ((4, 5), (7, 8)), ((3, 3, 4), (5, 6, 9))])
def test_padding_keeps_the_centre_and_cropping_undoes_it(random_complex, small, large):
    point = np.zeros((1, *small))
    point[(0, *[n // 2 for n in small])] = 1
    (where,) = np.argwhere(Pad(small, large).forward(point)[0])
    assert_array_equal(where, [n // 2 for n in large])
    x = random_complex(1, *small)
    assert_array_equal(Crop(large, small).forward(Pad(small, large).forward(x)), x)


# the detector ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "factor"),
    [((12, 10), 2), ((12, 10), (3, 5)), ((15, 21), 3), ((20, 12), (5, 4)), ((9, 8), (3, 2)), ((6, 8, 10), (3, 2, 5))],
)
def test_binning_is_that_of_a_centred_detector(rng, shape, factor):
    """Sum blocks of the centred pattern by reshape; the block that holds N//2 becomes the centre of the binned one."""
    fine = rng.random((1, *shape))
    factors = (factor,) * len(shape) if isinstance(factor, int) else factor
    centred = np.fft.fftshift(fine[0])
    blocks = centred.reshape([k for n, f in zip(shape, factors, strict=True) for k in (n // f, f)])
    binned = blocks.sum(axis=tuple(range(1, 2 * len(shape), 2)))
    assert_allclose(np.fft.fftshift(Binning(shape, factor).forward(fine)[0]), binned, rtol=1e-12)


def test_a_coherence_kernel_is_a_convolution(rng):
    x = rng.random((1, *SHAPE))
    expected = sum(LOPSIDED[tuple(s)] * np.roll(x, s, axis=(1, 2)) for s in np.argwhere(LOPSIDED))
    assert_allclose(PartialCoherence(LOPSIDED).forward(x), expected, rtol=1e-12)


@pytest.mark.parametrize("sigma", [1.5, (0.5, 2.0), 0.0])
def test_a_gaussian_kernel(sigma):
    kernel = np.fft.fftshift(PartialCoherence.gaussian((33, 33), sigma).kernel)
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    for axis, s in enumerate((sigma, sigma) if isinstance(sigma, float) else sigma):
        line = kernel.sum(axis=1 - axis)
        r = np.arange(33) - 16
        assert np.sum(line * r) == pytest.approx(0, abs=1e-5)
        if s:
            assert_allclose(line / line[16], np.exp(-(r**2) / (2 * s**2)), atol=1e-6)
        else:
            assert_array_equal(np.flatnonzero(line), [16])


def test_a_kernel_for_each_of_a_batch(rng):
    kernels = np.stack([LOPSIDED, np.roll(LOPSIDED, 2, axis=0)])
    x = rng.random((2, *SHAPE))
    both = PartialCoherence(kernels, SHAPE).forward(x)
    for k in range(2):
        assert_allclose(both[k], PartialCoherence(kernels[k]).forward(x[k : k + 1])[0], rtol=1e-12)


def test_partial_coherence_keeps_a_dark_pattern_from_going_negative():
    x = np.zeros((1, *SHAPE), np.float32)
    x[0, 0, 0] = 1e6
    assert (PartialCoherence(LOPSIDED.astype(np.float32)).forward(x) >= 0).all()


@pytest.mark.parametrize("kernel", ["lopsided", "gaussian"])
def test_richardson_lucy_recovers_the_kernel(rng, kernel):
    shape = (32, 32)
    true = np.zeros(shape)
    if kernel == "lopsided":
        true[[0, 1, 0, 31], [0, 0, 1, 2]] = 0.5, 0.25, 0.15, 0.1
    else:
        true = PartialCoherence.gaussian(shape, 1.0).kernel.astype(float)
    coherent = rng.exponential(size=(1, *shape))
    measured = PartialCoherence(true).forward(coherent)[0]
    valid = rng.random(shape) > 0.05
    r2 = np.add.outer(np.fft.fftfreq(32, 1 / 32) ** 2, np.fft.fftfreq(32, 1 / 32) ** 2)
    start, window = np.exp(-r2), r2 <= 25
    found = richardson_lucy(start / start.sum(), coherent, measured, valid, 400, window)
    assert found.shape == (1, *shape)
    assert found.sum() == pytest.approx(1)
    assert not found[0][~window].any()
    assert np.abs(found[0] - true).sum() < {"lopsided": 0.02, "gaussian": 0.06}[kernel]
    assert np.abs(start / start.sum() - true).sum() > 0.4  # the start was not it already

    for lies in (1e6 * rng.random(shape), np.nan):
        told = np.where(valid, measured, lies)
        assert_array_equal(richardson_lucy(start / start.sum(), coherent, told, valid, 400, window), found)
