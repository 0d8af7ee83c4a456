import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from retrieve.errors import InputError
from retrieve.evaluate.ensemble import (
    Cluster,
    average,
    clusters_of,
    common_mode,
    correlation_matrix,
    pairwise,
    select_trusted,
    upper,
)
from retrieve.numerics.alignment import align, conjugate_inverse, correlation, pearson
from retrieve.numerics.stacks import align_all, amplitude_spread
from retrieve.problem import Problem
from retrieve.simulate import blobs


@pytest.fixture
def truth():
    return blobs((48, 48), seed=0)[0]


@pytest.fixture
def scattered(truth):
    """The truth in four disguises."""
    disguises = [truth, np.roll(truth, (3, -2), (0, 1)), conjugate_inverse(truth) * 1j, truth * np.exp(2j)]
    return np.stack(disguises).astype(np.complex64)


def test_align_all_undoes_the_trivial_ambiguities(scattered, truth):
    assert_allclose(align_all(scattered, 0), np.broadcast_to(truth, (4, *truth.shape)), atol=1e-5)
    assert_array_equal(align_all(scattered, -1)[-1], scattered[3])


def test_spread_is_zero_for_disguises_and_the_std_for_noise(scattered, truth):
    assert_allclose(amplitude_spread(scattered, 0), 0, atol=1e-5)
    rng = np.random.default_rng(0)
    inside = np.abs(truth) > 0.3 * np.abs(truth).max()
    noise = rng.normal(size=(40, *truth.shape)) * inside
    width = amplitude_spread((truth * (1 + 0.02 * noise)).astype(np.complex64), 0)
    assert width.dtype == np.float32
    assert np.median(width[inside] / np.abs(truth[inside])) == pytest.approx(0.02, rel=0.1)


def test_one_start_has_no_spread(scattered):
    assert amplitude_spread(scattered[:1], 0) is None


def test_correlation_matrix_sees_disguises_as_equal_and_strangers_as_not(scattered):
    stranger = blobs((48, 48), seed=9)[0]
    matrix = correlation_matrix(np.concatenate([scattered, stranger[None]]))
    assert_allclose(matrix[:4, :4], 1, atol=1e-4)
    assert_array_equal(matrix, matrix.T)
    assert matrix[4, 4] == 1
    assert np.all(matrix[4, :4] < 0.8)


def test_pairwise_matrices_by_definition(truth):
    rng = np.random.default_rng(0)
    stack = truth + 0.2 * (rng.normal(size=(3, *truth.shape)) + 1j * rng.normal(size=(3, *truth.shape))) * (truth != 0)
    stack = np.concatenate([stack, np.zeros_like(stack[:1])]).astype(np.complex64)
    mean = np.abs(stack).mean(axis=0)
    mask = mean > 0.1 * mean.max()
    pattern = np.abs(np.fft.fftshift(np.fft.fftn(truth, norm="ortho"))) ** 2
    measured = np.hypot(*(np.indices(pattern.shape) - 24)) > 2
    problem = Problem.from_arrays(intensity=pattern, mask=measured)
    found = pairwise(stack, problem)
    assert set(found) == {"amplitude", "phase", "diffraction"}
    phase = np.angle(stack)
    far = np.abs(np.fft.fftn(stack, axes=(1, 2), norm="ortho"))[:, np.fft.ifftshift(measured)]
    for i, j in [(0, 1), (0, 2), (1, 2)]:
        assert found["amplitude"][i, j] == pytest.approx(pearson(stack[i], stack[j]), abs=1e-6)
        expected = abs(np.mean(np.exp(1j * (phase[i] - phase[j])[mask])))
        assert found["phase"][i, j] == pytest.approx(expected, abs=1e-5)
        assert found["diffraction"][i, j] == pytest.approx(pearson(far[i], far[j]), abs=1e-5)
    for matrix in found.values():
        assert_allclose(np.diag(matrix)[:3], 1, atol=1e-5)
        assert_allclose(matrix[3, :3], 0, atol=1e-6)
        assert len(upper(matrix)) == 6


def test_upper_takes_each_pair_once():
    matrix = np.array([[1, 2, 4], [2, 1, 3], [4, 3, 1]])
    assert_array_equal(upper(matrix), [2, 4, 3])


