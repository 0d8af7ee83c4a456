"""The best linear denoiser of a set whose supports are all the same: what a learned one has to beat."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Wiener:
    """D = C(C + 2σ² 1)⁻¹ x over the pixels of the support, with C = ⟨x xᴴ⟩ (Wiener 1949); 0 elsewhere.

    It is linear in x alone, not in its conjugate: enough where the global phase is random, so that ⟨x xᵀ⟩ = 0.
    values: C's eigenvalues (modes,), ascending; those left out are 0.  vectors: its eigenvectors (pixels, modes).
    """

    values: NDArray[np.float64]
    vectors: NDArray

    @classmethod
    def of(cls, parts: Iterable[NDArray]) -> Wiener:
        """From objects, complex (objects, pixels), in parts; all in all many more than pixels."""
        covariance, objects = np.zeros((), np.complex128), 0
        for x in parts:
            covariance = covariance + x.T @ x.conj()
            objects += len(x)
        values, vectors = np.linalg.eigh(covariance / objects)
        return cls(values.clip(min=0), vectors)

    @classmethod
    def spanned(cls, x: NDArray) -> Wiener:
        """From fewer objects x (objects, pixels) than pixels: nothing is known of what they do not span.

        Enough for smooth objects, which far fewer numbers than their pixels describe.
        """
        values, weights = np.linalg.eigh(x.conj() @ x.T / len(x))
        used = values > 1e-9 * values[-1]
        return cls(values[used], x.T @ (weights[:, used] / np.sqrt(len(x) * values[used])))

    def bound(self, sigma: float) -> float:
        """Mean squared error of an object, summed over its pixels: Σ 2σ²λ/(λ + 2σ²), σ in each of real and imaginary part.

        Of finitely many objects it is by about pixels/objects too small.
        """
        noise = 2 * sigma**2
        return float((noise * self.values / (self.values + noise)).sum())

    def error(self, x: NDArray, sigma: float) -> float:
        """The same on other objects x (objects, pixels), averaged over the noise in closed form."""
        noise = 2 * sigma**2
        gain = self.values / (self.values + noise)
        power = np.mean(np.abs(x @ self.vectors.conj()) ** 2, axis=0)
        beyond = np.mean(np.sum(np.abs(x) ** 2, axis=1)) - power.sum()  # what the vectors do not span is taken for zero
        return float((power * (1 - gain) ** 2 + noise * gain**2).sum() + beyond)
