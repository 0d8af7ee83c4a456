"""A third-party solver: one more projection algorithm, with everything else inherited."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from retrieve import Coefficients, Iterative, option


@dataclass(frozen=True)
class DRAP(Iterative):
    """Relaxed Douglas-Rachford, convexly combined: x ← P_S((1+λ)P_M x − λx) − λ(P_M x − x)."""

    name: ClassVar[str] = "drap"
    source: ClassVar[str] = "Thao, Optimization 67, 457 (2018)"
    strength: float = option(0.5, "λ: 0 is error reduction, 1 is Douglas-Rachford", ge=0, le=1)

    def coefficients(self) -> Coefficients:
        """λx − λm + P_S((1+λ)m − λx), with m = P_M x."""
        return Coefficients(a=self.strength, b=-self.strength, c=-self.strength, d=1 + self.strength, e=1)
