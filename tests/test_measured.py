"""Measured patterns, from the data folder."""

import numpy as np
import pytest

import retrieve as rt
from retrieve.evaluate.ensemble import correlation_matrix
from retrieve.plugins.options import build

pytestmark = pytest.mark.data

RING = {"recipe": "3*(20 er + 180 dm(beta=1)) + 20 er", "shrink_wrap.area": 0.0345, "shrink_wrap.area_start": 0.06,
        "shrink_wrap.every": 10}  # fmt: skip


def test_a_ring_with_its_centre_missing_is_the_same_from_every_seed(data_folder):
    problem = rt.read(data_folder / "hawk_ring_98.npz")
    results = [rt.solve(build(rt.solvers.Recipe, RING), problem, starts=4, seed=seed) for seed in range(3)]
    assert max(result.score.r for result in results) < 0.0115
    assert correlation_matrix(np.stack([result.object for result in results])).min() > 0.96


def test_a_bragg_scan_comes_down_quickly(data_folder):
    problem = rt.read(data_folder / "aps34idc_s0054_prepared.npz")
    assert problem.shape == (192, 128, 128)
    assert 0.985 < problem.valid.mean() < 0.99
    result = rt.solve(rt.solvers.Recipe(recipe="20 er + 40 hio + 20 er"), problem)
    assert result.score.r < 0.04
    assert result.score.r_free < 3 * result.score.r


@pytest.mark.parametrize("frame", [0, 5, 10])
def test_frames_of_a_stack_are_read_one_by_one(data_folder, frame):
    problem = rt.read(data_folder / "aps34idc_s0054_frames2d.npz", frame=frame)
    assert problem.shape == (128, 128)
    stack = np.load(data_folder / "aps34idc_s0054_frames2d.npz")
    seen = np.where(stack["mask"][frame] > 0, stack["intensity"][frame], 0)
    np.testing.assert_allclose(np.fft.fftshift(problem.amplitude) ** 2, seen, rtol=1e-5)
