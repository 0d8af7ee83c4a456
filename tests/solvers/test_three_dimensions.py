"""The learned solvers in three dimensions, with the prior that ships."""

import numpy as np
import pytest

from retrieve.driver.solve import solve
from retrieve.errors import InputError
from retrieve.numerics.alignment import align
from retrieve.priors.weights import load_weights, shipped
from retrieve.problem import Problem
from retrieve.simulate import Noise, object_set
from retrieve.solvers.learned.diffusion import Diffusion
from retrieve.solvers.learned.dps import DPS
from retrieve.solvers.learned.unet import UNet

NOWHERE = 77  # a seed that nothing was trained, tuned or tested on
OBJECTS = range(3)


def volume(number, sigma=0.0):
    """An ellipsoid of 50 blobs, 32³."""
    return object_set("domains3d-fits").problem(number, NOWHERE, Noise(sigma=sigma))


@pytest.mark.slow
@pytest.mark.parametrize("number", OBJECTS)
def test_diffusion_finds_a_volume_by_the_code_that_finds_a_film(number):
    problem = volume(number)
    result = solve(Diffusion(search=150, evaluations=30), problem, starts=1)
    assert result.manifest["options"]["weights"] == "domains3d"
    assert align(result.object, problem.truth).correlation > 0.99
    outside = np.linalg.norm(result.object[~problem.support]) / np.linalg.norm(result.object)
    assert outside < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("number", OBJECTS[:2])
def test_samples_in_3d_are_spread_around_the_object(number, monkeypatch):
    """All are near the object; they differ by some per cent of its amplitude, as 1 % of noise leaves open."""
    monkeypatch.setattr(Diffusion, "GIBBS_SWEEPS", 2)
    monkeypatch.setattr(Diffusion, "REVERSE_CALLS", 2)
    problem = volume(number, sigma=0.01)
    result = solve(Diffusion(search=150, evaluations=30), problem, starts=1, samples=2)
    assert result.samples.shape == (2, 32, 32, 32)
    assert all(align(x, problem.truth).correlation > 0.97 for x in result.samples)
    amplitude = np.abs(result.object)[problem.support].mean()
    assert 0.005 < result.spread[problem.support].mean() / amplitude < 0.1


@pytest.mark.slow
def test_dps_guides_in_3d():
    """The measurement lowers R of what the prior alone would draw, of every object and well on the whole."""
    ratios = []
    for number in OBJECTS:
        problem = volume(number)
        guided, blind = (solve(DPS(begin="noise", timesteps=12, **more), problem, starts=1) for more in ({}, {"step": 1e-9}))
        ratios.append(guided.score.r / blind.score.r)
        assert np.isfinite(guided.object).all()
    assert max(ratios) < 1
    assert np.mean(ratios) < 0.92


@pytest.mark.parametrize("number", OBJECTS)
def test_the_unet_that_ships_inverts_a_volume(number):
    problem = volume(number)
    alone, refined = (solve(UNet(algorithm=how), problem) for how in ("none", "cg"))
    before, after = (align(result.object, problem.truth).correlation for result in (alone, refined))
    assert before > 0.6
    assert after > before
    assert refined.score.r < 0.2 * alone.score.r


def test_what_the_3d_prior_does_not_hold_is_refused():
    wide = Problem.from_arrays(
        intensity=np.ones((48, 48, 48)), support=np.pad(np.ones((40, 20, 20), bool), ((4, 4), (14, 14), (14, 14)))
    )
    with pytest.raises(InputError, match=r"weights 'domains3d' are for objects within 32 × 32 × 32 px"):
        solve(Diffusion(), wide)
    with pytest.raises(InputError, match="has 3 axes"):
        solve(Diffusion(weights="domains2d"), volume(0))


def test_the_file_is_small_and_says_what_it_is_for():
    assert shipped()["domains3d"].stat().st_size <= 20e6
    assert load_weights("domains3d").window == (32, 32, 32)
