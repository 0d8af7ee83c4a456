import pytest
import torch
import torch.nn.functional as F

from retrieve.priors.complex_unet import COMPLEX, REAL, Branches, ComplexConv, ComplexNorm

CONVOLVE = {2: F.conv2d, 3: F.conv3d}


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def numbers(z):
    """Complex z (batch, channels, *axes) as the networks hold it: (batch, 2·channels, *axes)."""
    return torch.view_as_real(z).movedim(-1, 2).flatten(1, 2)


def complex_of(x):
    return torch.view_as_complex(x.unflatten(1, (-1, 2)).movedim(2, -1).contiguous())


def turned(z, angle):
    return z * torch.polar(torch.tensor(1.0), torch.tensor(angle))


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_convolution_is_the_complex_one(dims, kernel, stride):
    conv = ComplexConv(dims, 3, 5, kernel, stride)
    torch.nn.init.normal_(conv.bias)
    z = torch.randn(2, 3, *[8, 6, 4][:dims], dtype=torch.complex64)
    weight, bias = torch.complex(conv.real, conv.imag), torch.view_as_complex(conv.bias.reshape(-1, 2))
    expected = CONVOLVE[dims](z, weight, bias, stride, kernel // 2)
    torch.testing.assert_close(complex_of(conv(numbers(z))), expected, rtol=1e-5, atol=1e-5)


def test_one_number_by_hand():
    conv = ComplexConv(2, 1, 1, 1)
    with torch.no_grad():
        conv.real.fill_(2.0)
        conv.imag.fill_(3.0)
        conv.bias.copy_(torch.tensor([10.0, 20.0]))
    got = conv(torch.tensor([5.0, 7.0]).reshape(1, 2, 1, 1)).flatten()
    assert got.tolist() == [2 * 5 - 3 * 7 + 10, 2 * 7 + 3 * 5 + 20]


def test_a_convolution_turns_with_the_phase_of_what_it_sees():
    conv = ComplexConv(2, 3, 4)
    z = torch.randn(2, 3, 8, 8, dtype=torch.complex64)
    torch.testing.assert_close(complex_of(conv(numbers(turned(z, 0.7)))), turned(complex_of(conv(numbers(z))), 0.7))


def test_weights_are_drawn_so_that_power_is_kept():
    z = torch.randn(4, 32, 32, 32, dtype=torch.complex64)
    got = ComplexConv(2, 32, 64)(numbers(z))
    assert complex_of(got.detach())[:, :, 1:-1, 1:-1].abs().square().mean().item() == pytest.approx(1.0, rel=0.1)


def test_a_group_is_scaled_as_one():
    norm = ComplexNorm(16)
    z = torch.randn(3, 16, 8, 8, dtype=torch.complex64) * torch.linspace(0.1, 5, 16).reshape(1, -1, 1, 1)
    x = numbers(z)
    got = norm(x)
    grouped = got.reshape(3, norm.groups, -1)
    torch.testing.assert_close(grouped.mean(2), torch.zeros(3, norm.groups), rtol=0, atol=1e-5)
    torch.testing.assert_close(grouped.std(2, correction=0), torch.ones(3, norm.groups), rtol=1e-3, atol=0)
    within = x - got * x.reshape(3, norm.groups, -1).std(2, correction=0).repeat_interleave(32 // norm.groups, 1)[..., None, None]
    assert within.reshape(3, norm.groups, -1).std(2).max() < 1e-3  # one shift and one factor for all numbers of a group
    torch.testing.assert_close(norm(100 * x), got, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("arithmetic", [COMPLEX, REAL], ids=["complex", "real"])
@pytest.mark.parametrize("dims", [2, 3])
def test_branches_have_the_shape_of_what_they_see(arithmetic, dims):
    shape = (16, 8, 8)[:dims]
    network = Branches(arithmetic, dims, 2, 3, (8, 8, 12, 16), 2, 2)
    assert network(torch.randn(2, 2, *shape)).shape == (2, 2 * 3 * arithmetic.numbers, *shape)


def test_every_pixel_sees_every_other():
    """A pattern says nothing of the object pixel by pixel: the network must look at all of it."""
    network = Branches(COMPLEX, 2, 1, 1, (8, 8, 8, 8), 1, 1)
    for p in network.parameters():
        torch.nn.init.normal_(p, std=0.3)
    x = torch.randn(1, 1, 32, 32, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(x)[0, :, 0, 0].abs().sum(), x)
    assert gradient[0, 0, -4:, -4:].abs().max() > 0
