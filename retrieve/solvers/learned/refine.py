"""Refinement of a sampled object on the data: measurement alignment inside a Gaussian-shaped support."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...numerics.arrays import Array, like, to_numpy
from ...numerics.grids import pixels
from ...plugins.options import option
from ...problem import Problem
from ..base import Step

REFINEMENT_SOURCE = "Lee et al. 2026, end of section 4.6"

SUPPORT_SHARE = 0.15
"""Share of its maximum at which the Gaussian of an unknown support ends (Lee et al. 2026, end of section 4.6)."""


@dataclass(frozen=True)
class Refinement:
    """x ← 1_S (x + η (P_M x − x)): steps down ½ Σ(|A x| − y)². η = 1 is error reduction; a small η hardly changes x."""

    RENAMED: ClassVar[Mapping[str, str | None]] = {"refine_support": None}
    refine: int = option(0, "gradient steps on the data at the end; compare R_free to see whether they help", ge=0)
    refine_step: float = option(1e-4, "size η of these steps; 1 is error reduction", gt=0, le=1, source=REFINEMENT_SOURCE)

    def refined(self, problem: Problem, x: Array, scale: float) -> Iterator[Step]:
        """From x (batch, *shape) in the units of the problem; steps show it multiplied by `scale`."""
        if not self.refine:
            return
        inside = gaussian_support(to_numpy(x), SUPPORT_SHARE) if problem.support is None else to_numpy(problem.support)
        support = like(np.array(np.broadcast_to(inside, tuple(x.shape))), x)
        for _ in range(self.refine):
            x = (x + self.refine_step * (problem.fit_modulus(x) - x)) * support
            yield Step(x * scale, support, stage="refine")


def gaussian_support(x: np.ndarray, share: float) -> np.ndarray:
    """Where exp(−(r − r₀)ᵀ C⁻¹ (r − r₀)/4) exceeds `share`, bool like x (batch, *shape).

    r₀ and C are the mean and the covariance of position under |x|². For a Gaussian beam the exponential is its amplitude.
    """
    r = pixels(x.shape[1:]).reshape(x.ndim - 1, -1)
    found = np.empty(x.shape, bool)
    for one, inside in zip(x, found, strict=True):
        weight = np.abs(one).astype(float).ravel() ** 2
        weight /= max(weight.sum(), np.finfo(float).tiny)
        away = r - (r @ weight)[:, None]
        spread = (away * weight) @ away.T + 1e-3 * np.eye(len(r))
        inside[...] = (np.sum(away * np.linalg.solve(spread, away), axis=0) < 4 * np.log(1 / share)).reshape(one.shape)
    return found
