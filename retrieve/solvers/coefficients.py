"""The declared form of most projection algorithms: an update by five numbers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..numerics.arrays import Array
from ..numerics.fast.loops import PixelStep
from .constraint import Constraint


class Coefficients(NamedTuple):
    """The five numbers of an update x⁺ = a·x + b·m + e·P_S(c·x + d·m), with m = P_M x.

    Parameters
    ----------
    a, b : float
        Weights of x and m.
    c, d : float
        Weights of x and m in the point that P_S projects.
    e : float
        Weight of that projection.
    """

    a: float
    b: float
    c: float
    d: float
    e: float

    def update(self, x: Array, m: Array, project: Constraint) -> Array:
        """Return x⁺. A weight that two terms share is applied to their sum, which saves a pass over the arrays."""
        a, b, c, d, e = self
        s = project(_weighted((d, m), (c, x)))
        if a == e:
            return _weighted((e, x + s), (b, m))
        if b == -e:
            return _weighted((a, x), (e, s - m))
        return _weighted((a, x), (e, s), (b, m))

    def pixelwise(self) -> PixelStep:
        """Return the same update for the compiled pass: one pair of weights inside the constraint, another outside."""
        a, b, c, d, e = (np.float32(number) for number in self)
        return PixelStep(inside=(a + e * c, b + e * d), outside=(a, b), tested=(c, d), constraint_weight=e)


def _weighted(*terms: tuple[float, Array]) -> Array:
    """The sum of number · array; zeros are left out, and ±1 costs no multiplication."""
    total: Any = None
    for number, array in terms:
        if number == 0:
            continue
        term = array if abs(number) == 1 else abs(number) * array
        if total is None:
            total = term if number > 0 else -term
        elif number > 0:
            total = total + term
        else:
            total = total - term
    return total
