import itertools
import json

import numpy as np
import pytest
import torch

from retrieve.errors import InputError
from retrieve.evaluate.metrics import evaluate
from retrieve.priors.retriever import ComplexUNet, RealUNet
from retrieve.priors.training.loop import train
from retrieve.priors.training.objects import Simulated
from retrieve.priors.training.unet_task import UNetTask
from retrieve.priors.windows import crop_or_pad
from retrieve.problem import Problem
from retrieve.simulate import Domains3D

ZERO = torch.zeros(8)


@pytest.fixture
def made(film):
    """A function that makes the same small task each time."""

    def make(kind=ComplexUNet, **more):
        torch.manual_seed(0)
        return UNetTask(kind((16, 16), (12, 12), widths=(8, 12, 16)), Simulated(film), validation=8, **more)

    return make


@pytest.fixture
def volumes():
    """A function that makes the same small task on ellipsoids."""

    def make(kind=ComplexUNet, **more):
        torch.manual_seed(0)
        source = Simulated(Domains3D(domains=3, size=16))
        return UNetTask(kind((16, 16, 16), (16, 16, 16), widths=(8, 12, 16)), source, validation=4, **more)

    return make


def first(task, size=8):
    return next(task.batches(size, 0, 1))


def test_a_pattern_is_that_of_the_object(made):
    task = made()
    x, _ = task.prepared(*task.source.held(8))
    y, valid = task.measure(x, ZERO, ZERO, ZERO, torch.Generator())
    assert valid.all()
    torch.testing.assert_close(y.square().sum((1, 2)), torch.full((8,), 144.0))  # rms 1 over the window
    whole, _ = task.source.held(8)
    expected = torch.fft.fft2(torch.complex(whole[:, 0], whole[:, 1])).abs()
    top = expected.amax((1, 2), keepdim=True)
    torch.testing.assert_close(y / y.amax((1, 2), keepdim=True), expected / top, rtol=1e-4, atol=1e-5)


def test_noise_and_lost_pixels_are_as_asked(made):
    task = made()
    x = task.prepared(*task.source.held(1))[0].expand(200, -1, -1, -1)
    y, _ = task.measure(x[:1], ZERO[:1], ZERO[:1], ZERO[:1], torch.Generator())
    zero, some = torch.zeros(200), torch.full((200,), 0.05)
    noisy, _ = task.measure(x, some, zero, zero, torch.Generator().manual_seed(0))
    strong = (y > 0.3 * y.max()).expand(200, -1, -1)  # never clipped
    assert float((noisy - y)[strong].std()) == pytest.approx(0.05 * float(y.max()), rel=0.05)
    assert noisy.min() == 0
    _, valid = task.measure(x, zero, some, zero, torch.Generator().manual_seed(0))
    assert 1 - float(valid.float().mean()) == pytest.approx(0.05, rel=0.2)
    stopped, valid = task.measure(x, zero, zero, zero + 2, torch.Generator().manual_seed(0))
    lost = torch.fft.fftshift(~valid[0])
    assert lost.sum() == 13  # within 2 px
    assert lost[8, 6:11].all()
    assert not stopped[~valid].any()


def test_batches_are_those_of_their_numbers(made):
    """A resumed training sees what it would have seen."""
    straight = list(itertools.islice(made().batches(4, 0, 1), 4))
    for got, expected in zip(made().batches(4, 1, 2), straight[1::2], strict=False):
        for a, b in zip(got, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert not torch.equal(straight[0][2], straight[1][2])


def test_some_supports_are_not_told(made):
    support = first(made(unknown=0.5), 64)[1]
    told = ~support.all(2).all(1)
    assert 16 < told.sum() < 48
    assert first(made(unknown=1.0))[1].all()
    assert not first(made(unknown=0.0))[1].flatten(1).all(1).any()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [ComplexUNet, RealUNet])
@pytest.mark.parametrize("supervision", [1.0, 0.5, 0.0])
def test_a_batch_is_learned(made, kind, supervision):
    task = made(kind, supervision=supervision, sigma=0.0, lost=0.0, stop=0.0)
    batch, rng = first(task, 4), torch.Generator()
    optimiser = torch.optim.Adam(task.module.parameters(), 5e-3)
    losses = []
    for _ in range(60):
        loss = task.module(*batch, rng)
        assert loss.shape == (4,)
        losses.append(float(loss.mean().detach()))
        optimiser.zero_grad()
        loss.mean().backward()
        optimiser.step()
    assert losses[-1] < 0.5 * min(1.0, losses[0])


@pytest.mark.slow
@pytest.mark.parametrize("kind", [ComplexUNet, RealUNet])
def test_a_batch_of_volumes_is_learned(volumes, kind):
    task = volumes(kind, sigma=0.0, lost=0.0, stop=0.0)
    batch, losses = first(task, 2), []
    optimiser = torch.optim.Adam(task.module.parameters(), 5e-3)
    for _ in range(40):
        loss = task.module(*batch, torch.Generator()).mean()
        losses.append(float(loss.detach()))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert losses[-1] < 0.5 * min(1.0, losses[0])


