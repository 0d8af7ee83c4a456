import numpy as np
import pytest
import scipy.fft
from numpy.testing import assert_allclose, assert_array_equal

from retrieve.errors import InputError
from retrieve.numerics import alignment as evaluate
from retrieve.numerics.alignment import (
    align,
    align_stack,
    conjugate_inverse,
    correlation,
    pearson,
    ramp_of,
    remove_ramp,
    tilt,
    translate,
)
from retrieve.simulate import blobs, crystal


def noisy(x, level, seed=0):
    rng = np.random.default_rng(seed)
    noise = (rng.normal(size=x.shape) + 1j * rng.normal(size=x.shape)) * (np.abs(x) > 0)
    return (x + level * noise * np.linalg.norm(x) / np.linalg.norm(noise)).astype(np.complex64)


@pytest.mark.parametrize("shape", [(64, 64), (63, 63), (64, 51), (24, 25, 30)])
@pytest.mark.parametrize("twin", [False, True])
def test_align_recovers_subpixel_shift_phase_and_twin(shape, twin):
    t = crystal(shape, seed=3, phase=2.0)
    shift = (0.37, -1.6, 2.25)[: len(shape)]
    x = (translate(t, shift) * np.exp(0.7j)).astype(np.complex64)
    found = align(conjugate_inverse(x) if twin else x, t)
    assert found.twin is twin
    assert_allclose(found.shift, [-s for s in shift], atol=0.005)
    assert_allclose(found.phase, -0.7, atol=1e-3)
    assert found.correlation > 0.99999
    assert_allclose(found.object, t, atol=1e-3)
    assert found.object.dtype == np.complex64


@pytest.mark.parametrize("shape", [(32, 32), (33, 30), (12, 13, 14)])
@pytest.mark.parametrize("subpixel", [1, 10])
@pytest.mark.parametrize("points", [1, 3000, 1 << 20])
def test_a_stack_is_aligned_as_one_by_one(shape, subpixel, points, monkeypatch):
    """In parts or at once; by whole pixels, fractions, twins, and one that is empty."""
    monkeypatch.setattr(evaluate, "POINTS_AT_ONCE", points)
    t, rng = crystal(shape, seed=3, phase=2.0), np.random.default_rng(0)
    moved = [noisy(translate(t, rng.integers(-3, 4, t.ndim) if k % 3 else rng.normal(size=t.ndim)), 0.2, k) for k in range(9)]
    turned = [conjugate_inverse(x) if k % 2 else x * np.exp(1j * k) for k, x in enumerate([*moved, 0 * t])]
    stack = np.stack(turned).astype(np.complex64)
    together = align_stack(stack, t, subpixel=subpixel)
    assert together.objects.dtype == np.complex64
    assert_array_equal(together.twins, [*[False, True] * 4, False, False])
    for k, x in enumerate(stack):
        found = align(x, t, subpixel=subpixel)
        assert_allclose(together.objects[k], found.object, atol=2e-6)
        assert_allclose(together.shifts[k], found.shift, atol=1e-4)
        assert_allclose(together.phases[k], found.phase, atol=1e-5)
        assert_allclose(together.correlations[k], found.correlation, atol=1e-6)
        candidate = conjugate_inverse(x) if found.twin else x
        assert_allclose(together.objects[k], translate(candidate, found.shift) * np.exp(1j * found.phase), atol=1e-5)
    assert len(align_stack(stack[:0], t).objects) == 0


def test_align_under_noise_keeps_shift_within_a_fiftieth_of_a_pixel():
    t, _ = blobs((64, 64), seed=1)
    x = noisy(translate(t, (0.37, -1.6)), 0.2)
    found = align(x, t)
    assert_allclose(found.shift, (-0.37, 1.6), atol=0.02)
    assert 0.95 < found.correlation < 0.99


def test_whole_pixel_shifts_are_exact():
    t, _ = blobs((32, 33), seed=2)
    for subpixel in (1, 10):
        found = align(np.roll(t, (5, -7), (0, 1)), t, subpixel=subpixel)
        assert found.shift == (-5.0, 7.0)
        assert_allclose(found.object, t, atol=1e-6)
        assert align(np.roll(t, (15, -16), (0, 1)), t, subpixel=subpixel).shift == (-15.0, 16.0)


def test_twin_can_be_forbidden():
    t, _ = blobs((48, 48), seed=4)
    x = conjugate_inverse(t)
    assert align(x, t).correlation > 0.9999
    forbidden = align(x, t, twin=False)
    assert not forbidden.twin
    assert forbidden.correlation < 0.9


