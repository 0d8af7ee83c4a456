import math

import pytest
import torch

from retrieve.errors import InputError
from retrieve.priors import weights
from retrieve.priors.retriever import ComplexUNet, RealUNet, pattern_error, symmetric_error
from retrieve.priors.symmetry import twin_of

KINDS = pytest.mark.parametrize("kind", [ComplexUNet, RealUNet])


@pytest.fixture
def made():
    """A function that makes a network of a few thousand weights for 16×16 px."""

    def make(kind=ComplexUNet, shape=(16, 16), window=(12, 12), **more):
        torch.manual_seed(0)
        return kind(shape, window, **{"widths": (8, 8, 8), "patch": 2} | more).requires_grad_(False)

    return make


def drawn(*shape, seed=0):
    return torch.randn(shape, dtype=torch.complex64, generator=torch.Generator().manual_seed(seed))


def unit(x):
    return x / x.abs().square().mean(tuple(range(1, x.ndim)), keepdim=True).sqrt()


def turned(x, *angles):
    return x * torch.polar(torch.ones(len(angles)), torch.tensor(angles)).reshape(-1, *[1] * (x.ndim - 1))


@pytest.mark.parametrize("shape", [(12, 10), (9, 12), (6, 5, 8)])
def test_a_twin_has_the_same_pattern(shape):
    x = drawn(2, *shape)
    axes = tuple(range(1, x.ndim))
    pattern, other = (torch.fft.fftn(z, dim=axes).abs() for z in (x, twin_of(x)))
    torch.testing.assert_close(other, pattern, rtol=1e-4, atol=1e-4)
    assert (twin_of(x) - x).abs().max() > 0.1
    torch.testing.assert_close(twin_of(twin_of(x)), x)


@pytest.mark.parametrize("shape", [(12, 10), (6, 5, 8)])
def test_the_error_knows_no_phase_and_no_twin_of(shape):
    t, x = unit(drawn(2, *shape)), drawn(2, *shape, seed=1)
    same = [turned(t, 0.4, -2.0), twin_of(t), turned(twin_of(t), 3.0, 1.0)]
    for other in same:
        torch.testing.assert_close(symmetric_error(other, t), torch.zeros(2), rtol=0, atol=1e-5)
        torch.testing.assert_close(symmetric_error(x, other), symmetric_error(x, t), rtol=1e-4, atol=1e-4)
    assert symmetric_error(x, t).min() > 0.5
    assert symmetric_error(0 * t, t).tolist() == pytest.approx([1.0, 1.0])


def test_the_error_is_the_least_squared_distance():
    t, x = unit(drawn(1, 6, 6)), drawn(1, 6, 6, seed=1)
    angles = torch.linspace(0, 2 * math.pi, 4001)
    least = min(
        (turned(x.expand(4001, 6, 6), *angles.tolist()) - s).abs().square().mean((1, 2)).min().item() for s in (t, twin_of(t))
    )
    assert symmetric_error(x, t).item() == pytest.approx(least, rel=1e-4)


def test_the_error_of_the_pattern():
    x = unit(drawn(2, 8, 10))
    y = torch.fft.fftn(x, dim=(1, 2), norm="ortho").abs()
    valid = torch.ones_like(y, dtype=torch.bool)
    for same in (x, twin_of(x), turned(x, 1.0, 2.0), torch.roll(x, (2, 3), (1, 2))):
        torch.testing.assert_close(pattern_error(same, 7 * y, valid, 80), torch.zeros(2), rtol=0, atol=1e-5)
    assert pattern_error(drawn(2, 8, 10, seed=1), y, valid, 80).min() > 0.1
    half = torch.rand(y.shape, generator=torch.Generator().manual_seed(0)) < 0.5
    spoilt = torch.where(half, y, 1e6)
    assert pattern_error(x, spoilt, half, 80).max() < 0.1  # what was not measured has no say
    torch.testing.assert_close(pattern_error(0 * x, y, valid, 80), torch.ones(2))


def test_gradients_are_finite_even_at_zero():
    t = unit(drawn(2, 8, 8))
    y = torch.fft.fftn(t, dim=(1, 2), norm="ortho").abs()
    for x in (torch.zeros_like(t), t.clone()):
        x.requires_grad_()
        loss = symmetric_error(x, t).sum() + pattern_error(x, y, y > 0, 64).sum()
        (gradient,) = torch.autograd.grad(loss, x)
        assert gradient.isfinite().all()


@KINDS
def test_an_object_within_window_and_support(made, kind):
    network = made(kind)
    y = drawn(2, 16, 16).abs()
    support = torch.zeros(1, 16, 16, dtype=torch.bool)
    support[:, 4:13, 1:12] = True
    got = network.reconstruct(y, torch.ones_like(y, dtype=torch.bool), support)
    window = torch.zeros(1, 16, 16, dtype=torch.bool)
    window[:, 2:14, 2:14] = True
    assert got.dtype == torch.complex64
    assert got.shape == (2, 16, 16)
    assert not got[~(support & window).expand_as(got)].any()
    assert (got[(support & window).expand_as(got)] != 0).all()
    torch.testing.assert_close(network.reconstruct(y[1:], y[1:] > -1, support)[0], got[1], rtol=1e-4, atol=1e-5)


