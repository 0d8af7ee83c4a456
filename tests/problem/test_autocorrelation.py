import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

from retrieve.operators import Binning, FarField, Pad
from retrieve.problem import Problem
from retrieve.problem.autocorrelation import autocorrelation, ellipsoid, extent, fill_unmeasured, islands
from retrieve.simulate import beam_stop, blobs, crystal, measure


def box(shape, size, phase=0.0):
    x = np.zeros(shape, np.complex64)
    x[tuple(slice(n // 2 - s // 2, n // 2 - s // 2 + s) for n, s in zip(shape, size, strict=True))] = np.exp(1j * phase)
    return x


def pattern_of(x, **more):
    return Problem.from_arrays(intensity=measure(x), **more)


def measured(problem):
    return problem.amplitude, problem.valid


def first_support(problem):
    return ellipsoid(problem.shape, problem.extent)


def test_the_autocorrelation_by_its_definition(random_complex):
    x = random_complex(8, 6).astype(np.complex64)
    expected = np.array([[abs(np.vdot(x, np.roll(x, (-i, -j), (0, 1)))) for j in range(-3, 3)] for i in range(-4, 4)])
    found = autocorrelation(*measured(pattern_of(x)))
    assert_allclose(found, expected / expected.max(), rtol=1e-4)
    assert found[4, 3] == 1


@pytest.mark.parametrize("size", [(8, 14), (15, 6)])
@pytest.mark.parametrize("known", [True, False])
def test_extent_and_speckles_of_a_box(size, known):
    x = box((64, 60), size)
    problem = pattern_of(x, support=np.abs(x) > 0 if known else None)
    found = problem.extent if known else extent(*measured(problem), threshold=1e-4)
    assert_allclose(found, size, atol=0 if known else 0.6)
    assert_allclose(problem.speckle_size, np.array([64, 60]) / problem.extent)


@pytest.mark.parametrize("shape", [(96, 96), (80, 91), (40, 36, 44)])
def test_the_first_support_holds_a_convex_object_that_is_its_own_inverse(shape):
    grid = np.stack(np.meshgrid(*(np.arange(n) - n // 2 for n in shape), indexing="ij"))
    object_ = np.einsum("i...,ij,j...", grid, np.diag([1 / 8**2, 1 / 6**2, 1 / 7**2][: len(shape)]), grid) <= 1
    inside = first_support(pattern_of(object_.astype(np.complex64)))
    assert (inside.dtype, inside.shape) == (bool, shape)
    assert (object_ & inside).sum() > 0.9 * object_.sum()
    assert inside.sum() < 1.4 * object_.sum()


@pytest.mark.parametrize("shape", [(96, 96), (80, 91), (40, 36, 44)])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_first_support_comes_near_a_crystal(shape, seed):
    x = crystal(shape, seed=seed, fill=0.3)
    object_, inside = np.abs(x) > 0.5, first_support(pattern_of(x))
    assert (object_ & inside).sum() > 0.8 * object_.sum()
    assert 0.8 < inside.sum() / object_.sum() < 1.6


def test_a_box_is_found_exactly_in_size():
    assert_allclose(extent(*measured(pattern_of(box((64, 64), (12, 20)))), threshold=1e-3), (12, 20), atol=1)


def test_a_beam_stop_widens_the_support_by_no_more_than_a_factor():
    x = crystal((96, 96), seed=0, fill=0.3)
    inside, stopped = (first_support(pattern_of(x, mask=mask)) for mask in (None, beam_stop((96, 96), 2)))
    assert 0.5 < stopped.sum() / inside.sum() < 2.5


@pytest.mark.parametrize(
    ("operator", "detector"),
    [(FarField((64, 60)) @ Pad((41, 40), (64, 60)), None), (FarField((128, 180)), Binning((128, 180), (2, 3)))],
)
def test_the_support_has_the_shape_of_the_object(operator, detector):
    plain = pattern_of(box((64, 60), (12, 20)))
    inside = first_support(plain.replace(operator=operator, detector=detector))
    assert inside.shape == operator.in_shape
    assert inside[tuple(n // 2 for n in inside.shape)]
    assert inside.sum() == first_support(plain).sum()
    there = np.array(ndimage.center_of_mass(inside)) - np.array(inside.shape) // 2
    assert_allclose(there, np.array(ndimage.center_of_mass(first_support(plain))) - (32, 30))


def test_gaps_are_filled_from_their_neighbours():
    y, x = np.mgrid[:40, :40]
    smooth = (2 + np.sin(2 * np.pi * x / 40) + np.cos(2 * np.pi * y / 40)).astype(np.float32)
    valid = np.hypot(y - 20, x - 12) > 4
    filled = fill_unmeasured(np.where(valid, smooth, np.float32(1e9)), valid)
    assert_array_equal(filled[valid], smooth[valid])
    assert_allclose(filled[~valid], smooth[~valid], atol=0.5)
    assert fill_unmeasured(smooth, np.ones_like(valid)) is smooth


def test_gaps_wrap_around_and_a_nearly_empty_pattern_is_filled_too():
    valid = np.zeros((16, 16), bool)
    valid[3, 3] = True
    assert_allclose(fill_unmeasured(np.full((16, 16), 5, np.float32), valid), 5, rtol=1e-3)
    edge = np.ones((16, 16), bool)
    edge[0] = False
    rows = np.repeat(np.arange(16, dtype=np.float32)[:, None], 16, axis=1)
    assert_allclose(fill_unmeasured(rows, edge)[0], (rows[1] + rows[15]) / 2, atol=0.5)


ISLANDS = {(1.0, 1.0): 1, (3.0, 3.0): 9, (5.0, 2.5): 11}  # by their diameters: the pixels within the ellipse, counted by hand


@pytest.mark.parametrize("size", ISLANDS)
def test_an_island_is_an_ellipse_of_the_size_asked_for(rng, size):
    held = islands(np.ones((100, 100), bool), size, 1e-4, rng)
    assert held.sum() == ISLANDS[size]
    rows, columns = (np.ptp(np.unwrap(2 * np.pi * np.flatnonzero(held.any(axis)) / 100)) * 50 / np.pi for axis in (1, 0))
    assert_allclose((rows, columns), np.floor(np.array(size) / 2) * 2, atol=1e-9)


@pytest.mark.parametrize("size", ISLANDS)
@pytest.mark.parametrize(("fraction", "low", "high"), [(0.01, 0.85, 1.1), (0.1, 1.0, 1.35)])
def test_islands_cover_the_share_asked_for(size, fraction, low, high):
    sizes = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        valid = rng.random((100, 100)) > 0.02
        held = islands(valid, size, fraction, rng)
        assert not (held & ~valid).any()
        assert fraction <= held.sum() / valid.sum() < fraction * 1.1 + 0.002
        sizes.append(held.sum() / ndimage.label(held)[1])
    assert low <= np.mean(sizes) / ISLANDS[size] <= high  # masked pixels make them smaller, those that touch count as one


@pytest.mark.parametrize("both", [False, True])
def test_islands_leave_most_pixels_of_a_pattern_with_few_speckles(rng, both):
    held = islands(np.ones((64, 64), bool), (80.0, 60.0), 0.03, rng, both)
    assert 0.03 <= held.mean() <= 0.25


def test_the_autocorrelation_of_nothing_is_zero():
    assert not autocorrelation(np.zeros((8, 8), np.float32), np.ones((8, 8), bool)).any()


def test_a_finer_object_has_finer_speckles():
    small, large = (pattern_of(blobs((64, 64), seed=0, fill=f)[0]).speckle_size for f in (0.05, 0.2))
    assert all(s > big for s, big in zip(small, large, strict=True))