def test_clusters_find_the_families_whatever_their_disguise(scattered, truth):
    other = blobs((48, 48), seed=9)[0]
    loner = blobs((48, 48), seed=3)[0]
    stack = np.stack([other, loner, *scattered, np.roll(other, 7, 1)]).astype(np.complex64)
    matrix = correlation_matrix(stack)
    found = clusters_of(matrix)
    assert [set(c.members.tolist()) for c in found] == [{2, 3, 4, 5}, {0, 6}, {1}]
    assert found[0].agreement == pytest.approx(1, abs=1e-4)
    assert found[2].agreement is None
    assert align(average(stack[found[0].members]), truth).correlation > 0.999
    assert len(clusters_of(matrix, 0.01)) == 1


def test_clusters_of_a_matrix_put_the_most_typical_first():
    matrix = np.array([[1, 0.95, 0.91, 0.2], [0.95, 1, 0.99, 0.2], [0.91, 0.99, 1, 0.2], [0.2, 0.2, 0.2, 1]])
    found = clusters_of(matrix, 0.9)
    assert [c.members.tolist() for c in found] == [[1, 2, 0], [3]]
    assert found[0].agreement == pytest.approx((0.95 + 0.91 + 0.99) / 3)
    assert [c.members.tolist() for c in clusters_of(np.ones((1, 1)))] == [[0]]
    assert len(clusters_of(matrix, 1.0)) == 4


def test_select_wants_a_good_score_and_company():
    found = (Cluster(np.array([4, 0, 2]), 0.97), Cluster(np.array([1, 5]), 0.95), Cluster(np.array([3]), None))
    assert select_trusted(found, [0.0102, 0.03, 0.0101, 0.0100, 0.02, 0.03]) == 2  # 3 is best by a hair, but alone
    assert select_trusted(found, [0.02, 0.03, 0.02, 0.01, 0.02, 0.03]) == 3  # by far
    assert select_trusted(found, [np.inf, 0.03, np.nan, np.inf, np.inf, 0.02]) == 5
    with pytest.raises(InputError, match="no cluster"):
        select_trusted((), [])
    with pytest.raises(InputError, match="finite score"):
        select_trusted(found, [np.nan] * 6)


def test_average_of_noise_is_better_than_each(truth):
    rng = np.random.default_rng(1)
    stack = truth + 0.2 * (rng.normal(size=(8, *truth.shape)) + 1j * rng.normal(size=(8, *truth.shape)))
    stack = np.stack([np.roll(x, i, 0) * np.exp(1j * i) for i, x in enumerate(stack)]).astype(np.complex64)
    mean = average(stack)
    assert mean.dtype == np.complex64
    assert correlation(mean, truth) > max(correlation(np.roll(x, -i, 0), truth) for i, x in enumerate(stack))


def test_common_mode_is_the_leading_singular_vector(truth):
    rng = np.random.default_rng(1)
    stack = truth + 0.1 * (rng.normal(size=(5, *truth.shape)) + 1j * rng.normal(size=(5, *truth.shape)))
    stack = (stack * np.exp(1j * np.arange(5))[:, None, None]).astype(np.complex64)
    mode, fraction = common_mode(stack)
    _, s, vh = np.linalg.svd(stack.reshape(5, -1).astype(complex), full_matrices=False)
    assert correlation(mode, vh[0]) == pytest.approx(1, abs=1e-5)
    assert fraction == pytest.approx(s[0] ** 2 / np.sum(s**2), rel=1e-5)
    assert np.linalg.norm(mode) == pytest.approx(np.mean([np.linalg.norm(x) for x in stack]), rel=1e-5)
    assert np.angle(np.vdot(mode, stack[0])) == pytest.approx(0, abs=1e-4)
    assert correlation(mode, truth) > max(correlation(x, truth) for x in stack)


def test_common_mode_of_agreement_and_of_nothing(scattered, truth):
    mode, fraction = common_mode(align_all(scattered, 0))
    assert fraction == pytest.approx(1, abs=1e-5)
    assert_allclose(mode, truth, atol=1e-4)
    empty, share = common_mode(np.zeros((3, 8, 8), np.complex64))
    assert share == 0
    assert not empty.any()


def test_input_errors(scattered):
    with pytest.raises(InputError, match=r"threshold=1.2.*\(0, 1\]"):
        clusters_of(correlation_matrix(scattered), 1.2)
    with pytest.raises(InputError, match="NaN"):
        correlation_matrix(np.concatenate([scattered, np.full_like(scattered[:1], np.nan)]))
