import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from retrieve.ensemble import align_all, common_mode, correlation_matrix, mean_to_max, scatter_and_filter, spread
from retrieve.errors import InputError
from retrieve.evaluate import complex_correlation, conjugate_inverse
from retrieve.simulate import blobs, crystal


@pytest.fixture
def truth():
    return blobs((48, 48), seed=0)[0]


@pytest.fixture
def scattered(truth):
    """The truth in four disguises, and a failed start."""
    disguises = [truth, np.roll(truth, (3, -2), (0, 1)), conjugate_inverse(truth) * 1j, truth * np.exp(2j)]
    return np.stack([*disguises, np.full_like(truth, np.nan)]).astype(np.complex64)


USABLE = [True, True, True, True, False]


def test_align_all_undoes_the_trivial_ambiguities(scattered, truth):
    aligned = align_all(scattered, 0, USABLE)
    assert aligned.shape == scattered.shape
    assert_allclose(aligned[:4], np.broadcast_to(truth, (4, *truth.shape)), atol=1e-5)
    assert np.isnan(aligned[4]).all()
    assert_array_equal(align_all(scattered[:4], -1)[-1], scattered[3])


def test_spread_is_zero_for_disguises_and_the_std_for_noise(scattered, truth):
    assert_allclose(spread(scattered, 0, USABLE), 0, atol=1e-5)
    rng = np.random.default_rng(0)
    inside = np.abs(truth) > 0.3 * np.abs(truth).max()
    noise = rng.normal(size=(40, *truth.shape)) * inside
    width = spread((truth * (1 + 0.02 * noise)).astype(np.complex64), 0)
    assert width.dtype == np.float32
    assert np.median(width[inside] / np.abs(truth[inside])) == pytest.approx(0.02, rel=0.1)


def test_one_start_has_no_spread(scattered):
    assert spread(scattered[:1], 0) is None
    assert spread(scattered, 2, [False, False, True, False, False]) is None


def test_correlation_matrix_sees_disguises_as_equal_and_strangers_as_not(scattered):
    stranger = blobs((48, 48), seed=9)[0]
    matrix = correlation_matrix(np.concatenate([scattered, stranger[None]]), [*USABLE, True])
    assert_allclose(matrix[:4, :4], 1, atol=1e-4)
    assert_array_equal(matrix, matrix.T)
    assert np.isnan(matrix[4]).all()
    assert matrix[5, 5] == 1
    assert np.all(matrix[5, :4] < 0.8)


def test_mean_to_max():
    flat = np.zeros((16, 16))
    flat[4:9, 4:9] = 2
    assert mean_to_max(flat) == 1
    flat[6, 6] = 4
    assert mean_to_max(flat) == pytest.approx((24 * 2 + 4) / 25 / 4)
    flat[0, 0] = 0.3  # below a tenth of the maximum: not of the object
    assert mean_to_max(flat) == pytest.approx((24 * 2 + 4) / 25 / 4)
    assert mean_to_max(np.zeros((4, 4))) == 0


def test_common_mode_is_the_leading_singular_vector(truth):
    rng = np.random.default_rng(1)
    stack = truth + 0.1 * (rng.normal(size=(5, *truth.shape)) + 1j * rng.normal(size=(5, *truth.shape)))
    stack = (stack * np.exp(1j * np.arange(5))[:, None, None]).astype(np.complex64)
    mode, fraction = common_mode(stack)
    _, s, vh = np.linalg.svd(stack.reshape(5, -1).astype(complex), full_matrices=False)
    assert complex_correlation(mode, vh[0]) == pytest.approx(1, abs=1e-5)
    assert fraction == pytest.approx(s[0] ** 2 / np.sum(s**2), rel=1e-5)
    assert np.linalg.norm(mode) == pytest.approx(np.mean([np.linalg.norm(x) for x in stack]), rel=1e-5)
    assert np.angle(np.vdot(mode, stack[0])) == pytest.approx(0, abs=1e-4)
    assert complex_correlation(mode, truth) > max(complex_correlation(x, truth) for x in stack)


def test_common_mode_of_agreement_and_of_nothing(scattered, truth):
    mode, fraction = common_mode(align_all(scattered, 0, USABLE), USABLE)
    assert fraction == pytest.approx(1, abs=1e-5)
    assert_allclose(mode, truth, atol=1e-4)
    empty, share = common_mode(np.zeros((3, 8, 8), np.complex64))
    assert share == 0
    assert not empty.any()


def test_scatter_and_filter_keeps_the_homogeneous():
    good = crystal((48, 48), seed=0, phase=2.0)
    rng = np.random.default_rng(0)
    hole = good * (1 - 0.9 * (np.hypot(*np.indices(good.shape) - 24) < 5))
    bad = good * np.exp(rng.normal(size=good.shape))
    stack = np.stack([bad, hole, np.roll(good, 4, 0), np.full_like(good, np.nan), conjugate_inverse(good)]).astype(np.complex64)
    mode, kept, fraction = scatter_and_filter(stack, 2, [True, True, True, False, True])
    assert set(kept.tolist()) == {2, 4}
    assert fraction == pytest.approx(1, abs=1e-4)
    assert complex_correlation(np.abs(mode), np.abs(stack[kept[0]])) == pytest.approx(1, abs=1e-4)
    with pytest.raises(InputError, match="keep=5.*1 to 4"):
        scatter_and_filter(stack, 5, [True, True, True, False, True])


def test_input_errors(scattered):
    with pytest.raises(InputError, match="start 4 failed"):
        align_all(scattered, 4, USABLE)
    with pytest.raises(InputError, match="no start is usable"):
        common_mode(scattered, [False] * 5)
    with pytest.raises(InputError, match="each of the 5 starts"):
        spread(scattered, 0, [True])