@pytest.mark.parametrize("shape", [(64, 64), (63, 48), (20, 21, 22)])
def test_the_twin_has_the_same_pattern_and_is_its_own_inverse(shape):
    x = crystal(shape, seed=0, strong=True)
    twin = conjugate_inverse(x)
    assert_array_equal(conjugate_inverse(twin), x)
    assert_allclose(np.abs(np.fft.fftn(twin)), np.abs(np.fft.fftn(x)), rtol=1e-3, atol=1e-2)
    delta = np.zeros(shape, complex)
    delta[tuple(n // 2 for n in shape)] = 1j
    assert conjugate_inverse(delta)[tuple(n // 2 for n in shape)] == -1j


def test_translate_by_a_fraction_and_back_is_the_identity_and_moves_the_way_roll_does():
    x, _ = blobs((40, 41), seed=0)
    assert_allclose(translate(translate(x, (0.3, -2.7)), (-0.3, 2.7)), x, atol=1e-5)
    assert_allclose(translate(x, (2 + 1e-9, -3)), np.roll(x, (2, -3), (0, 1)), atol=1e-5)


def test_remove_ramp_moves_the_patterns_centre_of_mass_to_zero_frequency():
    t = remove_ramp(blobs((64, 60), seed=5)[0])
    assert_allclose(ramp_of(t), 0, atol=1e-6)
    assert_allclose(ramp_of(tilt(t, (0.3, -0.2))), (0.3, -0.2), atol=1e-5)
    assert_allclose(remove_ramp(tilt(t, (0.3, -0.2))), t, atol=1e-5)
    assert_array_equal(ramp_of(np.zeros((8, 8), np.complex64)), [0, 0])


@pytest.mark.parametrize("twin", [False, True])
@pytest.mark.parametrize("noise", [0.0, 0.3, 1.0])
def test_align_with_ramp_does_as_well_as_without_one(noise, twin):
    t, _ = blobs((64, 64), seed=6)
    y = noisy(t, noise)
    without = align(y, t).correlation
    x = tilt(np.roll(y, (2, -1), (0, 1)), (0.23, -0.31))
    x = conjugate_inverse(x) if twin else x
    found = align(x, t, ramp=True)
    assert found.twin is twin
    assert found.correlation == pytest.approx(without, abs=0.005)
    assert correlation(found.object, t) == pytest.approx(found.correlation, abs=1e-3)
    assert align(x, t).correlation < without - 0.05


@pytest.mark.parametrize("noise", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("seed", range(8))
def test_a_ramp_never_lowers_the_correlation(noise, seed):
    t = crystal((32, 36), seed=seed, strong=True)
    x = noisy(np.roll(conjugate_inverse(t) if seed % 2 else t, seed, 1), noise, seed)
    x = x + 0.7 * crystal(t.shape, seed=seed + 50, strong=True)  # pulls the pattern's centre of mass
    without, found = align(x, t), align(x, t, ramp=True)
    assert found.correlation >= without.correlation
    assert correlation(found.object, t) >= without.correlation - 1e-3


def test_scale_is_that_of_least_squares():
    t, _ = blobs((40, 40), seed=0)
    x = noisy(conjugate_inverse(t) * 3j, 0.3)
    found = align(x, t, scale=True)
    least = np.linalg.lstsq(align(x, t).object.reshape(-1, 1), t.ravel(), rcond=None)[0][0]
    assert found.scale == pytest.approx(abs(least), rel=1e-4)
    assert_allclose(found.object, align(x, t).object * found.scale, rtol=1e-4, atol=1e-6)
    assert found.object.dtype == np.complex64
    assert align(x, t).scale == 1
    assert align(np.zeros_like(t), t, scale=True).scale == 1


def test_align_refuses_what_cannot_be_compared():
    x = np.ones((8, 8))
    with pytest.raises(InputError, match=r"\(8, 8\).*\(8, 9\)"):
        align(x, np.ones((8, 9)))
    with pytest.raises(InputError, match="NaN"):
        align(np.full((8, 8), np.nan), x)
    with pytest.raises(InputError, match="subpixel=0"):
        align(x, x, subpixel=0)


def test_an_empty_object_correlates_with_nothing():
    found = align(np.zeros((8, 8)), np.ones((8, 8)), ramp=True)
    assert found.correlation == 0
    assert found.shift == (0.0, 0.0)
    assert correlation(np.zeros(4), np.ones(4)) == 0
    assert pearson(np.ones(4), np.arange(4)) == 0


def test_metrics_against_their_definitions():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 9, 7)) + 1j * rng.normal(size=(2, 9, 7))
    expected = abs(np.sum(np.conj(a) * b)) / np.sqrt(np.sum(abs(a) ** 2) * np.sum(abs(b) ** 2))
    assert correlation(a, b) == pytest.approx(expected)
    assert correlation(a, a * 3j) == pytest.approx(1)
    assert pearson(a, a) == pytest.approx(1)
    assert abs(pearson(a, a)) <= 1
    assert pearson(a, b) == pytest.approx(np.corrcoef(abs(a).ravel(), abs(b).ravel())[0, 1])


@pytest.mark.parametrize(("ramp", "transforms"), [(False, 5), (True, 16)])
def test_an_alignment_takes_few_whole_transforms(monkeypatch, ramp, transforms):
    """The guard of its speed: the fraction of a pixel is found without a finer grid of the whole array."""
    t, _ = blobs((64, 64), seed=0)
    x = tilt(translate(t, (0.37, -1.6)), (0.2 * ramp, 0)).astype(np.complex64)
    done = []
    for name in ("fftn", "ifftn"):
        inner = getattr(scipy.fft, name)
        monkeypatch.setattr(scipy.fft, name, lambda a, *more, inner=inner, **how: done.append(a.size) or inner(a, *more, **how))
    align(x, t, ramp=ramp)
    assert 3 <= sum(done) / x.size <= transforms
