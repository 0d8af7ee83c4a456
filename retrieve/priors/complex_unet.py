"""Encoders and decoders in complex or in real arithmetic, one code for both, in two or three dimensions.

A complex channel is two real ones next to each other, its real and its imaginary part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .unet import CONV, group_norm


class ComplexConv(nn.Module):
    """w ∗ z of complex w and z as one real convolution by [[Re w, −Im w], [Im w, Re w]]; real and imaginary parts alternate."""

    def __init__(self, dims: int, channels: int, out: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        shape = (out, channels, *[kernel] * dims)
        spread = 1 / math.sqrt(2 * channels * kernel**dims)  # E|w|² = 1/fan-in (Trabelsi et al. 2018, section 3.6)
        self.real, self.imag = (nn.Parameter(spread * torch.randn(shape)) for _ in range(2))
        self.bias = nn.Parameter(torch.zeros(2 * out))
        self.convolve: Callable[..., Tensor] = {2: F.conv2d, 3: F.conv3d}[dims]
        self.stride, self.padding = stride, kernel // 2

    def forward(self, z: Tensor) -> Tensor:
        """z (batch, 2·channels, *axes) → (batch, 2·out, *axes/stride)."""
        of_real, of_imag = torch.stack([self.real, self.imag], 1), torch.stack([-self.imag, self.real], 1)
        weight = torch.stack([of_real, of_imag], 3).flatten(2, 3).flatten(0, 1)
        return self.convolve(z, weight, self.bias, self.stride, self.padding)


class ComplexNorm(nn.Module):
    """Group normalisation with one scale for the real and imaginary parts of a group, a real gain and a complex bias.

    The channels of a group keep their amplitudes and phases relative to each other.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.groups = group_norm(channels)
        self.gain, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(2 * channels))

    def forward(self, z: Tensor) -> Tensor:
        """z (batch, 2·channels, *axes)."""
        return F.group_norm(z, self.groups, self.gain.repeat_interleave(2), self.bias)


class Arithmetic(NamedTuple):
    """The parts of a U-Net: the real numbers a channel holds, and its layers."""

    numbers: int
    conv: Callable[..., nn.Module]
    norm: Callable[[int], nn.Module]
    activation: Callable[[], nn.Module]


def _real_conv(dims: int, channels: int, out: int, kernel: int = 3, stride: int = 1) -> nn.Module:
    return CONV[dims](channels, out, kernel, stride=stride, padding=kernel // 2)


COMPLEX = Arithmetic(2, ComplexConv, ComplexNorm, nn.SiLU)
"""SiLU of the real and of the imaginary part, the smooth form of the CReLU of Trabelsi et al. (2018). Gates on |z|, which keep
phases, double the time of a step and fit worse in the same time."""

REAL = Arithmetic(1, _real_conv, lambda channels: nn.GroupNorm(group_norm(channels), channels), nn.SiLU)


class Block(nn.Module):
    """x + conv(act(norm(conv(act(norm(x)))))), with a 1×1 convolution of x where the width changes."""

    def __init__(self, a: Arithmetic, dims: int, channels: int, out: int) -> None:
        super().__init__()
        last = a.conv(dims, out, out)
        parts = [a.norm(channels), a.activation(), a.conv(dims, channels, out), a.norm(out), a.activation(), last]
        self.branch = nn.Sequential(*parts)
        self.skip = nn.Identity() if channels == out else a.conv(dims, channels, out, 1)
        for p in last.parameters():
            nn.init.zeros_(p)

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, channels, *axes)."""
        return self.skip(x) + self.branch(x)


class Encoder(nn.Module):
    """Stages of `blocks` blocks, each followed by a convolution of stride 2, and two blocks at the bottom.

    The first convolution takes real numbers, on which a complex weight is two real ones.
    """

    def __init__(self, a: Arithmetic, dims: int, inputs: int, widths: Sequence[int], blocks: int) -> None:
        super().__init__()
        self.first = CONV[dims](inputs, a.numbers * widths[0], 3, padding=1)
        self.stages = nn.ModuleList([nn.Sequential(*[Block(a, dims, w, w) for _ in range(blocks)]) for w in widths[:-1]])
        self.down = nn.ModuleList([a.conv(dims, w, out, 3, 2) for w, out in zip(widths, widths[1:], strict=False)])
        self.bottom = nn.Sequential(*[Block(a, dims, widths[-1], widths[-1]) for _ in range(2)])

    def forward(self, x: Tensor) -> list[Tensor]:
        """x (batch, inputs, *axes) → the output of each stage, and of the bottom."""
        h, kept = self.first(x), []
        for stage, down in zip(self.stages, self.down, strict=True):
            kept.append(stage(h))
            h = down(kept[-1])
        return [*kept, self.bottom(h)]


class Decoder(nn.Module):
    """The stages back up: a convolution, repetition to twice the resolution, the encoder's stage beside it, blocks."""

    def __init__(self, a: Arithmetic, dims: int, outputs: int, widths: Sequence[int], blocks: int) -> None:
        super().__init__()
        pairs = list(zip(widths[1:], widths, strict=False))[::-1]
        self.up = nn.ModuleList([a.conv(dims, w, out) for w, out in pairs])
        self.stages = nn.ModuleList(
            [nn.Sequential(Block(a, dims, 2 * w, w), *[Block(a, dims, w, w) for _ in range(blocks - 1)]) for _, w in pairs]
        )
        self.last = nn.Sequential(a.norm(widths[0]), a.activation(), a.conv(dims, widths[0], outputs))

    def forward(self, kept: list[Tensor]) -> Tensor:
        """The encoder's outputs → (batch, outputs, *axes)."""
        *kept, h = kept
        for up, stage in zip(self.up, self.stages, strict=True):
            h = stage(torch.cat([F.interpolate(up(h), scale_factor=2, mode="nearest"), kept.pop()], dim=1))
        return self.last(h)


class Branches(nn.Module):
    """One encoder and as many decoders as there are `branches`, of `outputs` channels each."""

    def __init__(
        self, a: Arithmetic, dims: int, inputs: int, outputs: int, widths: Sequence[int], blocks: int, branches: int
    ) -> None:
        super().__init__()
        self.encoder = Encoder(a, dims, inputs, widths, blocks)
        self.decoders = nn.ModuleList([Decoder(a, dims, outputs, widths, blocks) for _ in range(branches)])

    def forward(self, x: Tensor) -> Tensor:
        """x real (batch, inputs, *axes), each axis a multiple of 2^stages → (batch, branches·outputs, *axes)."""
        kept = self.encoder(x)
        return torch.cat([decoder(kept) for decoder in self.decoders], dim=1)
