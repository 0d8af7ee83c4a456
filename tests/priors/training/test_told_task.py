"""The training of a denoiser that is told the measurement."""

import itertools

import pytest
import torch

from retrieve.errors import OptionError
from retrieve.priors.told import ToldEDM
from retrieve.priors.training.loop import train
from retrieve.priors.training.objects import Simulated
from retrieve.priors.training.settings import DenoiserOptions
from retrieve.priors.training.told_task import ToldTask
from retrieve.priors.weights import complete
from retrieve.priors.windows import crop_or_pad, to_complex


@pytest.fixture
def told(film, small):
    """A function that makes a task whose network is told the measurement."""

    def made(**more):
        torch.manual_seed(0)
        return ToldTask(ToldEDM((12, 12), small, iterations=(1, 3)), Simulated(film), **{"validation": 8} | more)

    return made


def test_the_amplitudes_are_those_of_the_scaled_object(told):
    made = told(sigma=0.0, lost=0.0, stop=0.0)
    x, _, _, amplitude, valid, noise = next(made.batches(16, 0, 1))
    assert amplitude.shape == valid.shape == (16, 16, 16)
    assert valid.all()
    expected = torch.fft.fftn(crop_or_pad(to_complex(x), (16, 16)), dim=(1, 2), norm="ortho").abs()
    clean = (noise < 2e-3 * amplitude.amax((1, 2))).nonzero().ravel()
    assert len(clean)
    torch.testing.assert_close(amplitude[clean], expected[clean], rtol=1e-3, atol=1e-3)


def test_measurements_have_noise_lost_pixels_and_stops(told):
    _, _, _, amplitude, valid, noise = next(told(sigma=0.2).batches(400, 0, 1))
    share = noise / amplitude.amax((1, 2))
    assert 0.15 < (share < 2e-3).float().mean() < 0.35
    assert share.max() > 0.1
    assert 0.2 < (~valid).flatten(1).any(1).float().mean() < 0.4
    again = next(told(sigma=0.2).batches(400, 0, 1))[3]
    assert torch.equal(amplitude, again)


def test_what_belongs_to_an_object_stays_with_it_in_a_pool(told):
    made = told(sigma=0.0, lost=0.0, stop=0.0)
    pool = list(itertools.islice(made.batches(4, 0, 1), made.pool_size(4)))
    for x, _, _, amplitude, _, _ in made.bucket_by_size(pool, 0):
        power = x.square().sum((1, 2, 3))
        torch.testing.assert_close(amplitude.square().sum((1, 2)), power, rtol=1e-2, atol=0)


def test_it_trains_resumes_to_the_bit_and_is_validated_told(told, brief, tmp_path, same):
    settings = brief(objects=16, batch=4)
    straight = train(told(), settings, tmp_path / "straight")
    with pytest.raises(KeyboardInterrupt):
        train(told(), settings, tmp_path / "halved", on_step=lambda step: step.objects >= 8)
    resumed = train(told(), settings, tmp_path / "halved")
    assert same(dict(straight.state_dict()), dict(resumed.state_dict()))
    found = told().validate(straight)
    assert {"mse@1.75", "told0@1", "told0.05@6"} <= set(found)


def test_the_card_gives_the_options_back(film):
    options = DenoiserOptions(
        kind="told", sigma=0.2, lost=0.1, stop=1.0, iterations="1,4", base=8, widths="1,2", attention="none"
    )
    card = options.task(Simulated(film), 0).card()
    assert "measurement" in card["told"]
    assert card["measurement"]["sigma"] == 0.2
    again = DenoiserOptions.of(card)
    assert (again.sigma, again.lost, again.stop, again.iterations) == (0.2, 0.1, 1.0, "1,4")
    assert complete(again.architecture((16, 16), (5, 5))) == card["architecture"]


@pytest.mark.parametrize("wrong", [{"pattern": True}, {"conditioned": False}, {"iterations": "5,1"}])
def test_options_that_do_not_go_together(wrong):
    with pytest.raises(OptionError):
        DenoiserOptions(kind="told", **wrong)
