"""Windows that networks see: boxes around N//2 of an array."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import InputError


def box_for(reach: Sequence[int], window: Sequence[int], multiple: int) -> tuple[int, ...]:
    """The least box, of multiples of `multiple` px up to the window, for objects that reach so far from the middle, and twins."""
    return tuple(min(w, -(-(2 * r + 1) // multiple) * multiple) for r, w in zip(reach, window, strict=True))


def reach_of(support: Tensor) -> Tensor:
    """How far supports (batch, *shape) reach from N//2 along each axis, px, (batch, axes)."""
    axes = range(1, support.ndim)
    found = []
    for axis in axes:
        used = support.bool().movedim(axis, -1).flatten(1, -2).any(1)
        away = (torch.arange(used.shape[1], device=used.device) - used.shape[1] // 2).abs()
        found.append((used * away).amax(1))
    return torch.stack(found, dim=1)


def window_of(shape: Sequence[int], window: Sequence[int]) -> tuple[slice, ...]:
    """The window in the middle of arrays (batch, *shape), N//2 at its n//2. Raises InputError where it does not fit."""
    if len(shape) != len(window) or any(n < w for n, w in zip(shape, window, strict=True)):
        raise InputError(
            f"an array of {tuple(shape)} cannot hold the prior's window of {tuple(window)}; pad it or take another prior"
        )
    return (slice(None), *(slice(n // 2 - w // 2, n // 2 - w // 2 + w) for n, w in zip(shape, window, strict=True)))
