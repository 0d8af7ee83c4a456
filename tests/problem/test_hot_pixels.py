"""Hot pixels are found and named, and no pixel of a simulated pattern is taken for one."""

import numpy as np
import pytest

from retrieve.problem import Problem
from retrieve.problem.diagnostics import diagnose
from retrieve.problem.hot_pixels import hot_pixels, steady_pixels
from retrieve.simulate import TUNE_SEED, Noise, object_set

SETS = ("crystal2d", "crystal2d-strong", "domains2d-50-cells", "domains2d-10-blobs")


def with_pixel(problem, place, counts):
    y = problem.amplitude.copy()
    y[tuple((p + n // 2) % n for p, n in zip(place, y.shape, strict=True))] = np.sqrt(counts)
    return problem.replace(amplitude=y)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize(
    "noise", [{}, {"photons": 1e3}, {"photons": 1e6}, {"photons": 1e8, "dead": 0.02, "gaps": 2}, {"sigma": 0.05}]
)
def test_no_pixel_of_a_pattern_is_hot(name, noise):
    assert all(not hot_pixels(object_set(name).problem(number, TUNE_SEED, Noise(**noise))) for number in range(5))


@pytest.mark.parametrize(("place", "counts"), [((20, 41), 1e7), ((33, 30), 1e9), ((0, 63), 1e4)])
def test_a_hot_pixel_is_named_by_its_place_in_the_centred_pattern(place, counts):
    problem = with_pixel(object_set("crystal2d").problem(0, TUNE_SEED, Noise(photons=1e6)), place, counts)
    (found,) = hot_pixels(problem)
    assert found.place == place
    assert found.intensity == pytest.approx(counts, rel=1e-5)
    assert any(f"pixel {place} holds" in warning and "mask it" in warning for warning in diagnose(problem))


def test_the_brightest_come_first_in_three_dimensions():
    problem = object_set("crystal3d").problem(0, TUNE_SEED, Noise(photons=1e6))
    for place, counts in (((3, 9, 12), 1e5), ((40, 20, 5), 1e8)):
        problem = with_pixel(problem, place, counts)
    assert [pixel.place for pixel in hot_pixels(problem)] == [(40, 20, 5), (3, 9, 12)]


def test_a_masked_pixel_is_not_hot():
    problem = with_pixel(object_set("crystal2d").problem(0, TUNE_SEED, Noise(photons=1e6)), (20, 41), 1e9)
    seen = np.ones(problem.shape, bool)
    seen[52, 9] = False
    assert hot_pixels(problem)
    assert not hot_pixels(problem.replace(valid=seen))


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_pixels_that_are_bright_in_every_frame_are_named(size, seed):
    problem = object_set("crystal3d").problem(seed, TUNE_SEED, Noise(photons=1e6))
    assert not steady_pixels(problem)
    y = np.fft.fftshift(problem.amplitude).copy()
    y[:, 5 : 5 + size, 40 : 40 + size] = np.sqrt(np.random.default_rng(seed).poisson(1e4, (len(y), size, size)))
    hot = problem.replace(amplitude=np.fft.ifftshift(y))
    assert steady_pixels(hot) == [(5 + i, 40 + k) for i in range(size) for k in range(size)]
    assert any("bright in every frame (row, column): (5, 40)" in line for line in diagnose(hot))


def test_a_stack_of_equal_patterns_has_no_steady_pixels():
    flat = np.fft.fftshift(object_set("crystal2d").problem(0, TUNE_SEED, Noise(photons=1e6)).amplitude) ** 2
    assert not steady_pixels(Problem.from_arrays(intensity=np.broadcast_to(flat, (8, *flat.shape))))
