"""A network's packed copy for small calls on a processor."""

import copy

import pytest
import torch

from retrieve.priors.edm import EDM
from retrieve.priors.packed import PackedConv, lowered, packed
from retrieve.priors.precision import autocast
from retrieve.priors.unet import UNetNetwork

CPU = torch.device("cpu")
pytestmark = pytest.mark.skipif(
    not getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)(), reason="the processor does not compute in bfloat16"
)


@pytest.fixture
def network():
    torch.manual_seed(0)
    made = UNetNetwork(2, 3, 2, base=16, widths=(1, 2), attention=(1,), embedding=32, patch=2)
    for p in made.parameters():
        torch.nn.init.normal_(p, std=0.1)
    return made.eval()


def call(network, batch=2):
    x = torch.randn(batch, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    return network(x.to(network.first.bias.dtype), torch.zeros(batch))


def test_it_computes_what_the_network_does(network):
    with torch.no_grad():
        exact = call(network)
        near = call(packed(network)).float()
    assert float((near - exact).norm() / exact.norm()) < 0.03
    assert any(isinstance(part, PackedConv) for part in packed(network).modules())


def test_it_is_made_only_where_autocast_asks_for_it_without_gradients(network):
    with autocast(torch.bfloat16, CPU):
        assert lowered(network) is None
        with torch.inference_mode():
            assert lowered(network) is lowered(network) is not None
    with torch.inference_mode():
        assert lowered(network) is None


def test_it_follows_weights_that_change(network):
    with torch.no_grad(), autocast(torch.bfloat16, CPU):
        before = lowered(network)
        next(iter(network.parameters())).mul_(2)
        assert lowered(network) is not before


def test_a_denoiser_calls_it(small):
    calls = []
    prior, x = EDM((16, 16), small).requires_grad_(False), torch.ones((2, 16, 16), dtype=torch.complex64)
    exact = prior.denoise(x, 0.5)
    with torch.no_grad(), autocast(torch.bfloat16, CPU):
        hooked = lowered(prior.network).register_forward_hook(lambda *_: calls.append("packed"))
        near = prior.denoise(x, 0.5)
        hooked.remove()
    assert calls == ["packed"]
    assert float((near - exact).abs().max()) < 0.05 * float(exact.abs().max())


def test_a_network_that_has_one_can_be_copied(network):
    with torch.no_grad(), autocast(torch.bfloat16, CPU):
        lowered(network)
    copy.deepcopy(network)
