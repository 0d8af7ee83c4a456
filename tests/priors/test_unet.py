import pytest
import torch

from retrieve.errors import InputError
from retrieve.priors.unet import UNetNetwork, fold, group_norm, unfold

PAPER = 82_956_674  # of UNet(2, 2, 2) as it is built here; the paper tells the widths, not the sum


@pytest.mark.parametrize("shape", [(2, 3, 8, 12), (2, 3, 4, 8, 12)], ids=["2d", "3d"])
@pytest.mark.parametrize("patch", [1, 2, 4])
def test_unfold_undoes_fold(shape, patch):
    x = torch.randn(shape)
    d = len(shape) - 2
    folded = fold(x, patch)
    assert folded.shape == (2, 3 * patch**d, *[n // patch for n in shape[2:]])
    assert torch.equal(unfold(folded, patch), x)


@pytest.mark.parametrize("d", [2, 3])
def test_a_folded_pixel_holds_one_block(d):
    x = torch.zeros(1, 1, *[8] * d)
    x[(0, 0, *[slice(2, 4)] * d)] = 1
    folded = fold(x, 2)
    assert folded[(0, slice(None), *[1] * d)].sum() == 2**d
    assert folded.sum() == 2**d


@pytest.mark.parametrize("options", [{"patch": 1}, {"patch": 2}, {"attention": [0, 1]}, {"widths": [1]}, {"blocks": 2}], ids=str)
@pytest.mark.parametrize("shape", [(8, 16), (8, 8, 16)], ids=["2d", "3d"])
def test_shapes(small, awake, shape, options):
    net = awake(UNetNetwork(len(shape), 3, 2, **(small | options)))
    y = net(torch.randn(2, 3, *shape), torch.zeros(2))
    assert y.shape == (2, 2, *shape)
    assert y.isfinite().all()
    assert all(n % net.multiple == 0 for n in shape)


def test_the_paper_s_networks():
    with torch.device("meta"):
        flat, cube = UNetNetwork(2, 2, 2), UNetNetwork(3, 4, 2, base=128)
        assert flat(torch.zeros(1, 2, 64, 64), torch.zeros(1)).shape == (1, 2, 64, 64)
    assert flat.settings == {
        "base": 128, "widths": [1, 2, 3, 4], "blocks": 2, "attention": [2], "embedding": 512, "patch": 1,
    }  # fmt: skip
    count = {name: sum(p.numel() for p in net.parameters()) for name, net in (("2d", flat), ("3d", cube))}
    assert count["2d"] == PAPER
    assert 2 < count["3d"] / count["2d"] < 3  # kernels of 27 for 9


def test_it_begins_as_zero_and_each_object_is_its_own(small, awake):
    net = UNetNetwork(2, 3, 2, **small)
    x = torch.randn(3, 3, 8, 8)
    level = torch.tensor([0.0, 100.0, -300.0])
    assert not net(x, level).any()
    awake(net)
    torch.testing.assert_close(net(x, level)[1:2], net(x[1:2], level[1:2]))


def test_the_level_changes_the_output(small, awake):
    net = awake(UNetNetwork(2, 3, 2, **small))
    x = torch.randn(1, 3, 8, 8)
    low, high = (net(x, torch.tensor([level])) for level in (-300.0, 400.0))
    assert (low - high).norm() / low.norm() > 1e-2


@pytest.mark.parametrize("channels", [*range(1, 40), 56, 112, 128, 168, 384, 512])
def test_groups_divide_the_channels(channels):
    assert channels % group_norm(channels) == 0
    assert group_norm(channels) <= 32
    assert group_norm(channels) == 1 or channels // group_norm(channels) >= 4


@pytest.mark.parametrize("options", [{"base": 7}, {"widths": []}, {"widths": [1, 0]}, {"blocks": 0}, {"attention": [2]}], ids=str)
def test_what_cannot_be_built(small, options):
    with pytest.raises(InputError, match=next(iter(options))):
        UNetNetwork(2, 3, 2, **(small | options))
