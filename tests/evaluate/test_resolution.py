import numpy as np
import pytest
from numpy.testing import assert_allclose

from retrieve.errors import InputError
from retrieve.evaluate.resolution import Curve, frc, half_bit, prtf, resolution
from retrieve.numerics.alignment import conjugate_inverse
from retrieve.problem import Problem
from retrieve.simulate import blobs

RNG = np.random.default_rng


def problem_of(x, **known):
    return Problem.from_arrays(intensity=np.fft.fftshift(np.abs(np.fft.fftn(x, norm="ortho")) ** 2), **known)


def white(shape, seed):
    rng = RNG(seed)
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def low_passed(x, cut, seed):
    """x with the phases of its pattern at random beyond `cut` (1/px)."""
    q = np.sqrt(sum(k**2 for k in np.meshgrid(*map(np.fft.fftfreq, x.shape), indexing="ij")))
    far = np.fft.fftn(x)
    random = np.abs(far) * np.exp(2j * np.pi * RNG(seed).random(x.shape))
    return np.fft.ifftn(np.where(q < cut, far, random))


@pytest.mark.parametrize("shape", [(48, 48), (33, 40), (16, 18, 20)])
def test_prtf_of_disguises_is_one_at_every_frequency(shape):
    x = blobs(shape, seed=0, sigma=1.5)[0]
    stack = np.stack([x, np.roll(x, 3, 1), conjugate_inverse(x) * 1j, x * np.exp(1j)])
    curve = prtf(stack, problem_of(x))
    assert len(curve.frequency) == min(shape) // 2 + 1
    assert curve.frequency[1] == pytest.approx(1 / min(shape))
    assert_allclose(curve.value, 1, atol=2e-3)
    found = resolution(curve)
    assert found.frequency == curve.frequency[-1]
    assert "limited by the pixel" in found.how
    assert found.half_period_nm is None


def test_prtf_drops_to_chance_where_phases_are_random():
    x = blobs((64, 64), seed=0, sigma=1.0)[0]
    starts = np.stack([low_passed(x, 0.25, seed) for seed in range(16)])
    curve = prtf(starts, problem_of(x))
    assert_allclose(curve.value[1:15], 1, atol=0.02)
    assert_allclose(curve.value[20:], 1 / 4, atol=0.05)  # 1/√16
    found = resolution(curve, voxel_nm=5)
    assert found.criterion == "1/e"
    assert found.frequency == pytest.approx(0.25, abs=0.02)
    assert found.half_period == pytest.approx(1 / (2 * found.frequency))
    assert found.half_period_nm == pytest.approx(5 * found.half_period)
    assert "first falls below 1/e" in found.how


def test_prtf_counts_measured_pixels_only():
    x = blobs((32, 32), seed=0)[0]
    mask = np.hypot(*(np.indices((32, 32)) - 16)) > 3.5  # a beam stop
    curve = prtf(np.stack([x, x]), problem_of(x, mask=mask))
    assert np.isnan(curve.value[:4]).all()
    assert_allclose(curve.value[4:], 1, atol=1e-4)
    assert curve.pixels[0] == 0
    assert resolution(curve).frequency == 0.5


def test_prtf_needs_two_starts():
    x = blobs((32, 32), seed=0)[0]
    with pytest.raises(InputError, match="two starts, there is 1"):
        prtf(x[None], problem_of(x))


def test_frc_of_an_object_with_itself_and_with_a_stranger():
    a = white((64, 64), 0)
    assert_allclose(frc(a, 3j * conjugate_inverse(np.roll(a, 9, 0))).value, 1, atol=1e-6)
    assert frc(a, -a, raw=True).value == pytest.approx(-1)
    stranger = frc(a, white((64, 64), 1), raw=True)
    assert np.abs(stranger.value[5:]).max() < 0.35
    assert resolution(stranger, "1/2").frequency is None or resolution(stranger, "1/2").frequency < 0.1


def test_frc_against_its_definition_and_its_shells():
    a, b = white((16, 20), 0), white((16, 20), 1)
    curve = frc(a, b, raw=True)
    qy, qx = np.meshgrid(np.fft.fftfreq(16), np.fft.fftfreq(20), indexing="ij")
    fa, fb = np.fft.fftn(a), np.fft.fftn(b)
    for i in (0, 3, 8):
        ring = np.rint(np.hypot(qy, qx) * 16) == i
        expected = np.sum(fa * np.conj(fb) * ring).real / np.sqrt(np.sum(abs(fa * ring) ** 2) * np.sum(abs(fb * ring) ** 2))
        assert curve.value[i] == pytest.approx(expected)
        assert curve.pixels[i] == ring.sum()
    assert_allclose(curve.frequency, np.arange(9) / 16)


