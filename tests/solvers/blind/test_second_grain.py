import numpy as np
import pytest

import retrieve as rt
from retrieve.numerics.alignment import align
from retrieve.problem.scoring import Scorer
from retrieve.simulate import TUNE_SEED, Noise, object_set
from retrieve.solvers import Auto
from retrieve.solvers.blind.coarse import pad_pattern
from retrieve.solvers.blind.second_grain import bright_spots

UNKNOWN = Noise(support="unknown")
PLAIN = [
    ("crystal2d", 0, None),
    pytest.param("crystal2d", 1, 1e6, marks=pytest.mark.slow),
    pytest.param("crystal2d", 3, 1e4, marks=pytest.mark.slow),
    pytest.param("crystal2d-strong", 0, 1e6, marks=pytest.mark.slow),
    pytest.param("domains2d-50-blobs", 0, 1e6, marks=pytest.mark.slow),
]


def two_grains(number: int, share: float, shift: tuple[int, int]) -> rt.Problem:
    """A crystal's pattern with that of another, displaced: their intensities add, 10⁶ photons in all."""
    grains = [object_set("crystal2d").problem(k, TUNE_SEED, UNKNOWN).truth for k in (number, number + 1000)]
    own, other = (np.fft.fftshift(np.abs(np.fft.fft2(x)) ** 2) for x in grains)
    expected = own / own.sum() + share * np.roll(other / other.sum(), shift, (0, 1))
    counts = np.random.default_rng(number).poisson(1e6 * expected / expected.sum())
    return rt.Problem.from_arrays(intensity=counts.astype(float), truth=grains[0])


def with_and_without(problem: rt.Problem, starts: int) -> list[rt.Result]:
    """The results of all starts with a search for a second grain, and without."""
    return [rt.solve(Auto(second_grain=choice), problem, starts=starts, agree=0) for choice in ("auto", "never")]


def leaves_out(account: tuple[str, ...]) -> bool:
    """Whether a start left out a second grain."""
    return any("a second grain's, left out" in line for line in account)


@pytest.mark.parametrize(("objects", "number", "photons"), PLAIN)
def test_a_plain_pattern_is_left_whole_to_the_bit(objects, number, photons, without_breeding):
    problem = object_set(objects).problem(number, TUNE_SEED, Noise(photons=photons, support="unknown"))
    looked, plain = with_and_without(problem, starts=2)
    assert np.array_equal(looked.estimates, plain.estimates)
    assert looked.scores == plain.scores
    assert np.array_equal(looked.problem.valid, problem.valid)
    assert not any("grain" in line for said in looked.account for line in said)


def test_a_second_grain_is_left_out(without_breeding):
    """Of six starts on this crystal six left it out, and of 96 on eight crystals 71."""
    problem, shift = two_grains(1, 0.05, (-5, 10)), (-5, 10)
    result = rt.solve(Auto(), problem, starts=4, agree=0)
    assert any(leaves_out(account) for account in result.account)
    assert any("second grain" in warning for warning in rt.judge(result).warnings)
    left_out = np.fft.fftshift(problem.valid & ~result.problem.valid)
    assert np.hypot(*(np.mean(np.argwhere(left_out), axis=0) - 32 - shift)) < 3
    assert 0 < left_out.sum() < 150
    held = np.fft.ifftshift(result.held)
    assert not (held & ~result.problem.valid).any()
    r, r_free = Scorer.of(result.problem, held)(result.object[None])
    assert np.allclose((result.score.r, result.score.r_free), (r[0], r_free[0]), rtol=1e-3)


@pytest.mark.slow
def test_objects_without_the_second_grain_are_nearer_to_the_truth(without_breeding):
    """Of 96 starts on eight crystals 71 left it out; 66 of those gained, 0.016 of correlation on average."""
    gains, starts = [], 0
    for number in range(6):
        problem = two_grains(number, 0.05, (-5, 10))
        looked, plain = with_and_without(problem, starts=2)
        for account, *objects in zip(looked.account, looked.estimates, plain.estimates, strict=True):
            starts += 1
            if leaves_out(account):
                with_, without = (align(x, problem.truth).correlation for x in objects)
                gains.append(with_ - without)
        assert not any("second grain" in warning for warning in rt.judge(plain).warnings)
    assert len(gains) > 0.3 * starts
    assert np.mean(gains) > 0.005
    assert np.mean(np.array(gains) > 0) > 0.75


def test_a_second_grain_of_a_large_pattern_is_left_out_of_all_of_it(without_breeding, searched_on_middle):
    """Of six starts on this crystal six left it out."""
    problem = two_grains(0, 0.05, (6, -15))
    result = rt.solve(Auto(), problem, starts=3, agree=0)
    left_out = np.fft.fftshift(problem.valid & ~result.problem.valid)
    assert left_out.shape == (64, 64)
    assert left_out[32 + 6, 32 - 15]


def test_spots_are_the_brightest_apart_from_the_peak_and_measured():
    level, valid = np.zeros((64, 64)), np.ones((64, 64), bool)
    for value, at in ((100, (0, 0)), (50, (0, 4)), (9, (12, 3)), (8, (-10, -7)), (7, (20, -20))):
        level[at] = value
    valid[8:17, :8] = False  # (12, 3)
    assert [spot.at for spot in bright_spots(level, valid, (3.0, 3.0), 2)] == [(-10, -7), (20, -20)]
    first = bright_spots(level, valid, (3.0, 3.0), 2)[0].inside
    assert first[-10, -7]
    assert not first[0, 0]


def test_a_mask_of_the_middle_lies_in_the_middle():
    inside = np.zeros((8, 8), bool)
    inside[1, -2] = True
    assert np.argwhere(pad_pattern(inside, (16, 12))).tolist() == [[1, 10]]
