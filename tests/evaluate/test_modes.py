import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from retrieve.errors import InputError
from retrieve.evaluate.modes import circular_svd, nmf

SHAPE = (32, 30)


def cosine(a, b):
    return abs(np.vdot(a, b)) / (np.linalg.norm(a) * np.linalg.norm(b))


def gaussian(centre, sigma, shape=SHAPE):
    grid = np.indices(shape)
    r2 = sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True))
    return np.exp(-r2 / (2 * sigma**2))


def amplitudes(shape=SHAPE, noise=0.01):
    """A common mode with a second one on top, and the share of each in the energy."""
    rng = np.random.default_rng(0)
    middle = [n / 2 for n in shape]
    basis = np.stack([gaussian([0.8 * c for c in middle], 4, shape), gaussian([1.2 * c for c in middle], 3, shape)])
    weights = rng.uniform(0, 1, (100, 2)) * [1, 0.8]
    stack = np.abs(np.tensordot(weights, basis, 1) + noise * rng.normal(size=(100, *shape)))
    energy = np.sum(weights**2, axis=0) * np.sum(basis**2, axis=tuple(range(1, basis.ndim)))
    return stack, basis, weights, energy / energy.sum()


@pytest.mark.parametrize("shape", [SHAPE, (12, 14, 16)])
def test_nmf_recovers_two_planted_modes_and_their_energy(shape):
    stack, basis, weights, fractions = amplitudes(shape)
    found = nmf(stack)
    assert found.modes.shape == (2, *shape)
    assert found.weights.shape == (100, 2)
    for i in range(2):
        assert cosine(found.modes[i], basis[i]) > 0.95
        assert np.linalg.norm(found.modes[i]) == pytest.approx(1)
        assert np.corrcoef(found.weights[:, i], weights[:, i])[0, 1] > 0.95
    assert_allclose(found.fractions, fractions, atol=0.03)
    assert found.fractions.sum() == pytest.approx(1)
    model = np.tensordot(found.weights, found.modes, 1)
    assert found.explained == pytest.approx(1 - np.sum((stack - model) ** 2) / np.sum(stack**2))
    assert found.explained > 0.97
    assert (found.modes >= 0).all()
    assert (found.weights >= 0).all()
    assert_allclose(found.mean, stack.mean(axis=0))


def test_nmf_repeats_itself_takes_complex_and_does_not_see_the_units():
    stack, *_ = amplitudes()
    first = nmf(stack)
    assert_array_equal(nmf(stack).modes, first.modes)
    assert_allclose(nmf(stack * np.exp(1j)).modes, first.modes, atol=1e-6)
    scaled = nmf(1e6 * stack)
    assert_allclose(scaled.modes, first.modes, atol=1e-6)
    assert_allclose(scaled.weights, 1e6 * first.weights, rtol=1e-5, atol=1)
    assert scaled.fractions == pytest.approx(first.fractions)


def test_nmf_of_copies_has_one_mode():
    x = gaussian((16, 15), 4)
    found = nmf(np.stack([x, x, x]))
    assert_allclose(found.fractions, [1, 0], atol=1e-6)
    assert found.explained == pytest.approx(1)
    assert cosine(found.modes[0], x) == pytest.approx(1)
    assert nmf(x[None], k=1).explained == pytest.approx(1)


def phases(share=0.7, noise=0.3, samples=100):
    """Two phase maps that have nothing in common, in shares of the samples, with noise; and where they are."""
    rng = np.random.default_rng(1)
    one, two = rng.uniform(-np.pi, np.pi, (2, *SHAPE))
    is_one = np.arange(samples) < round(share * samples)
    maps = np.where(is_one[:, None, None], one, two) + noise * rng.normal(size=(samples, *SHAPE))
    return maps, one, two, gaussian((16, 15), 6) > 0.3


