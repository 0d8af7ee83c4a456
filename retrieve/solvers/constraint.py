"""The constraint on the object: its support, and optionally its sign or its range of phases."""

from __future__ import annotations

import math
from typing import NamedTuple

from ..numerics.arrays import Array, namespace


class Constraint(NamedTuple):
    """Everything known about the object. Calling it is P_S; `allows` tests each pixel.

    Parameters
    ----------
    support : Array
        The pixels of the object, bool (batch or 1, *shape); it is zero outside.
    positive : bool
        The object is real and non-negative.
    phase : tuple of float, optional
        Lowest and highest phase of the object, rad. Ignored for a positive object.
    """

    support: Array
    positive: bool = False
    phase: tuple[float, float] | None = None

    def __call__(self, m: Array) -> Array:
        """Project m (batch, *shape): zero outside the support; inside, the nearest allowed value."""
        xp = namespace(m)
        if self.positive:
            m = xp.astype(xp.clip(xp.real(m), min=0), m.dtype)
        elif self.phase is not None:
            middle, half, angle = self._from_middle(m)
            edge = middle + half * xp.sign(angle)
            reach = xp.clip(xp.abs(m) * xp.cos(xp.abs(angle) - half), min=0)
            m = xp.where(xp.abs(angle) <= half, m, xp.astype(reach * xp.exp(1j * edge), m.dtype))
        return xp.where(self.support, m, xp.zeros_like(m))

    def allows(self, m: Array) -> Array:
        """Return bool (batch, *shape): the pixel is in the support, with an allowed sign or phase."""
        xp = namespace(m)
        if self.positive:
            return self.support & (xp.real(m) >= 0)
        if self.phase is not None:
            _, half, angle = self._from_middle(m)
            return self.support & (xp.abs(angle) <= half)
        return self.support

    def _from_middle(self, m: Array) -> tuple[float, float, Array]:
        """Middle and half width of the phase range, and the phase of m counted from that middle, rad."""
        assert self.phase is not None
        low, high = self.phase
        xp, middle, half = namespace(m), (low + high) / 2, (high - low) / 2
        rotated = m * complex(math.cos(middle), -math.sin(middle))
        return middle, half, xp.atan2(xp.imag(rotated), xp.real(rotated))
