import numpy as np
import pytest

import retrieve as rt
from retrieve.numerics.alignment import align
from retrieve.problem.scoring import Scorer
from retrieve.simulate import TUNE_SEED, Noise, object_set
from retrieve.solvers import Auto
from retrieve.solvers.blind.coarse import on_all
from retrieve.solvers.blind.second_grain import spots

UNKNOWN = Noise(support="unknown")
PLAIN = [
    ("crystal2d", 0, None),
    ("crystal2d", 1, 1e6),
    ("crystal2d", 3, 1e4),
    ("crystal2d-strong", 0, 1e6),
    ("domains2d-50-blobs", 0, 1e6),
]


def two_grains(number: int, share: float, shift: tuple[int, int]) -> rt.Problem:
    """A crystal's pattern with that of another, displaced: their intensities add, 10⁶ photons in all."""
    grains = [object_set("crystal2d").problem(k, TUNE_SEED, UNKNOWN).truth for k in (number, number + 1000)]
    own, other = (np.fft.fftshift(np.abs(np.fft.fft2(x)) ** 2) for x in grains)
    expected = own / own.sum() + share * np.roll(other / other.sum(), shift, (0, 1))
    counts = np.random.default_rng(number).poisson(1e6 * expected / expected.sum())
    return rt.Problem.from_arrays(intensity=counts.astype(float), truth=grains[0])


@pytest.mark.parametrize(("objects", "number", "photons"), PLAIN)
def test_a_plain_pattern_is_left_whole_to_the_bit(objects, number, photons):
    problem = object_set(objects).problem(number, TUNE_SEED, Noise(photons=photons, support="unknown"))
    with_, without = (rt.solve(Auto(aliens=n, members=1, rounds=1), problem, starts=2) for n in (8, 0))
    assert np.array_equal(with_.object, without.object)
    assert with_.scores == without.scores
    assert np.array_equal(with_.problem.valid, problem.valid)
    assert not any("grain" in line for said in with_.account for line in said)


@pytest.mark.parametrize(("number", "share", "shift"), [(3, 0.05, (6, -15)), (4, 0.05, (-5, 10))])
def test_a_second_grain_is_left_out_and_the_object_comes_nearer_to_the_truth(number, share, shift):
    problem = two_grains(number, share, shift)
    with_, without = (rt.solve(Auto(aliens=n, members=1), problem, starts=2) for n in (8, 0))
    assert any("a second grain's, left out" in line for line in with_.account[with_.chosen])
    assert any("second grain" in warning for warning in rt.judge(with_).warnings)
    assert not any("second grain" in warning for warning in rt.judge(without).warnings)
    left_out = np.fft.fftshift(problem.valid & ~with_.problem.valid)
    middle = np.mean(np.argwhere(left_out), axis=0) - 32
    assert np.hypot(*(middle - shift)) < 3
    assert 0 < left_out.sum() < 150
    assert align(with_.object, problem.truth).correlation > align(without.object, problem.truth).correlation + 0.005
    held = np.fft.ifftshift(with_.held)
    assert not (held & ~with_.problem.valid).any()
    r, free = Scorer.of(with_.problem, held)(with_.object[None])
    assert np.allclose((with_.score.r, with_.score.r_free), (r[0], free[0]), rtol=1e-3)


def test_a_second_grain_of_a_large_pattern_is_left_out_of_all_of_it():
    problem = two_grains(2, 0.05, (-5, 10))
    result = rt.solve(Auto(most=32 * 32, rounds=0, members=1), problem, starts=1)
    left_out = np.fft.fftshift(problem.valid & ~result.problem.valid)
    assert left_out.shape == (64, 64)
    assert left_out[27, 42]


def test_spots_are_the_brightest_apart_from_the_peak_and_measured():
    level, valid = np.zeros((64, 64)), np.ones((64, 64), bool)
    for value, at in ((100, (0, 0)), (50, (0, 4)), (9, (12, 3)), (8, (-10, -7)), (7, (20, -20))):
        level[at] = value
    valid[8:17, :8] = False  # (12, 3)
    assert [spot.at for spot in spots(level, valid, (3.0, 3.0), 2)] == [(-10, -7), (20, -20)]
    first = spots(level, valid, (3.0, 3.0), 2)[0].inside
    assert first[-10, -7]
    assert not first[0, 0]


def test_a_mask_of_the_middle_lies_in_the_middle():
    inside = np.zeros((8, 8), bool)
    inside[1, -2] = True
    assert np.argwhere(on_all(inside, (16, 12))).tolist() == [[1, 10]]