def test_volumes_are_measured_with_noise_islands_and_stops(volumes):
    task = volumes()
    x = task.prepared(*task.source.held(4))[0]
    zero, some = torch.zeros(4), torch.full((4,), 0.05)
    y, valid = task.measure(x, zero, zero, zero, torch.Generator())
    assert valid.all()
    torch.testing.assert_close(y.square().sum((1, 2, 3)), torch.full((4,), 16.0**3))
    _, valid = task.measure(x, zero, some, zero, torch.Generator().manual_seed(0))
    assert 0.02 < 1 - float(valid.float().mean()) < 0.06  # some thirty islands of 27 px, which the walls cut
    _, valid = task.measure(x, zero, zero, zero + 1, torch.Generator())
    assert (~valid).sum((1, 2, 3)).tolist() == [7] * 4  # the pixels within 1 px of the middle


@pytest.mark.slow
def test_a_training_on_volumes_goes_on_to_the_bit(volumes, brief, tmp_path, same):
    settings = brief(objects=16, batch=4)
    straight = train(volumes(), settings, tmp_path / "straight")
    with pytest.raises(KeyboardInterrupt):
        train(volumes(), settings, tmp_path / "halved", on_step=lambda told: told.objects >= 8)
    resumed = train(volumes(), settings, tmp_path / "halved")
    assert same(dict(straight.state_dict()), dict(resumed.state_dict()))
    assert list((tmp_path / "straight").glob("*.png"))


def test_the_shares_of_the_loss_add_up(made):
    task = made()
    batch, losses = first(task), []
    for share in (1.0, 0.0, 0.25):
        task.module.supervision = share
        losses.append(task.module(*batch, torch.Generator()).detach())
    torch.testing.assert_close(losses[2], 0.25 * losses[0] + 0.75 * losses[1])


class Answer(torch.nn.Module):
    """Stands for a network that gives what it is told to."""

    def __init__(self, x):
        super().__init__()
        self.x, self.scale = x, torch.nn.Parameter(torch.ones(()))

    def reconstruct(self, amplitude, valid, support):
        return self.x[: len(amplitude)] * self.scale.detach()


def test_validation_agrees_with_the_metrics(made):
    task = made()
    t, support = task.prepared(*task.source.held(8))
    truth = crop_or_pad(torch.complex(t[:, 0], t[:, 1]), task.module.shape)
    rng = torch.Generator().manual_seed(3)
    x = (truth + 0.3 * torch.randn(truth.shape, dtype=truth.dtype, generator=rng) * support) * 1j
    flipped = torch.roll(x.flip((1, 2)), (1, 1), (1, 2)).conj()
    y = torch.fft.fft2(truth, norm="ortho").abs()
    found = task.validate(Answer(flipped))
    told = []
    for one, amplitude, target in zip(x, y, truth, strict=True):
        problem = Problem.from_arrays(amplitude=amplitude.numpy(), truth=target.numpy(), centred=False)
        told.append(evaluate(one.numpy(), problem, raw=True))
    for name in ("complex", "amplitude"):
        assert found[f"{name}@0"] == pytest.approx(np.mean([row[f"{name}_correlation"] for row in told]), rel=1e-4)
    assert 0 < found["r@0"] <= np.mean([row["r"] for row in told])
    perfect = task.validate(Answer(truth))
    assert perfect["complex@0"] == pytest.approx(1)
    assert perfect["r@0"] == pytest.approx(0, abs=1e-5)
    assert perfect["r@0.05"] > 1e-3
    assert set(perfect) == {f"{name}@{sigma}" for name in ("complex", "amplitude", "r") for sigma in ("0", "0.05")}


def test_it_trains_validates_and_tells(made, brief, tmp_path):
    task = made()
    module = train(task, brief(), tmp_path)
    assert (tmp_path / "log.csv").read_text().splitlines()[0].endswith("complex@0.05,amplitude@0.05,r@0.05")
    assert list(tmp_path.glob("*.png"))
    card = json.loads(json.dumps(task.card()))
    assert card["architecture"] == module.settings
    assert card["measurement"] == {"sigma": 0.1, "lost": 0.06, "stop": 3.0, "unknown": 0.15}
    assert card["loss"]["supervision"] == 1.0
    assert card["data"]["seed"] == 1_000_000


@pytest.mark.parametrize("supervision", [-0.1, 1.5])
def test_a_share_out_of_range(made, supervision):
    with pytest.raises(InputError, match="supervision"):
        made(supervision=supervision)


def test_objects_of_another_shape(film):
    with pytest.raises(InputError, match=r"shape \(16, 16\).*made for \(32, 32\)"):
        UNetTask(ComplexUNet((32, 32), (12, 12), widths=(8, 8)), Simulated(film))
