"""Refinement of a sampled object on the data: measurement alignment inside a Gaussian-shaped support."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...numerics.arrays import Array, like, to_numpy
from ...numerics.grids import pixels
from ...plugins.options import option
from ...problem import Problem
from ..base import Step

PAPER = "Lee et al. 2026, end of section 4.6"


@dataclass(frozen=True)
class Refinement:
    """x ← 1_S (x + η (P_M x − x)), steps down ½ Σ(|A x| − y)²: with η = 1 error reduction, with small η hardly a change."""

    refine: int = option(0, "gradient steps on the data afterwards; the R_free tells whether they help", ge=0)
    refine_step: float = option(1e-4, "size η of these steps; 1 is error reduction", gt=0, le=1, source=PAPER)
    refine_support: float = option(
        0.15, "where no support is known: where a Gaussian of the estimate's spread exceeds this share", gt=0, lt=1, source=PAPER
    )

    def refined(self, problem: Problem, x: Array, scale: float) -> Iterator[Step]:
        """From x (batch, *shape) in the units of the problem; steps show it `scale` times as large."""
        if not self.refine:
            return
        inside = gaussian_support(to_numpy(x), self.refine_support) if problem.support is None else to_numpy(problem.support)
        support = like(np.array(np.broadcast_to(inside, tuple(x.shape))), x)
        for _ in range(self.refine):
            x = (x + self.refine_step * (problem.fit_modulus(x) - x)) * support
            yield Step(x * scale, support, stage="refine")


def gaussian_support(x: np.ndarray, share: float) -> np.ndarray:
    """Where exp(−(r − r₀)ᵀ C⁻¹ (r − r₀)/4) exceeds `share`, bool like x (batch, *shape).

    r₀ and C are the mean and the covariance of position under |x|²: of a Gaussian beam it is the beam's amplitude.
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