@pytest.mark.parametrize("snr", [0.25, 1.0, 4.0])
def test_frc_of_two_noisy_copies_is_snr_over_one_plus_snr(snr):
    signal = white((24, 24, 24), 0)
    a, b = (signal + white((24, 24, 24), seed) / np.sqrt(snr) for seed in (1, 2))
    assert_allclose(frc(a, b).value[4:], snr / (1 + snr), atol=0.08)


@pytest.mark.parametrize("criterion", ["half-bit", "1/2", 0.143])
def test_frc_reads_the_cut_off(criterion):
    x = white((64, 64), 3)
    found = resolution(frc(low_passed(x, 0.3, 1), low_passed(x, 0.3, 2)), criterion)
    assert found.frequency == pytest.approx(0.3, abs=0.02)
    assert found.criterion == str(criterion)


def test_half_bit():
    assert half_bit(1) == pytest.approx(1)
    assert half_bit(1e12) == pytest.approx(0.2071 / 1.2071, abs=1e-5)
    assert half_bit(100) == pytest.approx((0.2071 + 0.19102) / (1.2071 + 0.09102))
    assert np.log2(1 + 2 * 0.2071) == pytest.approx(0.5, abs=1e-4)  # the SNR of two halves together


def curve_of(values, pixels=1000):
    values = np.array(values, float)
    return Curve("FRC", np.arange(len(values)) / 10, values, np.full(len(values), pixels), "1/2")


def test_the_crossing_is_interpolated():
    found = resolution(curve_of([0, 1, 0.8, 0.4, 0.1, 0.1]))
    assert found.frequency == pytest.approx(0.2 + 0.1 * 0.3 / 0.4)
    assert found.half_period == pytest.approx(1 / 0.55)
    assert found.how == "FRC first falls below 1/2 at 0.275/px, interpolated between shells"
    assert resolution(curve_of([0, 1, 0.8, np.nan, 0.2, 0.1])).frequency == pytest.approx(0.2 + 0.2 * 0.5)


def test_a_curve_that_rises_again_says_so():
    assert "above again at 0.400/px" in resolution(curve_of([1, 1, 0.8, 0.4, 0.9, 0.1])).how


def test_a_curve_that_never_crosses_says_so():
    above = resolution(curve_of([1, 1, 1, 0.9, 0.9, 0.8]), voxel_nm=(10, 20))
    assert above.frequency == 0.5
    assert above.half_period == 1
    assert above.half_period_nm == 20
    assert "stays above 1/2 up to its last shell, 0.500/px" in above.how
    below = resolution(curve_of([1, 0.4, 0.9, 0.2, 0.1, 0.1]), voxel_nm=10)
    assert below[:3] == (None, None, None)
    assert "below 1/2 from its first shell, 0.100/px; no resolution" in below.how
    nothing = resolution(curve_of([1, np.nan, np.nan]))
    assert nothing.frequency is None
    assert "no measured shell" in nothing.how


def test_empty_objects_have_no_curve():
    curve = frc(np.zeros((8, 8)), np.ones((8, 8)))
    assert np.isnan(curve.value).all()
    assert resolution(curve).frequency is None


def test_what_cannot_be_compared_is_refused():
    x = blobs((32, 32), seed=0)[0]
    with pytest.raises(InputError, match=r"a has shape \(8, 8\), b \(8, 9\)"):
        frc(np.ones((8, 8)), np.ones((8, 9)))
    with pytest.raises(InputError, match="b holds NaN"):
        frc(np.ones((8, 8)), np.full((8, 8), np.nan))
    for criterion in ("1/3", 0, 1.5):
        with pytest.raises(InputError, match="criterion=.*1/e, 1/2, half-bit"):
            resolution(curve_of([1, 1]), criterion)
    binned = problem_of(x).replace(amplitude=np.ones((16, 16)), valid=np.ones((16, 16), bool))
    with pytest.raises(InputError, match="PRTF needs one phase"):
        prtf(np.stack([x, x]), binned)
