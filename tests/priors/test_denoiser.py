import math

import pytest
import torch

from retrieve.errors import InputError
from retrieve.priors.denoiser import SIGMA_DATA
from retrieve.priors.edm import EDM
from retrieve.priors.epsilon import Epsilon
from retrieve.priors.weights import build_module, complete
from retrieve.priors.windows import box_for, reach_of, window_of


def scaled(*given, **more):
    """An `EDM` that is shown means of three scales."""
    return EDM(*given, **more, scales=(0.7, 1.5, 3.0))


KINDS = [EDM, scaled, Epsilon]


@pytest.fixture
def x():
    return torch.randn(2, 16, 20, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))


def test_a_network_of_zero_leaves_the_best_single_factor(small, x):
    prior = EDM((16, 20), small)
    for sigma in (1e-3, 0.3, 50.0):
        torch.testing.assert_close(prior.denoise(x, sigma), x * (SIGMA_DATA**2 / (SIGMA_DATA**2 + sigma**2)))
    torch.testing.assert_close(prior.denoise(x, 1e-4), x, rtol=1e-6, atol=1e-6)


def test_means_are_of_full_precision_under_autocast(small, x):
    prior, pair = scaled((16, 20), small), torch.view_as_real(x).movedim(-1, 1)
    inside = torch.ones(2, 1, 16, 20)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = [mean for mean, _ in prior.means(pair, inside)]
    for mean, (exact, _) in zip(rounded, prior.means(pair, inside), strict=True):
        torch.testing.assert_close(mean, exact)


def test_means_inside_the_support_and_what_they_leave_of_noise(small):
    """A constant is its own mean up to the edge; white noise loses as much of its variance as is told."""
    prior = scaled((16, 20), small)
    support = torch.zeros(1, 1, 16, 20)
    support[..., 4:11, 5:16] = 1
    noise = torch.randn(4000, 2, 16, 20, generator=torch.Generator().manual_seed(0))
    for (flat, _), (mean, share) in zip(prior.means(support * 3, support), prior.means(noise, support), strict=True):
        torch.testing.assert_close(flat, support * 3)
        torch.testing.assert_close(mean.var(dim=(0, 1)), share[0, 0], rtol=0.1, atol=1e-6)


