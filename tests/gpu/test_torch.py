"""Networks on a card: they give what they give on a CPU, and train."""

import csv

import numpy as np
import pytest
import torch

from retrieve.driver.solve import solve
from retrieve.priors.graphs import Replayed
from retrieve.priors.training.diffusion_task import DiffusionTask
from retrieve.priors.training.loop import train
from retrieve.priors.training.objects import Simulated
from retrieve.priors.training.settings import Training
from retrieve.priors.weights import build_module, load_weights
from retrieve.simulate import TEST_SEED, Noise, object_set
from retrieve.solvers.learned.diffusion import Diffusion
from retrieve.solvers.learned.dps import DPS
from retrieve.solvers.learned.unet import UNet

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA card")]


@pytest.fixture
def cells():
    return object_set("domains2d-50-cells").problem(0, TEST_SEED, Noise(sigma=0.01))


@pytest.mark.parametrize("kind", [None, torch.eye(2)])
def test_a_replayed_denoiser_is_the_denoiser(kind):
    made = [torch.randn(2, 64, 64, dtype=torch.complex64), torch.tensor([0.3, 2.0]), torch.ones(2, 64, 64) > 0, kind]
    here = load_weights("domains2d").denoise(*made)
    there = Replayed(load_weights("domains2d", "cuda").denoise)
    with torch.no_grad():
        for _ in range(2):  # captured, then replayed
            found = there(*[None if a is None else a.cuda() for a in made]).cpu()
            torch.testing.assert_close(found, here, atol=5e-3, rtol=5e-3)
        other = there(*[None if a is None else a.cuda() for a in [2 * made[0], *made[1:]]]).cpu()
    torch.testing.assert_close(other, load_weights("domains2d").denoise(2 * made[0], *made[1:]), atol=5e-3, rtol=5e-3)


def test_diffusion_finds_the_object(cells):
    result = solve(Diffusion(), cells, device="cuda", starts=8)
    noise = float(np.mean((0.01 * cells.amplitude.max()) ** 2) / np.mean(cells.amplitude**2))
    assert result.score.r < 2 * noise
    assert result.cost.network_evaluations > 0


@pytest.mark.parametrize("solver", [DPS(begin="noise", timesteps=20), UNet()], ids=lambda s: s.name)
def test_other_learned_solvers_run(cells, solver):
    result = solve(solver, cells, device="cuda", starts=2)
    assert np.isfinite(result.object).all()
    assert result.score.r < 1


@pytest.mark.parametrize("name", ["films2d", "films3d"])
def test_training_lowers_the_loss(tmp_path, name):
    source = Simulated(name)
    axes = len(source.shape)
    network = {"base": 16, "widths": [1, 2], "blocks": 1, "attention": [1], "embedding": 32, "patch": 4}
    window = [48] * 2 if axes == 2 else [32] * 3
    module = build_module({"kind": "edm", "window": window, "conditioned": True, "network": network, "kinds": list(source.kinds)})
    task = DiffusionTask(module, source, validation=16)
    settings = Training(objects=3200, minutes=None, batch=32, workers=2)
    told = []
    train(task, settings, tmp_path, device="cuda", on_step=told.append)
    assert told[-1].objects == 3200
    losses = [t.loss for t in told]
    assert losses[-1] < 0.8 * losses[1]
    assert len(list(csv.reader((tmp_path / "log.csv").open()))) >= 2
