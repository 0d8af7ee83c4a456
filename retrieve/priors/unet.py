"""The denoiser's network: the U-Net of Ho et al. (2020) and Dhariwal & Nichol (2021) that Lee et al. (2026) describe."""

from __future__ import annotations

import inspect
import math
from collections.abc import Collection, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import InputError

CONV = {2: nn.Conv2d, 3: nn.Conv3d}


def group_norm(channels: int) -> int:
    """Groups of a group normalisation: at most 32, of at least 4 channels each."""
    return math.gcd(32, channels // 4, channels) if channels >= 8 else 1


def zeroed(layer: nn.Module) -> None:
    """Let a layer start without effect."""
    for p in layer.parameters():
        nn.init.zeros_(p)


class ResidualBlock(nn.Module):
    """h = conv(SiLU(norm(x))); h = conv(SiLU(norm(h + W e))); x + h, with e the embedding of the noise level."""

    def __init__(self, dims: int, channels: int, out: int, embedding: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(group_norm(channels), channels), nn.GroupNorm(group_norm(out), out)
        self.conv1, self.conv2 = CONV[dims](channels, out, 3, padding=1), CONV[dims](out, out, 3, padding=1)
        self.level = nn.Linear(embedding, out)
        self.skip = nn.Identity() if channels == out else CONV[dims](channels, out, 1)
        zeroed(self.conv2)

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        """x (batch, channels, *axes), e (batch, embedding)."""
        h = self.conv1(F.silu(self.norm1(x)))
        h = h + self.level(e).reshape(*h.shape[:2], *[1] * (h.ndim - 2))
        return self.skip(x) + self.conv2(F.silu(self.norm2(h)))


class Attention(nn.Module):
    """Self-attention over all positions, in heads of about 64 channels."""

    def __init__(self, dims: int, channels: int) -> None:
        super().__init__()
        self.heads = max(1, channels // 64)
        while channels % self.heads:
            self.heads -= 1
        self.norm = nn.GroupNorm(group_norm(channels), channels)
        self.qkv, self.out = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)
        zeroed(self.out)

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, channels, *axes)."""
        b, c = x.shape[:2]
        rows = self.norm(x).flatten(2).transpose(1, 2)
        q, k, v = (t.reshape(b, -1, self.heads, c // self.heads).transpose(1, 2) for t in self.qkv(rows).chunk(3, dim=2))
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, -1, c)
        return x + self.out(mixed).transpose(1, 2).reshape(x.shape)


class Down(nn.Module):
    """Half the resolution, by a convolution of stride 2."""

    def __init__(self, dims: int, channels: int) -> None:
        super().__init__()
        self.conv = CONV[dims](channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, channels, *axes)."""
        return self.conv(x)


class Up(nn.Module):
    """Twice the resolution, by repetition and a convolution."""

    def __init__(self, dims: int, channels: int) -> None:
        super().__init__()
        self.conv = CONV[dims](channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, channels, *axes)."""
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))


class UNetNetwork(nn.Module):
    """A U-Net conditioned on a noise level, in two or three dimensions.

    dims: axes.  inputs, outputs: channels.  kinds: of objects that it can be told, in the embedding.
    base: channels C at full resolution.  widths: channels of the levels over C; each has half the resolution of the one above.
    blocks: residual blocks a level.  attention: levels with self-attention; (2,) is 16 × 16 of 64 × 64.
    embedding: width of the two-layer MLP on the sinusoidal embedding of the noise level, which enters every block.
    patch: pixels of a side that are folded into channels at the input, and unfolded at the output; 1 in the paper.
    The paper's are ``UNetNetwork(2, 2, 2, base=128)``, and ``UNetNetwork(3, 4, 2, base=128)`` in 3D.
    Raises `InputError` for an odd base, no levels, or attention at a level that does not exist.
    """

    def __init__(
        self,
        dims: int,
        inputs: int,
        outputs: int,
        kinds: int = 0,
        *,
        base: int = 128,
        widths: Sequence[int] = (1, 2, 3, 4),
        blocks: int = 2,
        attention: Sequence[int] = (2,),
        embedding: int = 512,
        patch: int = 1,
    ) -> None:
        super().__init__()
        if base % 2 or min([base, blocks, embedding, patch, *widths]) < 1 or not widths:
            raise InputError(
                f"base={base}, widths={list(widths)}, blocks={blocks}, embedding={embedding}, patch={patch}: "
                f"a U-Net needs an even base, at least one width, and all of them from 1 on"
            )
        if not set(attention) <= set(range(len(widths))):
            raise InputError(f"attention={list(attention)} names a level that the {len(widths)} widths do not have; count from 0")
        self.dims, self.base, self.widths, self.blocks = dims, base, tuple(widths), blocks
        self.attention, self.embedding, self.patch = tuple(attention), embedding, patch
        self.multiple = patch * 2 ** (len(widths) - 1)
        fold = patch**dims
        c = [base * w for w in widths]
        self.embed = nn.Sequential(nn.Linear(base, embedding), nn.SiLU(), nn.Linear(embedding, embedding), nn.SiLU())
        if kinds:
            self.kind = nn.Linear(kinds, embedding, bias=False)
            zeroed(self.kind)
        self.first = CONV[dims](inputs * fold, c[0], 3, padding=1)

        def stage(level: int, channels: int, out: int) -> nn.ModuleList:
            parts: list[nn.Module] = [ResidualBlock(dims, channels, out, embedding)]
            return nn.ModuleList(parts + ([Attention(dims, out)] if level in attention else []))

        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        kept, width = [c[0]], c[0]
        for level, out in enumerate(c):
            for _ in range(blocks):
                self.encoder.append(stage(level, width, out))
                width = out
                kept.append(width)
            if level < len(c) - 1:
                self.encoder.append(nn.ModuleList([Down(dims, width)]))
                kept.append(width)
        self.middle = nn.ModuleList(
            [ResidualBlock(dims, width, width, embedding), Attention(dims, width), ResidualBlock(dims, width, width, embedding)]
        )
        for level, out in reversed(list(enumerate(c))):
            for k in range(blocks + 1):
                parts = stage(level, width + kept.pop(), out)
                width = out
                if k == blocks and level > 0:
                    parts.append(Up(dims, width))
                self.decoder.append(parts)
        self.norm = nn.GroupNorm(group_norm(width), width)
        self.last = CONV[dims](width, outputs * fold, 3, padding=1)
        zeroed(self.last)

    @property
    def settings(self) -> dict[str, Any]:
        """Its size: the keyword arguments that made it."""
        return arguments_of(self, without=("dims", "inputs", "outputs", "kinds"))

    def forward(self, x: Tensor, level: Tensor, kind: Tensor | None = None) -> Tensor:
        """x (batch, inputs, *axes), each axis a multiple of `multiple`; level (batch,) → (batch, outputs, *axes).

        kind: (batch, kinds), 1 for the kind of each object; all 0 if unknown, the same as None.
        """
        half = self.base // 2
        frequency = torch.exp(-math.log(10_000) * torch.arange(half, device=x.device) / half)
        angle = level[:, None].float() * frequency
        e = self.embed(torch.cat([angle.cos(), angle.sin()], dim=1).to(self.first.weight.dtype))
        if kind is not None:
            e = e + self.kind(kind.to(e.dtype))
        h = self.first(fold(x, self.patch))
        kept = [h]
        for parts in self.encoder:
            h = _through(parts, h, e)
            kept.append(h)
        h = _through(self.middle, h, e)
        for parts in self.decoder:
            h = _through(parts, torch.cat([h, kept.pop()], dim=1), e)
        return unfold(self.last(F.silu(self.norm(h))), self.patch)


def _through(parts: Any, h: Tensor, e: Tensor) -> Tensor:
    for part in parts:
        h = part(h, e) if isinstance(part, ResidualBlock) else part(h)
    return h


def fold(x: Tensor, patch: int) -> Tensor:
    """Blocks of `patch` pixels a side into channels: (batch, channels, *axes) → (batch, channels·patchᵈ, *axes/patch)."""
    if x.ndim == 4:  # which keeps the memory format
        return F.pixel_unshuffle(x, patch)
    d = x.ndim - 2
    split = x.reshape(*x.shape[:2], *[m for n in x.shape[2:] for m in (n // patch, patch)])
    return split.movedim(tuple(range(3, 3 + 2 * d, 2)), tuple(range(2, 2 + d))).flatten(1, 1 + d)


def unfold(x: Tensor, patch: int) -> Tensor:
    """The inverse of `fold`."""
    if x.ndim == 4:
        return F.pixel_shuffle(x, patch)
    d = x.ndim - 2
    split = x.unflatten(1, (-1, *[patch] * d))
    split = split.movedim(tuple(range(2, 2 + d)), tuple(range(3, 3 + 2 * d, 2)))
    return split.reshape(*split.shape[:2], *[n * patch for n in x.shape[2:]])


def arguments_of(module: nn.Module, without: Collection[str] = ()) -> dict[str, Any]:
    """The arguments that made a module, from its attributes of the same names; tuples as lists, as JSON has them."""
    values = {name: getattr(module, name) for name in inspect.signature(type(module)).parameters if name not in without}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