def test_a_gate_alone_smooths(small):
    """With F = 0 and the gate of the widest mean open, D is that mean, where it is not an edge."""
    prior = scaled((16, 20), small)
    with torch.no_grad():
        prior.network.last.bias[2 + 2] = 1.0
    support = torch.ones(1, 1, 16, 20)
    x = 1 + 0.01 * torch.randn(1, 2, 16, 20, generator=torch.Generator().manual_seed(0))
    mean, _ = list(prior.means(x, support))[2]
    torch.testing.assert_close(prior.estimate(x, torch.tensor([0.03]), support), mean, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_box_smaller_than_the_window_is_seen_whole(small, awake, kind):
    prior = awake(kind((16, 20), small | {"widths": [1]}))
    x = torch.randn(2, 12, 11, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    d = prior.denoise(x, 0.5)
    alone = kind((12, 11), small | {"widths": [1]})
    alone.load_state_dict(prior.state_dict())
    torch.testing.assert_close(d, alone.denoise(x, 0.5))


def test_the_box_of_a_support_holds_its_twin():
    support = torch.zeros(2, 16, 20, dtype=torch.bool)
    support[0, 8 - 3 : 8 + 2, 10] = True
    support[1, 8, 10 - 5 : 10 + 8] = True
    assert reach_of(support).tolist() == [[3, 0], [0, 7]]
    assert box_for((3, 7), (16, 20), 2) == (8, 16)
    assert box_for((3, 7), (16, 20), 4) == (8, 16)
    assert box_for((3, 9), (16, 16), 8) == (8, 16)  # never beyond the window


@pytest.mark.parametrize("kind", KINDS)
def test_without_noise_it_is_the_identity(small, awake, x, kind):
    prior = awake(kind((16, 20), small, conditioned=True))
    torch.testing.assert_close(prior.denoise(x, 0.0), x)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_complex_in_complex_out_and_zero_outside_the_window(small, awake, x, kind, dtype):
    prior = awake(kind((8, 12), small)).requires_grad_(False)
    got = prior.denoise(x.to(dtype), torch.tensor([0.1, 2.0]))
    assert got.dtype == dtype
    assert got.shape == x.shape
    inside = torch.zeros(x.shape, dtype=torch.bool)
    inside[:, 4:12, 4:16] = True
    assert not got[~inside].any()
    assert got[inside].abs().min() > 0
    alone = prior.denoise(x[1:, 4:12, 4:16].to(dtype), 2.0)
    torch.testing.assert_close(got[1:, 4:12, 4:16], alone, rtol=1e-4, atol=1e-5)


def test_a_conjugate_view_is_denoised_as_its_values(small, awake, x):
    prior = awake(EDM((8, 12), small))
    torch.testing.assert_close(prior.denoise(x.conj(), 0.5), prior.denoise(x.conj().resolve_conj(), 0.5))


@pytest.mark.parametrize("kind", KINDS)
def test_only_a_conditioned_network_hears_of_the_support(small, awake, x, kind):
    support = torch.zeros(1, 16, 20, dtype=torch.bool)
    support[:, 6:10, 8:12] = True
    for conditioned in (True, False):
        prior = awake(kind((8, 12), small, conditioned=conditioned))
        known, unknown = prior.denoise(x, 1.0, support), prior.denoise(x, 1.0)
        assert torch.equal(known, unknown) is not conditioned


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("conditioned", [False, True])
def test_a_prior_told_the_pattern_hears_of_it_and_of_no_unit(small, awake, x, kind, conditioned):
    prior = awake(kind((16, 20), small, pattern=True, conditioned=conditioned)).requires_grad_(False)
    y = torch.fft.fft2(x[0]).abs()
    valid = torch.ones_like(y, dtype=torch.bool)
    told = prior.given(y, valid)
    assert told.window == (16, 20)
    got = told.denoise(x, 1.0)
    assert (got - prior.denoise(x, 1.0)).abs().max() > 1e-3  # which is told nothing
    torch.testing.assert_close(prior.given(7 * y, valid).denoise(x, 1.0), got, rtol=1e-4, atol=1e-5)
    other = prior.given(torch.fft.fft2(x[1]).abs(), valid).denoise(x, 1.0)
    assert (got - other).abs().max() > 1e-3
    torch.testing.assert_close(prior.given(torch.where(valid, y, 0), valid & (y > 1)).denoise(x, 1.0),
                               prior.given(torch.where(y > 1, y, torch.nan), y > 1).denoise(x, 1.0))  # fmt: skip
    assert build_module(prior.settings).settings == prior.settings


def test_a_prior_is_told_the_pattern_twice_last_and_with_zero_frequency_in_the_middle(small):
    """Twice as in the paper; last, so that weights that were not told it can be begun with."""
    prior, seen = scaled((16, 20), small, pattern=True), []
    prior.network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    y = torch.zeros(16, 20)
    y[0, 0] = 1.0
    prior.given(y, y > -1).denoise(torch.ones(1, 16, 20, dtype=torch.complex64), 1.0)
    assert seen[0].shape[1] == 2 + 1 + 2 * 3 + 2
    for pattern in seen[0][0, -2:]:
        assert pattern.argmax() == 8 * 20 + 10
        assert pattern.max() == pytest.approx(math.log1p(math.sqrt(320)))


@pytest.mark.parametrize(("pattern", "shape"), [(True, (16, 16)), (False, (16, 20))], ids=str)
def test_a_pattern_that_a_prior_cannot_be_told(small, pattern, shape):
    with pytest.raises(InputError, match=r"a pattern of \(16, .*trained with"):
        EDM((16, 20), small, pattern=pattern).given(torch.ones(shape), torch.ones(shape, dtype=torch.bool))


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_can_be_told_the_kind_of_an_object(small, awake, x, kind):
    prior = awake(kind((8, 12), small, kinds=["flat", "round"]))
    assert prior.settings["kinds"] == ["flat", "round"]
    untold = prior.denoise(x, 1.0)
    told = [prior.denoise(x, 1.0, None, row.expand(len(x), 2)) for row in torch.cat([torch.zeros(1, 2), torch.eye(2)])]
    assert torch.equal(told[0], untold)
    assert not torch.equal(told[1], untold)
    assert not torch.equal(told[1], told[2])


def test_three_axes(small, awake):
    prior = awake(EDM((4, 4, 8), small | {"patch": 2}))
    x = torch.randn(2, 8, 8, 8, dtype=torch.complex64)
    assert prior.denoise(x, 0.5).shape == x.shape


def test_a_gradient_flows_to_the_input(small, awake, x):
    prior = awake(EDM((8, 12), small)).requires_grad_(False)
    x = x.clone().requires_grad_(True)
    prior.denoise(x, 0.5).abs().square().sum().backward()
    assert x.grad[:, 4:12, 4:16].abs().min() > 0


def test_the_schedule_of_the_paper(small):
    prior = Epsilon((8, 12), small)
    sigma = prior.sigmas
    assert len(sigma) == 500
    assert (sigma[1:] > sigma[:-1]).all()
    assert sigma[0] < 0.02
    assert sigma[-1] > 100
    assert not prior.conditioned


def test_epsilon_is_asked_at_the_nearest_level(small, monkeypatch):
    prior = Epsilon((8, 12), small)
    asked = []
    monkeypatch.setattr(prior, "run", lambda x, level, support, kind: asked.append(level) or torch.zeros_like(x))
    levels = torch.tensor([1, 40, 250, 500])
    for factor in (0.9999, 1.0, 1.0001):
        prior.estimate(torch.zeros(4, 2, 8, 12), factor * prior.sigmas[levels - 1], None)
    prior.estimate(torch.zeros(2, 2, 8, 12), torch.tensor([0.0, 1e4]), None)
    assert [level.tolist() for level in asked[:3]] == [[1, 40, 250, 500]] * 3
    assert asked[3].tolist() == [1, 500]


@pytest.mark.parametrize("kind", [EDM, Epsilon])
def test_the_true_answer_of_the_network_has_no_loss(small, monkeypatch, kind):
    """A network that knew object and noise would be right at all levels: the two forms agree on what is predicted."""
    prior = kind((8, 12), small)
    x0 = torch.randn(64, 2, 8, 12)

    def oracle(x, level, support, _):
        if kind is Epsilon:
            bar = prior.alpha_bar[level.long() - 1].reshape(-1, 1, 1, 1)
            return (x - bar.sqrt() * x0) / (1 - bar).sqrt()
        s = (level / 250).exp().reshape(-1, 1, 1, 1)
        total = s**2 + SIGMA_DATA**2
        return (x0 - x * total.sqrt() * SIGMA_DATA**2 / total) * total.sqrt() / (s * SIGMA_DATA)

    monkeypatch.setattr(prior, "run", oracle)
    losses = prior(x0, torch.ones(64, 1, 8, 12), None, torch.Generator().manual_seed(0))
    assert losses.shape == (64,)
    assert losses.max() < 1e-4


def test_the_loss_is_of_unit_size_at_every_level(small):
    losses = EDM((16, 16), small)(
        SIGMA_DATA * torch.randn(400, 2, 16, 16), torch.ones(400, 1, 16, 16), None, torch.Generator().manual_seed(0)
    )
    assert losses.min() > 0.7
    assert losses.max() < 1.4


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_both_kinds_train(small, kind):
    torch.manual_seed(0)
    prior = kind((8, 8), small)
    x0 = torch.ones(16, 2, 8, 8) * SIGMA_DATA
    optimiser = torch.optim.Adam(prior.parameters(), 3e-3)
    losses = []
    for step in range(40):
        loss = prior(x0, torch.ones(16, 1, 8, 8), None, torch.Generator().manual_seed(step)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


def test_the_window_is_about_the_middle():
    assert window_of((16, 9), (8, 5)) == (slice(None), slice(4, 12), slice(2, 7))
    for shape in ((16, 4), (16,), (16, 9, 9)):
        with pytest.raises(InputError, match=r"window of \(8, 5\)"):
            window_of(shape, (8, 5))


def test_a_window_that_does_not_halve(small):
    with pytest.raises(InputError, match="multiple of 2"):
        EDM((8, 9), small)


@pytest.mark.parametrize("kind", KINDS)
def test_settings_build_it_again(small, kind):
    prior = kind((8, 12), small)
    again = build_module(prior.settings)
    assert type(again) is type(prior)
    assert again.settings == prior.settings
    assert {n: p.shape for n, p in again.state_dict().items()} == {n: p.shape for n, p in prior.state_dict().items()}


def test_what_older_checkpoints_tell_is_still_understood():
    """The names of the weights, and an architecture that leaves some to defaults."""
    told = {"base": 56, "widths": [1, 2, 3], "attention": [1], "embedding": 256, "patch": 2}
    architecture = {"kind": "edm", "window": [48, 48], "conditioned": True, "network": told}
    defaults = {"pattern": False, "kinds": [], "scales": []}
    assert complete(architecture) == architecture | {"network": told | {"blocks": 2}} | defaults
    with torch.device("meta"):
        state = build_module(architecture).state_dict()
    assert sum(p.numel() for p in state.values()) == 7_738_056
    names = {
        "network.embed.0.weight", "network.first.weight", "network.encoder.0.0.norm1.weight", "network.encoder.2.0.conv.bias",
        "network.encoder.3.1.qkv.weight", "network.middle.1.out.bias", "network.decoder.2.1.conv.weight", "network.last.bias",
    }  # fmt: skip
    assert names <= set(state)


def test_the_unit_of_sigma():
    assert pytest.approx(1 / math.sqrt(2)) == SIGMA_DATA