@pytest.mark.parametrize("as_estimates", [False, True])
def test_circular_svd_recovers_two_planted_modes_and_their_variance(as_estimates):
    maps, one, two, mask = phases()
    given = gaussian((16, 15), 9) * np.exp(1j * maps) if as_estimates else maps + 4 * np.pi
    found = circular_svd(given, mask)
    assert found.modes.shape == (2, *SHAPE)
    assert_array_equal(np.isnan(found.modes[0]), ~mask)
    for mode, planted in zip(found.modes, (one, two), strict=True):
        assert cosine(np.exp(1j * mode[mask]), np.exp(1j * planted[mask])) > 0.95
        assert np.mean(np.cos(mode - planted)[mask]) > 0.95  # the sign too
    coherent = np.exp(-(0.3**2))  # of the variance, what the phase noise leaves
    assert_allclose(found.fractions, [0.7 * coherent, 0.3 * coherent], atol=0.03)
    assert found.explained == pytest.approx(found.fractions.sum())
    assert np.mean(np.cos(found.modes[0] - found.mean)[mask]) > 0.8


def test_circular_svd_by_definition():
    maps, _, _, mask = phases(samples=12)
    z = np.exp(1j * maps[:, mask])
    mean = z.mean(axis=0) / np.abs(z.mean(axis=0))
    z_c = z / mean
    u, s, _ = np.linalg.svd(np.hstack([z_c.real, z_c.imag]), full_matrices=False)
    found = circular_svd(maps, mask, k=3)
    assert_allclose(found.fractions, (s**2 / np.sum(s**2))[:3])
    assert_allclose(found.mean[mask], np.angle(mean))
    for i in range(3):
        expected = np.exp(1j * np.angle(mean * (u[:, i] @ z_c)))
        assert cosine(np.exp(1j * found.modes[i][mask]), expected) == pytest.approx(1)
    assert_allclose(np.linalg.norm(found.weights, axis=0), s[:3])


def test_circular_svd_of_agreement_is_one_mode_across_the_cut_of_the_angle():
    phase = np.full((4, 5), np.pi - 0.01)
    stack = phase + np.array([0.02, -0.02, 0.02, -0.02])[:, None, None]  # half of them beyond π
    found = circular_svd(stack)
    assert found.fractions[0] == pytest.approx(1, abs=1e-3)
    assert_allclose(np.exp(1j * found.modes[0]), np.exp(1j * phase), atol=1e-6)
    assert circular_svd(phase[None], k=1).explained == pytest.approx(1)


def test_phases_that_cancel_and_pixels_without_amplitude_do_no_harm():
    found = circular_svd(np.stack([np.zeros((4, 4)), np.full((4, 4), np.pi)]), k=1)
    assert np.isfinite(found.modes).all()
    x = np.ones((3, 4, 4), complex)
    x[:, 0] = 0
    assert circular_svd(x, k=1).fractions[0] == pytest.approx(1)


def test_what_cannot_be_decomposed_is_refused():
    stack, *_ = amplitudes()
    failed = stack.copy()
    failed[[3, 5]] = np.nan
    with pytest.raises(InputError, match=r"amplitudes holds NaN.*\[3 5\]"):
        nmf(failed)
    with pytest.raises(InputError, match="negative"):
        nmf(-stack)
    with pytest.raises(InputError, match="zero everywhere"):
        nmf(0 * stack)
    with pytest.raises(InputError, match=r"k=2 modes of amplitudes of shape \(1, 32, 30\)"):
        nmf(stack[:1])
    with pytest.raises(InputError, match="k=0"):
        circular_svd(stack, k=0)
    with pytest.raises(InputError, match="mask has shape"):
        circular_svd(stack, np.ones((3, 3)))
    with pytest.raises(InputError, match="no pixel"):
        circular_svd(stack, np.zeros(SHAPE))
    with pytest.raises(InputError, match="phases holds NaN"):
        circular_svd(failed)
    with pytest.raises(InputError, match="zero inside the mask"):
        circular_svd(np.zeros((3, 4, 4), complex))
