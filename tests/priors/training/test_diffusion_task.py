import itertools

import numpy as np
import pytest
import torch

from retrieve.errors import InputError
from retrieve.priors.denoiser import SIGMA_DATA
from retrieve.priors.edm import EDM
from retrieve.priors.epsilon import Epsilon
from retrieve.priors.patterns import network_input
from retrieve.priors.training.diffusion_task import SIGMA_BINS, DiffusionTask, sample, with_pattern
from retrieve.priors.training.loop import train
from retrieve.priors.training.objects import Simulated, unit_rms
from retrieve.priors.training.settings import DenoiserOptions
from retrieve.priors.training.task import image_grid
from retrieve.priors.weights import complete
from retrieve.priors.windows import crop_or_pad, window_of
from retrieve.simulate import TRAIN_SEED, Domains2D, Domains3D


def pair_of(made):
    """Objects and supports as a source gives them."""
    x, support = made
    return np.stack([x.real, x.imag], axis=1), support


@pytest.mark.parametrize("window", [(8, 6), (9, 11), (4, 5)], ids=str)
def test_a_frame_within_is_the_window(window):
    x = torch.randn(2, 3, 9, 12)
    assert torch.equal(crop_or_pad(x, window), x[(slice(None), *window_of(x.shape[2:], window))])


