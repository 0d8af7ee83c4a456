"""Arrays as networks see them: complex numbers as two channels, and the window around N//2 that holds the object."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError

CHANNELS_LAST = {2: torch.channels_last, 3: torch.channels_last_3d}
"""The memory format in which convolutions are fast, by the number of axes."""


def to_pair(x: Tensor) -> Tensor:
    """Complex x (batch, *shape) as its real and imaginary part (batch, 2, *shape)."""
    return torch.view_as_real(x.resolve_conj()).movedim(-1, 1).contiguous()


def to_complex(pair: Tensor) -> Tensor:
    """Real and imaginary part (batch, 2, *shape) as complex (batch, *shape)."""
    return torch.view_as_complex(pair.movedim(1, -1).contiguous())


def broadcast_over(values: Tensor, like: Tensor) -> Tensor:
    """Values (batch,) in the shape in which they multiply `like` (batch, ...)."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def object_axes(x: Tensor) -> tuple[int, ...]:
    """The axes of the object in x (batch, *shape)."""
    return tuple(range(1, x.ndim))


def window_of(shape: Sequence[int], window: Sequence[int]) -> tuple[slice, ...]:
    """The window in the middle of arrays (batch, *shape), N//2 at its n//2. Raises `InputError` if it does not fit."""
    if len(shape) != len(window) or any(n < w for n, w in zip(shape, window, strict=True)):
        raise InputError(
            f"an array of {tuple(shape)} cannot hold the prior's window of {tuple(window)}; pad it or take another prior"
        )
    return (slice(None), *(slice(n // 2 - w // 2, n // 2 - w // 2 + w) for n, w in zip(shape, window, strict=True)))


def crop_or_pad(x: Tensor, window: Sequence[int]) -> Tensor:
    """The window in the middle of x (..., *shape), N//2 at its n//2, with zeros where x is smaller."""
    shape, pads = x.shape[-len(window) :], []
    for n, w in zip(reversed(shape), reversed(window), strict=True):
        before = w // 2 - n // 2
        pads += [before, w - n - before]
    return F.pad(x, pads)


def reach_of(support: Tensor) -> Tensor:
    """How far supports (batch, *shape) reach from N//2 along each axis, px, (batch, axes)."""
    found = []
    for axis in object_axes(support):
        used = support.bool().movedim(axis, -1).flatten(1, -2).any(1)
        away = (torch.arange(used.shape[1], device=used.device) - used.shape[1] // 2).abs()
        found.append((used * away).amax(1))
    return torch.stack(found, dim=1)


def box_for(reach: Sequence[int], window: Sequence[int], multiple: int) -> tuple[int, ...]:
    """The smallest box for objects of this reach and their twins: a multiple of `multiple` px, at most the window."""
    return tuple(min(w, -(-(2 * r + 1) // multiple) * multiple) for r, w in zip(reach, window, strict=True))
