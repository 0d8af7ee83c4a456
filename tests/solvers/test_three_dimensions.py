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


@pytest.fixture(scope="module")
def volume():
    """An ellipsoid of 50 blobs, 32³, without noise."""
    return object_set("domains3d-fits").problem(0, NOWHERE, Noise(sigma=0.0))


def test_diffusion_finds_a_volume_by_the_code_that_finds_a_film(volume):
    result = solve(Diffusion(search=150, evaluations=30), volume, starts=1)
    assert result.manifest["options"]["weights"] == "domains3d"
    assert align(result.object, volume.truth).correlation > 0.99
    assert np.abs(result.object[~volume.support]).max() < 0.05 * np.abs(result.object).max()


def test_samples_in_3d_are_spread_around_the_object(volume, monkeypatch):
    monkeypatch.setattr(Diffusion, "GIBBS_SWEEPS", 2)
    monkeypatch.setattr(Diffusion, "REVERSE_CALLS", 2)
    noisy = object_set("domains3d-fits").problem(0, NOWHERE, Noise(sigma=0.01))
    result = solve(Diffusion(search=150, evaluations=30), noisy, starts=1, samples=2)
    assert result.samples.shape == (2, 32, 32, 32)
    assert all(align(x, volume.truth).correlation > 0.9 for x in result.samples)
    assert result.spread.max() > 0


def test_dps_guides_in_3d(volume):
    guided = solve(DPS(timesteps=12), volume, starts=1)
    blind = solve(DPS(timesteps=12, step=1e-9), volume, starts=1)
    assert guided.score.r < 0.9 * blind.score.r
    assert np.isfinite(guided.object).all()


def test_what_the_3d_prior_does_not_hold_is_refused(volume):
    wide = Problem.from_arrays(
        intensity=np.ones((48, 48, 48)), support=np.pad(np.ones((40, 20, 20), bool), ((4, 4), (14, 14), (14, 14)))
    )
    with pytest.raises(InputError, match=r"weights 'domains3d' are for objects within 32 × 32 × 32 px"):
        solve(Diffusion(), wide)
    with pytest.raises(InputError, match="has 3 axes"):
        solve(Diffusion(weights="domains2d"), volume)


def test_the_unet_that_ships_inverts_a_volume(volume):
    alone, refined = (align(solve(UNet(algorithm=how), volume).object, volume.truth).correlation for how in ("none", "cg"))
    assert alone > 0.5
    assert refined > alone


def test_the_file_is_small_and_says_what_it_is_for():
    assert shipped()["domains3d"].stat().st_size <= 20e6
    assert load_weights("domains3d").window == (32, 32, 32)