@KINDS
def test_neither_the_unit_nor_what_was_not_measured_matters(made, kind):
    network = made(kind)
    y, valid = drawn(2, 16, 16).abs(), torch.rand(2, 16, 16, generator=torch.Generator().manual_seed(0)) < 0.9
    got = network.reconstruct(y, valid)
    torch.testing.assert_close(network.reconstruct(1e4 * y, valid), got, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(network.reconstruct(torch.where(valid, y, torch.nan), valid), got)
    assert not torch.equal(network.reconstruct(y, valid | True), got)
    assert network.reconstruct(0 * y, valid).isfinite().all()


@KINDS
def test_only_a_conditioned_network_hears_of_the_support(made, kind):
    y = drawn(1, 16, 16).abs()
    support = torch.zeros(1, 16, 16, dtype=torch.bool)
    support[:, 5:12, 5:12] = True
    for conditioned in (True, False):
        network = made(kind, conditioned=conditioned)
        known, unknown = network.reconstruct(y, y > -1, support), network.reconstruct(y, y > -1)
        assert torch.equal(known[support], unknown[support]) is not conditioned


def test_zero_frequency_is_in_the_middle_for_the_network(made):
    network, seen = made(), []
    network.network.encoder.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    y = torch.zeros(1, 16, 16)
    y[0, 0, 0] = 1.0
    network.reconstruct(y, y > -1)
    pattern = torch.nn.functional.pixel_shuffle(seen[0], 2)[0, 0]
    assert pattern.argmax() == 8 * 16 + 8
    assert pattern.max() == pytest.approx(math.log1p(16))  # log(1 + y/rms y) of one pixel of 256
    assert pattern.count_nonzero() == 1


def test_the_autocorrelation_is_the_object_s(made):
    network, seen = made(autocorrelation=True), []
    network.network.encoder.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    x = torch.zeros(1, 16, 16, dtype=torch.complex64)
    x[0, 8, 8], x[0, 9, 11] = 1.0, 1j
    y = torch.fft.fft2(x).abs()
    network.reconstruct(y, y > -1)
    _, _, re, im = torch.nn.functional.pixel_shuffle(seen[0], 2)[0]
    got = torch.complex(re, im)
    at = {tuple(place) for place in torch.nonzero(got.abs() > 1e-3).tolist()}
    assert at == {(8, 8), (9, 11), (7, 5)}  # 0 and the distance between the two points, both ways
    assert got[8, 8].real == pytest.approx(math.log1p(16))
    assert got[9, 11] / got[9, 11].abs() == pytest.approx(1j, abs=1e-4)
    assert got[7, 5] / got[7, 5].abs() == pytest.approx(-1j, abs=1e-4)


@KINDS
@pytest.mark.parametrize("autocorrelation", [False, True])
def test_a_pattern_and_an_object_of_three_axes(made, kind, autocorrelation):
    network = made(kind, (16, 8, 8), (12, 8, 6), autocorrelation=autocorrelation)
    y = drawn(2, 16, 8, 8).abs()
    got = network.reconstruct(y, y > 0)
    assert got.shape == (2, 16, 8, 8)
    assert got.abs().max() > 0


@KINDS
@pytest.mark.parametrize(
    ("shape", "window", "told"),
    [
        ((18, 16), (12, 12), "multiple of 8"),
        ((16, 16), (20, 12), "cannot hold"),
        ((16, 16), (12,), "cannot hold"),
        ((16,), (12,), "1 axes"),
    ],
)
def test_shapes_that_cannot_be(made, kind, shape, window, told):
    with pytest.raises(InputError, match=told):
        made(kind, shape, window)


def test_a_pattern_of_another_shape(made):
    with pytest.raises(InputError, match=r"\(16, 18\).*made for \(16, 16\)"):
        made().reconstruct(torch.ones(1, 16, 18), torch.ones(1, 16, 18, dtype=torch.bool))


@KINDS
def test_weights_come_back(made, kind, tmp_path):
    network = made(kind, conditioned=False, blocks=2, autocorrelation=True)
    path = weights.save(network, {"architecture": network.settings}, tmp_path / "unet.safetensors")
    again = weights.load_weights(path)
    y = drawn(1, 16, 16).abs()
    assert type(again) is kind
    assert again.settings == network.settings
    got, expected = again.reconstruct(y, y > 0), network.reconstruct(y, y > 0)
    assert (got - expected).abs().max() < 1e-2 * expected.abs().max()  # fp16


def test_both_kinds_cost_the_same():
    """The comparison of the two is fair: parameters and multiplications within 5 %."""
    from torch.utils.flop_counter import FlopCounterMode

    parameters, flops = [], []
    for kind in (ComplexUNet, RealUNet):
        network, y = kind((64, 64), (48, 48)).requires_grad_(False), torch.ones(1, 64, 64)
        with FlopCounterMode(display=False) as counter:
            network.reconstruct(y, y > 0)
        parameters.append(sum(p.numel() for p in network.parameters()))
        flops.append(counter.get_total_flops())
    assert max(parameters) < 8e6
    assert max(parameters) < 1.05 * min(parameters)
    assert max(flops) < 1.05 * min(flops)
