"""A problem as a denoiser sees it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

from ...numerics.alignment import shift_to_centre
from ...numerics.arrays import Array, to_numpy
from ...problem import Problem
from ..base import Step

Denoise = Callable[[Array, float, Array | None], Array]
Estimates = Generator[Step, None, tuple[Array, Array]]  # returns the state x and the estimate, both in the prior's units


class Posed(NamedTuple):
    """A problem as it was measured, in the prior's units (y), the factor that leads back, and the prior."""

    problem: Problem
    y: Problem
    scale: float
    prior: Any


def centred(x: Array) -> Array:
    """Each object of x (batch, *shape) rolled by whole pixels so that its centre of mass is at N//2."""
    import torch

    axes = tuple(range(x.ndim - 1))
    return torch.stack([torch.roll(one, shift_to_centre(to_numpy(one)), axes) for one in x])