@pytest.mark.parametrize("window", [(12, 9), (11, 5), (6, 14), (7, 8, 5)], ids=str)
def test_a_frame_beyond_is_filled_with_zeros(window):
    x = torch.zeros(1, 1, *[8, 5, 6][: len(window)])
    x[(0, 0, *[n // 2 for n in x.shape[2:]])] = 1
    got = crop_or_pad(x, window)
    assert got.shape == (1, 1, *window)
    assert got[(0, 0, *[w // 2 for w in window])] == 1
    assert got.sum() == 1


def test_objects_are_of_unit_rms_in_the_window(task):
    made = task()
    x, support = made.prepared(*made.source.held(8))
    assert x.shape == (8, 2, 12, 12)
    assert support.shape == (8, 1, 12, 12)
    torch.testing.assert_close(x.square().sum(1).mean((1, 2)), torch.ones(8))
    assert not x.movedim(1, -1)[support[:, 0] == 0].any()
    assert unit_rms(torch.zeros(1, 2, 4, 4)).isfinite().all()


def test_some_supports_are_not_told(task, film, small):
    made = DiffusionTask(EDM((12, 12), small), Simulated(film), unknown=0.3)
    _, told, _ = next(made.batches(200, 0, 1))
    assert 0.2 < (told == 1).flatten(1).all(1).float().mean() < 0.4
    again = next(DiffusionTask(EDM((12, 12), small), Simulated(film), unknown=0.3).batches(200, 0, 1))[1]
    assert torch.equal(told, again)


@pytest.fixture
def told(film, small):
    """A function that makes a task whose network is told the pattern."""

    def made(source=None, window=(16, 16), **more):
        torch.manual_seed(0)
        module = EDM(window, small, pattern=True)
        return DiffusionTask(module, source or Simulated(film), **{"validation": 8, "sigma": 0.0} | more)

    return made


def test_the_pattern_told_is_the_object_s_whatever_its_phase_and_twin(told):
    made = told(unknown=0.0)
    x, channels, _ = next(made.batches(32, 0, 1))
    assert channels.shape == (32, 3, 16, 16)
    assert torch.equal(channels[:, 1], channels[:, 2])
    y = torch.fft.fft2(torch.complex(*x.unbind(1))).abs()
    torch.testing.assert_close(channels[:, 1], network_input(y, y > -1), rtol=1e-4, atol=1e-4)
    other = torch.roll(torch.complex(*x.unbind(1)).flip((1, 2)), (1, 1), (1, 2)).conj() * 1j
    same = with_pattern(torch.view_as_real(other).movedim(-1, 1), channels[:, :1], torch.zeros(32), torch.Generator())
    torch.testing.assert_close(same, channels, rtol=1e-3, atol=1e-3)


def test_some_patterns_are_not_told_and_some_are_noisy(told):
    clean, some, noisy = (next(told(**more).batches(200, 0, 1))[1] for more in ({}, {"unknown": 0.3}, {"sigma": 0.1}))
    untold = (some[:, 1:] == 0).flatten(1).all(1)
    assert 0.2 < untold.float().mean() < 0.4
    assert 0.2 < (some[:, 0] == 1).flatten(1).all(1).float().mean() < 0.4
    assert not torch.equal(untold, (some[:, 0] == 1).flatten(1).all(1))
    assert (noisy - clean)[:, 1].abs().mean() > 0.05


@pytest.mark.slow
@pytest.mark.parametrize("volume", [False, True], ids=["2d", "3d"])
def test_a_network_that_is_told_the_pattern_trains_goes_on_to_the_bit_and_samples(told, volume, brief, tmp_path, same):
    source = Simulated(Domains3D(domains=3, size=16)) if volume else None
    shape = (16,) * (3 if volume else 2)
    settings = brief(objects=16, batch=4)
    straight = train(told(source, shape), settings, tmp_path / "straight")
    with pytest.raises(KeyboardInterrupt):
        train(told(source, shape), settings, tmp_path / "halved", on_step=lambda step: step.objects >= 8)
    resumed = train(told(source, shape), settings, tmp_path / "halved")
    assert same(dict(straight.state_dict()), dict(resumed.state_dict()))
    assert list((tmp_path / "straight").glob("*.png"))
    x, support = told(source, shape).prepared(*told(source, shape).source.held(2))
    drawn = sample(straight, with_pattern(x, support, torch.zeros(2), torch.Generator()), steps=4)
    assert drawn.shape == (2, *shape)
    assert drawn.isfinite().all()


@pytest.mark.slow
def test_a_network_learns_from_the_pattern(told):
    """At noise that hides everything, what is left of the error is less where the pattern is told."""
    made = told(unknown=0.0)
    x, channels, _ = next(made.batches(8, 0, 1))
    losses = []
    for told_of in (channels, torch.cat([channels[:, :1], 0 * channels[:, 1:]], dim=1)):
        torch.manual_seed(0)
        module = EDM((16, 16), made.module.network.settings, pattern=True)
        module.low, module.mean, module.width = 30.0, 5.0, 0.1
        optimiser = torch.optim.Adam(module.parameters(), 1e-2)
        for step in range(150):
            loss = module(x, told_of, None, torch.Generator().manual_seed(step)).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[0] < 0.8 * losses[1]


def test_the_card_tells_of_the_pattern(told):
    card = told(sigma=0.05).card()
    assert card["architecture"]["pattern"] is True
    assert card["pattern"]["sigma"] == 0.05
    again = DenoiserOptions.of(card)
    assert again.pattern
    assert (again.unknown, again.sigma) == (0.15, 0.05)
    assert complete(again.architecture((16, 16), (5, 5))) == card["architecture"]


def test_a_window_that_is_not_the_pattern_s(told):
    with pytest.raises(InputError, match=r"shape \(16, 16\).*sees \(12, 12\)"):
        told(window=(12, 12))
    with pytest.raises(InputError, match="window=12 with pattern=true.*16x16"):
        DenoiserOptions(pattern=True, window="12").architecture((16, 16), (5, 5))


def varied(task):
    """A task on ellipses of many sizes, the window's box in steps of 4 px."""
    film = Domains2D(size=32, domains=3, kind="blobs", fill=0.2, aspect=1.5, vary=True)
    return task(window=(32, 32), source=Simulated(film), widths=[1, 2, 2])


def test_objects_of_a_pool_are_arranged_by_their_boxes(task):
    made = varied(task)
    pool = list(itertools.islice(made.batches(8, 0, 1), made.pool_size(8)))
    arranged = made.bucket_by_size(pool, 0)
    assert [len(x) for x, *_ in arranged] == [8] * made.pool_size(8)
    shapes = {tuple(x.shape[2:]) for x, *_ in arranged}
    assert len(shapes) > 1
    assert (32, 32) in shapes  # of those that are not told their support
    assert all(len(set(shape)) == 1 and shape[0] % made.module.multiple == 0 for shape in shapes)
    before, after = (torch.cat([x.square().sum((1, 2, 3)) for x, *_ in each]).sort().values for each in (pool, arranged))
    torch.testing.assert_close(before, after)  # nothing is cut off, nothing lost
    for x, support, _ in arranged:
        assert x.shape[2:] == support.shape[2:]
        assert not x.abs().sum(1, keepdim=True)[support == 0].any()
    assert all(torch.equal(a, b) for a, b in zip(arranged[0], made.bucket_by_size(pool, 0)[0], strict=True))


def test_errors_in_a_box_are_those_of_the_window(task, awake):
    made = varied(task)
    made.module.estimate = lambda x, sigma, support: 0.5 * x * support
    x, support = made.prepared(*made.source.held(made.validation))
    rng = torch.Generator().manual_seed(0)
    noise = torch.randn(x.shape, generator=rng)
    level = SIGMA_BINS[0]
    error = ((0.5 * (x + level * SIGMA_DATA * noise) * support - x) ** 2).sum(1).mean((1, 2)).mean()
    assert made.validate(made.module)[f"mse@{level:.3g}"] == pytest.approx(float(error), rel=1e-5)


def test_which_supports_are_told_does_not_go_with_the_phase(film, small):
    made = DiffusionTask(EDM((12, 12), small), Simulated(film), unknown=0.5)
    x, support, _ = next(made.batches(800, 0, 1))
    told = (support != 1).flatten(1).any(1)
    plain, _ = made.prepared(*(torch.from_numpy(a) for a in (pair_of(film.objects(800, TRAIN_SEED)))))
    overlap = (torch.complex(*x.unbind(1)) * torch.complex(*plain.unbind(1)).conj()).sum((1, 2)) / 144
    same = overlap.abs() > 0.99  # not the twins
    assert 300 < same.sum() < 500
    for mine in (same & told, same & ~told):
        assert overlap[mine].mean().abs() < 0.2


@pytest.mark.parametrize("window", [(10, 12), (8, 8)], ids=str)
def test_a_window_that_does_not_hold_the_objects(task, window):
    with pytest.raises(InputError, match="reach 5×5 px .* 11 px or more"):
        task(window)


def test_the_validation_of_a_network_of_zero_is_known(task):
    found = task().validate(task().module.eval())
    assert list(found) == [f"mse@{level:.3g}" for level in SIGMA_BINS]
    for level, mse in zip(SIGMA_BINS, found.values(), strict=True):
        kept = 1 / (1 + level**2)  # D = kept·x, of unit power, and noise of 2σ² = level²
        assert mse == pytest.approx((1 - kept) ** 2 + kept**2 * level**2, rel=0.1)


@pytest.mark.parametrize("kind", [EDM, Epsilon])
def test_samples_of_a_network_of_zero(small, kind, awake):
    support = torch.ones(3, 1, 8, 12)
    x = sample(kind((8, 12), small, conditioned=True), support, steps=6, seed=3)
    assert x.shape == (3, 8, 12)
    assert x.dtype == torch.complex64
    assert x.isfinite().all()
    assert torch.equal(x, sample(kind((8, 12), small, conditioned=True), support, steps=6, seed=3))


def test_samples_of_the_right_denoiser_have_its_variance(small):
    """With the network of zero EDM is the denoiser of white noise of σ_data: its samples are that."""
    x = sample(EDM((16, 16), small), torch.ones(32, 1, 16, 16), steps=40)
    assert x.real.std() == pytest.approx(SIGMA_DATA, rel=0.03)
    assert x.imag.std() == pytest.approx(SIGMA_DATA, rel=0.03)


@pytest.mark.parametrize("shape", [(5, 12, 10), (2, 6, 12, 10)], ids=["2d", "3d"])
def test_pictures(tmp_path, shape):
    from matplotlib.image import imread

    rng = np.random.default_rng(0)
    image_grid(rng.normal(size=shape) + 1j * rng.normal(size=shape), tmp_path / "x.png", zoom=2)
    rows = -(-shape[0] // 4)
    assert imread(tmp_path / "x.png").shape[:2] == (2 * 13 * rows, 2 * 11 * 4)


def test_the_card(task):
    card = task().card()
    assert card["architecture"]["window"] == [12, 12]
    assert card["sigma"] == [0.02, 60.0]
    assert card["support_unknown"] == 0.15
    assert {"data", "geometry", "symmetries", "scale", "sigma_data"} <= set(card)


def test_the_kind_stays_with_its_object(small):
    """Flat objects and smooth ones in turn: a fifth are not told, and arranging them leaves the kind where it belongs."""
    film = Domains2D(size=16, domains=3, kind="both", fill=0.1)
    source = Simulated(film)
    assert source.kinds == ("blobs", "cells")
    made = DiffusionTask(EDM((12, 12), small, kinds=source.kinds), source)
    pool = list(itertools.islice(made.batches(64, 3, 2), 2))
    assert torch.cat([kind.sum(1) for *_, kind in pool]).mean().item() == pytest.approx(0.8, abs=0.1)
    for x, _, kind in (pool[0], *made.bucket_by_size(pool, 0)):
        share = flatness(x)
        assert share[kind[:, 0] == 1].max() < 0.2 < 0.4 < share[kind[:, 1] == 1].min()
    assert all(torch.equal(a[2], b[2]) for a, b in zip(pool, itertools.islice(made.batches(64, 3, 2), 2), strict=True))
    assert made.card()["kind_untold"] == 0.2
    assert next(DiffusionTask(EDM((12, 12), small), source).batches(8, 0, 1))[2].shape == (8, 0)


def flatness(x):
    """Share of the pixels whose phase is that of the next one."""
    z = torch.view_as_complex(x.movedim(1, -1).contiguous())
    step = z[:, 1:] * z[:, :-1].conj()
    return ((step.angle().abs() < 1e-3) & (step != 0)).flatten(1).sum(1) / (step != 0).flatten(1).sum(1)
